"""Goal: whatever members, clocks, disks and restarts do, a classic group keeps its promises.

Method: a hypothesis state machine plays clients that behave (they join, sync, beat, commit, leave) and some that do
not (they are silent, come back under old ids and old generations), lets time pass and the disk fail, and kills the
broker. The world is that of the scripts (play.py). What is checked (G1 to G5 as the fault catalogue numbers them):

    G1  in one generation a partition has one owner: no two members are told the same assignment of one generation, and
        nobody is told two different ones
    G2  a commit of an old generation, or of one who is no member, is refused and changes nothing
    G3  when everybody behaves again, the group is stable within session and rebalance timeout, and all is assigned
    G4  what is committed is what some commit was acknowledged for, the last one of each partition
    G5  a static member that comes back within its session keeps its assignment
    and: each request is answered at most once; generations only rise; what a restart reads from the log is all that was
    acknowledged: generation, members, assignments, offsets
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pykafka_core.coordinator.classic import GroupState
from pykafka_core.coordinator.events import JoinAnswer, SyncAnswer
from pykafka_core.protocol.errors import ErrorCode
from tests.coordinator.play import Play

SESSION_MS = 10_000
REBALANCE_MS = 30_000
DYNAMIC = ("a", "b", "c", "d")
STATIC = ("s", "t")
EVERYBODY = DYNAMIC + STATIC
PARTITIONS = [("topic", index) for index in range(6)]


class Client:
    """What a client knows of itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.instance_id = f"i-{name}" if name in STATIC else None
        self.generation = -1
        self.synced = -1
        """The generation of the assignment that it has."""
        self.members: tuple[str, ...] = ()
        self.joining: int | None = None
        self.syncing: int | None = None


class Groups(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.play = Play(initial_rebalance_delay_ms=0, max_size=5)
        self.clients = {name: Client(name) for name in EVERYBODY}
        self.told: dict[tuple[int, str], str] = {}
        """Assignments by generation and member id."""
        self.owners: dict[tuple[int, str], str] = {}
        """Member ids by generation and partition."""
        self.acknowledged: dict[tuple[str, int], int] = {}
        self.generation = 0
        self.offset = 0

    # ---- what clients do

    @rule(who=st.sampled_from(EVERYBODY), protocols=st.sampled_from(["range", "range,sticky", "sticky,range"]))
    def join(self, who: str, protocols: str) -> None:
        client = self.clients[who]
        if client.joining is not None:
            return
        client.joining = self.play.join(
            who, protocols=protocols, instance_id=client.instance_id, session_ms=SESSION_MS, rebalance_ms=REBALANCE_MS
        )
        self.listen()

    @rule(who=st.sampled_from(EVERYBODY))
    def sync(self, who: str) -> None:
        client = self.clients[who]
        if client.generation < 0 or client.syncing is not None:
            return
        client.syncing = self.play.sync(
            who, client.generation, self.assignment_of(client), instance_id=client.instance_id
        )
        self.listen()

    def assignment_of(self, client: Client) -> dict[str, str]:
        """As a leader does: every partition to one member. Others hand in nothing."""
        members = client.members
        shares: dict[str, list[str]] = {member: [] for member in members}
        for index in range(len(PARTITIONS) if members else 0):
            shares[members[index % len(members)]].append(str(index))
        return {member: f"{client.generation}:" + ",".join(share) for member, share in shares.items()}

    @rule(who=st.sampled_from(EVERYBODY), back=st.integers(0, 2))
    def heartbeat(self, who: str, back: int) -> None:
        client = self.clients[who]
        request = self.play.heartbeat(who, client.generation - back, instance_id=client.instance_id)
        answer = self.play.answers[request]
        if back and client.generation == self.current_generation:
            assert answer != ErrorCode.NONE

    @rule(who=st.sampled_from(EVERYBODY))
    def leave(self, who: str) -> None:
        self.play.leave(who)
        self.clients[who].generation = -1
        self.play.ids.pop(who, None)
        self.listen()

    @rule(who=st.sampled_from(EVERYBODY))
    def forget(self, who: str) -> None:
        """The process is gone, and starts anew."""
        self.play.ids.pop(who, None)
        self.clients[who] = Client(who)

    @rule(who=st.sampled_from(EVERYBODY), back=st.integers(0, 1), index=st.integers(0, 5))
    def commit(self, who: str, back: int, index: int) -> None:
        client = self.clients[who]
        if client.generation < 0:
            return
        self.offset += 1
        group = self.play.coordinator.groups.get("g")
        mine = self.play.ids.get(who, "")
        good = (
            group is not None
            and mine in group.classic.members
            and group.classic.generation == client.generation - back
            and group.classic.state in (GroupState.STABLE, GroupState.PREPARING_REBALANCE)
            and not self.play.disk_error
        )
        partition = PARTITIONS[index]
        request = self.play.commit(
            who, client.generation - back, {partition: self.offset}, instance_id=client.instance_id
        )
        answer = self.play.answers[request]
        if isinstance(answer, dict):
            assert good, "a commit was taken that should have been refused"
            assert answer == {partition: ErrorCode.NONE}
            self.acknowledged[partition] = self.offset
        else:
            assert answer != ErrorCode.NONE
            assert not good

    # ---- what the world does

    @rule(milliseconds=st.sampled_from([0, 1, 1_000, 6_000, SESSION_MS, REBALANCE_MS, 400_000]))
    def wait(self, milliseconds: int) -> None:
        self.play.wait(milliseconds)
        self.listen()

    @precondition(lambda self: not self.play.disk_error)
    @rule()
    def disk_fails(self) -> None:
        self.play.disk_error = ErrorCode.COORDINATOR_NOT_AVAILABLE

    @precondition(lambda self: self.play.disk_error)
    @rule()
    def disk_is_well_again(self) -> None:
        self.play.disk_error = ErrorCode.NONE

    @rule()
    def restart(self) -> None:
        before = self.snapshot()
        self.play.restart()
        if before is not None:
            assert self.snapshot() == before
        for client in self.clients.values():
            client.joining = client.syncing = None  # their connections are gone, and with them the answers
        self.listen()

    def snapshot(self) -> Any:
        """What a restart must find again, of a group whose generation has been written down."""
        group = self.play.coordinator.groups.get("g")
        if group is None or group.classic.state is not GroupState.STABLE:
            return None
        return (
            group.classic.generation,
            group.classic.protocol_name,
            group.classic.members.leader,
            {member.member_id: (member.instance_id, member.assignment) for member in group.classic.members.all()},
            {partition: committed.offset for partition, committed in group.offsets.committed.items()},
        )

    # ---- what clients hear

    @property
    def current_generation(self) -> int:
        group = self.play.coordinator.groups.get("g")
        return 0 if group is None else group.classic.generation

    def listen(self) -> None:
        for client in self.clients.values():
            if client.joining in self.play.answers:
                self.joined(client, self.play.answers[client.joining])
                client.joining = None
            if client.syncing in self.play.answers:
                self.synced(client, self.play.answers[client.syncing])
                client.syncing = None

    def joined(self, client: Client, answer: JoinAnswer) -> None:
        if answer.error:
            if answer.error == ErrorCode.UNKNOWN_MEMBER_ID:
                self.play.ids.pop(client.name, None)
            client.generation = -1
            return
        client.generation = answer.generation
        client.members = () if answer.skip_assignment else tuple(each[0] for each in answer.members)
        if answer.leader == answer.member_id:
            assert answer.member_id in [each[0] for each in answer.members]
        else:
            assert not answer.members, "only the leader is told who the members are"

    def synced(self, client: Client, answer: SyncAnswer) -> None:
        if answer.error:
            return
        client.synced = client.generation
        text = answer.assignment.decode()
        if not text:
            return
        generation, _, share = text.partition(":")
        assert int(generation) == client.generation, "an assignment of another generation"
        member = self.play.ids[client.name]
        static = self.clients[client.name].instance_id
        key = (client.generation, static or member)
        assert self.told.setdefault(key, text) == text, "a member was told two assignments of one generation"
        for index in share.split(",") if share else ():
            owner = self.owners.setdefault((client.generation, index), static or member)
            assert owner == (static or member), f"partition {index} has two owners in generation {client.generation}"

    # ---- what always holds

    @invariant()
    def generations_rise(self) -> None:
        group = self.play.coordinator.groups.get("g")
        logged = self.play.log.get(("g",))
        if logged is not None:
            assert logged.generation >= self.generation
            self.generation = logged.generation
        if group is None:
            return
        members = group.classic.members
        assert members.leader is None or members.leader in members
        assert len(members.joining) <= 5

    @invariant()
    def the_reactors_know_the_members(self) -> None:
        group = self.play.coordinator.groups.get("g")
        if group and group.classic.state in (GroupState.COMPLETING_REBALANCE, GroupState.STABLE):
            members = {member.member_id: member.instance_id for member in group.classic.members.all()}
            assert self.play.open == (group.classic.generation, members)
        else:
            assert self.play.open is None

    @invariant()
    def the_log_has_what_was_acknowledged(self) -> None:
        group = self.play.coordinator.groups.get("g")
        committed = {} if group is None else {key: value.offset for key, value in group.offsets.committed.items()}
        assert committed == self.acknowledged
        logged = {key[1:]: value.offset for key, value in self.play.log.items() if len(key) == 3}
        assert logged == self.acknowledged

    def teardown(self) -> None:
        """Everybody behaves again: the group comes to rest, and all partitions have an owner."""
        self.play.disk_error = ErrorCode.NONE
        alive = EVERYBODY[1:5]
        for _ in range(60):
            self.listen()
            for who in alive:
                client = self.clients[who]
                if client.joining is not None or client.syncing is not None:
                    continue
                if client.generation < 0:
                    self.join(who, "range")
                    continue
                beat = self.play.answers[self.play.heartbeat(who, client.generation, instance_id=client.instance_id)]
                if beat in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
                    self.play.ids.pop(who, None)
                if beat != ErrorCode.NONE:
                    self.join(who, "range")
                elif client.synced < client.generation:
                    self.sync(who)
            self.play.wait(1_000)
        group = self.play.coordinator.groups["g"]
        assert group.classic.state is GroupState.STABLE
        assert {self.play.ids[who] for who in alive} == {member.member_id for member in group.classic.members.all()}
        shares = [m.assignment.decode().partition(":")[2] for m in group.classic.members.all()]
        assert sorted(index for share in shares for index in share.split(",")) == list("012345")


Groups.TestCase.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
test_classic_groups = Groups.TestCase

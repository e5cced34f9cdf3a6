"""The random life of a consumer group: members of both protocols come, beat, lag, leave and die; topics come, grow and
go; the disk fails; the broker dies.

Method: a hypothesis state machine over `ConsumerPlay`. Each member has a model of what it reads: what it was told,
until it says that it has given something up. After every step: 1. no partition is read by two members, by what they
themselves believe, as long as the coordinator has not thrown one of them out; nor has the coordinator given any to
two, what is still to be given up included; 2. epochs do not fall, and the target assignment is never ahead of the
group; 3. a commit of an epoch that is over is refused, unless the member has had the partition since then; 4. a
coordinator that is made anew from the log says of the group what the old one said. In the end everybody beats until
nothing moves: then each partition of each topic that somebody subscribes to has its owner, and the group is stable.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pykafka_core.coordinator.consumer_group import ConsumerGroup, ConsumerGroupState
from pykafka_core.coordinator.consumer_member import ConsumerGroupMember
from pykafka_core.coordinator.events import JoinAnswer, SyncAnswer
from pykafka_core.protocol._codec import encode
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.consumer_protocol_subscription import (
    ConsumerProtocolSubscription,
    TopicPartition,
)
from tests.coordinator.consumer_play import ConsumerPlay, topic_id

NAMES = [f"m{n}" for n in range(4)]
CLASSIC = [f"c{n}" for n in range(2)]
TOPICS = ["t", "u", "v"]
SUBSCRIPTIONS = st.lists(st.sampled_from(TOPICS), min_size=1, max_size=3, unique=True)
SESSION_MS = 10_000
STEPS = int(os.environ.get("KC_MACHINE_STEPS", "30"))
EXAMPLES = int(os.environ.get("KC_MACHINE_EXAMPLES", "60"))

Owned = dict[bytes, frozenset[int]]


def as_set(owned: Owned) -> set[tuple[bytes, int]]:
    return {(each, partition) for each, partitions in owned.items() for partition in partitions}


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.play = ConsumerPlay(assignment_interval_ms=0, session_timeout_ms=SESSION_MS, initial_rebalance_delay_ms=0)
        self.reads: dict[str, set[tuple[bytes, int]]] = {}
        """What a member reads, by what it believes; for members that the coordinator has."""
        self.last_epoch = 0
        self.most: dict[str, int] = {}

    @initialize(count=st.integers(1, 4))
    def begin(self, count: int) -> None:
        self.most["t"] = count
        self.play.topics(t=count)

    # ---- what the coordinator has

    @property
    def group(self) -> ConsumerGroup | None:
        group = self.play.coordinator.groups.get("g")
        return group.kind if group is not None and isinstance(group.kind, ConsumerGroup) else None

    def member(self, who: str) -> ConsumerGroupMember | None:
        group = self.group
        return None if group is None else group.members.get(self.play.ids.get(who, who))

    # ---- members that speak the new protocol

    @rule(who=st.sampled_from(NAMES), topics=SUBSCRIPTIONS, static=st.booleans())
    def join(self, who: str, topics: list[str], static: bool) -> None:
        if who in self.play.epochs:
            return
        before = self.member(who)
        answer = self.play.beat(who, 0, topic_names=topics, instance_id=f"i-{who}" if static else None)
        if not answer.error:
            assert before is None or answer.member_epoch >= 0
            self.reads[who] = as_set(dict(answer.assignment or {}))

    @rule(who=st.sampled_from(NAMES), is_slow=st.booleans(), topics=st.none() | SUBSCRIPTIONS)
    def beat(self, who: str, is_slow: bool, topics: list[str] | None) -> None:
        """One that is slow has not given up yet what it was told to give up."""
        if who not in self.play.epochs:
            return
        held: Owned = {}
        if is_slow:
            for each, partition in self.reads.get(who, set()):
                held[each] = held.get(each, frozenset()) | {partition}
        else:
            held = self.play.owned.get(who, {})
            self.reads[who] = as_set(held)
        more: dict[str, Any] = {} if topics is None else {"topic_names": topics}
        answer = self.play.beat(who, owns=held, **more)
        if answer.error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.GROUP_ID_NOT_FOUND):
            self.forget(who)
        elif not answer.error:
            self.reads[who] = self.reads.get(who, set()) | as_set(self.play.owned.get(who, {}))

    def forget(self, who: str) -> None:
        """It abandons what it has and must join anew."""
        self.play.epochs.pop(who, None)
        self.play.owned.pop(who, None)
        self.reads.pop(who, None)

    @rule(who=st.sampled_from(NAMES))
    def leave(self, who: str) -> None:
        if who in self.play.epochs and not self.play.beat(who, -1).error:
            self.reads.pop(who, None)

    @rule(who=st.sampled_from(NAMES), back=st.integers(1, 2), partition=st.integers(0, 3))
    def commit_of_an_old_epoch(self, who: str, back: int, partition: int) -> None:
        member = self.member(who)
        if member is None or member.classic is not None or member.epoch <= back:
            return
        since = member.epoch_of(topic_id("t"), partition)
        request = self.play.commit(who, member.epoch - back, {("t", partition): 1})
        answer = self.play.answers[request]
        if since is None or since > member.epoch - back:
            assert answer == ErrorCode.STALE_MEMBER_EPOCH
        elif not self.play.disk_error:
            assert answer == {("t", partition): ErrorCode.NONE}

    # ---- classic members

    @rule(who=st.sampled_from(CLASSIC), topics=SUBSCRIPTIONS)
    def classic_join(self, who: str, topics: list[str]) -> None:
        if self.group is None or not self.group.members:
            return  # in a group of its own it would wait for others: test_groups_machine.py
        member = self.member(who)
        if member is None:
            self.reads.pop(who, None)
            self.play.ids.pop(who, None)
        owned: dict[str, list[int]] = {}
        held = {} if member is None else member.assigned
        for each, partition in self.reads.get(who, set()):
            # It gives up whatever the coordinator wants back; what is still its it goes on reading.
            if partition in held.get(each, {}):
                owned.setdefault(each.rstrip(bytes(1)).decode(), []).append(partition)
        self.reads[who] = {(topic_id(name), partition) for name, mine in owned.items() for partition in mine}
        subscription = ConsumerProtocolSubscription(
            topics=topics,
            owned_partitions=[TopicPartition(topic=name, partitions=sorted(mine)) for name, mine in owned.items()],
        )
        request = self.play.classic_join(who, b"\0\3" + encode(subscription, 3), session_ms=SESSION_MS)
        answer: JoinAnswer = self.play.answers[request]
        if answer.error == ErrorCode.UNKNOWN_MEMBER_ID:
            self.play.ids.pop(who, None)
            self.reads.pop(who, None)
        if answer.error:
            return
        self.sync(who, answer.generation)

    def sync(self, who: str, generation: int) -> None:
        request = self.play.sync(who, generation)
        answer: SyncAnswer = self.play.answers[request]
        member = self.member(who)
        if not answer.error and member is not None:
            self.reads[who] = {(each, partition) for each, mine in member.assigned.items() for partition in mine}

    @rule(who=st.sampled_from(CLASSIC))
    def classic_heartbeat(self, who: str) -> None:
        member = self.member(who)
        if member is not None and member.classic is not None:
            request = self.play.heartbeat(who, member.epoch)
            assert self.play.answers[request] in (ErrorCode.NONE, ErrorCode.REBALANCE_IN_PROGRESS)

    @rule(who=st.sampled_from(CLASSIC))
    def classic_leave(self, who: str) -> None:
        if self.member(who) is not None:
            self.play.leave(who)
            self.reads.pop(who, None)

    # ---- the world

    @rule(milliseconds=st.sampled_from([1_000, 4_000, 6_000, SESSION_MS]))
    def wait(self, milliseconds: int) -> None:
        self.play.wait(milliseconds)

    @rule(name=st.sampled_from(TOPICS), count=st.integers(0, 5))
    def change_topics(self, name: str, count: int) -> None:
        # Ids come from names here: a topic that is back is the same one, and those do not shrink.
        if count == 0 or count > self.play.counts.get(name, 0):
            self.most[name] = max(count, self.most.get(name, 0))
            self.play.topics(**{name: self.most[name] if count else 0})

    @rule(error=st.sampled_from([ErrorCode.NONE, ErrorCode.NONE, ErrorCode.COORDINATOR_NOT_AVAILABLE]))
    def disk(self, error: ErrorCode) -> None:
        self.play.disk_error = error

    @precondition(lambda self: self.group is not None)
    @rule()
    def restart(self) -> None:
        """What a coordinator is made of the log is what there was."""
        before = self.picture()
        self.play.restart()
        assert self.picture() == before

    def picture(self) -> tuple[Any, ...]:
        group = self.group
        if group is None:
            return ()
        return (
            group.state, group.epoch, group.metadata_hash, group.assignment_epoch, group.assignment_ms,
            group.members, group.static, group.target, group.regexes, group.classic_count,
        )  # fmt: skip

    # ---- what always holds

    @invariant()
    def no_partition_has_two_owners(self) -> None:
        group = self.group
        if group is None:
            return
        given = [
            (each, partition)
            for member in group.members.values()
            for owned in (member.assigned, member.revoking)
            for each, mine in owned.items()
            for partition in mine
        ]
        assert len(given) == len(set(given)), "given to two members"
        ids = {self.play.ids.get(who, who): who for who in self.reads}
        read = [place for member_id, who in ids.items() if member_id in group.members for place in self.reads[who]]
        assert len(read) == len(set(read)), "read by two members"

    @invariant()
    def what_is_read_is_held(self) -> None:
        """Nobody reads what the coordinator takes for free."""
        group = self.group
        for who, places in self.reads.items():
            member = self.member(who)
            if group is not None and member is not None and member.classic is None and who in self.play.epochs:
                for each, partition in places:
                    assert group.is_taken(each, partition), f"{who} reads a partition that is free"

    @invariant()
    def epochs_do_not_fall(self) -> None:
        group = self.group
        if group is None:
            self.last_epoch = 0
            return
        assert group.epoch >= self.last_epoch
        assert group.assignment_epoch <= group.epoch
        self.last_epoch = group.epoch

    def teardown(self) -> None:
        """Everybody beats until nothing moves."""
        self.play.disk_error = ErrorCode.NONE
        for _ in range(12):
            for who in [*self.play.epochs]:
                self.beat(who, False, None)
            for who in CLASSIC:
                member = self.member(who)
                if member is None or member.classic is None:
                    continue
                request = self.play.heartbeat(who, member.epoch)
                if self.play.answers[request] == ErrorCode.REBALANCE_IN_PROGRESS:
                    self.classic_join(who, sorted(member.topic_names))
            self.no_partition_has_two_owners()
            # Members that nobody plays any more are out when their sessions are over.
            self.play.wait(SESSION_MS // 3)
        group = self.group
        if group is None or not group.members:
            return
        assert group.state is ConsumerGroupState.STABLE
        wanted = {
            (topic_id(name), partition)
            for name in group.subscribed_topics()
            for partition in range(self.play.counts.get(name, 0))
        }
        had = {
            (each, partition)
            for member in group.members.values()
            for each, mine in member.assigned.items()
            for partition in mine
        }
        assert had == wanted


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None)

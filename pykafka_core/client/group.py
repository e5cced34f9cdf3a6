"""One member of a classic consumer group.

    member = GroupMember(client, "group", ["topic"], GroupSettings())
    partitions = await member.join()
    while reading: if member.must_rejoin: give up what `to_revoke` names, and join again
    await member.commit({("topic", 0): 42})
    await member.leave()

The client should be the member's own: the answer to a join may take as long as a rebalance, and nothing behind it on
the same connection comes before it. A heartbeat runs in a task between join and leave; it only sets `must_rejoin`,
since what a rebalance means is for the reader to say. If this member leads, it shares the partitions out
(`assignors.py`).

Where all the assignors of a member are cooperative (KIP-429), it keeps its partitions and reads on while it joins.
After each join, `kept` names what it has had all the time and `revoked` what the group has taken; it stops to read
that, and joins once more, so that another may have it. What it had and is in neither was lost: others may have it.

Source: org.apache.kafka.clients.consumer.internals.{AbstractCoordinator,ConsumerCoordinator}, KIP-62, KIP-345, KIP-394.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pykafka_core._dataclass import dataclass
from pykafka_core.client.assignors import ASSIGNORS, COOPERATIVE_STICKY, assign_by_claims
from pykafka_core.client.cluster import Client
from pykafka_core.client.coordinators import call_coordinator
from pykafka_core.client.errors import KafkaError, check
from pykafka_core.client.groups import by_topic, committed_offsets, read_assignment
from pykafka_core.client.settings import SettingsError, number
from pykafka_core.protocol._codec import encode
from pykafka_core.protocol.errors import ErrorCode

__all__ = ["GroupMember", "GroupSettings"]

TopicPartition = tuple[str, int]

CONSUMER = "consumer"
UNKNOWN_GENERATION = -1
DEFAULT_ASSIGNORS = (
    "org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
)
CLASSIC_ONLY = ("partition.assignment.strategy", "heartbeat.interval.ms", "session.timeout.ms")
NEWER_ONLY = ("group.remote.assignor",)
AGAIN = (ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID)


@dataclass(slots=True, frozen=True, kw_only=True)
class GroupSettings:
    session_timeout_ms: int = 45_000
    rebalance_timeout_ms: int = 300_000
    heartbeat_interval_ms: int = 3_000
    group_instance_id: str | None = None
    assignors: tuple[str, ...] = ("range", COOPERATIVE_STICKY)
    is_classic: bool = True
    """Whether the members share the partitions out; else the broker does (KIP-848)."""
    server_assignor: str | None = None

    @property
    def is_cooperative(self) -> bool:
        return self.assignors == (COOPERATIVE_STICKY,)

    @classmethod
    def load(cls, properties: Mapping[str, str]) -> GroupSettings:
        """From Kafka's names. Raises SettingsError."""
        protocol = properties.get("group.protocol", "classic")
        is_classic = protocol.lower() == "classic"
        if not is_classic and protocol.lower() != CONSUMER:
            raise SettingsError(
                f"Invalid value {protocol} for configuration group.protocol: String must be one of (case insensitive): "
                "CONSUMER, CLASSIC"
            )
        for name in NEWER_ONLY if is_classic else CLASSIC_ONLY:
            if properties.get(name):
                raise SettingsError(f"{name} cannot be set when group.protocol={protocol.upper()}")
        named = properties.get("partition.assignment.strategy", DEFAULT_ASSIGNORS)
        names = [name.strip() for name in named.split(",") if name.strip()]
        if not names or any(name not in ASSIGNORS for name in names):
            raise SettingsError(
                f"partition.assignment.strategy={named} is not supported: only {', '.join(ASSIGNORS)} are"
            )
        return cls(
            session_timeout_ms=number(properties, "session.timeout.ms", 45_000),
            rebalance_timeout_ms=number(properties, "max.poll.interval.ms", 300_000),
            heartbeat_interval_ms=number(properties, "heartbeat.interval.ms", 3_000),
            group_instance_id=properties.get("group.instance.id"),
            assignors=tuple(ASSIGNORS[name] for name in names),
            is_classic=is_classic,
            server_assignor=properties.get("group.remote.assignor") or None,
        )


class GroupMember:
    """Belongs to the event loop that runs it."""

    def __init__(self, client: Client, group_id: str, topics: Sequence[str], settings: GroupSettings) -> None:
        self._client = client
        self._settings = settings
        self._heartbeat: asyncio.Task[None] | None = None
        self.group_id = group_id
        self.topics = list(topics)
        self.member_id = ""
        self.generation_id = UNKNOWN_GENERATION
        self.assignment: list[TopicPartition] = []
        self.kept: list[TopicPartition] = []
        self.revoked: list[TopicPartition] = []
        self._previous: tuple[list[TopicPartition], int] = [], UNKNOWN_GENERATION
        self.unrest = asyncio.Event()
        """Set where `must_rejoin` is true, for a reader that waits for records meanwhile."""
        self.is_fenced = False
        """Another member has taken this one's group.instance.id; there is no way back."""

    @property
    def must_rejoin(self) -> bool:
        """The group is being rebalanced, or has put this member out."""
        return self.unrest.is_set()

    @property
    def is_member(self) -> bool:
        return self.generation_id >= 0

    async def join(self) -> list[TopicPartition]:
        """Become a member, or one of the next generation. Raises KafkaError."""
        await self._stop_heartbeat()
        while True:
            try:
                return await self._join_once()
            except KafkaError as error:
                if error.code not in AGAIN:
                    raise
                self._lose(error.code)
                await asyncio.sleep(self._client.settings.retry_backoff_ms / 1000)

    def to_revoke(self) -> list[TopicPartition]:
        """What has to be given up before joining again."""
        return [place for place in self.assignment if place not in self._owned()]

    def _owned(self) -> list[TopicPartition]:
        """What it keeps while it joins."""
        return list(self.assignment) if self._settings.is_cooperative and self.is_member else []

    def _lose(self, code: int) -> None:
        """What an answer says of the membership: it may be over, and the partitions are others' then."""
        if code == ErrorCode.UNKNOWN_MEMBER_ID:
            self.member_id = ""
        if code in (ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID):
            self.generation_id = UNKNOWN_GENERATION
            self.unrest.set()

    async def commit(
        self, offsets: Mapping[TopicPartition, int], leader_epochs: Mapping[TopicPartition, int] | None = None
    ) -> None:
        """`leader_epochs`: of the last record before each offset, where that is known. Raises KafkaError for the first
        that was refused."""
        from pykafka_core.protocol.messages import offset_commit_request as m

        if not offsets:
            return
        if not self.is_member:
            # Without a generation it would be taken for a commit from outside the group, and set back what others did.
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
        body = m.OffsetCommitRequest(
            group_id=self.group_id,
            generation_id_or_member_epoch=self.generation_id,
            member_id=self.member_id,
            group_instance_id=self._settings.group_instance_id,
            topics=[
                m.OffsetCommitRequestTopic(
                    name=topic,
                    partitions=[
                        m.OffsetCommitRequestPartition(
                            partition_index=index,
                            committed_offset=offsets[topic, index],
                            committed_leader_epoch=(leader_epochs or {}).get((topic, index), -1),
                        )
                        for index in indexes
                    ],
                )
                for topic, indexes in by_topic(offsets).items()
            ],
        )
        answer = await self._call(body, first_code, "offsetCommit", version_max=9)
        if first_code(answer) in AGAIN:
            self._lose(first_code(answer))
            self.unrest.set()
        check(first_code(answer))

    async def committed(self) -> dict[TopicPartition, int]:
        """What the group has committed of this member's partitions. Raises KafkaError."""
        if not self.assignment:
            return {}
        found = await committed_offsets(self._client, self.group_id, self.assignment, require_stable=True)
        return {place: each.offset for place, each in found.items()}

    async def leave(self) -> None:
        """A static member stays known to the group. Errors are of no consequence and are not told."""
        from pykafka_core.protocol.messages import leave_group_request as m

        await self._stop_heartbeat()
        self.assignment = []
        if not self.member_id or self._settings.group_instance_id is not None:
            return
        body = m.LeaveGroupRequest(group_id=self.group_id, member_id=self.member_id)
        body.members = [m.MemberIdentity(member_id=self.member_id, reason="the consumer is being closed")]
        try:
            connection = await self._client.connect()
            if connection.version_of(m.LeaveGroupRequest.API_KEY) >= 3:
                body.member_id = ""
            else:
                body.members = []
            await self._call(body, lambda answer: int(answer.error_code), "LeaveGroup")
        except KafkaError:
            pass

    # ---- one round ------------------------------------------------------------------------------------------------

    async def _join_once(self) -> list[TopicPartition]:
        from pykafka_core.protocol.messages import join_group_request as m

        settings = self._settings
        body = m.JoinGroupRequest(
            group_id=self.group_id,
            session_timeout_ms=settings.session_timeout_ms,
            rebalance_timeout_ms=settings.rebalance_timeout_ms,
            member_id=self.member_id,
            group_instance_id=settings.group_instance_id,
            protocol_type=CONSUMER,
            protocols=[
                m.JoinGroupRequestProtocol(name=name, metadata=self._subscription(name)) for name in settings.assignors
            ],
        )
        answer = await self._call(
            body,
            plain_code,
            "JoinGroup",
            timeout_ms=settings.rebalance_timeout_ms + self._client.settings.request_timeout_ms,
        )
        if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            # Known to the broker from now on, so that one that never comes back is not waited for (KIP-394).
            self.member_id = body.member_id = answer.member_id
            answer = await self._call(
                body,
                plain_code,
                "JoinGroup",
                timeout_ms=settings.rebalance_timeout_ms + self._client.settings.request_timeout_ms,
            )
        check(answer.error_code)
        owned = self._owned()
        self.member_id, self.generation_id = answer.member_id, answer.generation_id
        shares: Mapping[str, bytes] = {}
        if answer.leader == answer.member_id and not answer.skip_assignment:
            shares = await self._share_out(answer.protocol_name or "", answer.members)
        self.assignment = read_assignment(await self._sync(answer.protocol_name, shares))
        self._previous = list(self.assignment), self.generation_id
        self.kept = [place for place in self.assignment if place in owned]
        self.revoked = [place for place in owned if place not in self.assignment]
        self.unrest.clear()
        if self.revoked:
            self.unrest.set()
        self._heartbeat = asyncio.create_task(self._beat())
        return self.assignment

    def _subscription(self, assignor: str) -> bytes:
        from pykafka_core.client.subscriptions import write_subscription

        return write_subscription(assignor, self.topics, self._owned(), self.generation_id, self._previous)

    async def _share_out(self, protocol: str, members: Sequence[Any]) -> dict[str, bytes]:
        """Every member's assignment, encoded."""
        from pykafka_core.client.subscriptions import read_claim
        from pykafka_core.protocol.messages import consumer_protocol_assignment as a

        # Static members in the order of their instance ids, the others behind them in that of their member ids.
        keys = {
            (f"0{each.group_instance_id}" if each.group_instance_id else f"1{each.member_id}"): each for each in members
        }
        claims = {key: read_claim(protocol, each.metadata) for key, each in keys.items()}
        counts: dict[str, int] = {}
        for topic in sorted({topic for claim in claims.values() for topic in claim.topics}):
            answer = await self._client.metadata([topic])
            if not answer.topics[0].error_code:
                counts[topic] = len(answer.topics[0].partitions)
        found: dict[str, bytes] = {}
        for key, partitions in assign_by_claims(protocol, claims, counts).items():
            message = a.ConsumerProtocolAssignment(
                assigned_partitions=[
                    a.TopicPartition(topic=topic, partitions=indexes) for topic, indexes in by_topic(partitions).items()
                ],
                user_data=None,
            )
            found[keys[key].member_id] = b"\0\0" + encode(message, 0)
        return found

    async def _sync(self, protocol: str | None, shares: Mapping[str, bytes]) -> bytes:
        from pykafka_core.protocol.messages import sync_group_request as m

        body = m.SyncGroupRequest(
            group_id=self.group_id,
            generation_id=self.generation_id,
            member_id=self.member_id,
            group_instance_id=self._settings.group_instance_id,
            protocol_type=CONSUMER,
            protocol_name=protocol,
            assignments=[
                m.SyncGroupRequestAssignment(member_id=member_id, assignment=share)
                for member_id, share in shares.items()
            ],
        )
        timeout_ms = self._settings.rebalance_timeout_ms + self._client.settings.request_timeout_ms
        answer = await self._call(body, plain_code, "SyncGroup", timeout_ms=timeout_ms)
        check(answer.error_code)
        return bytes(answer.assignment)

    async def _beat(self) -> None:
        from pykafka_core.protocol.messages.heartbeat_request import HeartbeatRequest

        while True:
            await asyncio.sleep(self._settings.heartbeat_interval_ms / 1000)
            body = HeartbeatRequest(
                group_id=self.group_id,
                generation_id=self.generation_id,
                member_id=self.member_id,
                group_instance_id=self._settings.group_instance_id,
            )
            try:
                answer = await self._call(body, plain_code, "Heartbeat")
            except KafkaError:
                continue
            if answer.error_code == ErrorCode.FENCED_INSTANCE_ID:
                self.is_fenced = True
            self._lose(answer.error_code)
            if answer.error_code in (*AGAIN, ErrorCode.FENCED_INSTANCE_ID):
                self.unrest.set()
            # In a rebalance it goes on: whoever takes its time to join again is a member still.
            if self.is_fenced or not self.is_member:
                return

    async def _stop_heartbeat(self) -> None:
        task, self._heartbeat = self._heartbeat, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _call(self, body: Any, code_of: Any, what: str, **more: Any) -> Any:
        answer, _ = await call_coordinator(self._client, self.group_id, body, code_of, what=what, **more)
        return answer


def plain_code(answer: Any) -> int:
    code: int = answer.error_code
    return code


def first_code(answer: Any) -> int:
    return next((each.error_code for topic in answer.topics for each in topic.partitions if each.error_code), 0)

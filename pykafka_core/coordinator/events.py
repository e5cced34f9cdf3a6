"""What can happen to a group, and the answers that go with it.

`request` is a number by which the broker knows to whom the `Reply` goes. Members, generations and offsets are in the
words of the protocol: a member id of "" and a generation of -1 mean "none".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pykafka_core._dataclass import dataclass
from pykafka_core.protocol.errors import ErrorCode

__all__ = [
    "NO_GENERATION",
    "NO_MEMBER",
    "Appended",
    "CommitOffsets",
    "CommittedOffset",
    "DeleteGroup",
    "DeleteOffsets",
    "DescribeGroup",
    "Event",
    "ExpireOffsets",
    "FetchOffsets",
    "GroupConfig",
    "Heartbeat",
    "JoinAnswer",
    "JoinGroup",
    "LeaveAnswer",
    "LeaveGroup",
    "Leaver",
    "MemberDescription",
    "Now",
    "OffsetsAnswer",
    "SyncAnswer",
    "SyncGroup",
    "TimerFired",
    "TopicPartition",
    "TopicsDeleted",
    "Unload",
]

NO_MEMBER: Final = ""
NO_GENERATION: Final = -1

TopicPartition = tuple[str, int]


class Now(NamedTuple):
    """The time of a step. `clock_ms` only rises and is what timeouts are measured by; `wall_ms` is what is written
    into records, milliseconds since the epoch."""

    clock_ms: int
    wall_ms: int


@dataclass(slots=True, frozen=True, kw_only=True)
class GroupConfig:
    """The broker's settings for groups; times in milliseconds."""

    min_session_timeout_ms: int = 6_000
    max_session_timeout_ms: int = 1_800_000
    initial_rebalance_delay_ms: int = 3_000
    max_size: int = 2**31 - 1
    offset_metadata_max_bytes: int = 4096
    offsets_retention_ms: int = 7 * 24 * 3600 * 1000


# ---- classic members


@dataclass(slots=True, frozen=True, kw_only=True)
class JoinGroup:
    group_id: str
    request: int
    member_id: str
    instance_id: str | None
    fresh_id: str
    """A member id that nobody has, in case one is needed."""
    client_id: str
    client_host: str
    protocol_type: str
    protocols: Sequence[tuple[str, bytes]]
    """Name and metadata, the member's favourite first."""
    session_timeout_ms: int
    rebalance_timeout_ms: int
    require_known_member_id: bool = True
    """KIP-394: a dynamic member without an id is told one and must come back with it."""
    supports_skipping_assignment: bool = True
    """KIP-814: the leader understands that it need not assign."""


@dataclass(slots=True, frozen=True, kw_only=True)
class JoinAnswer:
    error: ErrorCode = ErrorCode.NONE
    member_id: str = NO_MEMBER
    generation: int = NO_GENERATION
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader: str = NO_MEMBER
    skip_assignment: bool = False
    members: Sequence[tuple[str, str | None, bytes]] = ()
    """For the leader: member id, instance id and metadata of each member."""


@dataclass(slots=True, frozen=True, kw_only=True)
class SyncGroup:
    group_id: str
    request: int
    member_id: str
    instance_id: str | None
    generation: int
    protocol_type: str | None
    protocol_name: str | None
    assignments: Mapping[str, bytes]


@dataclass(slots=True, frozen=True, kw_only=True)
class SyncAnswer:
    error: ErrorCode = ErrorCode.NONE
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes = b""


@dataclass(slots=True, frozen=True, kw_only=True)
class Heartbeat:
    """Answered with an ErrorCode."""

    group_id: str
    request: int
    member_id: str
    instance_id: str | None
    generation: int


@dataclass(slots=True, frozen=True, kw_only=True)
class Leaver:
    """One that leaves: by its member id, or, where that is "", by its instance id."""

    member_id: str
    instance_id: str | None


@dataclass(slots=True, frozen=True, kw_only=True)
class LeaveGroup:
    group_id: str
    request: int
    leavers: Sequence[Leaver]


@dataclass(slots=True, frozen=True, kw_only=True)
class LeaveAnswer:
    error: ErrorCode = ErrorCode.NONE
    leavers: Sequence[tuple[Leaver, ErrorCode]] = ()


# ---- offsets


class CommittedOffset(NamedTuple):
    """A committed offset. Timestamps are milliseconds since the epoch, `expire_ms` -1 for none of its own."""

    offset: int
    leader_epoch: int
    metadata: str
    commit_ms: int
    expire_ms: int = -1
    topic_id: bytes = bytes(16)


@dataclass(slots=True, frozen=True, kw_only=True)
class CommitOffsets:
    """Answered with an ErrorCode for all, or a mapping from topic and partition to its ErrorCode."""

    group_id: str
    request: int
    member_id: str
    instance_id: str | None
    generation: int
    offsets: Sequence[tuple[TopicPartition, int, int, str, bytes]]
    """Topic and partition, offset, leader epoch, metadata, topic id (zero: unknown)."""
    retention_ms: int = -1
    """How long the client wants them kept; -1: as the broker's settings say."""
    unknown_group_error: ErrorCode = ErrorCode.ILLEGAL_GENERATION
    api_version: int = 10
    """Of the request: members of consumer groups cannot commit by a version before 9."""


class FetchOffsets(NamedTuple):
    group_id: str
    request: int
    partitions: Sequence[TopicPartition] | None
    """None: all that are committed."""
    require_stable: bool = False
    topic_ids: Mapping[str, bytes] = {}
    """By name, of topics that the client knows by their id: offsets of an earlier topic of that name are not told."""
    member_id: str | None = None
    member_epoch: int = NO_GENERATION


@dataclass(slots=True, frozen=True, kw_only=True)
class OffsetsAnswer:
    error: ErrorCode = ErrorCode.NONE
    offsets: Mapping[TopicPartition, CommittedOffset | ErrorCode | None] = {}
    """None: nothing is committed."""


@dataclass(slots=True, frozen=True, kw_only=True)
class DeleteOffsets:
    """Answered with an ErrorCode for all, or a mapping from topic and partition to its ErrorCode."""

    group_id: str
    request: int
    partitions: Sequence[TopicPartition]


@dataclass(slots=True, frozen=True, kw_only=True)
class ExpireOffsets:
    """Time to look for offsets that have expired, and for groups that hold nothing any more."""

    group_id: str


@dataclass(slots=True, frozen=True, kw_only=True)
class TopicsDeleted:
    """These topics are gone, and with them the offsets that were committed for them."""

    group_id: str
    topics: frozenset[str]


# ---- the group as a whole


@dataclass(slots=True, frozen=True, kw_only=True)
class MemberDescription:
    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes
    assignment: bytes


@dataclass(slots=True, frozen=True, kw_only=True)
class DescribeGroup:
    """Answered with a GroupDescription (classic.py), or a message that says why there is none."""

    group_id: str
    request: int


@dataclass(slots=True, frozen=True, kw_only=True)
class DeleteGroup:
    """Answered with an ErrorCode."""

    group_id: str
    request: int


@dataclass(slots=True, frozen=True, kw_only=True)
class TimerFired:
    group_id: str
    timer: tuple[str, str]
    heard_ms: int = -1
    """When the member that the timer is for was last heard without this coordinator being told, by the clock that only
    rises; -1: never. See OpenHeartbeats."""


class Appended(NamedTuple):
    """The answer to an `Append`. `error`: what members are to be told where it failed."""

    group_id: str
    ticket: int
    error: ErrorCode = ErrorCode.NONE


@dataclass(slots=True, frozen=True, kw_only=True)
class Unload:
    """This broker coordinates the group no longer: whoever waits is sent elsewhere."""

    group_id: str


Event = (
    JoinGroup
    | SyncGroup
    | Heartbeat
    | LeaveGroup
    | CommitOffsets
    | FetchOffsets
    | DeleteOffsets
    | ExpireOffsets
    | TopicsDeleted
    | DescribeGroup
    | DeleteGroup
    | TimerFired
    | Appended
    | Unload
)

"""What can happen to a consumer group (KIP-848), and the answers that go with it.

The words are the protocol's: an epoch of 0 asks to join, -1 to leave, -2 to leave for a while (static members); None
says that nothing has changed since the last heartbeat.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from pykafka_core._dataclass import dataclass
from pykafka_core.coordinator.assignor import ASSIGNORS, Assignment
from pykafka_core.coordinator.topics import TopicsImage
from pykafka_core.protocol.errors import ErrorCode

__all__ = [
    "ConsumerEvent",
    "ConsumerGroupConfig",
    "ConsumerGroupDescription",
    "ConsumerHeartbeat",
    "ConsumerHeartbeatAnswer",
    "ConsumerMemberDescription",
    "DescribeConsumerGroup",
    "GroupTimes",
    "MigrationPolicy",
    "Refusal",
    "RegexesResolved",
    "TopicsChanged",
]


class Refusal(Exception):
    """A request that is answered with an error. Raised and caught within one step."""

    def __init__(self, error: ErrorCode, message: str | None = None) -> None:
        super().__init__(message)
        self.error: Final = error
        self.message: Final = message


class MigrationPolicy(NamedTuple):
    """Whether classic groups may become consumer groups, and the other way round."""

    upgrade: bool = True
    downgrade: bool = True

    @classmethod
    def of_name(cls, name: str) -> MigrationPolicy:
        """`group.consumer.migration.policy`."""
        low = name.lower()
        return cls(low in ("upgrade", "bidirectional"), low in ("downgrade", "bidirectional"))


@dataclass(slots=True, frozen=True, kw_only=True)
class ConsumerGroupConfig:
    """The broker's settings for consumer groups; times in milliseconds."""

    session_timeout_ms: int = 45_000
    heartbeat_interval_ms: int = 5_000
    assignment_interval_ms: int = 1_000
    max_size: int = 2**31 - 1
    assignors: tuple[str, ...] = ASSIGNORS
    migration: MigrationPolicy = MigrationPolicy()
    regex_refresh_interval_ms: int = 600_000


class GroupTimes(NamedTuple):
    """What holds for one group: its own configs where it has any, else the broker's."""

    session_timeout_ms: int
    heartbeat_interval_ms: int
    assignment_interval_ms: int


class ConsumerHeartbeat(NamedTuple):
    """Answered with a ConsumerHeartbeatAnswer."""

    group_id: str
    request: int
    member_id: str
    member_epoch: int
    client_id: str
    client_host: str
    fresh_id: str
    """A member id that nobody has, for a member that brings none (version 0)."""
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    topic_names: Collection[str] | None = None
    topic_regex: str | None = None
    server_assignor: str | None = None
    owned: Mapping[bytes, frozenset[int]] | None = None
    makes_own_id: bool = True
    """Version 1 on (KIP-1082)."""


class ConsumerHeartbeatAnswer(NamedTuple):
    error: ErrorCode = ErrorCode.NONE
    message: str | None = None
    member_id: str | None = None
    member_epoch: int = 0
    heartbeat_interval_ms: int = 0
    assignment: Assignment | None = None
    """None where the member need not be told."""


class RegexesResolved(NamedTuple):
    """The answer to a `ResolveRegexes`."""

    group_id: str
    topics: Mapping[str, frozenset[str]]
    """Names of topics by regular expression."""
    version: int
    """Of the topics that were looked at."""
    wall_ms: int
    """When that was."""


class TopicsChanged(NamedTuple):
    """There are other topics than before, or some have other partitions."""

    topics: TopicsImage
    names: frozenset[str]
    """Topics that were created, changed or deleted."""
    has_new: bool
    """Some were created."""


class DescribeConsumerGroup(NamedTuple):
    """Answered with a ConsumerGroupDescription, or a message that says why there is none."""

    group_id: str
    request: int


@dataclass(slots=True, frozen=True, kw_only=True)
class ConsumerMemberDescription:
    member_id: str
    instance_id: str | None
    rack_id: str | None
    epoch: int
    client_id: str
    client_host: str
    topic_names: Sequence[str]
    topic_regex: str | None
    assignment: Assignment
    target_assignment: Assignment
    is_classic: bool


@dataclass(slots=True, frozen=True, kw_only=True)
class ConsumerGroupDescription:
    state: str
    epoch: int
    assignment_epoch: int
    assignor: str
    members: Sequence[ConsumerMemberDescription]


ConsumerEvent = ConsumerHeartbeat | RegexesResolved | DescribeConsumerGroup | TopicsChanged

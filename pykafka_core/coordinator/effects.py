"""What a step asks the broker to do, in this order.

An `Append` is answered with the event `Appended` of the same ticket, before any other event for that group; until then
the group acknowledges nothing that depends on it.

What there is many times a second is a named tuple, which costs a tenth of a frozen data class to make.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pykafka_core._dataclass import dataclass
from pykafka_core.coordinator.topics import TopicsImage
from pykafka_core.protocol.message import Record

__all__ = [
    "Append",
    "CancelTimer",
    "CloseHeartbeats",
    "Effect",
    "KeyValue",
    "OpenHeartbeats",
    "Reply",
    "ResolveRegexes",
    "StartTimer",
    "Timer",
]

Timer = tuple[str, str]
"""What a timer is for, and for which member: ("session", member id), ("join", ""), ("sync", "")."""

KeyValue = tuple[Record, Record | None, int]
"""A coordinator record: key, value (None: a tombstone) and the version the value is written in."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Append:
    """Append these records, in one batch, to the group's partition of __consumer_offsets."""

    group_id: str
    ticket: int
    records: Sequence[KeyValue]


class Reply(NamedTuple):
    """Answer a request. `request` is the number that its event bore."""

    request: int
    answer: Any


@dataclass(slots=True, frozen=True, kw_only=True)
class StartTimer:
    """Send `TimerFired` after this many milliseconds. A timer of the same name is replaced."""

    group_id: str
    timer: Timer
    delay_ms: int


@dataclass(slots=True, frozen=True, kw_only=True)
class CancelTimer:
    """Forget a timer. One that does not run is no mistake."""

    group_id: str
    timer: Timer


@dataclass(slots=True, frozen=True, kw_only=True)
class OpenHeartbeats:
    """Heartbeats of these members in this generation may be answered "all is well" without being told here.

    Members are named by member id and instance id. When one was last heard comes with its `TimerFired`.
    """

    group_id: str
    generation: int
    members: Sequence[tuple[str, str | None]]


@dataclass(slots=True, frozen=True, kw_only=True)
class CloseHeartbeats:
    """From here on every heartbeat of the group is told here. `forget`: its members are gone for good."""

    group_id: str
    forget: bool = False


@dataclass(slots=True, frozen=True, kw_only=True)
class ResolveRegexes:
    """Find the topics that each of these expressions stands for, and send `RegexesResolved`; also when that fails."""

    group_id: str
    regexes: Sequence[str]
    topics: TopicsImage


Effect = Append | Reply | StartTimer | CancelTimer | OpenHeartbeats | CloseHeartbeats | ResolveRegexes

"""One member of a classic group: what it said when it joined, and which of its requests wait for an answer."""

from __future__ import annotations

from collections.abc import Sequence

from pykafka_core._dataclass import dataclass

__all__ = ["Member"]


@dataclass(slots=True, eq=False, kw_only=True)
class Member:
    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: tuple[tuple[str, bytes], ...]
    """Name and metadata, the favourite first."""
    assignment: bytes = b""
    join_request: int | None = None
    sync_request: int | None = None
    is_new: bool = False
    """It has joined and was not in a generation yet."""
    deadline_ms: int = 0
    """When its session ends, by the clock that only rises, unless it is heard of before."""
    timer_runs: bool = False

    @property
    def is_waiting(self) -> bool:
        """A request of it is open: nothing more is expected of it."""
        return self.join_request is not None or self.sync_request is not None

    def metadata(self, protocol: str | None) -> bytes:
        """What it said with this protocol; nothing where it does not know it."""
        for name, metadata in self.protocols:
            if name == protocol:
                return metadata
        return b""

    def vote(self, candidates: set[str]) -> str:
        """Its favourite among protocols that all members know."""
        return next(name for name, _ in self.protocols if name in candidates)

    def says_the_same(self, protocols: Sequence[tuple[str, bytes]]) -> bool:
        return self.protocols == tuple(protocols)

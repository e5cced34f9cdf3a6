"""The timers of a consumer group's members.

    session     it has been silent for too long
    rebalance   it has not given up what it was to give up
    join, sync  it speaks the classic protocol and has not joined again, or not asked for its assignment

A member's session moves on with each heartbeat, but its timer is set anew only when it has run out: a heartbeat costs
no timer. Nothing here is in the log: after a restart all sessions begin anew.
"""

from __future__ import annotations

from typing import Final

from pykafka_core.coordinator.effects import CancelTimer, Effect, StartTimer
from pykafka_core.coordinator.events import Now

__all__ = ["JOIN", "REBALANCE", "SESSION", "SYNC", "ConsumerTimers"]

SESSION: Final = "session"
REBALANCE: Final = "rebalance"
JOIN: Final = "join"
SYNC: Final = "sync"


class ConsumerTimers:
    def __init__(self, group_id: str) -> None:
        self._group_id: Final = group_id
        self._deadlines: Final[dict[str, int]] = {}
        """When a member's session ends."""
        self._due: Final[dict[str, int]] = {}
        """When its session timer goes off."""
        self._rebalances: Final[dict[str, int]] = {}
        """The epoch that a member is to get out of."""
        self._joins: Final[set[str]] = set()

    def touch(self, member_id: str, timeout_ms: int, now: Now) -> list[Effect]:
        """A sign of life: the member has this long from now."""
        deadline = self._deadlines[member_id] = now.clock_ms + timeout_ms
        due = self._due.get(member_id)
        if due is not None and due <= deadline:
            return []
        return self._set_session(member_id, deadline, now)

    def _set_session(self, member_id: str, deadline: int, now: Now) -> list[Effect]:
        self._due[member_id] = deadline
        return [self._start(SESSION, member_id, deadline - now.clock_ms)]

    def start_rebalance(self, member_id: str, epoch: int, timeout_ms: int) -> list[Effect]:
        self._rebalances[member_id] = epoch
        return [self._start(REBALANCE, member_id, timeout_ms)]

    def cancel_rebalance(self, member_id: str) -> list[Effect]:
        if self._rebalances.pop(member_id, None) is None:
            return []
        return [self._cancel(REBALANCE, member_id)]

    def start_join(self, member_id: str, timeout_ms: int) -> list[Effect]:
        """Unless it runs."""
        if member_id in self._joins:
            return []
        self._joins.add(member_id)
        return [self._start(JOIN, member_id, timeout_ms)]

    def cancel_join(self, member_id: str) -> list[Effect]:
        self._joins.discard(member_id)
        return [self._cancel(JOIN, member_id)]

    def start_sync(self, member_id: str, timeout_ms: int) -> list[Effect]:
        return [self._start(SYNC, member_id, timeout_ms)]

    def cancel_sync(self, member_id: str) -> list[Effect]:
        return [self._cancel(SYNC, member_id)]

    def forget(self, member_id: str) -> list[Effect]:
        """The member is gone."""
        self._deadlines.pop(member_id, None)
        self._due.pop(member_id, None)
        self._rebalances.pop(member_id, None)
        self._joins.discard(member_id)
        return [self._cancel(purpose, member_id) for purpose in (SESSION, REBALANCE, JOIN, SYNC)]

    def fired(self, purpose: str, member_id: str, member_epoch: int, now: Now) -> tuple[bool, list[Effect]]:
        """Whether the member's time is up."""
        if purpose == SESSION:
            self._due.pop(member_id, None)
            deadline = self._deadlines.get(member_id, now.clock_ms)
            if deadline > now.clock_ms:
                return False, self._set_session(member_id, deadline, now)
            return True, []
        if purpose == REBALANCE:
            return self._rebalances.pop(member_id, None) == member_epoch, []
        if purpose == JOIN:
            self._joins.discard(member_id)
        return True, []

    def _start(self, purpose: str, member_id: str, delay_ms: int) -> StartTimer:
        return StartTimer(group_id=self._group_id, timer=(purpose, member_id), delay_ms=max(delay_ms, 0))

    def _cancel(self, purpose: str, member_id: str) -> CancelTimer:
        return CancelTimer(group_id=self._group_id, timer=(purpose, member_id))

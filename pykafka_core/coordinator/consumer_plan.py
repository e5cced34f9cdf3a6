"""What a step means to do to a consumer group: records first, everything else when they are in the log.

A plan is made from a group that stays as it is. Where the group is yet to come into being, the plan has one of its own:
empty, or made from a classic group; it takes the classic group's place when the records are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from pykafka_core.coordinator.consumer_group import ConsumerGroup
from pykafka_core.coordinator.effects import Effect, KeyValue
from pykafka_core.coordinator.events import Now

__all__ = ["Plan"]

After = Callable[[Now], Iterable[Effect]]


class Plan:
    def __init__(self, group: ConsumerGroup, *, before: Iterable[KeyValue] = ()) -> None:
        """`before`: records that the group has come into being with and that it need not be told."""
        self.group: Final = group
        self.before: Final = list(before)
        self.records: Final[list[KeyValue]] = []
        self._after: Final[list[After]] = []

    def add(self, *records: KeyValue) -> None:
        self.records.extend(records)

    def then(self, after: After) -> None:
        """Do this when the records are in the log."""
        self._after.append(after)

    def written(self, now: Now) -> list[Effect]:
        """The records are in the log: make them part of the group."""
        for key, value, _ in self.records:
            self.group.replay(key, value)
        return [effect for after in self._after for effect in after(now)]

"""A classic group that was a consumer group before: it begins with members, and with what they were to have.

Source: org.apache.kafka.coordinator.group.classic.ClassicGroup.fromConsumerGroup.
"""

from __future__ import annotations

from collections.abc import Iterable

from pykafka_core.coordinator.classic import ClassicGroup, GroupState
from pykafka_core.coordinator.effects import KeyValue
from pykafka_core.coordinator.events import Now
from pykafka_core.coordinator.member import Member

__all__ = ["AdoptedClassicGroup"]


class AdoptedClassicGroup(ClassicGroup):
    def adopt(self, members: Iterable[Member], generation: int, now: Now) -> None:
        """Take over the members of a consumer group that was downgraded to this one."""
        for member in members:
            self.members.put(member)
        self.generation = generation
        self.protocol_name = self.members.elect_protocol()
        self._enter(GroupState.STABLE, now)

    def adopted(self, now: Now, *, rebalances: bool) -> None:
        """The log has it; from here on members must show signs of life."""
        for member in self.members.all():
            self._touch(member, member.session_timeout_ms, now)
        self._open_heartbeats()
        if rebalances:
            self._prepare_rebalance(now)

    def record(self) -> KeyValue:
        """The group as it is."""
        return self._record({member.member_id: member.assignment for member in self.members.all()})

"""Who is in a classic group: its members by id and by instance id, those who have joined, those who are expected.

Counts what members have in common, so that neither a join nor a rebalance looks at every member for each member.

Invariants:
  1. The leader is a member, if there is any.
  2. An instance id belongs to at most one member (KIP-345).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from pykafka_core.coordinator.member import Member
from pykafka_core.coordinator.records import subscribed_topics

__all__ = ["Membership", "Said"]

CONSUMER_PROTOCOL_TYPE: Final = "consumer"

Said = tuple[tuple[tuple[str, bytes], ...], int, int]
"""What a member says of itself: protocols, session timeout and rebalance timeout in milliseconds."""


class Membership:
    def __init__(self) -> None:
        self._by_id: Final[dict[str, Member]] = {}
        self.static: Final[dict[str, str]] = {}
        """Member ids by instance id."""
        self.pending: Final[set[str]] = set()
        """Member ids that were given out and have not come back (KIP-394)."""
        self.joining: Final[set[str]] = set()
        """Members whose JoinGroup waits."""
        self.protocol_type: str | None = None
        """Of the members, or of those who were the last."""
        self.leader: str | None = None
        self._known_by: Final[Counter[str]] = Counter()
        """How many members know a protocol."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, member_id: object) -> bool:
        return member_id in self._by_id

    def __getitem__(self, member_id: str) -> Member:
        return self._by_id[member_id]

    def get(self, member_id: str) -> Member | None:
        return self._by_id.get(member_id)

    def all(self) -> list[Member]:
        return list(self._by_id.values())

    # ---- changes

    def put(self, member: Member) -> None:
        if not self._by_id:
            self.protocol_type = member.protocol_type
        self._by_id[member.member_id] = member
        if member.instance_id is not None:
            self.static[member.instance_id] = member.member_id
        self._known_by.update({name for name, _ in member.protocols})
        if self.leader is None:
            self.leader = member.member_id

    def remove(self, member: Member) -> None:
        del self._by_id[member.member_id]
        if member.instance_id is not None:
            self.static.pop(member.instance_id, None)
        self._known_by.subtract({name for name, _ in member.protocols})
        self.joining.discard(member.member_id)
        if self.leader == member.member_id:
            self.leader = next(iter(self._by_id), None)

    def rename(self, member: Member, new_id: str) -> None:
        """A static member goes on under another id. It keeps its place, as it keeps its assignment."""
        old_id = member.member_id
        renamed = {new_id if key == old_id else key: each for key, each in self._by_id.items()}
        self._by_id.clear()
        self._by_id.update(renamed)
        member.member_id = new_id
        if member.instance_id is not None:
            self.static[member.instance_id] = new_id
        if self.leader == old_id:
            self.leader = new_id

    def say(self, member: Member, said: Said) -> None:
        """The member says something else of itself than before."""
        self._known_by.subtract({name for name, _ in member.protocols})
        member.protocols, member.session_timeout_ms, member.rebalance_timeout_ms = said
        self._known_by.update({name for name, _ in member.protocols})

    # ---- what they have in common

    def can_take(self, protocol_type: str, protocols: Sequence[tuple[str, bytes]]) -> bool:
        """Whether one who knows these protocols can be a member beside those who are."""
        everybody = len(self._by_id)
        return protocol_type == self.protocol_type and any(self._known_by[name] == everybody for name, _ in protocols)

    def elect_protocol(self) -> str:
        """The protocol that most members like best among those that all know."""
        candidates = {name for name, count in self._known_by.items() if count == len(self._by_id)}
        votes = Counter(member.vote(candidates) for member in self._by_id.values())
        return max(votes, key=votes.__getitem__)

    def elect_leader(self) -> bool:
        """Make sure that the leader is one who has joined; False if nobody has."""
        if self.leader not in self.joining:
            self.leader = next((each for each in self._by_id if each in self.joining), self.leader)
        return self.leader in self.joining

    @property
    def all_joined(self) -> bool:
        return len(self.joining) == len(self._by_id) and not self.pending

    @property
    def rebalance_timeout_ms(self) -> int:
        return max((member.rebalance_timeout_ms for member in self._by_id.values()), default=0)

    def subscribed_topics(self, protocol_name: str | None) -> frozenset[str] | None:
        """The topics that any member subscribes to; None where that cannot be told."""
        if self.protocol_type != CONSUMER_PROTOCOL_TYPE:
            return None
        topics: frozenset[str] = frozenset()
        if protocol_name is None:
            return topics
        for member in self._by_id.values():
            theirs = subscribed_topics(member.metadata(protocol_name))
            if theirs is None:
                return None
            topics |= theirs
        return topics

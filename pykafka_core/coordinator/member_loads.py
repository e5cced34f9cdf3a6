"""Goes round among the members that have least, and among those that have most, while partitions move between them.

The members of a topic stand sorted by how much they have. A range at the low end takes turns in being given one more;
when all of it has had its turn it is one step higher, and takes in those who were there. The range at the high end
gives away in the same manner, one step lower each time. A member that has nothing to give of this topic is left out.

`sizes` is the caller's and counts on while this is used.

Source: org.apache.kafka.coordinator.group.assignor.UniformHeterogeneousAssignmentBuilder.MemberAssignmentBalancer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["MemberLoads"]

NOBODY: Final = -1


class MemberLoads:
    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes: Final = sizes
        self._members: list[int] = []
        self._low_end = 0
        self._low_size = 0
        self._next_low = 0
        self._high_start = 0
        self._high_end = 0
        self._high_size = 0
        self._next_high = NOBODY

    def begin(self, members: Sequence[int]) -> int:
        """Start anew with these members; return how far they are apart."""
        self._members = sorted(members, key=lambda member: (self._sizes[member], member))
        least, most = self._sizes[self._members[0]], self._sizes[self._members[-1]]
        self._low_end = 0
        self._low_size = least - 1
        self._next_low = 0
        self._high_start = self._high_end = len(self._members)
        self._high_size = most + 1
        self._next_high = len(self._members) - 1
        return most - least

    def is_even(self) -> bool:
        return self._high_size - self._low_size <= 1

    def next_least(self) -> int:
        if self._next_low >= self._low_end:
            self._low_size += 1
            while self._low_end < len(self._members) and self._size(self._low_end) == self._low_size:
                self._low_end += 1
            self._next_low = 0
        member = self._members[self._next_low]
        self._next_low += 1
        return member

    def next_most(self) -> int:
        """NOBODY if all have been left out."""
        if self._next_high < self._high_start:
            if self._high_end <= self._high_start and self._high_start > 0:
                self._high_size = self._size(self._high_start - 1)
            else:
                self._high_size -= 1
            while self._high_start > 0 and self._size(self._high_start - 1) == self._high_size:
                self._high_start -= 1
            self._next_high = self._high_end - 1
        if self._next_high < 0:
            return NOBODY
        member = self._members[self._next_high]
        self._next_high -= 1
        return member

    def leave_out_most(self) -> None:
        """The member that `next_most` has just named has nothing to give."""
        place, last = self._next_high + 1, self._high_end - 1
        self._members[place], self._members[last] = self._members[last], self._members[place]
        self._high_end -= 1

    def _size(self, place: int) -> int:
        return self._sizes[self._members[place]]

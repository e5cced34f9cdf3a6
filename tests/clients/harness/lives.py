"""The life of a consumer group, the same for both protocols: it shares a topic, outlives members and the broker, and
loses nothing. What a test brings along is how its group is described.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.broker import Broker
from harness.groups import PARTITIONS, TOPIC, Load, Member, await_that, check_commits, committed, share_all
from harness.requests import end_offsets


def check_a_group_lives_on(
    kind: str, broker: Broker, members: list[Member], folder: Path, described: Callable[[Broker], Any]
) -> None:
    """Two members, then three; one is killed, one leaves, the broker is killed and started again."""

    def rest() -> tuple[str, int]:
        """State and number of members, of one answer."""
        group = described(broker)
        return group.group_state, len(group.members)

    def epoch() -> int | None:
        """Of a consumer group; a classic one tells nobody its generation."""
        return getattr(described(broker), "group_epoch", None)

    load = Load(broker.bootstrap)
    try:
        members += [Member(kind, broker, folder, number) for number in range(2)]
        await_that(lambda: share_all(members), "two members share the topic")
        members.append(Member(kind, broker, folder, 2))
        await_that(lambda: share_all(members), "three members share the topic")
        await_that(lambda: all(member.committed() for member in members), "all of them commit")
        await_that(lambda: rest() == ("Stable", 3), "the group of three comes to rest")

        victim, leaver, survivor = members
        victim.kill()
        check_commits(broker, members)
        await_that(lambda: share_all([leaver, survivor]), "two take over from the one that was killed")

        leaver.leave()
        assert rest()[1] == 1, "who has left is in its group no more, at once"
        await_that(lambda: survivor.assigned == set(range(PARTITIONS)), "the last one has all")
        # A cooperative member may join once more after it was given all: it has done so when it has polled a few times.
        settled = len(survivor.lines("C")) + 3 * PARTITIONS
        await_that(lambda: len(survivor.lines("C")) > settled, "it reads and commits")
        await_that(lambda: rest() == ("Stable", 1), "the group of one comes to rest")
        before, epoch_before = survivor.lines("A"), epoch()

        broker.crash()
        await_that(lambda: described(broker).error_code == 0, "the groups are loaded")
        assert (rest(), epoch()) == (("Stable", 1), epoch_before)
        check_commits(broker, members)
        seen = len(survivor.lines("R"))
        await_that(lambda: len(survivor.lines("R")) > seen, "it goes on after the broker's death")
    finally:
        count = load.stop()
    check_all_seen(broker, members, count)
    assert survivor.lines("A") == before, "the death of the broker made a rebalance"
    assert epoch() == epoch_before


def check_all_seen(broker: Broker, members: list[Member], count: int) -> None:
    """Each of the first `count` numbers was processed, and each partition is committed to its end."""
    numbers = {str(number) for number in range(count)}
    await_that(lambda: {line[3] for member in members for line in member.lines("R")} >= numbers, "every record is seen")
    ends = end_offsets(broker.address, TOPIC)
    assert sum(ends.values()) == count
    await_that(lambda: committed(broker) == ends, "all is committed")
    check_commits(broker, members)

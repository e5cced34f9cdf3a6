"""Consumer groups (KIP-848): what a heartbeat costs the coordinator, and what it costs to assign a large group anew.

The state machine alone: no socket, no codec, no log. Sizes are members; topics have 1000 partitions in all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from pykafka_core.coordinator.assignor import ASSIGNORS, GroupSpec, MemberSpec, find_assignor
from pykafka_core.coordinator.consumer_events import ConsumerHeartbeat
from tests.coordinator.consumer_play import ConsumerPlay, topic_id

Benchmark = Callable[..., Any]
SIZES = [3, 50, 500]


def stable_group(size: int) -> ConsumerPlay:
    play = ConsumerPlay(assignment_interval_ms=0)
    play.topics(t=1000)
    names = [f"m{number}" for number in range(size)]
    for name in names:
        play.beat(name, topic_names=["t"])
    while play.group().state != "Stable":
        for name in names:
            play.beat(name)
    play.said.clear()
    return play


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.benchmark(group="steady heartbeat")
def test_steady_heartbeat(benchmark: Benchmark, size: int) -> None:
    play = stable_group(size)
    beats = itertools.cycle(
        [
            ConsumerHeartbeat("g", number, name, epoch, name, "/127.0.0.1", "")
            for number, (name, epoch) in enumerate(play.epochs.items())
        ]
    )
    step, now = play.coordinator.step, play.now
    effects = benchmark(lambda: step(next(beats), now))
    assert effects[-1].answer.error == 0


@pytest.mark.parametrize("name", ASSIGNORS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.benchmark(group="assign")
def test_assign(benchmark: Benchmark, name: str, size: int) -> None:
    topics = frozenset(topic_id(f"t{number}") for number in range(10))
    members = {f"m{number}": MemberSpec(None, topics, {}) for number in range(size)}
    group = GroupSpec(members, dict.fromkeys(topics, 100), True)
    assignments = benchmark(find_assignor(name), group)
    assert sum(len(mine) for each in assignments.values() for mine in each.values()) == 1000

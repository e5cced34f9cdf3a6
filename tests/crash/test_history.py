"""The checker itself: what is wrong is flagged, by its rule, and what is right is not.

Method: random clean histories, drawn from a seed, with nothing to be found in them; then each of many anomalies planted
into them, which must be found.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.crash.history import FAILED, OK, UNKNOWN, History, content_of

PARTITIONS = 3


@dataclass
class Send:
    partition: int
    producer: int
    sequence: int
    outcome: int
    offset: int
    content: int = 0


@dataclass
class Story:
    """A clean history that can still be spoiled."""

    chance: random.Random
    sends: list[Send] = field(default_factory=list)
    logs: list[list[Send]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    polls: list[tuple[int, int, int, Send]] = field(default_factory=list)  # session, partition, offset, what; -1: seek
    marks: list[list[int]] = field(default_factory=list)

    def history(self) -> History:
        history = History()
        for send in self.sends:
            history.sent(send.partition, send.producer, send.sequence, send.content, send.outcome, send.offset)
        for session, partition, offset, send in self.polls:
            if offset < 0:
                history.seeked(session, partition)
            else:
                history.polled(session, partition, offset, send.producer, send.sequence, send.content)
        for observation in self.marks:
            history.marks(*observation)
        return history

    def problems(self, *, drained: bool = True) -> list[str]:
        return self.history().problems(drained=drained)

    def witnessed(self, session: int, partition: int) -> list[int]:
        """Polls of values whose offset was acknowledged too: without a second witness nothing can be said."""
        known = {(send.producer, send.sequence) for send in self.sends if send.outcome == OK and send.offset >= 0}
        return [
            i
            for i in self.polls_of(session, partition)
            if (self.polls[i][3].producer, self.polls[i][3].sequence) in known
        ]

    def polls_of(self, session: int, partition: int) -> list[int]:
        return [i for i, poll in enumerate(self.polls) if poll[:2] == (session, partition) and poll[2] >= 0]


def story(seed: int, *, records: int = 60) -> Story:
    """Producers send; some sends fail, some stay unknown and may be there or not; offsets have gaps, as control batches
    leave them; a consumer that seeks and one that drains read it all."""
    chance = random.Random(seed)
    made = Story(chance)
    next_sequence = [0] * 4
    next_offset = [0] * PARTITIONS
    for _ in range(records):
        producer, partition = chance.randrange(4), chance.randrange(PARTITIONS)
        outcome = chance.choices([OK, FAILED, UNKNOWN], [10, 1, 1])[0]
        send = Send(partition, producer, next_sequence[producer], outcome, -1)
        send.content = content_of(b"k", b"%d:%d" % (producer, send.sequence), 1000 + send.sequence, [("h", b"x")])
        next_sequence[producer] += 1
        made.sends.append(send)
        if outcome == FAILED or (outcome == UNKNOWN and chance.random() < 0.5):
            continue
        place = next_offset[partition]
        next_offset[partition] += 1 + (chance.random() < 0.1)
        # An answer may come without an offset (acks=0, or a duplicate whose place is forgotten).
        if outcome == OK and chance.random() < 0.95:
            send.offset = place
        made.logs[partition].append(Send(partition, producer, send.sequence, outcome, place, send.content))
    for partition, stored in enumerate(made.logs):
        for start in sorted(chance.sample(range(len(stored) + 1), min(3, len(stored) + 1)), reverse=True):
            made.polls.append((0, partition, -1, Send(0, 0, 0, 0, 0)))
            made.polls.extend((0, partition, each.offset, each) for each in stored[start : start + 9])
        made.polls.extend((1, partition, each.offset, each) for each in stored)
        high = 0
        for _ in range(4):
            high = chance.randint(high, next_offset[partition])
            end = chance.randint(high, next_offset[partition])
            made.marks.append([partition, 0, chance.randint(0, high), high, end])
    return made


@pytest.mark.parametrize("block", range(10))
def test_clean_histories_raise_no_alarm(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        made = story(seed, records=seed % 120)
        assert made.problems() == [], seed


def a_stored(made: Story, *, outcome: int = OK) -> Send:
    return made.chance.choice([each for stored in made.logs for each in stored if each.outcome == outcome])


def everywhere(made: Story, of: Send) -> list[int]:
    return [
        i
        for i, poll in enumerate(made.polls)
        if poll[2] >= 0 and (poll[3].producer, poll[3].sequence) == (of.producer, of.sequence)
    ]


def other_value_in_a_poll(made: Story) -> None:
    i = made.chance.choice(made.witnessed(1, 0)[1:])
    session, partition, offset, _ = made.polls[i]
    made.polls[i] = (session, partition, offset, made.logs[1][0])


def other_value_acknowledged(made: Story) -> None:
    victim = a_stored(made)
    made.sends.append(Send(victim.partition, 9, 0, OK, victim.offset, 5))


def two_sends_at_one_offset(made: Story) -> None:
    victim = a_stored(made)
    made.sends += [Send(victim.partition, 8, 1, OK, 5000, 5), Send(victim.partition, 9, 1, OK, 5000, 5)]


def doubled(made: Story) -> None:
    victim = a_stored(made)
    place = made.logs[victim.partition][-1].offset + 3
    made.polls.append((1, victim.partition, place, victim))


def doubled_in_another_partition(made: Story) -> None:
    victim = a_stored(made)
    made.polls.append((7, (victim.partition + 1) % PARTITIONS, 4000, victim))


def acknowledged_elsewhere(made: Story) -> None:
    victim = next(send for send in made.sends if send.outcome == OK and send.offset >= 0)
    victim.offset += 900


def order_of_a_producer_turned(made: Story) -> None:
    first, second = [
        s for s in made.sends if s.outcome == OK and s.offset >= 0 and (s.partition, s.producer) == (0, 0)
    ][:2]
    first.offset, second.offset = second.offset, first.offset


def offset_given_twice_to_a_producer(made: Story) -> None:
    made.sends += [Send(0, 9, 1, OK, 700, 1), Send(0, 9, 2, OK, 700, 1)]


def lost_in_the_middle(made: Story) -> None:
    victim = next(s for s in made.sends if s.outcome == OK and 0 <= s.offset < made.logs[s.partition][-1].offset)
    gone = set(everywhere(made, victim))
    made.polls = [poll for i, poll in enumerate(made.polls) if i not in gone]


def lost_at_the_end(made: Story) -> None:
    made.sends.append(Send(0, 9, 0, OK, made.logs[0][-1].offset + 1, 5))


def lost_without_an_offset(made: Story) -> None:
    made.sends.append(Send(0, 9, 0, OK, -1, 5))


def a_whole_partition_lost(made: Story) -> None:
    made.sends.append(Send(PARTITIONS + 4, 9, 0, OK, 0, 5))


def a_producer_lost(made: Story) -> None:
    made.polls = [poll for poll in made.polls if poll[2] < 0 or poll[3].producer != 2]


def failed_and_there(made: Story) -> None:
    victim = next(s for s in made.sends if s.outcome == FAILED)
    made.polls.append(
        (
            7,
            victim.partition,
            3000,
            Send(victim.partition, victim.producer, victim.sequence, FAILED, 3000, victim.content),
        )
    )


def all_failures_there(made: Story) -> None:
    for i, victim in enumerate([s for s in made.sends if s.outcome == FAILED]):
        made.polls.append(
            (7, victim.partition, 3000 + i, Send(0, victim.producer, victim.sequence, FAILED, 0, victim.content))
        )


def acknowledged_turned_failed(made: Story) -> None:
    next(s for s in made.sends if s.outcome == OK and s.offset >= 0).outcome = FAILED


def one_skipped(made: Story) -> None:
    del made.polls[made.witnessed(1, 0)[4]]


def many_skipped(made: Story) -> None:
    for i in reversed(made.polls_of(1, 1)[2:7]):
        del made.polls[i]


def skipped_by_a_session_that_seeked(made: Story) -> None:
    middle = [
        i
        for i in range(1, len(made.polls) - 1)
        if all(made.polls[j][0] == 0 and made.polls[j][2] >= 0 for j in (i - 1, i, i + 1))
    ]
    del made.polls[middle[0]]


def read_twice(made: Story) -> None:
    i = made.polls_of(1, 0)[3]
    made.polls.insert(i, made.polls[i])


def went_back(made: Story) -> None:
    at = made.polls_of(1, 0)
    made.polls.append(made.polls[at[1]])


def two_turned(made: Story) -> None:
    i, j = made.polls_of(1, 2)[2:4]
    made.polls[i], made.polls[j] = made.polls[j], made.polls[i]


def content_changed(made: Story) -> None:
    victim = a_stored(made)
    victim.content ^= 1


def contents_exchanged(made: Story) -> None:
    one, two = made.logs[0][:2]
    one.content, two.content = two.content, one.content


def never_sent(made: Story) -> None:
    made.polls.append((7, 0, 3000, Send(0, 77, 5, OK, 3000, 5)))


def polled_from_another_partition(made: Story) -> None:
    victim = next(s for s in made.sends if s.outcome == UNKNOWN)
    for i in everywhere(made, victim):
        made.polls[i] = (99, made.polls[i][1], made.polls[i][2], made.polls[i][3])
    made.polls.append(
        (7, (victim.partition + 1) % PARTITIONS, 3000, Send(0, victim.producer, victim.sequence, OK, 0, victim.content))
    )


def high_watermark_fell(made: Story) -> None:
    made.marks += [[0, 0, 5, 50, 60], [0, 0, 5, 49, 60]]


def log_start_fell(made: Story) -> None:
    made.marks += [[1, 7, 50, 500, 600], [1, 6, 50, 500, 600]]


def last_stable_beyond_the_high_watermark(made: Story) -> None:
    made.marks.append([2, 0, 501, 500, 600])


def high_watermark_beyond_the_end(made: Story) -> None:
    made.marks.append([2, 0, 400, 601, 600])


def log_start_beyond_the_last_stable(made: Story) -> None:
    made.marks.append([2, 401, 400, 500, 600])


ANOMALIES: list[tuple[str, Callable[[Story], None]]] = [
    ("L1", other_value_in_a_poll), ("L1", other_value_acknowledged), ("L1", two_sends_at_one_offset),
    ("L2", doubled), ("L2", doubled_in_another_partition), ("L2", acknowledged_elsewhere),
    ("L3", order_of_a_producer_turned), ("L3", offset_given_twice_to_a_producer),
    ("L4", lost_in_the_middle), ("L5", lost_in_the_middle), ("L5", lost_at_the_end), ("L5", lost_without_an_offset),
    ("L5", a_whole_partition_lost), ("L4", a_producer_lost), ("L5", a_producer_lost),
    ("L6", failed_and_there), ("L6", all_failures_there), ("L6", acknowledged_turned_failed),
    ("L7", one_skipped), ("L7", many_skipped), ("L7", skipped_by_a_session_that_seeked), ("L7", read_twice),
    ("L7", went_back), ("L7", two_turned),
    ("L8", content_changed), ("L8", contents_exchanged), ("L8", never_sent), ("L8", polled_from_another_partition),
    ("L9", high_watermark_fell), ("L9", log_start_fell), ("L9", last_stable_beyond_the_high_watermark),
    ("L9", high_watermark_beyond_the_end), ("L9", log_start_beyond_the_last_stable),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "spoil"), ANOMALIES, ids=[f"{rule}-{spoil.__name__}" for rule, spoil in ANOMALIES])
def test_each_anomaly_is_found_by_its_rule(rule: str, spoil: Callable[[Story], None]) -> None:
    for seed in range(20):
        made = story(seed, records=150)
        spoil(made)
        assert any(problem.startswith(rule) for problem in made.problems()), seed


def test_what_is_not_drained_may_be_unseen_at_the_end() -> None:
    made = story(3)
    lost_at_the_end(made)
    assert made.problems(drained=False) == []


def test_retries_of_a_plain_producer_may_repeat() -> None:
    made = story(4)
    doubled(made)
    problems = made.history().problems(drained=True, retries_may_repeat=True)
    assert problems == []


def test_an_empty_history_is_clean() -> None:
    assert History().problems(drained=True) == []

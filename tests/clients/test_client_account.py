"""Goal: what copiers write in their journals reaches the history checker, and what must not be is found there.

Method: no client and no broker, but journals, what a watcher was shown and what is stored as they leave them: two
processes that copy a few records, one of which is killed and has an end of unknown fate, one that aborts, and a zombie
that is refused. It passes; and each of many things that a broker or a client could do wrong, planted in it, does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.account import COPIER, FILLER, INPUTS, Account, Input, Inputs
from harness.copying import tell_filled
from harness.watching import Seen
from tests.crash.history import content_of
from tests.crash.txn_load import DRAIN

INPUT: Inputs = {number: Input(0, number, 77, b"text %d" % number) for number in range(8)}
ABORTED_INPUT: Inputs = {8: Input(0, 9, 77, b"aborted")}  # offset 8 is a marker
LAST_INPUT: Inputs = {9: Input(0, 11, 77, b"last")}
FIRST_START = """\
10 init
11 asks
12 fetched 0 0
12 seek
20 begin
20 read 0 0 0
20 read 0 1 1
20 send 100 0 5 0
20 send 101 0 5 1
22 acked 100 0
22 acked 101 1
23 offsets 0 0 2
24 committing
26 committed
30 begin
30 read 0 2 2
30 read 0 3 3
30 read 0 4 4
30 send 102 0 5 2
30 send 103 0 5 3
30 send 104 0 5 4
32 acked 102 3
32 acked 103 4
32 acked 104 5
33 offsets 0 2 5
34 aborting
36 aborted
37 asks
38 fetched 0 2
38 seek
40 begin
40 read 0 2 2
40 read 0 3 3
40 send 105 0 5 2
40 send 106 0 5 3
42 acked 105 7
42 acked 106 8
43 offsets 0 2 4
44 committing
90 begin
90 read 0 4 4
90 send 107 0 5 4
90 offsets 0 4 5
95 com"""
SECOND_START = """\
50 init
51 asks
52 fetched 0 4
52 seek
60 begin
60 read 0 4 4
60 read 0 5 5
60 read 0 6 6
60 read 0 7 7
60 read 0 11 9
60 send 200 0 6 4
60 send 201 0 6 5
60 send 202 0 6 6
60 send 203 0 6 7
60 send 204 0 6 9
62 acked 200 12
62 acked 201 13
62 acked 202 14
62 acked 203 15
62 acked 204 16
63 offsets 0 4 12
64 committing
66 committed
"""


@dataclass
class Copy:
    sequence: int
    offset: int
    timestamp: int
    number: int
    committed: bool = True

    @property
    def key(self) -> bytes:
        return b"%d:%d" % (COPIER, self.sequence)


class Story:
    """What happened, before any of it is told."""

    def __init__(self) -> None:
        self.journals = [FIRST_START, SECOND_START]
        rows = [(100, 0, 5, 0), (101, 1, 5, 1), (102, 3, 5, 2), (103, 4, 5, 3), (104, 5, 5, 4), (105, 7, 5, 2)]
        rows += [(106, 8, 5, 3), (200, 12, 6, 4), (201, 13, 6, 5), (202, 14, 6, 6), (203, 15, 6, 7), (204, 16, 6, 9)]
        self.log = [Copy(*row, committed=row[0] not in (102, 103, 104)) for row in rows]
        self.watched = [self.seen(copy, at=70) for copy in self.log if copy.committed]
        self.offsets = [(0, 15), (2, 29), (2, 39), (4, 49), (12, 99)]

    @staticmethod
    def seen(copy: Copy, at: int) -> Seen:
        text = (INPUT | ABORTED_INPUT | LAST_INPUT)[copy.number].value
        return Seen(at, 0, copy.offset, copy.timestamp, copy.key, text)

    def edit(self, old: str, new: str, *, start: int = 1) -> None:
        assert self.journals[start - 1].count(old) == 1, old
        self.journals[start - 1] = self.journals[start - 1].replace(old, new)

    def copy(self, sequence: int) -> Copy:
        return next(copy for copy in self.log if copy.sequence == sequence)

    def problems(self, folder: Path) -> list[str]:
        account = Account()
        inputs = INPUT | ABORTED_INPUT | LAST_INPUT
        for at, some in enumerate([INPUT, ABORTED_INPUT, LAST_INPUT]):
            aborts = some is ABORTED_INPUT
            account.note(lambda history, some=some, aborts=aborts: tell_filled(history, some, aborts=aborts), at)
        account.note(lambda history: history.copies(0, INPUTS), 3)
        for start, text in enumerate(self.journals, 1):
            path = folder / f"journal-{start}"
            path.write_text(text)
            account.journal(path, start, inputs)
        account.watched(self.watched)
        for offset, at in self.offsets:
            account.committed(0, offset, at, at)
        history = account.told()
        for copy in sorted(self.log, key=lambda copy: copy.offset):
            value, content = (COPIER, copy.sequence), content_of(copy.key, inputs[copy.number].value, copy.timestamp)
            history.found_stored(DRAIN, 0, copy.offset, value, content)
            if copy.committed:
                history.polled(DRAIN, 0, copy.offset, value, content)
        for number, each in inputs.items():
            row = DRAIN, INPUTS, each.offset, (FILLER, number), each.content(number)
            history.found_stored(*row)
            if number not in ABORTED_INPUT:
                history.polled(*row)
        return history.problems(drained=True)


def test_what_is_right_passes(tmp_path: Path) -> None:
    assert Story().problems(tmp_path) == []


def test_an_end_of_unknown_fate_may_have_failed_too(tmp_path: Path) -> None:
    story = Story()
    for sequence in (105, 106):
        story.copy(sequence).committed = False
    story.offsets = [(0, 15), (2, 29), (2, 39), (2, 49), (12, 99)]
    story.edit("52 fetched 0 4", "52 fetched 0 2", start=2)
    story.edit("63 offsets 0 4 12", "63 offsets 0 2 12", start=2)
    again = "60 read 0 2 2\n60 read 0 3 3\n60 send 198 0 6 2\n60 send 199 0 6 3\n62 acked 198 10\n62 acked 199 11\n"
    story.edit("60 begin\n", "60 begin\n" + again, start=2)
    story.log[7:7] = [Copy(198, 10, 6, 2), Copy(199, 11, 6, 3)]
    story.watched = [story.seen(copy, at=70) for copy in story.log if copy.committed]
    assert story.problems(tmp_path) == []


def a_consumed_record_is_dropped(story: Story) -> None:
    """The consumer was never shown it, or its copy was forgotten."""
    story.edit("60 read 0 5 5\n", "", start=2)
    story.edit("60 send 201 0 6 5\n", "", start=2)
    story.edit("62 acked 201 13\n", "", start=2)
    story.log.remove(story.copy(201))
    story.watched = [each for each in story.watched if each.offset != 13]


def a_record_is_skipped_in_reading(story: Story) -> None:
    story.edit("60 read 0 5 5\n", "", start=2)


def a_committed_record_is_lost(story: Story) -> None:
    story.log.remove(story.copy(202))


def a_committed_record_is_not_shown(story: Story) -> None:
    story.copy(202).committed = False
    story.watched = [each for each in story.watched if each.offset != 14]


def an_aborted_one_is_shown(story: Story) -> None:
    story.watched.append(story.seen(story.copy(103), at=80))


def an_open_one_is_shown(story: Story) -> None:
    story.watched = [replace(each, at=63) if each.offset == 14 else each for each in story.watched]


def an_aborted_input_is_copied(story: Story) -> None:
    story.edit("60 read 0 7 7\n", "60 read 0 7 7\n60 read 0 9 8\n", start=2)


def offsets_are_lost(story: Story) -> None:
    """The successor begins too early, and copies again."""
    story.edit("52 fetched 0 4", "52 fetched 0 0", start=2)


def offsets_move_without_a_commit(story: Story) -> None:
    story.offsets.append((5, 35))


def an_unknown_end_is_shown_in_part(story: Story) -> None:
    story.copy(106).committed = False
    story.watched = [each for each in story.watched if each.offset != 8]


def another_value_is_shown(story: Story) -> None:
    story.watched = [replace(each, value=b"other") if each.offset == 14 else each for each in story.watched]


def the_zombie_writes(story: Story) -> None:
    story.log.append(Copy(107, 18, 5, 4))


def a_record_is_doubled(story: Story) -> None:
    """What was sent once stands twice in the log."""
    story.log.append(Copy(204, 17, 6, 9))


def a_record_is_copied_twice(story: Story) -> None:
    story.edit("60 send 204 0 6 9\n", "60 send 204 0 6 9\n60 send 205 0 6 9\n", start=2)
    story.log.append(Copy(205, 17, 6, 9))


ANOMALIES: list[tuple[str, Callable[[Story], None]]] = [
    ("T1", an_aborted_one_is_shown), ("T1", an_open_one_is_shown),
    ("T2", a_committed_record_is_not_shown), ("T2", an_unknown_end_is_shown_in_part),
    ("T4", offsets_are_lost), ("T4", offsets_move_without_a_commit),
    ("T4: of 1:5 0 copies", a_consumed_record_is_dropped), ("T4: of 1:9 2 copies", a_record_is_copied_twice),
    ("T5", the_zombie_writes), ("T6: G1a", an_aborted_input_is_copied),
    ("committed: L7", a_record_is_skipped_in_reading), ("committed: L8", another_value_is_shown),
    ("stored: L2", a_record_is_doubled), ("stored: L5", a_committed_record_is_lost),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "plant"), ANOMALIES, ids=[plant.__name__ for _, plant in ANOMALIES])
def test_what_must_not_be_is_found(rule: str, plant: Callable[[Story], None], tmp_path: Path) -> None:
    story = Story()
    plant(story)
    problems = story.problems(tmp_path)
    assert any(problem.startswith(rule) for problem in problems), problems

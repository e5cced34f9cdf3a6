"""Notes of who did and saw what, in whatever process, told to the history checker (tests/crash/txn_history.py).

    account = Account()
    account.note(lambda history: history.fenced(0, 1), at)       at: time.monotonic_ns(), if it was not just now
    account.journal(path, start, inputs)                         what a copier wrote; see copiers/copier.py
    account.watched(seen)                                        what a watcher was shown of "out"
    history = account.told()                                     all of it, in order of time
    assert not history.problems(drained=True)

The clock is that of the machine (CLOCK_MONOTONIC), the same for Python, Java and node. A note is taken before a request
leaves or after its answer has come, so that the order in which notes are told is what certainly was; that of two which
were taken at about the same time means nothing, and no rule asks for it.

The partitions of "out" are called 0, 1, … in the history and those of "in" INPUTS, INPUTS + 1, …; the group's places
are the partitions of "in" without that. Producers are COPIER and FILLER, and an incarnation is a start of the copier.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.watching import Seen
from tests.crash.history import FAILED, OK, UNKNOWN, content_of
from tests.crash.txn_history import TxnHistory

COPIER, FILLER = 0, 1
INPUTS = 100
WATCHER, READERS = 2, 1000
Note = Callable[[TxnHistory], None]


@dataclass(slots=True, frozen=True)
class Input:
    """A record of "in"."""

    partition: int
    offset: int
    timestamp: int
    value: bytes

    def key(self, number: int) -> bytes:
        return b"%d:%d" % (FILLER, number)

    def content(self, number: int) -> int:
        return content_of(self.key(number), self.value, self.timestamp)


Inputs = dict[int, Input]
"""By number, which is in the record's key, also of those that were aborted."""


@dataclass(slots=True)
class Sent:
    txn: int
    partition: int
    content: int
    asked: int
    number: int
    offset: int = -1


class Account:
    def __init__(self) -> None:
        self._notes: list[tuple[int, Note]] = []
        self._last: list[Note] = []

    def note(self, tell: Note, at: int | None = None) -> None:
        self._notes.append((time.monotonic_ns() if at is None else at, tell))

    def note_last(self, tell: Note) -> None:
        """Told after all others: what is known only then."""
        self._last.append(tell)

    def told(self) -> TxnHistory:
        history = TxnHistory()
        for _, tell in sorted(self._notes, key=lambda note: note[0]):
            tell(history)
        for tell in self._last:
            tell(history)
        return history

    def committed(self, place: int, offset: int, asked_at: int, answered_at: int) -> None:
        """What OffsetFetch answered."""
        asked: list[int] = []
        self.note(lambda history: asked.append(history.moment()), asked_at)
        self.note(lambda history: history.committed(place, offset, asked[0]), answered_at)

    def watched(self, seen: Iterable[Seen], value_at: Callable[[Seen], tuple[int, int]] | None = None) -> None:
        """`value_at`: where it is not in the key what a record is."""
        for each in seen:
            value = value_of(each.key) if value_at is None else value_at(each)
            content = content_of(each.key, each.value, each.timestamp)
            self.note(partial(polled, WATCHER, each.partition, each.offset, value, content), each.at)

    def journal(self, path: Path, start: int, inputs: Inputs) -> None:
        told = Journal(start, inputs)
        text = path.read_text()
        for line in text[: text.rfind("\n") + 1].splitlines():  # the last one may have been cut
            at, word, *numbers = line.split(" ")
            self.note(partial(told.tell, word, [int(each) for each in numbers]), int(at))
        self.note_last(told.finish)


def polled(
    session: int, partition: int, offset: int, value: tuple[int, int], content: int, history: TxnHistory
) -> None:
    history.polled(session, partition, offset, value, content)


def value_of(key: bytes) -> tuple[int, int]:
    producer, _, sequence = key.partition(b":")
    return int(producer), int(sequence)


class Journal:
    """What one process of the copier wrote, as it is told."""

    def __init__(self, start: int, inputs: Inputs) -> None:
        self._start, self._inputs = start, inputs
        self._session = READERS * start
        self._asked = 0
        self._txn = -1
        self._open: set[int] = set()
        """Transactions that it has not asked to commit."""
        self._sent: dict[int, Sent] = {}

    def tell(self, word: str, numbers: list[int], history: TxnHistory) -> None:
        match word, numbers:
            case "init", []:
                history.fenced(COPIER, self._start)
            case "asks", []:
                self._asked = history.moment()
            case "fetched", [partition, offset]:
                history.committed(partition, offset, self._asked)
            case "seek", []:
                self._session += 1
            case "begin", []:
                self._txn = history.began(COPIER, self._start)
                self._open.add(self._txn)
            case "read", [partition, offset, number]:
                content = self._inputs[number].content(number) if number in self._inputs else 0
                value = FILLER, number
                history.polled(self._session, INPUTS + partition, offset, value, content, reader=self._txn)
            case "send", [sequence, partition, timestamp, number]:
                content = content_of(b"%d:%d" % (COPIER, sequence), self._inputs[number].value, timestamp)
                self._sent[sequence] = Sent(self._txn, partition, content, history.moment(), number)
            case "acked", [sequence, offset]:
                self._sent[sequence].offset = offset
            case "offsets", [partition, first, end]:
                history.consumed(self._txn, partition, first, end)
            case "committing", []:
                self._open.discard(self._txn)
                history.asked_to_end(self._txn, commit=True)
            case "committed", []:
                history.ended(self._txn, OK)
            case "aborting" | "aborted", []:
                pass  # it never asks to commit: `finish` says what that means
            case _:
                raise ValueError(f"{word} {numbers}")

    def finish(self, history: TxnHistory) -> None:
        for sequence, sent in self._sent.items():
            outcome, source = UNKNOWN if sent.offset < 0 else OK, (FILLER, sent.number)
            history.sent(sent.txn, sent.partition, sequence, sent.content, outcome, sent.offset, sent.asked, source)
        for txn in self._open:
            history.ended(txn, FAILED)

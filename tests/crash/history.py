"""What clients did and saw, and the rules that a log has to keep: L1-L9.

A history is filled by whoever drives the clients and judged at the end:

    history = History()
    history.sent(partition, producer, sequence, content, outcome, offset)     each send, once its outcome is known
    history.polled(session, partition, offset, producer, sequence, content)   each record, in the order in which it came
    history.seeked(session, partition)                                        the session's position was set anew
    history.marks(partition, log_start, last_stable, high_watermark, log_end) what the broker said of a partition
    problems = history.problems(drained=True)

A value is (producer, sequence): unique in the whole history, so that every record can be told from every other.
`content` is a checksum over all that a record carries (`content_of`). A session is one consumer with one position per
partition. Columns are arrays and the rules numpy, so that ten million operations are judged in seconds.

| rule | |
|---|---|
| L1 | one offset holds one value, over all sends and polls |
| L2 | one value stands at one offset |
| L3 | offsets of a producer's acknowledged sends rise in each partition |
| L4 | what was acknowledged below the highest polled offset was polled |
| L5 | after a final drain nothing acknowledged is unseen |
| L6 | what certainly failed is never seen |
| L7 | a session skips nothing and does not go back, unless it was seeked |
| L8 | what is polled is what was sent |
| L9 | high watermark and log start never fall; log start <= last stable <= high watermark <= log end |
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable
from typing import Final

import numpy as np

OK: Final = 0
FAILED: Final = 1
UNKNOWN: Final = 2

SHOWN_MAX: Final = 5
"""Cases named per rule."""


def content_of(
    key: bytes | None, value: bytes | None, timestamp: int, headers: Iterable[tuple[str, bytes]] = ()
) -> int:
    """A checksum over everything a record carries but its offset."""
    parts = [repr(key).encode(), repr(value).encode(), str(timestamp).encode()]
    parts += [f"{name}={data!r}".encode() for name, data in headers]
    return zlib.crc32(b"\0".join(parts))


class Columns:
    """Rows of int64, kept as arrays."""

    def __init__(self, *names: str) -> None:
        self._arrays = {name: array("q") for name in names}

    def add(self, *values: int) -> None:
        for column, value in zip(self._arrays.values(), values, strict=True):
            column.append(value)

    def __len__(self) -> int:
        return len(next(iter(self._arrays.values())))

    def numpy(self) -> dict[str, np.ndarray]:
        return {name: np.array(column, dtype=np.int64) for name, column in self._arrays.items()}


class History:
    def __init__(self) -> None:
        self.sends: Final = Columns("partition", "producer", "sequence", "content", "outcome", "offset")
        self.polls: Final = Columns("session", "stretch", "partition", "offset", "producer", "sequence", "content")
        self.observations: Final = Columns("partition", "log_start", "last_stable", "high_watermark", "log_end")
        self._stretches: Final[dict[tuple[int, int], int]] = {}

    # ---- filling

    def sent(self, partition: int, producer: int, sequence: int, content: int, outcome: int, offset: int = -1) -> None:
        self.sends.add(partition, producer, sequence, content, outcome, offset)

    def polled(self, session: int, partition: int, offset: int, producer: int, sequence: int, content: int) -> None:
        stretch = self._stretches.get((session, partition), 0)
        self.polls.add(session, stretch, partition, offset, producer, sequence, content)

    def seeked(self, session: int, partition: int) -> None:
        self._stretches[session, partition] = self._stretches.get((session, partition), 0) + 1

    def marks(self, partition: int, log_start: int, last_stable: int, high_watermark: int, log_end: int) -> None:
        self.observations.add(partition, log_start, last_stable, high_watermark, log_end)

    # ---- judging

    def problems(self, *, drained: bool, retries_may_repeat: bool = False) -> list[str]:
        """One line for each case found, at most SHOWN_MAX for each rule. `drained`: some session has read every
        partition to its end. `retries_may_repeat`: producers were not idempotent, so that L2 does not hold."""
        return [*Judgement(self).all(drained=drained, retries_may_repeat=retries_may_repeat)]


def ordered(*keys: np.ndarray) -> np.ndarray:
    """The order of rows by the first key, then the second, …"""
    return np.lexsort(keys[::-1])


class Judgement:
    def __init__(self, history: History) -> None:
        self.sends = history.sends.numpy()
        self.polls = history.polls.numpy()
        self.observations = history.observations.numpy()
        sends, polls = self.sends, self.polls
        self.acknowledged = {name: column[sends["outcome"] == OK] for name, column in sends.items()}
        known = self.acknowledged["offset"] >= 0
        # Every place where a value is known to stand, by whoever says so.
        self.stands = {
            name: np.concatenate([self.acknowledged[name][known], polls[name]])
            for name in ("partition", "offset", "producer", "sequence")
        }

    def all(self, *, drained: bool, retries_may_repeat: bool) -> Iterable[str]:
        yield from self.one_value_at_an_offset()
        if not retries_may_repeat:
            yield from self.one_offset_of_a_value()
        yield from self.offsets_rise()
        yield from self.nothing_is_missing(drained)
        yield from self.nothing_that_failed()
        yield from self.sessions_go_on()
        yield from self.content()
        yield from self.marks()

    def one_value_at_an_offset(self) -> Iterable[str]:
        stands = self.stands
        order = ordered(stands["partition"], stands["offset"], stands["producer"], stands["sequence"])
        p, o, w, s = (stands[name][order] for name in ("partition", "offset", "producer", "sequence"))
        bad = np.flatnonzero((p[1:] == p[:-1]) & (o[1:] == o[:-1]) & ((w[1:] != w[:-1]) | (s[1:] != s[:-1])))
        for i in bad[:SHOWN_MAX]:
            yield f"L1: offset {o[i]} of partition {p[i]} holds {w[i]}:{s[i]} and {w[i + 1]}:{s[i + 1]}"

    def one_offset_of_a_value(self) -> Iterable[str]:
        stands = self.stands
        order = ordered(stands["producer"], stands["sequence"], stands["partition"], stands["offset"])
        p, o, w, s = (stands[name][order] for name in ("partition", "offset", "producer", "sequence"))
        bad = np.flatnonzero((w[1:] == w[:-1]) & (s[1:] == s[:-1]) & ((p[1:] != p[:-1]) | (o[1:] != o[:-1])))
        for i in bad[:SHOWN_MAX]:
            yield f"L2: {w[i]}:{s[i]} stands at {p[i]}:{o[i]} and at {p[i + 1]}:{o[i + 1]}"

    def offsets_rise(self) -> Iterable[str]:
        acknowledged = {name: column[self.acknowledged["offset"] >= 0] for name, column in self.acknowledged.items()}
        order = ordered(acknowledged["producer"], acknowledged["partition"], acknowledged["sequence"])
        p, o, w, s = (acknowledged[name][order] for name in ("partition", "offset", "producer", "sequence"))
        bad = np.flatnonzero((p[1:] == p[:-1]) & (w[1:] == w[:-1]) & (o[1:] <= o[:-1]))
        for i in bad[:SHOWN_MAX]:
            yield f"L3: {w[i]}:{s[i]} got {p[i]}:{o[i]}, and the later {w[i]}:{s[i + 1]} got {p[i]}:{o[i + 1]}"

    def nothing_is_missing(self, drained: bool) -> Iterable[str]:
        acknowledged, polls = self.acknowledged, self.polls
        unseen = ~np.isin(self.keys(acknowledged), self.keys(polls))
        if drained:
            for i in np.flatnonzero(unseen)[:SHOWN_MAX]:
                yield f"L5: {self.name(acknowledged, i)} was acknowledged and is nowhere"
        if len(polls["offset"]) == 0:
            return
        highest = np.full(int(polls["partition"].max()) + 1, -1, dtype=np.int64)
        np.maximum.at(highest, polls["partition"], polls["offset"])
        limits = highest[np.minimum(acknowledged["partition"], len(highest) - 1)]
        limits = np.where(acknowledged["partition"] < len(highest), limits, -1)
        passed = unseen & (acknowledged["offset"] >= 0) & (acknowledged["offset"] < limits)
        for i in np.flatnonzero(passed)[:SHOWN_MAX]:
            yield f"L4: {self.name(acknowledged, i)} at offset {acknowledged['offset'][i]} was read past and not seen"

    def nothing_that_failed(self) -> Iterable[str]:
        failed = {name: column[self.sends["outcome"] == FAILED] for name, column in self.sends.items()}
        for i in np.flatnonzero(np.isin(self.keys(failed), self.keys(self.polls)))[:SHOWN_MAX]:
            yield f"L6: {self.name(failed, i)} had failed and was polled"

    def sessions_go_on(self) -> Iterable[str]:
        polls = self.polls
        if len(polls["offset"]) == 0:
            return
        # The rank of each offset among those of its partition that are known to hold something.
        places = np.unique(self.stands["partition"] << 44 | self.stands["offset"])
        rank = np.searchsorted(places, polls["partition"] << 44 | polls["offset"])
        arrival = np.arange(len(rank))
        order = ordered(polls["session"], polls["partition"], polls["stretch"], arrival)
        session, partition, stretch, offset = (polls[n][order] for n in ("session", "partition", "stretch", "offset"))
        rank = rank[order]
        same = (session[1:] == session[:-1]) & (partition[1:] == partition[:-1]) & (stretch[1:] == stretch[:-1])
        for i in np.flatnonzero(same & (rank[1:] != rank[:-1] + 1))[:SHOWN_MAX]:
            word = "skipped" if rank[i + 1] > rank[i] else "went back"
            yield f"L7: session {session[i]} {word} in partition {partition[i]}: {offset[i]}, then {offset[i + 1]}"

    def content(self) -> Iterable[str]:
        sends, polls = self.sends, self.polls
        sent_keys, order = np.unique(self.keys(sends), return_index=True)
        at = np.searchsorted(sent_keys, self.keys(polls))
        known = at < len(sent_keys)
        known[known] = sent_keys[at[known]] == self.keys(polls)[known]
        for i in np.flatnonzero(~known)[:SHOWN_MAX]:
            yield f"L8: {self.name(polls, i)} was polled and never sent"
        rows = order[at[known]]
        polled = {name: column[known] for name, column in polls.items()}
        wrong = sends["content"][rows] != polled["content"]
        for i in np.flatnonzero(wrong)[:SHOWN_MAX]:
            yield f"L8: {self.name(polled, i)} is not what was sent"
        elsewhere = sends["partition"][rows] != polled["partition"]
        for i in np.flatnonzero(elsewhere)[:SHOWN_MAX]:
            yield f"L8: {self.name(polled, i)} was sent to partition {sends['partition'][rows[i]]}"

    def marks(self) -> Iterable[str]:
        seen = self.observations
        order = ordered(seen["partition"], np.arange(len(seen["partition"])))
        p, start, stable, high, end = (seen[name][order] for name in seen)
        for i in np.flatnonzero((start > stable) | (stable > high) | (high > end))[:SHOWN_MAX]:
            marks = f"log start {start[i]}, last stable {stable[i]}, high watermark {high[i]}, end {end[i]}"
            yield f"L9: partition {p[i]}: {marks}"
        for name, column in (("high watermark", high), ("log start", start)):
            for i in np.flatnonzero((p[1:] == p[:-1]) & (column[1:] < column[:-1]))[:SHOWN_MAX]:
                yield f"L9: the {name} of partition {p[i]} fell from {column[i]} to {column[i + 1]}"

    @staticmethod
    def keys(rows: dict[str, np.ndarray]) -> np.ndarray:
        """A value as one number: fewer than 2^23 producers, fewer than 2^40 sequences."""
        keys: np.ndarray = rows["producer"] << 40 | rows["sequence"]
        return keys

    @staticmethod
    def name(rows: dict[str, np.ndarray], i: int) -> str:
        return f"{rows['producer'][i]}:{rows['sequence'][i]} in partition {rows['partition'][i]}"

"""What transactional producers and read_committed consumers did and saw, and the rules that transactions keep: T1-T6.

    history = TxnHistory()
    txn = history.began(producer, incarnation)   a transaction, after the so-manyth InitProducerId of a transactional id
    history.sent(txn, partition, sequence, content, outcome, offset, asked, source)     source: what it was made of
    history.consumed(txn, place, first, end)     the transaction holds offset `end` of the group for `place`
    history.asked_to_end(txn, commit=True)       before the first EndTxn leaves
    history.ended(txn, outcome)                  OK: the commit was acknowledged; FAILED: it certainly did not commit
    history.fenced(producer, incarnation)        InitProducerId was answered: those before are fenced
    history.polled(session, partition, offset, value, content, reader=txn)     by a read_committed consumer
    history.found_stored(session, partition, offset, value, content)           by a read_uncommitted one
    history.committed(place, offset, asked)      what OffsetFetch (require_stable) answered
    history.copies(place, partition)             each record of this partition is to be made into one, by that group
    problems = history.problems(drained=True)

A moment is a number that only rises (`moment`), taken before a request leaves and after an answer has come, so that
"before" is said only of what certainly was. Values are those of history.py, whose rules are judged as well: twice, of
all that was acknowledged (by a read_uncommitted drain), and of what was committed.

| rule | |
|---|---|
| T1 | a read_committed consumer is never shown what was aborted or is still open, nor a transaction its own records |
| T2 | of a transaction all is seen, in all partitions, or nothing |
| T3 | what is seen of a producer in a partition is in the order in which it was sent, over all its transactions |
| T4 | a group's offsets move if and only if the transaction that holds them commits: what transactions that are seen \
have consumed follows one another without gap or overlap up to the committed offset; where a partition is copied, of \
each of its records below that offset one record is seen, and none of what is beyond or was aborted |
| T5 | a fenced producer commits nothing and writes nothing any more |
| T6 | no aborted read (G1a), no intermediate read (G1b), no transactions that have read each other (G1c over wr) |

Of cycles over wr edges together with ww (order in the log) and rw (read before it was written) there is a census and no
rule: G0 is normal in Kafka, whose transactions interleave in a log.

Threads: any; one lock.
"""

from __future__ import annotations

import bisect
import itertools
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.crash.history import FAILED, OK, SHOWN_MAX, UNKNOWN, History

Value = tuple[int, int]
"""Producer (the number of its transactional id) and sequence."""
NEVER: Final = 2**62


@dataclass(slots=True)
class Send:
    partition: int
    sequence: int
    content: int
    outcome: int
    offset: int
    asked: int
    source: Value | None = None


@dataclass(slots=True)
class Poll:
    session: int
    partition: int
    offset: int
    value: Value
    content: int
    reader: int
    """The transaction in which it was read; -1: none."""
    moment: int


@dataclass(slots=True)
class Txn:
    number: int
    producer: int
    incarnation: int
    outcome: int = UNKNOWN
    end_asked: int = NEVER
    """When it was first asked to commit."""
    end_answered: int = NEVER
    sends: list[Send] = field(default_factory=list)
    consumed: list[tuple[int, int, int]] = field(default_factory=list)


@dataclass(slots=True)
class Observation:
    place: int
    offset: int
    asked: int
    answered: int


class TxnHistory:
    def __init__(self) -> None:
        self.txns: Final[list[Txn]] = []
        self.polls: Final[list[Poll]] = []
        self.stored: Final[list[Poll]] = []
        """What a read_uncommitted consumer has read of everything that is stored."""
        self.fences: Final[dict[tuple[int, int], int]] = {}
        self.observations: Final[list[Observation]] = []
        self.copied: Final[dict[int, int]] = {}
        """The partition that each place is the group's offset of."""
        self.marks: Final[list[tuple[int, int, int, int, int]]] = []
        self._moment = 0
        self._lock: Final = threading.Lock()

    # ---- filling

    def moment(self) -> int:
        with self._lock:
            self._moment += 1
            return self._moment

    def began(self, producer: int, incarnation: int) -> int:
        with self._lock:
            self.txns.append(Txn(len(self.txns), producer, incarnation))
            return len(self.txns) - 1

    def sent(
        self, txn: int, partition: int, sequence: int, content: int, outcome: int, offset: int, asked: int,
        source: Value | None = None,
    ) -> None:  # fmt: skip
        self.txns[txn].sends.append(Send(partition, sequence, content, outcome, offset, asked, source))

    def consumed(self, txn: int, place: int, first: int, end: int) -> None:
        self.txns[txn].consumed.append((place, first, end))

    def asked_to_end(self, txn: int, *, commit: bool) -> None:
        if commit:
            self.txns[txn].end_asked = min(self.txns[txn].end_asked, self.moment())

    def ended(self, txn: int, outcome: int) -> None:
        self.txns[txn].outcome = outcome
        self.txns[txn].end_answered = self.moment()

    def fenced(self, producer: int, incarnation: int) -> None:
        self.fences[producer, incarnation] = self.moment()

    def polled(
        self, session: int, partition: int, offset: int, value: Value, content: int, *, reader: int = -1
    ) -> None:
        moment = self.moment()
        with self._lock:
            self.polls.append(Poll(session, partition, offset, value, content, reader, moment))

    def found_stored(self, session: int, partition: int, offset: int, value: Value, content: int) -> None:
        self.stored.append(Poll(session, partition, offset, value, content, -1, self.moment()))

    def committed(self, place: int, offset: int, asked: int) -> None:
        observation = Observation(place, offset, asked, self.moment())
        with self._lock:
            self.observations.append(observation)

    def copies(self, place: int, partition: int) -> None:
        self.copied[place] = partition

    # ---- judging

    def problems(self, *, drained: bool, all_stored: bool = True) -> list[str]:
        """One line for each case found, at most SHOWN_MAX for each rule. `drained`: at the end one session has read all
        partitions to their ends, another all that is stored, and each group's offset was asked for. `all_stored` false:
        compaction may have removed what was aborted."""
        judgement = Judgement(self)
        found: list[str] = []
        for rule in judgement.rules(drained):
            found += [line for line, _ in zip(rule, range(SHOWN_MAX), strict=False)]
        if drained:
            found += [f"stored: {line}" for line in self.of_stored(all_stored).problems(drained=True)]
        return found + [f"committed: {line}" for line in self.of_committed().problems(drained=drained)]

    def of_stored(self, all_stored: bool) -> History:
        """All that was acknowledged must be stored, committed or not."""
        history = History()
        for txn in self.txns:
            for send in txn.sends:
                outcome = send.outcome if all_stored or txn.outcome == OK else UNKNOWN
                history.sent(send.partition, txn.producer, send.sequence, send.content, outcome, send.offset)
        for poll in self.stored:
            history.polled(poll.session, poll.partition, poll.offset, *poll.value, poll.content)
        for marks in self.marks:
            history.marks(*marks)
        return history

    def of_committed(self) -> History:
        history = History()
        for txn in self.txns:
            for send in txn.sends:
                outcome = send.outcome if txn.outcome == OK else txn.outcome
                history.sent(send.partition, txn.producer, send.sequence, send.content, outcome, send.offset)
        for poll in self.polls:
            history.polled(poll.session, poll.partition, poll.offset, *poll.value, poll.content)
        return history

    def census(self) -> dict[str, int]:
        """Cycles by kind, of which only those of wr edges alone are anomalies."""
        wr, ww, rw = Judgement(self).edges()
        kinds = {"G1c over wr": [wr], "G0": [ww], "G1c": [wr, ww], "G2": [wr, ww, rw]}
        return {kind: sum(1 for _ in cycles(joined(graphs))) for kind, graphs in kinds.items()}


Graph = dict[int, set[int]]


class Judgement:
    def __init__(self, history: TxnHistory) -> None:
        self.history = history
        self.txn_of: dict[Value, Txn] = {
            (txn.producer, send.sequence): txn for txn in history.txns for send in txn.sends
        }
        self.seen: set[Value] = {poll.value for poll in history.polls}

    def is_visible(self, txn: Txn) -> bool:
        return txn.outcome == OK or any((txn.producer, send.sequence) in self.seen for send in txn.sends)

    def rules(self, drained: bool) -> Iterable[Iterator[str]]:
        yield self.only_committed()
        if drained:
            yield self.all_or_nothing()
        yield self.in_order()
        yield self.offsets_when_asked()
        if drained:
            yield self.offsets_in_the_end()
            yield self.copied_once()
        yield self.fenced_for_good()
        yield self.no_aborted_read()
        yield self.no_intermediate_read()
        yield self.no_cycle()

    # ---- T1

    def is_open(self, txn: Txn, poll: Poll) -> bool:
        return poll.moment < txn.end_asked

    def only_committed(self) -> Iterator[str]:
        for poll in self.history.polls:
            txn = self.txn_of.get(poll.value)
            if txn is None:
                continue  # L8
            if txn.number == poll.reader:
                yield f"T1: transaction {txn.number} was shown its own {name(poll)}"
            elif txn.outcome == FAILED:
                yield f"T1: {name(poll)} of transaction {txn.number}, which did not commit, was seen"
            elif self.is_open(txn, poll):
                yield f"T1: {name(poll)} of transaction {txn.number}, which was still open, was seen"

    # ---- T2

    def all_or_nothing(self) -> Iterator[str]:
        for txn in self.history.txns:
            sent = [(txn.producer, send.sequence) for send in txn.sends if send.outcome != FAILED]
            missing = [value for value in sent if value not in self.seen]
            if missing and (txn.outcome == OK or len(missing) < len(sent)):
                known = "was acknowledged" if txn.outcome == OK else "is seen in part"
                yield f"T2: transaction {txn.number} {known}; missing: {len(missing)} of {len(sent)}, {missing[:3]}"

    # ---- T3

    def in_order(self) -> Iterator[str]:
        by_place: dict[tuple[int, int, int], list[Poll]] = defaultdict(list)
        for poll in self.history.polls:
            by_place[poll.session, poll.partition, poll.value[0]].append(poll)
        for polls in by_place.values():
            polls.sort(key=lambda poll: poll.offset)
            for before, after in itertools.pairwise(polls):
                if after.value[1] < before.value[1]:
                    yield f"T3: {name(after)} stands behind {name(before)}, which was sent later"

    # ---- T4

    def offsets_when_asked(self) -> Iterator[str]:
        first_asked: dict[tuple[int, int], int] = {}
        """When the first transaction that may have committed this offset of a place was asked to."""
        committed: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        """By place, in order of time: when a commit was answered, the highest offset so far, and whose that is."""
        for txn in sorted(self.history.txns, key=lambda txn: txn.end_answered):
            for place, _, end in txn.consumed:
                if txn.outcome != FAILED:
                    first_asked[place, end] = min(first_asked.get((place, end), NEVER), txn.end_asked)
                before = committed[place][-1] if committed[place] else (-1, 0, -1)
                if txn.outcome == OK:
                    committed[place].append((txn.end_answered, *max((end, txn.number), before[1:])))
        for each in self.history.observations:
            if each.offset > 0 and first_asked.get((each.place, each.offset), NEVER) >= each.answered:
                yield f"T4: offset {each.offset} of group {each.place} is of no transaction that may have committed"
            ends = committed[each.place]
            at = bisect.bisect_left(ends, (each.asked,)) - 1
            if at >= 0 and ends[at][1] > each.offset:
                yield (
                    f"T4: transaction {ends[at][2]} had committed offset {ends[at][1]} of group {each.place}, and "
                    f"{each.offset} was fetched after it"
                )

    def offsets_in_the_end(self) -> Iterator[str]:
        last: dict[int, int] = {each.place: each.offset for each in self.history.observations}
        ranges: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        for txn in self.history.txns:
            if self.is_visible(txn):
                for place, first, end in txn.consumed:
                    ranges[place].append((first, end, txn.number))
        for place in sorted(last.keys() | ranges.keys()):
            at = 0
            for first, end, number in sorted(ranges[place]):
                if first != at:
                    what = "again" if first < at else f"and nobody {at} to {first}"
                    yield f"T4: transaction {number} has consumed {first} to {end} of group {place}, {what}"
                at = end
            if last.get(place, 0) != at:
                yield f"T4: what is seen was made of group {place} up to {at}, and its offset is {last.get(place)}"

    def copied_once(self) -> Iterator[str]:
        last: dict[int, int] = {each.place: each.offset for each in self.history.observations}
        place_of = {partition: place for place, partition in self.history.copied.items()}
        made = Counter(
            send.source for txn in self.history.txns for send in txn.sends if (txn.producer, send.sequence) in self.seen
        )
        for txn in self.history.txns:
            for send in txn.sends:
                if send.partition not in place_of:
                    continue
                place, value = place_of[send.partition], (txn.producer, send.sequence)
                to_copy = txn.outcome != FAILED and value in self.seen and send.offset < last.get(place, 0)
                if made[value] != to_copy:
                    what = "aborted " * (txn.outcome == FAILED) + f"{value[0]}:{value[1]}"
                    where = f"{send.partition}:{send.offset}, and group {place} stands at {last.get(place, 0)}"
                    yield f"T4: of {what} {made[value]} copies are seen; it stands at {where}"

    # ---- T5

    def fenced_for_good(self) -> Iterator[str]:
        later: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for (producer, incarnation), moment in self.history.fences.items():
            later[producer].append((incarnation, moment))
        for txn in self.history.txns:
            fence = min((m for i, m in later[txn.producer] if i > txn.incarnation), default=NEVER)
            visible = self.is_visible(txn)
            if fence < txn.end_asked < NEVER and visible:
                yield f"T5: transaction {txn.number} of producer {txn.producer} was committed after it was fenced"
            for send in txn.sends:
                value = txn.producer, send.sequence
                if send.asked > fence and (send.outcome == OK or value in self.seen):
                    yield f"T5: {value[0]}:{value[1]} of transaction {txn.number} was written after it was fenced"

    # ---- T6

    def no_aborted_read(self) -> Iterator[str]:
        for poll in self.history.polls:
            txn = self.txn_of.get(poll.value)
            if poll.reader >= 0 and txn is not None and txn.outcome == FAILED:
                yield f"T6: G1a: transaction {poll.reader} has read {name(poll)} of the aborted {txn.number}"

    def no_intermediate_read(self) -> Iterator[str]:
        for poll in self.history.polls:
            txn = self.txn_of.get(poll.value)
            if poll.reader >= 0 and txn is not None and txn.number != poll.reader and self.is_open(txn, poll):
                yield f"T6: G1b: transaction {poll.reader} has read {name(poll)} of {txn.number} before its end"

    def no_cycle(self) -> Iterator[str]:
        for cycle in cycles(self.edges()[0]):
            yield f"T6: G1c: transactions {cycle[:8]} have read each other"

    def edges(self) -> tuple[Graph, Graph, Graph]:
        """Between visible transactions: who has read whose record (wr), whose record follows whose in a log (ww), whose
        record was written behind what was read (rw)."""
        wr, ww, rw = (defaultdict[int, set[int]](set) for _ in range(3))
        logs: dict[int, dict[int, int]] = defaultdict(dict)
        for poll in self.history.polls:
            txn = self.txn_of.get(poll.value)
            if txn is not None:
                logs[poll.partition][poll.offset] = txn.number
        behind: dict[tuple[int, int], int] = {}
        for partition, log in logs.items():
            ordered = sorted(log.items())
            for (offset, before), (_, after) in itertools.pairwise(ordered):
                behind[partition, offset] = after
                if before != after:
                    ww[before].add(after)
        for poll in self.history.polls:
            txn = self.txn_of.get(poll.value)
            if poll.reader < 0 or txn is None or not self.is_visible(self.history.txns[poll.reader]):
                continue
            if txn.number != poll.reader:
                wr[txn.number].add(poll.reader)
            after_read = behind.get((poll.partition, poll.offset), poll.reader)
            if after_read != poll.reader:
                rw[poll.reader].add(after_read)
        return wr, ww, rw


def name(poll: Poll) -> str:
    return f"{poll.value[0]}:{poll.value[1]} at {poll.partition}:{poll.offset}"


def joined(graphs: Iterable[Graph]) -> Graph:
    out: Graph = defaultdict(set)
    for graph in graphs:
        for node, targets in graph.items():
            out[node] |= targets
    return out


def cycles(graph: Graph) -> Iterator[list[int]]:
    """Strongly connected components of more than one node: Tarjan's algorithm, without recursion."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    for root in list(graph):
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(graph.get(target, ()))))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component: list[int] = []
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        on_stack.discard(component[-1])
                    if len(component) > 1:
                        yield sorted(component)

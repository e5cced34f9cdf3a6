"""The checker of transactional histories itself: each anomaly is flagged by its rule, and what is right is not.

Method: random clean histories, made by a small model of producers, partitions, markers and read_committed readers; then
each of many anomalies planted into them, which must be found.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.crash.history import FAILED, OK, UNKNOWN
from tests.crash.txn_history import NEVER, Observation, Poll, Send, Txn, TxnHistory, cycles

PARTITIONS = 3
PRODUCERS = 4
DRAIN = 1
READERS = 100


class Model:
    """Partitions with open transactions, and producers that do one thing after another."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.history = TxnHistory()
        self.logs: list[list[tuple[Txn, Send]]] = [[] for _ in range(PARTITIONS)]
        self.visible: set[int] = set()
        self.open: dict[int, Txn] = {}
        self.incarnation = [0] * PRODUCERS
        self.sequence = [0] * PRODUCERS
        self.committed = [0] * PRODUCERS
        self.position = [(producer % PARTITIONS, 0) for producer in range(PRODUCERS)]

    def stable(self, partition: int) -> int:
        opened = [
            i for i, (txn, _) in enumerate(self.logs[partition]) if txn.number in {t.number for t in self.open.values()}
        ]
        return min(opened, default=len(self.logs[partition]))

    def read(self, session: int, partition: int, start: int, reader: int = -1) -> None:
        for offset in range(start, self.stable(partition)):
            txn, send = self.logs[partition][offset]
            if txn.number in self.visible:
                self.history.polled(
                    session, partition, offset, (txn.producer, send.sequence), send.content, reader=reader
                )

    def step(self) -> None:
        producer = self.chance.randrange(PRODUCERS)
        txn = self.open.get(producer)
        if txn is None:
            self.begin(producer)
        elif len(txn.sends) < 1 or self.chance.random() < 0.5:
            self.send(txn)
        else:
            self.end(txn)

    def begin(self, producer: int) -> None:
        txn = self.history.txns[self.history.began(producer, self.incarnation[producer])]
        self.open[producer] = txn
        partition, at = self.position[producer]
        self.read(READERS + producer, partition, at, reader=txn.number)
        self.position[producer] = partition, max(at, self.stable(partition))
        if self.chance.random() < 0.7:
            first = self.committed[producer]
            self.history.consumed(txn.number, producer, first, first + self.chance.randint(1, 5))

    def send(self, txn: Txn) -> None:
        partition, sequence = self.chance.randrange(PARTITIONS), self.sequence[txn.producer]
        self.sequence[txn.producer] += 1
        asked = self.history.moment()
        self.history.sent(txn.number, partition, sequence, 7 * sequence, OK, len(self.logs[partition]), asked)
        self.logs[partition].append((txn, txn.sends[-1]))

    def end(self, txn: Txn) -> None:
        del self.open[txn.producer]
        how = self.chance.choices(["commit", "abort", "unknown", "fenced"], [6, 2, 1, 1])[0]
        commits = how == "commit" or (how == "unknown" and self.chance.random() < 0.5)
        if how == "fenced":
            self.incarnation[txn.producer] += 1
            self.history.fenced(txn.producer, self.incarnation[txn.producer])
        self.history.asked_to_end(txn.number, commit=how != "abort")
        if commits:
            self.visible.add(txn.number)
            for place, _, end in txn.consumed:
                self.committed[place] = end
        if how == "unknown":
            # The one who takes over asks for the offset.
            self.incarnation[txn.producer] += 1
            self.history.fenced(txn.producer, self.incarnation[txn.producer])
        else:
            self.history.ended(txn.number, OK if commits else FAILED)
        self.history.committed(txn.producer, self.committed[txn.producer], self.history.moment())

    def finish(self) -> TxnHistory:
        for txn in list(self.open.values()):
            del self.open[txn.producer]
            if self.chance.random() < 0.5:
                self.history.ended(txn.number, FAILED)
        for partition in range(PARTITIONS):
            self.read(DRAIN, partition, 0)
            for offset, (txn, send) in enumerate(self.logs[partition]):
                self.history.found_stored(DRAIN, partition, offset, (txn.producer, send.sequence), send.content)
        for producer in range(PRODUCERS):
            self.history.committed(producer, self.committed[producer], self.history.moment())
        return self.history


def story(seed: int, steps: int = 150) -> TxnHistory:
    model = Model(seed)
    for _ in range(steps):
        model.step()
    return model.finish()


@pytest.mark.parametrize("block", range(10))
def test_clean_histories_raise_no_alarm(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        history = story(seed, steps=seed % 80)
        assert history.problems(drained=True) == [], seed
        assert history.census()["G1c over wr"] == 0


def txns(history: TxnHistory, outcome: int, *, sends: int = 1, visible: bool | None = None) -> list[Txn]:
    seen = {poll.value for poll in history.polls}
    return [
        txn
        for txn in history.txns
        if txn.outcome == outcome
        and len(txn.sends) >= sends
        and visible in (None, any((txn.producer, send.sequence) in seen for send in txn.sends))
    ]


def show(
    history: TxnHistory, txn: Txn, send: Send, *, moment: int = NEVER, reader: int = -1, session: int = 50
) -> None:
    value = txn.producer, send.sequence
    history.polls.append(Poll(session, send.partition, send.offset, value, send.content, reader, moment))


def aborted_is_seen(history: TxnHistory) -> None:
    txn = txns(history, FAILED)[0]
    show(history, txn, txn.sends[0])


def open_is_seen(history: TxnHistory) -> None:
    txn = txns(history, OK)[0]
    show(history, txn, txn.sends[0], moment=txn.end_asked - 1)


def never_ended_is_seen(history: TxnHistory) -> None:
    txn = history.txns[history.began(9, 0)]
    history.sent(txn.number, 0, 0, 1, OK, 900, history.moment())
    show(history, txn, txn.sends[0], moment=history.moment())


def own_is_seen(history: TxnHistory) -> None:
    txn = txns(history, OK)[1]
    show(history, txn, txn.sends[0], reader=txn.number)


def forget(history: TxnHistory, txn: Txn, *sends: Send) -> None:
    gone = {(txn.producer, send.sequence) for send in sends}
    history.polls[:] = [poll for poll in history.polls if poll.value not in gone]


def one_record_is_missing(history: TxnHistory) -> None:
    txn = txns(history, OK, sends=2)[0]
    forget(history, txn, txn.sends[-1])


def a_partition_is_missing(history: TxnHistory) -> None:
    txn = next(t for t in txns(history, OK, sends=2) if len({send.partition for send in t.sends}) > 1)
    forget(history, txn, *(send for send in txn.sends if send.partition == txn.sends[0].partition))


def a_transaction_is_missing(history: TxnHistory) -> None:
    txn = txns(history, OK)[0]
    forget(history, txn, *txn.sends)


def an_unknown_end_is_seen_in_part(history: TxnHistory) -> None:
    txn = txns(history, OK, sends=2)[0]
    txn.outcome = UNKNOWN
    forget(history, txn, txn.sends[0])


def order_is_turned(history: TxnHistory, *, same: bool) -> None:
    """Two records of a producer in a partition, of the same transaction or of two, have changed places."""
    for producer in range(PRODUCERS):
        found = [(txn, send) for txn in txns(history, OK) if txn.producer == producer for send in txn.sends]
        for one, first in found:
            for other, second in found:
                if first.sequence < second.sequence and first.partition == second.partition and (one is other) == same:
                    first.offset, second.offset = second.offset, first.offset
                    places = {first.sequence: first.offset, second.sequence: second.offset}
                    for poll in history.polls:
                        if poll.value[0] == producer and poll.value[1] in places:
                            poll.offset = places[poll.value[1]]
                    return
    raise AssertionError("nothing to turn")


def order_over_transactions_is_turned(history: TxnHistory) -> None:
    order_is_turned(history, same=False)


def order_in_a_transaction_is_turned(history: TxnHistory) -> None:
    order_is_turned(history, same=True)


def with_offsets(history: TxnHistory, outcome: int) -> Txn:
    return next(txn for txn in txns(history, outcome) if txn.consumed)


def offset_of_an_aborted_one(history: TxnHistory) -> None:
    txn = with_offsets(history, FAILED)
    txn.consumed = [(txn.consumed[0][0], txn.consumed[0][1], 5000)]
    history.observations.append(Observation(txn.consumed[0][0], 5000, NEVER - 1, NEVER - 1))


def offset_before_the_commit(history: TxnHistory) -> None:
    txn = with_offsets(history, OK)
    place, _, end = txn.consumed[0]
    history.observations.insert(0, Observation(place, end, 0, txn.end_asked - 1))


def offset_is_lost(history: TxnHistory) -> None:
    place = with_offsets(history, OK).consumed[0][0]
    history.observations.append(Observation(place, 0, NEVER - 1, NEVER - 1))


def offset_moves_without_records(history: TxnHistory) -> None:
    """It moves; what was made of it is seen nowhere, and its producer never heard of it."""
    txn = [t for t in txns(history, OK) if t.consumed][-1]
    txn.outcome = UNKNOWN
    forget(history, txn, *txn.sends)


def consumed_twice(history: TxnHistory) -> None:
    txn = with_offsets(history, OK)
    again = history.txns[history.began(txn.producer, txn.incarnation)]
    again.consumed = list(txn.consumed)
    again.outcome, again.end_asked, again.end_answered = OK, history.moment(), history.moment()


def a_gap_in_what_was_consumed(history: TxnHistory) -> None:
    txn = with_offsets(history, OK)
    place, first, end = txn.consumed[0]
    for each in history.txns:
        each.consumed = [(p, f + 3, e + 3) if p == place and f >= end else (p, f, e) for p, f, e in each.consumed]
    txn.consumed = [(place, first + 3, end + 3)]
    for observation in history.observations:
        if observation.place == place and observation.offset >= end:
            observation.offset += 3


def fenced_commits(history: TxnHistory) -> None:
    txn = txns(history, OK)[0]
    history.fences[txn.producer, txn.incarnation + 7] = txn.end_asked - 1


def fenced_is_seen(history: TxnHistory) -> None:
    """It was not told so, but its records are there."""
    txn = txns(history, OK)[0]
    txn.outcome = UNKNOWN
    history.fences[txn.producer, txn.incarnation + 7] = txn.end_asked - 1


def fenced_writes(history: TxnHistory) -> None:
    txn = txns(history, FAILED)[0]
    history.fences[txn.producer, txn.incarnation + 7] = txn.sends[-1].asked - 1


def aborted_is_read(history: TxnHistory) -> None:
    txn = txns(history, FAILED)[0]
    show(history, txn, txn.sends[0], reader=txns(history, OK)[0].number)


def open_is_read(history: TxnHistory) -> None:
    txn = txns(history, OK)[0]
    show(history, txn, txn.sends[0], reader=txns(history, OK)[1].number, moment=txn.end_asked - 1)


def have_read_each_other(history: TxnHistory, count: int) -> None:
    ring = txns(history, OK)[:count]
    for txn, reader in zip(ring, ring[1:] + ring[:1], strict=True):
        show(history, txn, txn.sends[0], reader=reader.number)


def two_have_read_each_other(history: TxnHistory) -> None:
    have_read_each_other(history, 2)


def five_have_read_each_other(history: TxnHistory) -> None:
    have_read_each_other(history, 5)


ANOMALIES: list[tuple[str, Callable[[TxnHistory], None]]] = [
    ("T1", aborted_is_seen), ("T1", open_is_seen), ("T1", never_ended_is_seen), ("T1", own_is_seen),
    ("T2", one_record_is_missing), ("T2", a_partition_is_missing), ("T2", a_transaction_is_missing),
    ("T2", an_unknown_end_is_seen_in_part),
    ("T3", order_over_transactions_is_turned), ("T3", order_in_a_transaction_is_turned),
    ("T4", offset_of_an_aborted_one), ("T4", offset_before_the_commit), ("T4", offset_is_lost),
    ("T4", offset_moves_without_records), ("T4", consumed_twice), ("T4", a_gap_in_what_was_consumed),
    ("T5", fenced_commits), ("T5", fenced_is_seen), ("T5", fenced_writes),
    ("T6: G1a", aborted_is_read), ("T6: G1b", open_is_read), ("T6: G1c", two_have_read_each_other),
    ("T6: G1c", five_have_read_each_other),
    # What the rules of logs say of transactions.
    ("committed: L5", a_transaction_is_missing), ("committed: L6", aborted_is_seen),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "spoil"), ANOMALIES, ids=[f"{rule}-{spoil.__name__}" for rule, spoil in ANOMALIES])
def test_each_anomaly_is_found_by_its_rule(rule: str, spoil: Callable[[TxnHistory], None]) -> None:
    for seed in range(20):
        history = story(seed, steps=300)
        spoil(history)
        assert any(problem.startswith(rule) for problem in history.problems(drained=True)), seed


# ---- copying


FILLER, COPIER, FROM, TO = 1, 0, 1, 0


def copying_story(seed: int) -> TxnHistory:
    """A partition of transactions, some aborted, copied in transactions, some aborted; the last records are left."""
    chance, history = random.Random(seed), TxnHistory()
    history.copies(0, FROM)
    log: list[tuple[int, int]] = []  # offset and number of what is committed
    stored: list[tuple[int, Txn]] = []  # by partition
    offset = number = 0
    for filling in range(12):
        txn = history.txns[history.began(FILLER, 0)]
        aborts = filling != 11 and chance.random() < 0.3
        for _ in range(chance.randint(1, 5)):
            history.sent(txn.number, FROM, number, number, OK, offset, history.moment())
            log += [] if aborts else [(offset, number)]
            number, offset = number + 1, offset + 1
        history.asked_to_end(txn.number, commit=not aborts)
        history.ended(txn.number, FAILED if aborts else OK)
        stored.append((FROM, txn))
        offset += 1  # the marker
    at = committed = copy = place = 0
    while at < len(log) - 2:
        some, aborts = log[at:-2][: chance.randint(1, 4)], chance.random() < 0.3
        txn = history.txns[history.began(COPIER, 0)]
        for source in some:
            history.polled(READERS + txn.number, FROM, source[0], (FILLER, source[1]), source[1], reader=txn.number)
            history.sent(txn.number, TO, copy, source[1], OK, place, history.moment(), (FILLER, source[1]))
            copy, place = copy + 1, place + 1
        place += 1
        history.consumed(txn.number, 0, committed, some[-1][0] + 1)
        history.asked_to_end(txn.number, commit=not aborts)
        history.ended(txn.number, FAILED if aborts else OK)
        stored.append((TO, txn))
        if not aborts:
            at, committed = at + len(some), some[-1][0] + 1
        history.committed(0, committed, history.moment())
    for partition, txn in stored:
        for send in txn.sends:
            row = DRAIN, partition, send.offset, (txn.producer, send.sequence), send.content
            history.found_stored(*row)
            if txn.outcome == OK:
                history.polled(*row)
    return history


def copies(history: TxnHistory, outcome: int) -> list[Send]:
    return [send for txn in txns(history, outcome) if txn.producer == COPIER for send in txn.sends]


def copied_twice(history: TxnHistory) -> None:
    one, other = copies(history, OK)[:2]
    one.source = other.source


def copied_although_aborted(history: TxnHistory) -> None:
    aborted = next(txn for txn in txns(history, FAILED) if txn.producer == FILLER)
    copies(history, OK)[0].source = FILLER, aborted.sends[0].sequence


def copied_and_not_passed(history: TxnHistory) -> None:
    """A record beyond the group's offset was copied with those before it."""
    passed = {send.source for send in copies(history, OK)}
    left = [t for t in txns(history, OK) if t.producer == FILLER][-1].sends[-1]
    assert (FILLER, left.sequence) not in passed
    copies(history, OK)[-1].source = FILLER, left.sequence


def passed_and_not_copied(history: TxnHistory) -> None:
    """It was consumed, and nothing was made of it, as if the consumer had never been shown it."""
    txn = next(txn for txn in txns(history, OK) if txn.producer == COPIER)
    gone = txn.sends.pop()
    for polls in (history.polls, history.stored):
        polls[:] = [poll for poll in polls if poll.value != (COPIER, gone.sequence)]


COPYING_ANOMALIES = [copied_twice, copied_although_aborted, copied_and_not_passed, passed_and_not_copied]


def test_clean_copies_raise_no_alarm() -> None:
    for seed in range(200):
        assert copying_story(seed).problems(drained=True) == [], seed


@pytest.mark.parametrize("spoil", COPYING_ANOMALIES, ids=lambda spoil: spoil.__name__)
def test_a_copy_too_many_or_too_few_is_found(spoil: Callable[[TxnHistory], None]) -> None:
    found = 0
    for seed in range(30):
        history = copying_story(seed)
        if {txn.outcome for txn in history.txns if txn.producer == FILLER} == {OK}:
            continue
        spoil(history)
        found += 1
        problems = history.problems(drained=True)
        assert any(problem.startswith("T4: of ") for problem in problems), (seed, problems)
    assert found > 20


def test_what_is_stored_is_judged_whether_it_is_committed_or_not() -> None:
    history = story(5, steps=300)
    txn = txns(history, FAILED)[0]
    history.stored[:] = [each for each in history.stored if each.value != (txn.producer, txn.sends[0].sequence)]
    assert any(problem.startswith("stored: L5") for problem in history.problems(drained=True))


def test_what_is_not_drained_may_be_unseen() -> None:
    history = story(6, steps=300)
    txn = txns(history, OK)[-1]
    last = {(send.partition, send.offset) for send in txn.sends}
    history.polls[:] = [
        poll for poll in history.polls if all(p != poll.partition or poll.offset < o for p, o in last)
    ]  # fmt: skip
    assert [line for line in history.problems(drained=False) if line.startswith("T2")] == []


def test_cycles_are_the_strongly_connected_components() -> None:
    graph = {0: {1}, 1: {2}, 2: {0, 3}, 3: {4}, 4: {5}, 5: {4}, 6: {6}, 7: set()}
    assert sorted(cycles(graph)) == [[0, 1, 2], [4, 5]]


def test_a_long_path_has_no_cycle_and_overflows_no_stack() -> None:
    assert list(cycles({i: {i + 1} for i in range(50_000)})) == []


def test_an_empty_history_is_clean() -> None:
    assert TxnHistory().problems(drained=True) == []

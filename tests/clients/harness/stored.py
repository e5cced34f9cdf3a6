"""The history of a copier that writes no journal: its transactions as they are in the log of "out".

A transaction is what a producer id has written to a partition up to a marker; each partition has a copier of its own,
which is producer STORED + partition in the history. A copy has the key of its original, "1:NUMBER", and stands in the
same partition. What becomes of it is said by the marker, and when by the copier's own words, if it has said so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from harness.account import FILLER, INPUTS, Account, Inputs, value_of
from harness.broker import Broker
from harness.watching import Seen
from pykafka_core.records import Record, iterate
from tests.broker.raw_client import RawClient
from tests.crash.history import FAILED, OK, content_of
from tests.crash.txn_history import TxnHistory
from tests.crash.txn_load import DRAIN, fetch_request, next_offset, shown, whole

STORED = 10
SEQUENCES = 1_000_000
"""Of one transaction."""
NOWHERE = 9
"""The producer of what a consumer was shown and is nowhere in the log."""
COMMIT = b"\0\0\0\1"


@dataclass(slots=True, frozen=True)
class Acknowledged:
    at: int
    offset: int


@dataclass(slots=True)
class Stored:
    """A transaction in a partition."""

    partition: int
    number: int
    """Among those of this partition, in the order of their beginnings."""
    records: list[Record] = field(default_factory=list)
    committed: bool = False
    txn: int = -1

    def source(self, record: Record) -> int:
        return value_of(record.key or b"")[1]

    def value(self, record: Record) -> tuple[int, int]:
        return STORED + self.partition, self.number * SEQUENCES + self.source(record)


def read_stored(client: RawClient, partition: int, *, committed: bool) -> Iterable[tuple[Any, int]]:
    offset = 0
    while True:
        found = client.call(fetch_request("out", partition, offset, committed=committed), 11).responses[0].partitions[0]
        assert found.error_code == 0, found
        assert found.last_stable_offset == found.high_watermark, f"a transaction of partition {partition} is open"
        yield found, offset
        offset = next_offset(found, offset)
        if offset >= found.high_watermark:
            return


def transactions(client: RawClient, partition: int) -> list[Stored]:
    made: list[Stored] = []
    opened: dict[int, Stored] = {}
    for found, _ in read_stored(client, partition, committed=False):
        for header, batch in whole(found.records):
            if header.is_control:
                (marker,) = iterate(batch)
                if header.producer_id in opened:
                    opened.pop(header.producer_id).committed = marker.key == COMMIT
                continue
            if header.producer_id not in opened:
                made.append(Stored(partition, len(made)))
                opened[header.producer_id] = made[-1]
            opened[header.producer_id].records += iterate(batch)
    return made


def note_stored(
    account: Account, broker: Broker, inputs: Inputs, said_by: Sequence[Sequence[Acknowledged]], seen: Sequence[Seen]
) -> None:
    """`said_by`: by partition, what its copier has said was acknowledged. `seen`: by whoever watched."""
    with RawClient(broker.bootstrap) as client:
        found = [transactions(client, partition) for partition in range(len(said_by))]
        drained = [
            (partition, record)
            for partition in range(len(said_by))
            for answer, offset in read_stored(client, partition, committed=True)
            for record in shown(answer, offset)
        ]
    values = {
        (each.partition, record.offset): each.value(record)
        for of_partition in found
        for each in of_partition
        for record in each.records
    }
    for each in itertools.chain.from_iterable(found):
        account.note(partial(tell_begun, each, inputs), 0)
    for partition, said in enumerate(said_by):
        note_acknowledged(account, partition, found[partition], said, inputs)
    account.watched(seen, lambda each: values.get((each.partition, each.offset), (NOWHERE, each.offset)))
    for partition, record in drained:
        value = values.get((partition, record.offset), (NOWHERE, record.offset))
        row = DRAIN, partition, record.offset, value, content_of(record.key, record.value, record.timestamp)
        account.note_last(lambda history, row=row: history.polled(*row))
    for number, each in inputs.items():
        # Each of them was read to be copied; that all of them were is T4's to find.
        row = DRAIN, INPUTS + each.partition, each.offset, (FILLER, number), each.content(number)
        account.note_last(lambda history, row=row: note_input(history, row))


def note_input(history: TxnHistory, row: tuple[int, int, int, tuple[int, int], int]) -> None:
    history.polled(*row)
    history.found_stored(*row)


def tell_begun(each: Stored, inputs: Inputs, history: TxnHistory) -> None:
    each.txn = history.began(STORED + each.partition, 0)
    for record in each.records:
        original = inputs[each.source(record)]
        value, source = each.value(record), (FILLER, each.source(record))
        content = content_of(original.key(source[1]), original.value, record.timestamp)
        history.sent(each.txn, original.partition, value[1], content, OK, record.offset, history.moment(), source)
        made = content_of(record.key, record.value, record.timestamp)
        history.found_stored(DRAIN, each.partition, record.offset, value, made)
    offsets = [inputs[each.source(record)].offset for record in each.records]
    history.consumed(each.txn, each.partition, min(offsets), max(offsets) + 1)
    history.asked_to_end(each.txn, commit=each.committed)
    if not each.committed:
        history.ended(each.txn, FAILED)


def note_acknowledged(
    account: Account, place: int, found: list[Stored], said: Sequence[Acknowledged], inputs: Inputs
) -> None:
    """Each commit that was acknowledged, when it was said; the others in the end. One that is not in the log is told as
    a transaction of its own."""
    committed = {
        max(inputs[each.source(record)].offset for record in each.records) + 1: each for each in found if each.committed
    }
    before = 0
    for each in said:
        if each.offset > before:
            account.note(
                partial(tell_acknowledged, committed.pop(each.offset, None), place, before, each.offset), each.at
            )
            before = each.offset
    for left in committed.values():
        account.note_last(lambda history, left=left: history.ended(left.txn, OK))


def tell_acknowledged(each: Stored | None, place: int, first: int, end: int, history: TxnHistory) -> None:
    txn = history.began(STORED + place, 0) if each is None else each.txn
    if each is None:
        history.consumed(txn, place, first, end)
        history.asked_to_end(txn, commit=True)
    history.ended(txn, OK)

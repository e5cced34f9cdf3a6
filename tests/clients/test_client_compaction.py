"""Goal: our log cleaner leaves what Apache Kafka's leaves, batch by batch, and each goes on where the other has ended.

Method: logs made by chance: plain, idempotent and transactional producers, every codec, tombstones, transactions that
commit, abort or stay open, segments of any size. The same directory is cleaned by Kafka's `Cleaner` and by ours; then
more is appended, time passes, and each goes on with what the other has left. After each round both directories hold the
same batches with the same records: every offset, timestamp, key, value, tombstone and marker, every field of every
header but for what `shown` leaves out. Segments need not be cut at the same places.
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import jars
from harness.cleaning import Job, KafkaCleaner, clean_with_ours
from harness.presence import MissingError, absent
from pykafka_core.native import Log
from pykafka_core.records import BatchHeader, Codec, batches, encode, iterate

pytestmark = [pytest.mark.row("directory"), pytest.mark.timeout(300)]

T = 1_700_000_000_000
RETENTION_MS = 60_000
DELETE_HORIZON = 0x40
SEGMENT = 1 << 20
CODECS = [Codec.NONE, Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]
KEYS = [b"k%d" % number for number in range(12)] + [b"", bytes(300)]
LOGS = int(os.environ.get("COMPACTION_LOGS", "25"))
ROUNDS = 3
CONFIG = (SEGMENT, 7 * 86_400_000, 10 << 20, 512, 2**31 - 1)


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaCleaner]:
    try:
        jars.require()
    except MissingError as error:
        absent(str(error))
    cleaner = KafkaCleaner()
    yield cleaner
    cleaner.close()


class Writer:
    """What the leader of a partition appends, by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now_ms = T
        self.end_offset = 0
        self.sequences: dict[int, int] = {}
        self.open: dict[int, int] = {}
        """Transactions that have not ended: producer and first offset."""

    def more(self) -> list[bytes | None]:
        """Batches; None stands for the begin of a new segment, and is the last."""
        steps: list[bytes | None] = []
        for _ in range(self.chance.randrange(5, 60)):
            steps.append(self.batch())
            if self.chance.random() < 0.08:
                steps.append(None)
        if self.chance.random() < 0.8:
            steps += [self.marker(producer) for producer in sorted(self.open)]
        return [*steps, None]

    @property
    def last_stable_offset(self) -> int:
        return min(self.open.values(), default=self.end_offset)

    def batch(self) -> bytes:
        chance, base = self.chance, self.end_offset
        self.now_ms += chance.randrange(5000)
        if self.open and chance.random() < 0.3:
            return self.marker(chance.choice(sorted(self.open)))
        kind = chance.choice(["plain", "idempotent", "transactional"])
        producers = {"plain": [-1], "idempotent": [1, 2], "transactional": [11, 12, 13]}
        producer, count = chance.choice(producers[kind]), chance.randint(1, 6)
        of_producer: dict[str, int] = {}
        if producer >= 0:
            sequence = self.sequences.get(producer, 0)
            self.sequences[producer] = sequence + count
            of_producer = {"producer_id": producer, "producer_epoch": 0, "base_sequence": sequence}
        if kind == "transactional":
            self.open.setdefault(producer, base)
        self.end_offset += count
        return encode(
            [
                (base + at, self.now_ms + chance.randrange(3000), chance.choice(KEYS), self.value())
                for at in range(count)
            ],
            leader_epoch=0,
            codec=chance.choice(CODECS),
            transactional=kind == "transactional",
            **of_producer,
        )

    def value(self) -> bytes | None:
        return None if self.chance.random() < 0.25 else self.chance.randbytes(self.chance.randrange(60)) * 3

    def marker(self, producer: int) -> bytes:
        key, value = struct.pack(">hh", 0, self.chance.randrange(2)), struct.pack(">hi", 0, 3)
        marker = encode(
            [(self.end_offset, self.now_ms, key, value)],
            leader_epoch=0, producer_id=producer, producer_epoch=0, transactional=True, control=True,
        )  # fmt: skip
        del self.open[producer]
        self.end_offset += 1
        return marker


def append(directory: Path, steps: Sequence[bytes | None]) -> None:
    with Log(directory, config=CONFIG, clean=True, compacted=True) as log:
        for batch in steps:
            if batch is None:
                log.roll()
            else:
                log.append_as_follower(batch)


def content(directory: Path) -> list[bytes]:
    """Its batches. Reading them, the log is opened as the next start would."""
    with Log(directory, config=CONFIG, clean=True, compacted=True) as log:
        end, found, offset = log.log_end_offset, [], log.log_start_offset
        while offset < end:
            data = log.read(offset)
            if not data:
                break
            for batch in batches(data):
                found.append(bytes(batch))
                offset = BatchHeader.load(batch).last_offset + 1
        return found


def shown(batch: bytes, originals: set[bytes]) -> tuple[Any, ...]:
    """What both must agree on. A batch that nothing was taken from is the same bytes in both. In one that was made
    anew, Kafka begins the timestamps with the first record that is left, and we leave them as they are, so that records
    are moved and not encoded again; what a reader gets is the same."""
    if batch in originals:
        return ("as it was", batch)
    header = BatchHeader.load(batch)
    left_out = {"size_bytes", "crc"} if header.attributes & DELETE_HORIZON else {"size_bytes", "crc", "base_timestamp"}
    fields = {name: getattr(header, name) for name in BatchHeader.__slots__ if name not in left_out}
    return tuple(sorted(fields.items())), [tuple(record) for record in iterate(batch)]


def difference(ours: list[bytes], kafkas: list[bytes], originals: set[bytes]) -> str:
    """Of two logs, where they begin to differ; empty if they do not."""
    for at in range(max(len(ours), len(kafkas))):
        pair = [shown(each[at], originals) if at < len(each) else None for each in (ours, kafkas)]
        if pair[0] != pair[1]:
            return f"batch {at}:\n  ours   {pair[0]}\n  Kafka  {pair[1]}"
    return ""


@pytest.mark.parametrize("seed", range(LOGS))
def test_both_cleaners_leave_the_same(tmp_path: Path, kafka: KafkaCleaner, seed: int) -> None:
    writer = Writer(random.Random(seed))
    for_us, for_kafka = tmp_path / "a" / "t-0", tmp_path / "b" / "t-0"
    first_dirty = removed = 0
    originals: set[bytes] = set()
    for round_ in range(ROUNDS):
        steps = writer.more()
        for directory in (for_us, for_kafka):
            directory.parent.mkdir(exist_ok=True)
            append(directory, steps)
        originals.update(filter(None, steps))
        written = len(content(for_us))
        job = Job(writer.now_ms + 10_000, RETENTION_MS, SEGMENT, first_dirty, writer.last_stable_offset)
        by_kafka = kafka.clean(for_kafka, job)
        if by_kafka.end_offset == 0:
            # A transaction that is open keeps everything new from being cleaned; brokers do not begin then.
            assert not difference(content(for_us), content(for_kafka), originals)
            continue
        by_us = clean_with_ours(for_us, job)
        assert by_us.end_offset == by_kafka.end_offset
        differs = difference(content(for_us), content(for_kafka), originals)
        if differs:
            pytest.fail(f"round {round_}, {job}: {differs}", pytrace=False)
        removed += written - len(content(for_us))
        # Each goes on with what the other has left, and may find that the horizon of tombstones and markers is over.
        for_us, for_kafka = for_kafka, for_us
        first_dirty = by_us.end_offset
        writer.now_ms += writer.chance.choice([1000, 2 * RETENTION_MS])
    assert removed > 0 or not first_dirty

"""What kafka-dump-log shows of logs, metadata snapshots, producer snapshots and transaction indexes.

A batch is shown from its header, whatever its CRC says (`isvalid: false`); its place is in its line. What cannot be a
batch ends the file with a DumpError, in the words of org.apache.kafka.common.record.FileLogInputStream.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from pykafka_core.crc32c import value as crc32c
from pykafka_core.records import BatchHeader, CorruptRecordError, LimitError, Record, iterate
from pykafka_core.tools.java_order import hash_map_order
from pykafka_core.tools.progress import Progress

if TYPE_CHECKING:
    from pykafka_core.tools.dump_decoders import Decoder

__all__ = ["DumpError", "LogDump", "LogFile", "StoredBatch", "Trouble", "dump_producers", "dump_transactions"]

INTEGER_MAX: Final = 0x7FFFFFFF
HEADER_SIZE: Final = 61
OVERHEAD: Final = 12
UP_TO_MAGIC: Final = 17
RECORD_OVERHEAD_V0: Final = 14
CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
CORRUPT: Final = "org.apache.kafka.common.errors.CorruptRecordException"
INVALID: Final = "org.apache.kafka.common.InvalidRecordException"


class DumpError(Exception):
    """Ends the command; `java_name` is the exception that ends Kafka's."""

    def __init__(self, message: str, java_name: str = "java.io.IOException") -> None:
        super().__init__(message)
        self.java_name = java_name


class Trouble:
    """What is told after all files, on standard error."""

    def __init__(self) -> None:
        self.index_mismatches: dict[str, dict[int, int]] = {}
        self.time_mismatches: dict[str, list[tuple[int, int]]] = {}
        self.out_of_order: dict[str, list[tuple[int, int]]] = {}
        self.not_found: dict[str, list[tuple[int, int]]] = {}
        self.not_consecutive: dict[str, dict[int, int]] = {}

    def report(self) -> None:
        lines: list[str] = []
        for path in hash_map_order(self.index_mismatches):
            lines.append(f"Mismatches in :{path}")
            pairs = sorted(self.index_mismatches[path].items(), reverse=True)
            lines += [f"  Index offset: {index}, log offset: {log}" for index, log in pairs]
        for path in hash_map_order(self.time_mismatches):
            lines.append(f"Found timestamp mismatch in :{path}")
            lines += [f"  Index timestamp: {index}, log timestamp: {log}" for index, log in self.time_mismatches[path]]
        for path in hash_map_order(self.out_of_order):
            lines.append(f"Found out of order timestamp in :{path}")
            lines += [
                f"  Index timestamp: {index}, Previously indexed timestamp: {before}"
                for index, before in self.out_of_order[path]
            ]
        for path in hash_map_order(self.not_found):
            lines.append(f"The following indexed offsets are not found in :{path}")
            lines += [f"Indexed offset: {index}, found log offset: {log}" for index, log in self.not_found[path]]
        for path in hash_map_order(self.not_consecutive):
            lines.append(f"Non-consecutive offsets in {path}")
            lines += [
                f"  {before} is followed by {after}" for before, after in sorted(self.not_consecutive[path].items())
            ]
        for line in lines:
            print(line, file=sys.stderr)


class StoredBatch(NamedTuple):
    position: int
    header: BatchHeader
    data: bytes

    @property
    def is_valid(self) -> bool:
        return crc32c(memoryview(self.data)[21:]) == self.header.crc

    def records(self) -> Iterator[Record]:
        """Raises DumpError."""
        try:
            yield from iterate(self.data)
        except (CorruptRecordError, LimitError) as error:
            raise DumpError(
                f"Found invalid record in the batch at offset {self.header.base_offset}: {error}", INVALID
            ) from error


class LogFile:
    """A file of batches. `limit`: as if the file ended there."""

    def __init__(self, path: str, limit: int = INTEGER_MAX) -> None:
        self.path = path
        try:
            self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 (closed by __exit__)
        except FileNotFoundError as error:
            raise DumpError(path, "java.nio.file.NoSuchFileException") from error
        except OSError as error:
            raise DumpError(f"{path}: {error.strerror}") from error
        self.size = min(os.fstat(self._file.fileno()).st_size, limit)

    def __enter__(self) -> LogFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def batches(self, position: int = 0, end: int | None = None) -> Iterator[StoredBatch]:
        """The whole batches from a position on. Raises DumpError."""
        end = self.size if end is None else min(end, self.size)
        while end - position >= UP_TO_MAGIC:
            self._file.seek(position)
            head = self._file.read(HEADER_SIZE)
            size = int.from_bytes(head[8:12], "big", signed=True)
            if size < RECORD_OVERHEAD_V0:
                raise DumpError(
                    f"Found record size {size} smaller than minimum record overhead ({RECORD_OVERHEAD_V0}) in file "
                    f"{self.path}.",
                    CORRUPT,
                )
            if position > end - OVERHEAD - size:
                return
            magic = head[16]
            if magic != 2:
                raise DumpError(
                    f"The batch at position {position} of {self.path} has magic {magic}; only 2 is known",
                    "java.lang.IllegalArgumentException",
                )
            if size + OVERHEAD < HEADER_SIZE:
                raise DumpError(f"The batch at position {position} of {self.path} is smaller than its header", CORRUPT)
            data = head + self._file.read(size + OVERHEAD - HEADER_SIZE)
            yield StoredBatch(position, BatchHeader.load(data), data)
            position += size + OVERHEAD


def sequence_after(base: int, delta: int) -> int:
    """Sequence numbers begin again at 0; without a producer there is none."""
    if base == -1:
        return -1
    return base + delta if base <= INTEGER_MAX - delta else delta - (INTEGER_MAX - base) - 1


def optional_long(value: int | None) -> str:
    return "OptionalLong.empty" if value is None else f"OptionalLong[{value}]"


def java(value: bool) -> str:
    return "true" if value else "false"


class LogDump:
    def __init__(
        self, decoder: Decoder, *, prints_data: bool, is_deep: bool, skips_metadata: bool, max_bytes: int
    ) -> None:
        self._decoder = decoder
        self._prints_data = prints_data
        self._is_deep = is_deep
        self._skips_metadata = skips_metadata
        self._max_bytes = max_bytes

    def dump(self, path: str, trouble: Trouble) -> None:
        """Raises DumpError."""
        name = os.path.basename(path)
        print(heading(name))
        with LogFile(path, self._max_bytes) as file:
            last_offset = -1
            valid_bytes = 0
            for batch in progressing(file):
                print_batch(batch)
                valid_bytes = batch.position + batch.header.size_bytes
                if self._is_deep:
                    last_offset = self._dump_records(batch, last_offset, path, trouble)
            if file.size > valid_bytes and self._max_bytes == INTEGER_MAX:
                print(f"Found {file.size - valid_bytes} invalid bytes at the end of {name}")

    def _dump_records(self, batch: StoredBatch, last_offset: int, path: str, trouble: Trouble) -> int:
        header = batch.header
        kind = "LogAppendTime" if header.is_log_append_time else "CreateTime"
        shows_data = self._prints_data and not header.is_control
        # One write for a batch, also for one that ends in the middle.
        lines: list[str] = []
        try:
            return self._describe(batch, kind, shows_data, last_offset, path, trouble, lines)
        finally:
            sys.stdout.write("".join(lines))

    def _describe(
        self,
        batch: StoredBatch,
        kind: str,
        shows_data: bool,
        last_offset: int,
        path: str,
        trouble: Trouble,
        lines: list[str],
    ) -> int:
        header = batch.header
        for record in batch.records():
            if record.offset != last_offset + 1:
                trouble.not_consecutive.setdefault(os.path.abspath(path), {})[last_offset] = record.offset
            last_offset = record.offset
            line = ""
            if not self._skips_metadata:
                key_size = -1 if record.key is None else len(record.key)
                value_size = -1 if record.value is None else len(record.value)
                sequence = sequence_after(header.base_sequence, record.offset - header.base_offset)
                line = (
                    f"| offset: {record.offset} {kind}: {record.timestamp} keySize: {key_size} valueSize: {value_size} "
                    f"sequence: {sequence} headerKeys: [{','.join(name for name, _ in record.headers)}]"
                )
                if header.is_control:
                    from pykafka_core.tools.dump_decoders import control_text

                    line += control_text(record)
            if shows_data:
                try:
                    key, value = self._decoder(record)
                except DumpError:
                    lines.append(line)
                    raise
                prefix = "| " if self._skips_metadata else " "
                if key is not None:
                    line += f"{prefix}key: {key}"
                    prefix = " "
                if value is not None:
                    line += f"{prefix}payload: {value}"
            lines.append(line + "\n")
        return last_offset


def progressing(file: LogFile) -> Iterator[StoredBatch]:
    """The batches of a file; the terminal is told how far they are."""
    with Progress(f"bytes of {os.path.basename(file.path)}", file.size, beside_output=True) as progress:
        for batch in file.batches():
            progress.show(batch.position)
            yield batch


def heading(name: str) -> str:
    """Raises DumpError."""
    if name == "bootstrap.checkpoint":
        return "KRaft bootstrap snapshot"
    first = name.split(".")[0]
    if name.endswith(".checkpoint"):
        end_offset, dash, epoch = first.partition("-")
        if not (dash and end_offset.isdecimal() and epoch.isdecimal()):
            raise DumpError("No value present", "java.util.NoSuchElementException")
        return f"Snapshot end offset: {int(end_offset)}, epoch: {int(epoch)}"
    return f"Log starting offset: {base_offset_of(name)}"


def base_offset_of(name: str) -> int:
    """Raises DumpError."""
    first = name.split(".")[0]
    if not first.isdecimal():
        raise DumpError(f'For input string: "{first}"', "java.lang.NumberFormatException")
    return int(first)


def print_batch(batch: StoredBatch) -> None:
    """The line of a batch; one with an unknown codec is shown up to it. Raises DumpError."""
    h = batch.header
    print(
        f"baseOffset: {h.base_offset} lastOffset: {h.last_offset} count: {h.record_count} "
        f"baseSequence: {h.base_sequence} lastSequence: {sequence_after(h.base_sequence, h.last_offset_delta)} "
        f"producerId: {h.producer_id} producerEpoch: {h.producer_epoch} partitionLeaderEpoch: {h.leader_epoch} "
        f"isTransactional: {java(h.is_transactional)} isControl: {java(h.is_control)} "
        f"deleteHorizonMs: {optional_long(h.delete_horizon_ms)}",
        end="",
    )
    if h.codec >= len(CODECS):
        raise DumpError(f"Unknown compression type id: {h.codec}", "java.lang.IllegalArgumentException")
    print(
        f" position: {batch.position} "
        f"{'LogAppendTime' if h.is_log_append_time else 'CreateTime'}: {h.max_timestamp} size: {h.size_bytes} "
        f"magic: {h.magic} compresscodec: {CODECS[h.codec]} crc: {h.crc} isvalid: {java(batch.is_valid)}"
    )


# ---- producer snapshots and aborted transactions --------------------------------------------------------------------


def read_whole(path: str) -> bytes:
    """Raises DumpError."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise DumpError(path, "java.nio.file.NoSuchFileException") from error
    except OSError as error:
        raise DumpError(f"{path}: {error.strerror}") from error


def dump_producers(path: str) -> None:
    """A producer snapshot; a damaged one is told and is no failure. Raises DumpError."""
    from pykafka_core.protocol._codec import decode
    from pykafka_core.protocol.exceptions import ProtocolError
    from pykafka_core.protocol.records.storage.producer_snapshot import ProducerSnapshot

    data = read_whole(path)
    version = int.from_bytes(data[:2], "big", signed=True)
    if len(data) >= 2 and version != 1:
        print(
            f"Snapshot failed schema validation: Snapshot contained an unknown file version {version}", file=sys.stderr
        )
        return
    try:
        snapshot, _ = decode(ProducerSnapshot, 1, data, 2)
    except (ProtocolError, ValueError) as error:
        print(f"Snapshot failed schema validation: {error}", file=sys.stderr)
        return
    computed = crc32c(memoryview(data)[6:])
    if computed != snapshot.crc:
        print(
            f"Snapshot is corrupt (CRC is no longer valid). Stored crc: {snapshot.crc}. Computed crc: {computed}",
            file=sys.stderr,
        )
        return
    for entry in snapshot.producer_entries:
        first = entry.current_txn_first_offset
        line = (
            f"producerId: {entry.producer_id} producerEpoch: {entry.epoch} "
            f"coordinatorEpoch: {entry.coordinator_epoch} "
            f"currentTxnFirstOffset: {optional_long(None if first < 0 else first)} lastTimestamp: {entry.timestamp}"
        )
        if entry.last_offset >= 0:
            first_sequence = entry.last_sequence - entry.offset_delta
            if first_sequence < 0:
                first_sequence += INTEGER_MAX + 1
            line += (
                f" firstSequence: {first_sequence} lastSequence: {entry.last_sequence} "
                f"lastOffset: {entry.last_offset} offsetDelta: {entry.offset_delta} timestamp: {entry.timestamp}"
            )
        print(line)


ABORTED: Final = struct.Struct(">hqqqq")


def dump_transactions(path: str) -> None:
    """A transaction index. Raises DumpError."""
    data = read_whole(path)
    for at in range(0, len(data), ABORTED.size):
        if len(data) - at < ABORTED.size:
            raise DumpError(
                f"Failed to read aborted transaction from the transaction index {os.path.abspath(path)}",
                "org.apache.kafka.common.KafkaException",
            )
        version, producer_id, first, last, stable = ABORTED.unpack_from(data, at)
        if version > 0:
            raise DumpError(
                f"Unexpected aborted transaction version {version} in transaction index {os.path.abspath(path)}, "
                "current version is 0",
                "org.apache.kafka.common.KafkaException",
            )
        print(
            f"version: {version} producerId: {producer_id} firstOffset: {first} lastOffset: {last} "
            f"lastStableOffset: {stable}"
        )

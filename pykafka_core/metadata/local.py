"""The local engine: metadata of one broker in a `__cluster_metadata-0` log, in Apache Kafka's own formats.

    directories = open_directories(config.log_dirs, node_id=config.node_id)
    store = LocalMetadataStore.open(directories.metadata.path, directories.node_id, settings=LocalSettings())
    image = await store.commit(create_topic(...))
    await store.close()

What Kafka's controllers agree on by vote is here decided by one node alone, and written as a quorum of one would
write it: each start is a new leader epoch, which begins with a LeaderChange record; every batch bears the epoch; a
snapshot is taken now and then and replaces what lies before it. So Apache Kafka can go on from here, and we from
where it stopped.

Order of writes
  start     read and judge everything (nothing written) -> cut the torn tail -> quorum-state -> LeaderChange, synced
  commit    check against the image -> append -> sync -> image moves -> watchers -> answer
  snapshot  temporary file, sync, rename, sync of the directory -> older snapshots and segments that it makes needless
  go

Invariants
  1. The image is what replaying the newest snapshot and the log after it gives.
  2. Between the oldest snapshot that is kept and the log's end no offset is missing.
  3. After a failed append or sync nothing more is committed: what the disk holds then is found out by reading it anew.

Thread: the asyncio thread. A commit waits for the disk there; no other request is answered by Python meanwhile,
produce and fetch go on.

Source: org.apache.kafka.raft.KafkaRaftClient, KIP-595, KIP-630, KIP-631.
"""

from __future__ import annotations

import time

from pykafka_core._dataclass import dataclass
from pykafka_core._later_log import get_logger
from pykafka_core._path import Path
from pykafka_core.metadata.directories import BOOTSTRAP_CHECKPOINT, METADATA_DIRECTORY
from pykafka_core.metadata.errors import MetadataError, RevisionConflictError
from pykafka_core.metadata.files import sync_directory
from pykafka_core.metadata.image import MetadataImage
from pykafka_core.metadata.local_batches import BatchRecord, encode_batch
from pykafka_core.metadata.local_load import LoadedMetadata, load_metadata
from pykafka_core.metadata.local_log import (
    MetadataLog,
    OpenLog,
    QuorumState,
    discard_segments,
    write_quorum_state,
)
from pykafka_core.metadata.local_records import (
    VoterSet,
    encode_record,
    kraft_version_record,
    leader_change_record,
    voters_record,
)
from pykafka_core.metadata.local_snapshot import SnapshotId, delete_snapshots, list_snapshots, write_snapshot
from pykafka_core.metadata.partition_directories import write_topic_id
from pykafka_core.metadata.replay import ImageBuilder
from pykafka_core.metadata.store import MetadataChange
from pykafka_core.metadata.uuids import METADATA_TOPIC_ID
from pykafka_core.protocol.message import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final, Self

    from pykafka_core.metadata.store import Unwatch, Watcher

__all__ = ["LocalMetadataStore", "LocalSettings"]

_log = get_logger("pykafka_core.metadata")

BATCH_SIZE_MAX: Final = 1024 * 1024
"""A change with more bytes than this is written as several batches inside a metadata transaction (KIP-868)."""
TRANSACTIONS_FROM: Final = 13
"""metadata.version 3.6-IV1."""
SNAPSHOTS_KEPT: Final = 2
"""The newest, and one to fall back on."""
SEGMENT_SIZE_KEPT_BYTES: Final = 1024 * 1024
"""A segment that a snapshot has made needless is given up once it is this large."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True, frozen=True, kw_only=True)
class LocalSettings:
    """What of the broker's configuration the engine needs."""

    snapshot_after_bytes: int = 20 * 1024 * 1024
    """metadata.log.max.record.bytes.between.snapshots."""
    snapshot_after_ms: int = 3600 * 1000
    """metadata.log.max.snapshot.interval.ms; 0: only by size."""
    segment_size_bytes: int = 1024 * 1024 * 1024
    """metadata.log.segment.bytes."""


class LocalMetadataStore:
    """MetadataStore over `__cluster_metadata-0` in one directory."""

    lease_deadline: Final = float("inf")

    def __init__(
        self,
        directory: Path,
        node_id: int,
        loaded: LoadedMetadata,
        log: MetadataLog,
        settings: LocalSettings,
        clock_ms: Callable[[], int],
    ) -> None:
        self._directory = directory
        self._node_id = node_id
        self._image = loaded.image
        self._leader_epoch = loaded.leader_epoch + 1
        self._voter_set = loaded.voter_set
        self._log = log
        self._settings = settings
        self._clock_ms = clock_ms
        self._watchers: list[Watcher] = []
        self._bytes_since_snapshot = loaded.bytes_since_snapshot
        self._snapshot_revision = loaded.snapshot_revision
        self._snapshot_at_ms = clock_ms()
        self._writable = True

    @staticmethod
    def read(log_directory: Path, node_id: int) -> LoadedMetadata:
        """What lies below this log directory, if it can be taken over. Writes nothing. Raises MetadataError."""
        directory = log_directory / METADATA_DIRECTORY
        try:
            return load_metadata(directory, node_id, bootstrap=log_directory / BOOTSTRAP_CHECKPOINT)
        except OSError as error:
            raise MetadataError(f"The metadata in {directory} cannot be opened: {error}.") from error

    @classmethod
    def open(
        cls,
        log_directory: Path,
        node_id: int,
        *,
        loaded: LoadedMetadata | None = None,
        open_log: OpenLog | None = None,
        settings: LocalSettings | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> Self:
        """Read the metadata below this log directory (formatted by `open_directories`) and begin a new leader epoch.

        `loaded`: what was read there a moment ago, by `read`. Raises MetadataError, before anything is written where it
        is about what was read.
        """
        settings = settings or LocalSettings()
        directory = log_directory / METADATA_DIRECTORY
        try:
            loaded = loaded or cls.read(log_directory, node_id)
            for warning in loaded.warnings:
                _log.warning("%s", warning)
            if loaded.discard_log:
                discard_segments(directory, loaded.end_offset)
            # A directory that kafka-storage has formatted for a static quorum has no metadata log yet.
            if not directory.exists():
                directory.mkdir()
                sync_directory(log_directory)
            if not (directory / "partition.metadata").exists():
                write_topic_id(directory, METADATA_TOPIC_ID, name_durable=False)  # with that of quorum-state
            write_quorum_state(
                directory,
                QuorumState(
                    leader_id=node_id,
                    leader_epoch=loaded.leader_epoch + 1,
                    voter_ids=(node_id,),
                    version=1 if loaded.voter_set.kraft_version else 0,
                ),
            )
            log = (open_log or open_engine_log)(directory, segment_size_bytes=settings.segment_size_bytes)
        except OSError as error:
            raise MetadataError(f"The metadata in {directory} cannot be opened: {error}.") from error
        if log.end_offset != loaded.end_offset:
            found = log.end_offset
            log.close()
            raise MetadataError(
                f"The metadata log in {directory} ends at offset {found}, "
                f"although its batches end at {loaded.end_offset}."
            )
        store = cls(directory, node_id, loaded, log, settings, clock_ms)
        try:
            store._begin_epoch(loaded)
        except BaseException:
            log.close()
            raise
        return store

    def _begin_epoch(self, loaded: LoadedMetadata) -> None:
        """The records that a new leader writes: that it leads, and what the one before left undone.

        They are synced with the first change, before which nobody relies on them."""
        head = [leader_change_record(self._node_id)]
        if loaded.voters_missing_from_log:
            head += [kraft_version_record(self._voter_set), voters_record(self._voter_set)]
        led = encode_batch(self._log.end_offset, self._leader_epoch, self._clock_ms(), head, control=True)
        self._append([led], durable=False)
        self._image = ImageBuilder(self._image).build(
            revision=self._log.end_offset - 1, leader_epoch=self._leader_epoch, timestamp_ms=self._clock_ms()
        )
        if loaded.in_transaction:
            from pykafka_core.protocol.records.metadata.abort_transaction_record import AbortTransactionRecord

            # Its records are not in the image, and must never show.
            reason: Record = AbortTransactionRecord(reason="the controller changed")
            value = encode_record(reason, self._image.metadata_version)
            aborted = encode_batch(self._log.end_offset, self._leader_epoch, self._clock_ms(), [value])
            self._append([aborted], durable=False)
            self._image = ImageBuilder(self._image).build(revision=self._log.end_offset - 1)
        if loaded.first_records:
            self._commit(loaded.first_records, durable=False)

    # -- reading
    # ----------------------------------------------------------------------------------------------------------

    @property
    def image(self) -> MetadataImage:
        return self._image

    @property
    def leader_epoch(self) -> int:
        """The epoch of the metadata log since this start."""
        return self._leader_epoch

    @property
    def voter_set(self) -> VoterSet:
        """The voters that the metadata log names."""
        return self._voter_set

    def watch(self, watcher: Watcher, *, since_revision: int | None = None) -> Unwatch:
        """See MetadataStore.watch. Changes before now are not kept: who asks for them is shown the whole image."""
        self._watchers.append(watcher)
        if since_revision is not None and since_revision != self._image.revision:
            watcher(MetadataChange(previous=None, image=self._image, records=None))

        def unwatch() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return unwatch

    # -- writing
    # ----------------------------------------------------------------------------------------------------------

    async def commit(self, records: Sequence[Record], *, expected_revision: int | None = None) -> MetadataImage:
        """See MetadataStore.commit."""
        return self.commit_now(records, expected_revision=expected_revision)

    def commit_now(self, records: Sequence[Record], *, expected_revision: int | None = None) -> MetadataImage:
        """`commit` for whoever has no event loop: a broker that is on its way up."""
        if expected_revision is not None and expected_revision != self._image.revision:
            raise RevisionConflictError(expected_revision, self._image.revision)
        if not records:
            return self._image
        return self._commit(records)

    def _commit(self, records: Sequence[Record], *, durable: bool = True) -> MetadataImage:
        if not self._writable:
            raise MetadataError("The metadata store is closed, or a write to it failed; it takes no more changes.")
        previous = self._image
        builder = ImageBuilder(previous)
        for record in records:
            builder.replay(record)
        if builder.in_transaction:
            raise ValueError("a change to the metadata may not leave a transaction open")
        timestamp_ms = self._clock_ms()
        batches, end_offset = self._encode(records, builder, timestamp_ms)
        image = builder.build(
            revision=end_offset - 1,
            leader_epoch=self._leader_epoch,
            timestamp_ms=max(timestamp_ms, previous.timestamp_ms),
        )
        self._append(batches, durable=durable)
        self._image = image
        change = MetadataChange(previous=previous, image=image, records=tuple(records))
        for watcher in list(self._watchers):
            watcher(change)
        self._snapshot_if_due()
        return image

    def _encode(self, records: Sequence[Record], builder: ImageBuilder, timestamp_ms: int) -> tuple[list[bytes], int]:
        """The batches of a change, and the offset after them. Raises ValueError for a record that cannot be encoded."""
        level = builder.metadata_version
        values = [encode_record(record, level) for record in records]
        groups = _groups(values)
        if len(groups) > 1:
            if level < TRANSACTIONS_FROM:
                raise ValueError(f"a change of {len(values)} records is too large for metadata.version {level}")
            groups = [*_bracket(groups, level)]
        offset = self._log.end_offset
        batches: list[bytes] = []
        for group in groups:
            batches.append(encode_batch(offset, self._leader_epoch, timestamp_ms, group))
            offset += len(group)
        return batches, offset

    def _append(self, batches: Sequence[bytes], *, durable: bool) -> None:
        try:
            for batch in batches:
                self._log.append_as_follower(batch)
            if durable:
                self._log.flush()
        except Exception as error:
            self._writable = False
            raise MetadataError(f"The metadata in {self._directory} cannot be written: {error}.") from error
        self._bytes_since_snapshot += sum(map(len, batches))

    # -- snapshots
    # --------------------------------------------------------------------------------------------------------

    def _snapshot_if_due(self) -> None:
        interval = self._settings.snapshot_after_ms
        by_size = self._bytes_since_snapshot >= self._settings.snapshot_after_bytes
        by_time = interval > 0 and self._clock_ms() - self._snapshot_at_ms >= interval
        if by_size or by_time:
            self._snapshot()

    def _snapshot(self) -> None:
        """Write a snapshot of the image and give up what it makes needless. A failure costs nothing but the
        snapshot."""
        from pykafka_core.metadata.dump import dump

        image = self._image
        snapshot = SnapshotId(image.revision + 1, self._leader_epoch)
        self._bytes_since_snapshot = 0
        self._snapshot_at_ms = self._clock_ms()
        try:
            write_snapshot(
                self._directory / snapshot.file_name,
                dump(image),
                leader_epoch=self._leader_epoch,
                timestamp_ms=self._clock_ms(),
                last_contained_timestamp_ms=image.timestamp_ms,
                metadata_version=image.metadata_version,
                voter_set=self._voter_set,
            )
            self._snapshot_revision = image.revision
            kept = list_snapshots(self._directory)[:SNAPSHOTS_KEPT]
            # The log goes first: what it begins with is still covered by a snapshot if this is cut short.
            self._log.raise_start_offset(kept[-1].end_offset)
            self._log.drop_segments()
            delete_snapshots(self._directory, kept)
            self._log.roll_if_larger(SEGMENT_SIZE_KEPT_BYTES)
        except Exception as error:
            _log.error("Snapshot %s could not be written: %s", self._directory / snapshot.file_name, error)

    async def close(self) -> None:
        """See MetadataStore.close."""
        self.close_now()

    def close_now(self) -> None:
        """Take a snapshot if anything changed since the last one, and close the log."""
        if self._writable:
            self._writable = False
            if self._image.revision > self._snapshot_revision:
                self._snapshot()
        self._log.close()


def _groups(values: Sequence[BatchRecord]) -> list[list[BatchRecord]]:
    """Neighbours that fit into one batch."""
    groups: list[list[BatchRecord]] = [[]]
    size = 0
    for value in values:
        size += len(value[1] or b"")
        if size > BATCH_SIZE_MAX and groups[-1]:
            groups.append([])
            size = len(value[1] or b"")
        groups[-1].append(value)
    return groups


def _bracket(groups: Sequence[list[BatchRecord]], level: int) -> list[list[BatchRecord]]:
    """The groups with the begin and end of a transaction around them."""
    from pykafka_core.protocol.records.metadata.begin_transaction_record import BeginTransactionRecord
    from pykafka_core.protocol.records.metadata.end_transaction_record import EndTransactionRecord

    begin = [encode_record(BeginTransactionRecord(name="large change"), level)]
    return [begin, *groups, [encode_record(EndTransactionRecord(), level)]]


def open_engine_log(directory: Path, *, segment_size_bytes: int) -> MetadataLog:
    """The engine's own log in a directory."""
    from pykafka_core.metadata.local_engine import EngineLog

    return EngineLog(directory, segment_size_bytes=segment_size_bytes)

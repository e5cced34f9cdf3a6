"""Opening local stores in temporary directories, for tests."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pykafka_core.metadata.directories import open_directories
from pykafka_core.metadata.image import MetadataImage
from pykafka_core.metadata.local import LocalMetadataStore, LocalSettings
from pykafka_core.metadata.local_batches import encode_batch, iterate_batches
from pykafka_core.metadata.local_log import OpenLog
from pykafka_core.metadata.local_records import encode_record
from pykafka_core.protocol.message import Record

GOLDEN = Path(__file__).parent / "golden"
LOG = "__cluster_metadata-0/00000000000000000000.log"


class Clock:
    """Milliseconds that pass when told."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms


@contextmanager
def opened(
    path: Path,
    *,
    settings: LocalSettings | None = None,
    open_log: OpenLog | None = None,
    clock: Clock | None = None,
    stop: bool = True,
) -> Iterator[LocalMetadataStore]:
    """A store below `path`, formatted if need be. Without `stop` it is left as a dying process would leave it."""
    directories = open_directories([path], node_id=1)
    try:
        store = LocalMetadataStore.open(
            directories.metadata.path, 1, settings=settings, open_log=open_log, clock_ms=clock or Clock()
        )
        yield store
        if stop:
            asyncio.run(store.close())
    finally:
        directories.close()


def commit(store: LocalMetadataStore, records: Sequence[Record], expected: int | None = None) -> MetadataImage:
    return asyncio.run(store.commit(records, expected_revision=expected))


def kafka_directory(kind: str, target: Path) -> Path:
    """A copy of the directory that Apache Kafka left, `stopped` or `killed`."""
    shutil.copytree(GOLDEN / f"kafka-4.3.1-{kind}", target)
    for segment in target.rglob("*.segment"):
        segment.rename(segment.with_suffix(".log"))
    return target


def content(image: MetadataImage) -> tuple[object, ...]:
    """What an image says, without when and by whom."""
    return (
        image.topics,
        image.configs,
        image.features,
        image.next_producer_id,
        image.client_quotas,
        image.brokers,
        image.scram_credentials,
        image.acls,
    )


def append(path: Path, records: list[Record] | list[Any], *, control: bool = False, level: int = 30) -> None:
    """Put one batch behind what a log file holds."""
    data = path.read_bytes()
    batches = list(iterate_batches(data))
    values = records if control else [encode_record(record, level) for record in records]
    last = batches[-1]
    path.write_bytes(
        data + encode_batch(last.next_offset, last.leader_epoch, last.timestamp_ms, values, control=control)
    )

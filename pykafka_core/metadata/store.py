"""MetadataStore: the one seam between the broker and whoever keeps the cluster's metadata.

An engine holds an image and moves it forward by metadata records. The broker
  - reads `image`, an immutable value, as often as it likes;
  - asks for a change with `commit`, which returns when the change is durable and the image shows it;
  - learns of every change, its own and others', through `watch`.

Thread: the asyncio thread. Callbacks run there, one after the other, before the `commit` that caused them returns.

Invariants:
  1. `image.revision` only rises; a commit moves it, whole or not at all.
  2. A change that was answered survives a power cut.
  3. Watchers see each change once, in order of revision.

Engines: `pykafka_core.metadata.local` (one broker, a `__cluster_metadata-0` log). An engine for several brokers keeps
the same words: a transaction that compares revisions, a watch from a revision, a lease.
"""

from __future__ import annotations

from pykafka_core._dataclass import dataclass
from pykafka_core.metadata.image import MetadataImage
from pykafka_core.protocol.message import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    Watcher = Callable[["MetadataChange"], None]
    Unwatch = Callable[[], None]
else:
    Protocol = object

__all__ = ["MetadataChange", "MetadataStore"]


@dataclass(slots=True, frozen=True, kw_only=True)
class MetadataChange:
    """One step from one image to the next.

    `records` are the records that made it, or None where the engine can no longer tell (the watcher asked from a
    revision that is gone): compare the images then.
    """

    previous: MetadataImage | None
    image: MetadataImage
    records: tuple[Record, ...] | None


class MetadataStore(Protocol):
    """What a broker may ask of any metadata engine."""

    @property
    def image(self) -> MetadataImage:
        """The latest image. Immutable: keep it as long as you like."""

    @property
    def lease_deadline(self) -> float:
        """Until when, in seconds of `time.monotonic()`, this broker may act as a member of the cluster.

        Infinite for the local engine: the lock on its directory lasts as long as the process.
        """

    async def commit(self, records: Sequence[Record], *, expected_revision: int | None = None) -> MetadataImage:
        """Make these records part of the metadata, all or none, and return the image that holds them.

        Returns when they are durable and every watcher has seen them. With `expected_revision`, only if the image is
        still at that revision (compare-and-set). No records: the current image.

        Raises RevisionConflictError if it is not; ValueError if the records do not fit the image (a topic that
        exists, a partition of an unknown topic) and nothing was written; MetadataError if they could not be made
        durable: the store is read-only from then on.
        """

    def watch(self, watcher: Watcher, *, since_revision: int | None = None) -> Unwatch:
        """Call `watcher` for every change after `since_revision` (None: from now on). Returns what ends it.

        If the engine no longer has the changes since then, the watcher is called once, at once, with `previous=None,
        records=None` and the current image.
        """

    async def close(self) -> None:
        """Stop, cleanly. Further commits raise MetadataError."""

"""What Python has appended and a topic's flush.messages wants on the disk before anybody hears of it.

    appended    to be told of each append, right after it
    pending     what an answer that speaks of this partition must wait for; None: nothing

One sync covers all that had been appended when it began; what is appended meanwhile shares the next one. As in Apache
Kafka, flush.messages above one lets so many records less one stay unsynced, and nobody waits for them; those that an
earlier run left unsynced count among them.

A sync that fails has failed the log for good (csrc/log/log.h), so its partition answers with the error from then on:
nobody may learn from here what the disk may not have.

The reactors have group commit of their own, in C (csrc/hot/sync.h); this is for coordinators' logs, for markers, and
for batches that Python encodes anew.

Thread: asyncio; syncs run on another. Source: UnifiedLog.append, which flushes before it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from pykafka_core.native import EngineError
from pykafka_core.protocol.errors import ErrorCode

if TYPE_CHECKING:
    from pykafka_core.broker.topics import RunningTopic
    from pykafka_core.native import Log

__all__ = ["Synced", "Syncs"]

NO_FLUSH: Final = 2**63 - 1
Synced = asyncio.Future[ErrorCode]


class Unsynced:
    """One partition's records that await a sync."""

    __slots__ = ("begun_at", "failed", "log", "next", "running")

    def __init__(self, partition_log: Log) -> None:
        self.log: Final = partition_log
        self.begun_at = 0
        """The end of the log when the last sync began."""
        self.running: Synced | None = None
        self.next: Synced | None = None
        """Of the sync that is due once the running one has ended."""
        self.failed: Synced | None = None


class Syncs:
    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        """`spawn` runs a coroutine for as long as the broker runs."""
        self._spawn: Final = spawn
        self._partitions: Final[dict[tuple[str, int], Unsynced]] = {}

    def appended(self, topic: RunningTopic, index: int) -> Synced | None:
        """Records have been appended to this partition. Returns what `pending` does."""
        flush_messages = topic.settings.flush_messages
        if flush_messages == NO_FLUSH:
            return None
        place = topic.name, index
        partition_log = topic.partitions[index].log
        found = self._partitions.get(place)
        if found is None or found.log is not partition_log:
            found = self._partitions[place] = Unsynced(partition_log)
        unsynced = partition_log.log_end_offset - max(partition_log.synced_offset, found.begun_at)
        if unsynced >= flush_messages and found.failed is None and found.next is None:
            found.next = asyncio.get_running_loop().create_future()
            if found.running is None:
                self._spawn(self._sync(place, found))
        return self.pending(topic, index)

    def pending(self, topic: RunningTopic, index: int) -> Synced | None:
        """Done when all that this partition's policy asks for is on the disk: NONE, or KAFKA_STORAGE_ERROR."""
        if not self._partitions:
            return None
        found = self._partitions.get((topic.name, index))
        if found is None or found.log is not topic.partitions[index].log:
            return None
        return found.failed or found.next or found.running

    async def _sync(self, place: tuple[str, int], unsynced: Unsynced) -> None:
        while unsynced.next is not None:
            unsynced.running, unsynced.next = unsynced.next, None
            unsynced.begun_at = unsynced.log.log_end_offset
            error = ErrorCode.KAFKA_STORAGE_ERROR
            try:
                await asyncio.to_thread(unsynced.log.flush)
                error = ErrorCode.NONE
            except (EngineError, OSError):
                unsynced.failed = unsynced.running
            finally:
                # Also where the broker stops meanwhile: whoever waits is not left alone.
                for waiting in (unsynced.running, unsynced.next if error else None):
                    if waiting is not None and not waiting.done():
                        waiting.set_result(error)
            if error:
                unsynced.next = None
        unsynced.running = None
        if not unsynced.failed and self._partitions.get(place) is unsynced:
            del self._partitions[place]

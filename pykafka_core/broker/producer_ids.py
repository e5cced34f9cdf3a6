"""Producer ids, each given out once in the life of the cluster.

A block of ids is claimed by writing its end to the metadata; only then is the first of them given out. A broker that
stops, however it stops, loses the rest of its block, which costs nothing: there are 2^63.

Thread: asyncio. Source: KIP-730; org.apache.kafka.coordinator.transaction.RPCProducerIdManager.
"""

from __future__ import annotations

import asyncio
from typing import Final

from pykafka_core.metadata.changes import allocate_producer_ids
from pykafka_core.metadata.errors import RevisionConflictError
from pykafka_core.metadata.store import MetadataStore

__all__ = ["ProducerIds"]

BLOCK_SIZE: Final = 1000


class ProducerIds:
    def __init__(self, *, store: MetadataStore, node_id: int) -> None:
        self._store: Final = store
        self._node_id: Final = node_id
        self._lock: Final = asyncio.Lock()
        self._next = 0
        self._end = 0

    async def next(self) -> int:
        """Return a producer id that nobody has been given. Raises MetadataError if no new block could be claimed."""
        given = await self.spare()
        self.take(given)
        return given

    def take(self, spare: int) -> None:
        """Use the id that `spare` has named."""
        assert spare == self._next
        self._next += 1

    async def spare(self) -> int:
        """Name the id that is the next to be given, for whoever can tell only later, but before others have their
        turn, whether it is needed. Raises MetadataError."""
        while self._next == self._end:
            # Those who wait here while a block is being claimed find it claimed when their turn comes.
            async with self._lock:
                if self._next == self._end:
                    image = self._store.image
                    claim = allocate_producer_ids(image, self._node_id, BLOCK_SIZE)
                    try:
                        await self._store.commit(claim, expected_revision=image.revision)
                    except RevisionConflictError:
                        # The metadata moved on, and with it perhaps the next free id: look again.
                        continue
                    self._next = image.next_producer_id
                    self._end = self._next + BLOCK_SIZE
        return self._next

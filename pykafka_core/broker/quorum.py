"""The quorum of controllers, as an administrator sees it. This broker is its own and only controller.

Its metadata log is written as a quorum of one would write it, so what is told here is what Apache Kafka would tell of
the same log: the same leader epoch, offsets and voters. Where kraft.version is 0 the log names no voters, and the
directory id is not known either.

Thread: asyncio. Source: org.apache.kafka.raft.KafkaRaftClient.handleDescribeQuorumRequest.
"""

from __future__ import annotations

import time
from typing import Final

from pykafka_core._dataclass import dataclass
from pykafka_core.metadata.local import LocalMetadataStore
from pykafka_core.metadata.uuids import ZERO_UUID

__all__ = ["Quorum", "QuorumState"]

Listener = tuple[str, str, int]
"""Name, host, port."""


@dataclass(slots=True, frozen=True, kw_only=True)
class QuorumState:
    leader_id: int
    leader_epoch: int
    log_end_offset: int
    """All of it is committed."""
    directory_id: bytes
    timestamp_ms: int
    listeners: tuple[Listener, ...]


class Quorum:
    def __init__(self, *, store: LocalMetadataStore, node_id: int, endpoint: Listener) -> None:
        """`endpoint`: where the configuration says that the controller is."""
        self._store: Final = store
        self._node_id: Final = node_id
        self._endpoint: Final = endpoint

    def state(self) -> QuorumState:
        store = self._store
        voter = next((each for each in store.voter_set.voters if each.voter_id == self._node_id), None)
        return QuorumState(
            leader_id=self._node_id,
            leader_epoch=store.leader_epoch,
            log_end_offset=store.image.revision + 1,
            directory_id=ZERO_UUID if voter is None else voter.directory_id,
            timestamp_ms=time.time_ns() // 1_000_000,
            listeners=(self._endpoint,) if voter is None else voter.endpoints,
        )

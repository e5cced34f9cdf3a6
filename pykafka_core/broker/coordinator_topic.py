"""The topic in which a coordinator keeps what it has decided: __consumer_offsets, __transaction_state.

A key (group id, transactional id) lies in one partition, by its hash. What is appended counts at once for the
coordinator; what clients are told waits for `pending`, where the topic's flush.messages asks for a sync. The topic is
created when its coordinator is first asked for.

Thread: asyncio. Source: org.apache.kafka.coordinator.common.runtime.CoordinatorRuntime (its deferred answers),
kafka.server.DefaultAutoTopicCreationManager.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from pykafka_core.broker.errors import RequestError
from pykafka_core.coordinator.partitioning import partition_for
from pykafka_core.protocol.errors import ErrorCode

if TYPE_CHECKING:
    from pykafka_core.broker.syncs import Synced, Syncs
    from pykafka_core.broker.topic_admin import TopicAdmin
    from pykafka_core.broker.topics import RunningTopic, Topics

__all__ = ["PRODUCER_ERRORS", "CoordinatorTopic"]

APPEND_ERRORS: Final[dict[int, ErrorCode]] = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
}
"""What clients are told of a failed append; any other failure is unexpected."""
PRODUCER_ERRORS: Final = frozenset({ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.INVALID_TXN_STATE})
"""What a partition says of a transaction: no fault of ours."""


class CoordinatorTopic:
    def __init__(
        self,
        name: str,
        *,
        topics: Topics,
        syncs: Syncs,
        topic_admin: Callable[[], TopicAdmin],
        log: logging.Logger,
        told_as_they_are: frozenset[ErrorCode] = frozenset(),
    ) -> None:
        """`told_as_they_are`: errors of a partition that clients are to be told unchanged."""
        self.name: Final = name
        self._topics: Final = topics
        self._syncs: Final = syncs
        self._topic_admin: Final = topic_admin
        self._log: Final = log
        self._told_as_they_are: Final = told_as_they_are
        self._creating: Final = asyncio.Lock()

    def find(self) -> RunningTopic | None:
        return self._topics.find(self.name)

    def append(
        self, key: str, batch: bytes, *, what: str, guard: int = 0, by_coordinator: bool = False
    ) -> ErrorCode:
        """Append a batch to the key's partition. `what` its records are, for the log of errors."""
        topic = self.find()
        if topic is None:
            return ErrorCode.NOT_COORDINATOR
        index = partition_for(key, len(topic.partitions))
        outcome = topic.partitions[index].append(batch, topic.native.config, guard=guard, by_coordinator=by_coordinator)
        if not outcome.error_code:
            self._syncs.appended(topic, index)
            return ErrorCode.NONE
        code = ErrorCode(outcome.error_code)
        if code not in PRODUCER_ERRORS:
            self._log.error("Cannot write the %s %r to %s-%d: %s", what, key, self.name, index, code.meaning)
        return code if code in self._told_as_they_are else APPEND_ERRORS.get(code, ErrorCode.UNKNOWN_SERVER_ERROR)

    def pending(self, key: str) -> Synced | None:
        """What an answer about this key must wait for; see syncs.py."""
        topic = self.find()
        return None if topic is None else self._syncs.pending(topic, partition_for(key, len(topic.partitions)))

    @staticmethod
    async def durable(pending: Synced) -> ErrorCode:
        """Wait; NONE, or what clients are told where the disk has failed."""
        error = await pending
        return APPEND_ERRORS[error] if error else error

    async def ensure(self, partition_count: int, configs: Sequence[tuple[str, str]]) -> bool:
        """Create the topic if it is missing; whether it is there then."""
        async with self._creating:
            if self.find() is None:
                await self._create(partition_count, configs)
        return self.find() is not None

    async def _create(self, partition_count: int, configs: Sequence[tuple[str, str]]) -> None:
        admin = self._topic_admin()
        try:
            plan = admin.plan(self.name, partition_count=partition_count, replication_factor=1, configs=configs)
            (outcome,) = await admin.create([plan])
            if isinstance(outcome, RequestError) and outcome.code != ErrorCode.TOPIC_ALREADY_EXISTS:
                raise outcome
        except RequestError as error:
            self._log.error("Cannot create %s: %s", self.name, error)

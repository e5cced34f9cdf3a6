"""One transactional producer's talk with its coordinator.

    transaction = Transaction(client, "my-id", timeout_ms=60000)
    await transaction.init()                         producer id and epoch; fences whoever had the id
    await transaction.add_partitions([("t", 0)])     before their first records of a transaction
    await transaction.end(commit=True)

Everything that passes is tried again: a coordinator that moves or loads, an earlier transaction that is still being
ended.

Source: org.apache.kafka.clients.producer.internals.TransactionManager, KIP-98.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from pykafka_core.client.cluster import Client
from pykafka_core.client.coordinators import TRANSACTION, find_coordinator
from pykafka_core.client.errors import DisconnectedError, KafkaError
from pykafka_core.client.groups import by_topic

__all__ = ["Transaction"]

TopicPartition = tuple[str, int]


class Transaction:
    """Belongs to the event loop that runs it."""

    def __init__(self, client: Client, transactional_id: str, *, timeout_ms: int = 60_000) -> None:
        self._client = client
        self.transactional_id = transactional_id
        self.timeout_ms = timeout_ms
        self.producer_id = -1
        self.producer_epoch = -1

    async def init(self) -> None:
        """Raises KafkaError."""
        from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest

        body = InitProducerIdRequest(
            transactional_id=self.transactional_id,
            transaction_timeout_ms=self.timeout_ms,
            producer_id=-1,
            producer_epoch=-1,
        )
        answer = await self._call(body, lambda answer: int(answer.error_code), "InitProducerId", version_max=5)
        self.producer_id, self.producer_epoch = answer.producer_id, answer.producer_epoch

    async def add_partitions(self, partitions: Iterable[TopicPartition]) -> None:
        """Raises KafkaError for the first that was refused."""
        from pykafka_core.protocol.messages import add_partitions_to_txn_request as m

        body = m.AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.transactional_id,
            v3_and_below_producer_id=self.producer_id,
            v3_and_below_producer_epoch=self.producer_epoch,
            v3_and_below_topics=[
                m.AddPartitionsToTxnTopic(name=name, partitions=indexes)
                for name, indexes in by_topic(partitions).items()
            ],
        )

        def code_of(answer: Any) -> int:
            codes = (
                each.partition_error_code
                for topic in answer.results_by_topic_v3_and_below
                for each in topic.results_by_partition
            )
            return next((code for code in codes if code), 0)

        # From version 4 on the request is one between brokers.
        await self._call(body, code_of, "AddPartitionsToTxn", version_max=3)

    async def end(self, *, commit: bool) -> None:
        """Raises KafkaError."""
        from pykafka_core.protocol.messages.end_txn_request import EndTxnRequest

        body = EndTxnRequest(
            transactional_id=self.transactional_id,
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch,
            committed=commit,
        )
        # From version 5 on each transaction has an epoch of its own, and partitions are not added (KIP-890).
        await self._call(body, lambda answer: int(answer.error_code), "EndTxn", version_max=4)

    async def _call(self, body: Any, code_of: Any, what: str, *, version_max: int) -> Any:
        settings = self._client.settings
        deadline = asyncio.get_running_loop().time() + settings.default_api_timeout_ms / 1000
        while True:
            node = await find_coordinator(self._client, self.transactional_id, key_type=TRANSACTION, what=what)
            try:
                answer = await self._client.call(body, node_id=node.node_id, what=what, version_max=version_max)
                error = KafkaError(code_of(answer)) if code_of(answer) else None
            except DisconnectedError as lost:
                error = lost
            if error is None:
                return answer
            if not error.is_retriable or asyncio.get_running_loop().time() > deadline:
                raise error
            await asyncio.sleep(settings.retry_backoff_ms / 1000)

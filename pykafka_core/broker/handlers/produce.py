"""Produce (0), versions 3-13: what the reactors cannot answer alone. Such a request comes here whole, with nothing of
it written.

The reactors hand up a request if one of its batches must be opened: it goes to a topic with a codec of its own and
bears another, or it is compressed and goes to a compacted topic, whose records need keys. So they do if a batch is
the first of its transaction in its partition: the transaction's coordinator is asked before anything is written
(txn_verification.py). Every partition of the request is answered here, by the same checks and with the same error codes
as in the reactors; each batch is written or refused whole.

- acks 0: no answer; an error closes the connection instead, so that the client learns that something was wrong.
- acks other than -1, 0, 1: INVALID_REQUIRED_ACKS. min.insync.replicas above the one replica there is, with acks -1:
  NOT_ENOUGH_REPLICAS.
- Where flush.messages is set, the answer waits for a sync, and one that fails is KAFKA_STORAGE_ERROR.
- Below version 13 topics are named, from 13 on they are told by id: UNKNOWN_TOPIC_ID where there is none.
- Transactional batches without a transactional id: TRANSACTIONAL_ID_AUTHORIZATION_FAILED for the whole request; of more
  than one producer: INVALID_PRODUCER_ID_MAPPING. From version 12 on a partition is added to the transaction.
- Versions 0 to 2 are advertised and refused (see api_versions.py). zstd needs version 7; record errors and messages
  come with 8.

Source: KIP-98, KIP-467, KIP-516, KIP-890; kafka.server.KafkaApis.handleProduceRequest, ReplicaManager.appendRecords.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pykafka_core.broker.errors import CloseConnection, RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.stored_batch import BatchRefusedError, needs_opening, stored_batch
from pykafka_core.broker.topic_names import INTERNAL_TOPICS
from pykafka_core.broker.txn_verification import (
    TransactionalBatch,
    transactional_header,
    transactional_producer,
    verify,
)
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest
from pykafka_core.protocol.messages.produce_response import (
    BatchIndexAndErrorMessage,
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceResponse,
)

if TYPE_CHECKING:
    from pykafka_core.broker.configs import Configs
    from pykafka_core.broker.syncs import Syncs
    from pykafka_core.broker.topics import RunningTopic, Topics
    from pykafka_core.broker.txn_verification import Transactions

TOPIC_ID_VERSION_MIN = 13
NO_ID = bytes(16)
ALL_IN_SYNC, NONE, LEADER = -1, 0, 1
ADMIN_CLIENT = "__admin_client"


@serves(ApiKey.PRODUCE, 3, 13)
async def produce(
    request: ProduceRequest,
    context: RequestContext,
    *,
    topics: Topics,
    opening: asyncio.Semaphore,
    transactions: Transactions,
    configs: Configs,
    syncs: Syncs,
) -> ProduceResponse | None:
    by_id = context.api_version >= TOPIC_ID_VERSION_MIN
    verified = await verify_all(request, context, topics, transactions, configs)
    response = ProduceResponse()
    refused = ErrorCode.NONE
    for topic in request.topic_data:
        found = topics.find_by_id(topic.topic_id) if by_id else topics.find(topic.name)
        answer = TopicProduceResponse(name=topic.name, topic_id=topic.topic_id)
        response.responses.append(answer)
        for data in topic.partition_data:
            try:
                if isinstance(verified, RequestError):
                    raise verified
                partition = await append(found, data, request.acks, context, opening, syncs, verified)
            except RequestError as error:
                partition = refusal(data.index, error)
                refused = error.code
            answer.partition_responses.append(partition)
    if request.acks != NONE:
        return response
    if refused != ErrorCode.NONE:
        raise CloseConnection(f"it produced without waiting for answers (acks=0), and one would be {refused.name}")
    return None


async def append(
    topic: RunningTopic | None,
    data: PartitionProduceData,
    acks: int,
    context: RequestContext,
    opening: asyncio.Semaphore,
    syncs: Syncs,
    verified: Mapping[tuple[str, int], int | RequestError],
) -> PartitionProduceResponse:
    """Append what goes to one partition. Raises RequestError."""
    topic = check_target(topic, data, acks, context)
    guard = verified.get((topic.name, data.index), 0)
    if isinstance(guard, RequestError):
        raise guard
    batch = data.records or b""
    if needs_opening(batch, topic.settings, topic.codec):
        async with opening:
            batch = await asyncio.to_thread(
                stored_batch, batch, topic.settings, topic.codec, produce_version=context.api_version
            )
    partition = topic.partitions[data.index]
    outcome = partition.append(batch, topic.native.config, produce_version=context.api_version, guard=guard)
    if outcome.error_code == ErrorCode.NONE:
        synced = syncs.appended(topic, data.index)
        if synced is not None and await synced:
            raise RequestError(ErrorCode.KAFKA_STORAGE_ERROR)
    return PartitionProduceResponse(
        index=data.index,
        error_code=outcome.error_code,
        base_offset=outcome.base_offset,
        log_append_time_ms=outcome.log_append_time_ms,
        log_start_offset=outcome.log_start_offset,
        record_errors=[
            BatchIndexAndErrorMessage(batch_index=index, batch_index_error_message=message)
            for index, message in outcome.record_errors
        ],
        error_message=outcome.error_message,
    )


def check_target(
    topic: RunningTopic | None, data: PartitionProduceData, acks: int, context: RequestContext
) -> RunningTopic:
    """Refuse what is refused without a look at the records. Raises RequestError."""
    if acks not in (ALL_IN_SYNC, NONE, LEADER):
        raise RequestError(ErrorCode.INVALID_REQUIRED_ACKS)
    if topic is None:
        by_id = context.api_version >= TOPIC_ID_VERSION_MIN
        raise RequestError(ErrorCode.UNKNOWN_TOPIC_ID if by_id else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if topic.name in INTERNAL_TOPICS and context.client_id != ADMIN_CLIENT:
        raise RequestError(ErrorCode.INVALID_TOPIC_EXCEPTION)
    if not 0 <= data.index < len(topic.partitions):
        raise RequestError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if acks == ALL_IN_SYNC and topic.settings.min_insync_replicas > 1:
        raise RequestError(ErrorCode.NOT_ENOUGH_REPLICAS)
    return topic


async def verify_all(
    request: ProduceRequest, context: RequestContext, topics: Topics, transactions: Transactions, configs: Configs
) -> Mapping[tuple[str, int], int | RequestError] | RequestError:
    """Have the coordinator asked for all transactional batches at once; an error of the whole request as a value."""
    headers, batches = [], []
    for topic in request.topic_data:
        found = topics.find_by_id(topic.topic_id) if topic.topic_id != NO_ID else topics.find(topic.name)
        for data in topic.partition_data:
            header = transactional_header(data.records)
            if header is None:
                continue
            headers.append(header)
            try:
                target = check_target(found, data, request.acks, context)
            except RequestError:
                continue
            batches.append(TransactionalBatch(target, data.index, header.base_sequence))
    if not headers:
        return {}
    try:
        producer = transactional_producer(headers, request.transactional_id)
        return await verify(
            transactions,
            request.transactional_id or "",
            producer,
            batches,
            produce_version=context.api_version,
            verification=configs.broker_values()["transaction.partition.verification.enable"],
        )
    except RequestError as error:
        return error


def refusal(index: int, error: RequestError) -> PartitionProduceResponse:
    response = PartitionProduceResponse(index=index, error_code=error.code, base_offset=-1, error_message=error.message)
    if isinstance(error, BatchRefusedError) and error.record_index >= 0:
        response.record_errors = [
            BatchIndexAndErrorMessage(batch_index=error.record_index, batch_index_error_message=error.message)
        ]
    return response

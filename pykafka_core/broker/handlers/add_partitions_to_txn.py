"""AddPartitionsToTxn (24), versions 0-5: these partitions are in the transaction.

- Versions 0-3 are a producer's, before it writes to a partition for the first time; from 4 on brokers ask for many
  transactions at a time, and some only whether it is so (`verify_only`, KIP-890).
- All or none: a partition that does not exist is UNKNOWN_TOPIC_OR_PARTITION, and the others OPERATION_NOT_ATTEMPTED.
- Another epoch: PRODUCER_FENCED, below version 2 INVALID_PRODUCER_EPOCH. An unknown transactional id, or another
  producer id: INVALID_PRODUCER_ID_MAPPING. While a transaction is being ended: CONCURRENT_TRANSACTIONS.
- Verified and not in the transaction: TRANSACTION_ABORTABLE. A producer may not name an internal topic:
  TOPIC_AUTHORIZATION_FAILED. To add from version 4 on needs a transaction.version above 0: else UNSUPPORTED_VERSION.

Source: KIP-98, KIP-890; kafka.server.KafkaApis.handleAddPartitionsToTxnRequest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from pykafka_core.broker.answers import answered, result
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.topic_names import INTERNAL_TOPICS
from pykafka_core.coordinator.transaction_events import AddPartitions, VerifyPartitions
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.add_partitions_to_txn_request import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from pykafka_core.protocol.messages.add_partitions_to_txn_response import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
)

if TYPE_CHECKING:
    from pykafka_core.broker.transactions import Transactions
    from pykafka_core.coordinator.events import TopicPartition
    from pykafka_core.metadata.image import MetadataImage
    from pykafka_core.metadata.store import MetadataStore

BATCHED_VERSION = 4
FENCED_VERSION = 2
ADD_VERSION = 2

Errors = ErrorCode | Mapping["TopicPartition", ErrorCode]


@serves(ApiKey.ADD_PARTITIONS_TO_TXN, 0, 5)
def add_partitions_to_txn(
    request: AddPartitionsToTxnRequest, context: RequestContext, *, transactions: Transactions, store: MetadataStore
) -> AddPartitionsToTxnResponse | Awaitable[AddPartitionsToTxnResponse]:
    if context.api_version >= BATCHED_VERSION:
        return add_batch(request, transactions, store.image)
    asked = request.v3_and_below_topics
    partitions = named(asked)
    errors = refused(partitions, store.image, INTERNAL_TOPICS) or transactions.refusal(
        request.v3_and_below_transactional_id
    )
    if not errors:
        errors = transactions.ask(
            AddPartitions(
                request.v3_and_below_transactional_id,
                transactions.request(),
                request.v3_and_below_producer_id,
                request.v3_and_below_producer_epoch,
                partitions,
            )
        )

    def respond(errors: Errors) -> AddPartitionsToTxnResponse:
        if errors == ErrorCode.PRODUCER_FENCED and context.api_version < FENCED_VERSION:
            errors = ErrorCode.INVALID_PRODUCER_EPOCH
        return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=results(asked, errors))

    return answered(errors, respond)


async def add_batch(
    request: AddPartitionsToTxnRequest, transactions: Transactions, image: MetadataImage
) -> AddPartitionsToTxnResponse:
    response = AddPartitionsToTxnResponse()
    for each in request.transactions:
        partitions = named(each.topics)
        errors = refused(partitions, image)
        if not errors and each.transactional_id:
            errors = transactions.refusal(each.transactional_id)
        if not errors:
            common = (
                each.transactional_id,
                transactions.request(),
                each.producer_id,
                each.producer_epoch,
                partitions,
            )
            errors = transactions.ask(
                VerifyPartitions(*common) if each.verify_only else AddPartitions(*common, ADD_VERSION)
            )
        errors = await result(errors)
        if errors == ErrorCode.UNSUPPORTED_VERSION:
            return AddPartitionsToTxnResponse(error_code=errors)
        response.results_by_transaction.append(
            AddPartitionsToTxnResult(
                transactional_id=each.transactional_id, topic_results=results(each.topics, errors)
            )
        )
    return response


def named(topics: list[AddPartitionsToTxnTopic]) -> frozenset[TopicPartition]:
    return frozenset((topic.name, index) for topic in topics for index in topic.partitions)


def refused(
    partitions: frozenset[TopicPartition], image: MetadataImage, forbidden: frozenset[str] = frozenset()
) -> Errors:
    """The errors of all partitions, if one of them does not exist or is `forbidden` to clients; NONE if all may be
    added."""
    topics = image.topics

    def why(name: str, index: int) -> ErrorCode:
        if name in forbidden:
            return ErrorCode.TOPIC_AUTHORIZATION_FAILED
        exists = name in topics and 0 <= index < len(topics[name].partitions)
        return ErrorCode.OPERATION_NOT_ATTEMPTED if exists else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    errors = {each: why(*each) for each in partitions}
    nothing = all(error == ErrorCode.OPERATION_NOT_ATTEMPTED for error in errors.values())
    return ErrorCode.NONE if nothing else errors


def results(topics: list[AddPartitionsToTxnTopic], errors: Errors) -> list[AddPartitionsToTxnTopicResult]:
    return [
        AddPartitionsToTxnTopicResult(
            name=topic.name,
            results_by_partition=[
                AddPartitionsToTxnPartitionResult(
                    partition_index=index,
                    partition_error_code=errors if isinstance(errors, ErrorCode) else errors[topic.name, index],
                )
                for index in topic.partitions
            ],
        )
        for topic in topics
    ]

"""DescribeProducers (61), version 0: the producers that a partition remembers, and their open transactions.

- A producer is remembered until `producer.id.expiration.ms` after its last batch.
- A partition that is not here: UNKNOWN_TOPIC_OR_PARTITION; a name that no topic can have: INVALID_TOPIC_EXCEPTION.

Source: KIP-664; kafka.server.ReplicaManager.activeProducerState.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.topic_names import why_invalid
from pykafka_core.native import ClosedError
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.describe_producers_request import DescribeProducersRequest
from pykafka_core.protocol.messages.describe_producers_response import (
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)

if TYPE_CHECKING:
    from pykafka_core.broker.topics import Topics

NOT_HERE = "This server does not host this topic-partition."


@serves(ApiKey.DESCRIBE_PRODUCERS, 0, 0)
def describe_producers(
    request: DescribeProducersRequest, context: RequestContext, *, topics: Topics
) -> DescribeProducersResponse:
    return DescribeProducersResponse(
        topics=[
            TopicResponse(
                name=topic.name, partitions=[describe(topics, topic.name, index) for index in topic.partition_indexes]
            )
            for topic in request.topics
        ]
    )


def describe(topics: Topics, name: str, index: int) -> PartitionResponse:
    invalid = why_invalid(name)
    if invalid is not None:
        return PartitionResponse(
            partition_index=index, error_code=ErrorCode.INVALID_TOPIC_EXCEPTION, error_message=invalid
        )
    try:
        producers = topics.led_partition(name, index).log.producers()
    except (RequestError, ClosedError):
        return PartitionResponse(
            partition_index=index,
            error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            error_message=NOT_HERE if topics.find(name) is None else None,
        )
    return PartitionResponse(
        partition_index=index,
        active_producers=[
            ProducerState(
                producer_id=each.producer_id,
                producer_epoch=each.producer_epoch,
                last_sequence=each.last_sequence,
                last_timestamp=each.last_timestamp,
                coordinator_epoch=each.coordinator_epoch,
                current_txn_start_offset=each.current_txn_start_offset,
            )
            for each in producers
        ],
    )

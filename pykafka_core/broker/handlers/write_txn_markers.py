"""WriteTxnMarkers (27), versions 1-2: end transactions in these partitions.

It is what transaction coordinators send to the leaders of partitions, and what `kafka-transactions abort` sends to end
a transaction that its coordinator has forgotten.

- Each partition of each marker has its error: UNKNOWN_TOPIC_OR_PARTITION; INVALID_PRODUCER_EPOCH for an epoch that the
  partition is past; TRANSACTION_COORDINATOR_FENCED for a coordinator that was replaced; NOT_LEADER_OR_FOLLOWER while
  the group coordinator loads its partition of __consumer_offsets. A marker for no partition is not mentioned.
- Version 2 says which transaction version the marker is of (KIP-1228).

Source: KIP-98, KIP-664, KIP-1228; kafka.server.KafkaApis.handleWriteTxnMarkersRequest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.write_txn_markers_request import WriteTxnMarkersRequest
from pykafka_core.protocol.messages.write_txn_markers_response import (
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersResponse,
)

if TYPE_CHECKING:
    from pykafka_core.broker.transaction_markers import Markers


@serves(ApiKey.WRITE_TXN_MARKERS, 1, 2)
async def write_txn_markers(
    request: WriteTxnMarkersRequest, context: RequestContext, *, markers: Markers
) -> WriteTxnMarkersResponse:
    response = WriteTxnMarkersResponse()
    written = []
    for marker in request.markers:
        result = WritableTxnMarkerResult(producer_id=marker.producer_id)
        if any(topic.partition_indexes for topic in marker.topics):
            response.markers.append(result)
        for topic in marker.topics:
            partitions = []
            for index in topic.partition_indexes:
                error = markers.write(
                    (topic.name, index),
                    producer_id=marker.producer_id,
                    epoch=marker.producer_epoch,
                    coordinator_epoch=marker.coordinator_epoch,
                    commit=marker.transaction_result,
                    transaction_version=marker.transaction_version,
                )
                each = WritableTxnMarkerPartitionResult(partition_index=index, error_code=error)
                partitions.append(each)
                if not error:
                    written.append(((topic.name, index), each))
            result.topics.append(WritableTxnMarkerTopicResult(name=topic.name, partitions=partitions))
    for place, each in written:
        pending = markers.pending(place)
        if pending is not None:
            each.error_code = await pending
    return response

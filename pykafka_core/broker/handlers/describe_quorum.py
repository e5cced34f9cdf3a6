"""DescribeQuorum (55), versions 0-2: who keeps the metadata log and how far it is.

- The question is for `__cluster_metadata`, partition 0, and for nothing beside it: else each partition asked for gets
  UNKNOWN_TOPIC_OR_PARTITION.
- Version 1 has timestamps, version 2 directory ids, error messages and the controllers' listeners (KIP-853).

Source: KIP-595, KIP-836; org.apache.kafka.raft.KafkaRaftClient.handleDescribeQuorumRequest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.describe_quorum_request import DescribeQuorumRequest
from pykafka_core.protocol.messages.describe_quorum_response import (
    DescribeQuorumResponse,
    Listener,
    Node,
    PartitionData,
    ReplicaState,
    TopicData,
)

if TYPE_CHECKING:
    from pykafka_core.broker.quorum import Quorum

METADATA_TOPIC: Final = "__cluster_metadata"
NOT_HERE: Final = "This server does not host this topic-partition."


@serves(ApiKey.DESCRIBE_QUORUM, 0, 2)
def describe_quorum(
    request: DescribeQuorumRequest, context: RequestContext, *, quorum: Quorum
) -> DescribeQuorumResponse:
    asked = [(topic.topic_name, [each.partition_index for each in topic.partitions]) for topic in request.topics]
    if asked != [(METADATA_TOPIC, [0])]:
        return DescribeQuorumResponse(
            topics=[
                TopicData(
                    topic_name=name,
                    partitions=[
                        PartitionData(
                            partition_index=index,
                            error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                            error_message=NOT_HERE,
                        )
                        for index in indexes
                    ],
                )
                for name, indexes in asked
            ]
        )
    state = quorum.state()
    voter = ReplicaState(
        replica_id=state.leader_id,
        replica_directory_id=state.directory_id,
        log_end_offset=state.log_end_offset,
        last_fetch_timestamp=state.timestamp_ms,
        last_caught_up_timestamp=state.timestamp_ms,
    )
    if context.api_version < 2:
        voter.replica_directory_id = bytes(16)
    partition = PartitionData(
        partition_index=0,
        leader_id=state.leader_id,
        leader_epoch=state.leader_epoch,
        high_watermark=state.log_end_offset,
        current_voters=[voter],
    )
    nodes = [
        Node(
            node_id=state.leader_id,
            listeners=[Listener(name=name, host=host, port=port) for name, host, port in state.listeners],
        )
    ]
    return DescribeQuorumResponse(
        topics=[TopicData(topic_name=METADATA_TOPIC, partitions=[partition])],
        nodes=nodes if context.api_version >= 2 else [],
    )

"""ListPartitionReassignments (46), version 0: partitions that are on their way to other replicas, of some or of all
(null).

One broker begins no such move; what is listed came with metadata from a larger cluster and can be cancelled.
Source: KIP-455; org.apache.kafka.controller.ReplicationControlManager.listPartitionReassignments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.list_partition_reassignments_request import ListPartitionReassignmentsRequest
from pykafka_core.protocol.messages.list_partition_reassignments_response import (
    ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment,
    OngoingTopicReassignment,
)

if TYPE_CHECKING:
    from pykafka_core.metadata.store import MetadataStore


@serves(ApiKey.LIST_PARTITION_REASSIGNMENTS, 0, 0)
def list_partition_reassignments(
    request: ListPartitionReassignmentsRequest, context: RequestContext, *, store: MetadataStore
) -> ListPartitionReassignmentsResponse:
    wanted = None if request.topics is None else {topic.name: set(topic.partition_indexes) for topic in request.topics}
    found = []
    for topic in store.image.topics.values():
        moving = [
            OngoingPartitionReassignment(
                partition_index=partition.partition_id,
                replicas=list(partition.replicas),
                adding_replicas=list(partition.adding_replicas),
                removing_replicas=list(partition.removing_replicas),
            )
            for partition in topic.partitions
            if (partition.adding_replicas or partition.removing_replicas)
            and (wanted is None or partition.partition_id in wanted.get(topic.name, ()))
        ]
        if moving:
            found.append(OngoingTopicReassignment(name=topic.name, partitions=moving))
    return ListPartitionReassignmentsResponse(error_message=None, topics=found)

"""AlterPartitionReassignments (45), versions 0-1: give partitions other replicas, or cancel such a move (null).

- With one broker there is nobody to move to: the replicas that a partition has are a success, any other broker is
  refused as one that is not registered, or not running.
- What a partition brought along from a larger cluster can be tidied up: replicas on brokers that are gone go, and a
  move that Apache Kafka had begun can be cancelled.

Source: KIP-455; org.apache.kafka.controller.ReplicationControlManager.alterPartitionReassignments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pykafka_core.broker.commits import commit_or_refuse
from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.metadata.changes_admin import cancel_reassignment, remove_replicas
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.alter_partition_reassignments_request import AlterPartitionReassignmentsRequest
from pykafka_core.protocol.messages.alter_partition_reassignments_response import (
    AlterPartitionReassignmentsResponse,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster
    from pykafka_core.metadata.image import MetadataImage
    from pykafka_core.metadata.store import MetadataStore
    from pykafka_core.protocol.message import Record


@serves(ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, 1)
async def alter_partition_reassignments(
    request: AlterPartitionReassignmentsRequest, context: RequestContext, *, store: MetadataStore, cluster: Cluster
) -> AlterPartitionReassignmentsResponse:
    may_change_factor = request.allow_replication_factor_change
    responses = []
    for topic in request.topics:
        outcomes = []
        for each in topic.partitions:
            outcome = ReassignablePartitionResponse(partition_index=each.partition_index, error_message=None)
            outcomes.append(outcome)
            try:
                records = records_of(
                    store.image, topic.name, each.partition_index, each.replicas, cluster, may_change_factor
                )
                await commit_or_refuse(store, records)
            except RequestError as error:
                outcome.error_code, outcome.error_message = error.code, str(error)
        responses.append(ReassignableTopicResponse(name=topic.name, partitions=outcomes))
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=may_change_factor, error_message=None, responses=responses
    )


def records_of(
    image: MetadataImage,
    name: str,
    index: int,
    target: Sequence[int] | None,
    cluster: Cluster,
    may_change_factor: bool,
) -> list[Record]:
    """What makes the replicas of a partition these; None cancels. Raises RequestError."""
    topic, partition = image.topics.get(name), image.partition(name, index)
    if topic is None:
        raise RequestError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find a topic named {name}.")
    if partition is None:
        raise RequestError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find partition {name}:{index}.")
    moving = bool(partition.adding_replicas or partition.removing_replicas)
    if target is None:
        if not moving:
            raise RequestError(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "There is no reassignment to cancel")
        return cancel_reassignment(topic, partition)
    check_target(target, partition.replicas, image, cluster)
    staying = len(partition.replicas) - len(partition.adding_replicas)
    if not may_change_factor and len(target) != staying:
        raise RequestError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"The replication factor is changed from {staying} to {len(target)}",
        )
    if tuple(target) == partition.replicas and not moving:
        return []
    if not set(target) & set(partition.isr):
        raise RequestError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "None of the replicas that would be left is in sync.")
    return remove_replicas(topic, partition, target)


def check_target(target: Sequence[int], replicas: Sequence[int], image: MetadataImage, cluster: Cluster) -> None:
    prefix = "The manual partition assignment includes"
    if not target:
        raise RequestError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, f"{prefix} an empty replica list.")
    for before, broker_id in zip([None, *sorted(target)], sorted(target), strict=False):
        if broker_id == before:
            raise RequestError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, f"{prefix} the broker {broker_id} more than once.")
        if broker_id not in image.brokers:
            raise RequestError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"{prefix} broker {broker_id}, but no such broker is registered.",
            )
        if broker_id not in replicas and not cluster.is_alive(broker_id):
            raise RequestError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT, f"{prefix} broker {broker_id}, which is not running."
            )
    if not set(target) <= set(replicas):
        # This broker is alive and holds no replica: there is nobody it could fetch one from.
        raise RequestError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT, f"{prefix} a broker that no other could bring the partition to."
        )

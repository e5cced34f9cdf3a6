"""What an administrator asks of partitions: who leads them, where their replicas lie, who writes to them.

What belongs to one partition alone comes back as a KafkaError in the place of its result; an error of the whole
request is raised.

Source: KIP-113, KIP-455, KIP-460, KIP-664.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any

from pykafka_core.client.admin import TopicPartition
from pykafka_core.client.cluster import Client
from pykafka_core.client.errors import KafkaError, check

__all__ = [
    "ElectionType",
    "alter_partition_reassignments",
    "alter_replica_log_dirs",
    "describe_producers",
    "elect_leaders",
    "list_partition_reassignments",
]


class ElectionType(IntEnum):
    PREFERRED = 0
    """The first of the replicas, if it is in sync."""
    UNCLEAN = 1
    """Any live replica, where no in-sync one is left; records may be lost."""


def _by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for topic, partition in partitions:
        topics.setdefault(topic, []).append(partition)
    return topics


async def elect_leaders(
    client: Client, election: ElectionType, partitions: Iterable[TopicPartition] | None
) -> dict[TopicPartition, KafkaError | None]:
    """Hold an election for these partitions; with None for all, and then those without need are left out.

    Raises KafkaError.
    """
    from pykafka_core.protocol.messages import elect_leaders_request as m

    answer = await client.call(
        m.ElectLeadersRequest(
            election_type=int(election),
            topic_partitions=None
            if partitions is None
            else [m.TopicPartitions(topic=name, partitions=each) for name, each in _by_topic(partitions).items()],
            timeout_ms=client.settings.request_timeout_ms,
        ),
        what="electLeaders",
        again=False,
    )
    check(answer.error_code)
    return {
        (topic.topic, each.partition_id): KafkaError(each.error_code, each.error_message) if each.error_code else None
        for topic in answer.replica_election_results
        for each in topic.partition_result
    }


async def alter_partition_reassignments(
    client: Client,
    targets: Mapping[TopicPartition, Sequence[int] | None],
    *,
    allow_replication_factor_change: bool = True,
) -> dict[TopicPartition, KafkaError | None]:
    """Move partitions to these replicas; None cancels a move that is under way. Raises KafkaError."""
    from pykafka_core.protocol.messages import alter_partition_reassignments_request as m

    answer = await client.call(
        m.AlterPartitionReassignmentsRequest(
            timeout_ms=client.settings.request_timeout_ms,
            allow_replication_factor_change=allow_replication_factor_change,
            topics=[
                m.ReassignableTopic(
                    name=name,
                    partitions=[
                        m.ReassignablePartition(
                            partition_index=index,
                            replicas=None if (replicas := targets[name, index]) is None else list(replicas),
                        )
                        for index in indexes
                    ],
                )
                for name, indexes in _by_topic(targets).items()
            ],
        ),
        what="alterPartitionReassignments",
        again=False,
    )
    check(answer.error_code, answer.error_message)
    return {
        (topic.name, each.partition_index): KafkaError(each.error_code, each.error_message) if each.error_code else None
        for topic in answer.responses
        for each in topic.partitions
    }


async def list_partition_reassignments(
    client: Client, partitions: Iterable[TopicPartition] | None = None
) -> dict[TopicPartition, Any]:
    """Moves that are under way, of these partitions or of all: replicas, adding_replicas, removing_replicas. Raises
    KafkaError."""
    from pykafka_core.protocol.messages import list_partition_reassignments_request as m

    answer = await client.call(
        m.ListPartitionReassignmentsRequest(
            timeout_ms=client.settings.request_timeout_ms,
            topics=None
            if partitions is None
            else [
                m.ListPartitionReassignmentsTopics(name=name, partition_indexes=each)
                for name, each in _by_topic(partitions).items()
            ],
        ),
        what="listPartitionReassignments",
    )
    check(answer.error_code, answer.error_message)
    return {(topic.name, each.partition_index): each for topic in answer.topics for each in topic.partitions}


async def alter_replica_log_dirs(
    client: Client, node_id: int, places: Mapping[TopicPartition, str]
) -> dict[TopicPartition, KafkaError | None]:
    """Bring replicas of one node to these log directories of it, by their absolute paths."""
    from pykafka_core.protocol.messages import alter_replica_log_dirs_request as m

    by_path: dict[str, list[TopicPartition]] = {}
    for partition, path in places.items():
        by_path.setdefault(path, []).append(partition)
    answer = await client.call(
        m.AlterReplicaLogDirsRequest(
            dirs=[
                m.AlterReplicaLogDir(
                    path=path,
                    topics=[
                        m.AlterReplicaLogDirTopic(name=name, partitions=each)
                        for name, each in _by_topic(partitions).items()
                    ],
                )
                for path, partitions in by_path.items()
            ]
        ),
        node_id=node_id,
        what="alterReplicaLogDirs",
        again=False,
    )
    return {
        (topic.topic_name, each.partition_index): KafkaError(each.error_code) if each.error_code else None
        for topic in answer.results
        for each in topic.partitions
    }


async def describe_producers(
    client: Client, partitions: Iterable[TopicPartition], *, node_id: int | None = None
) -> dict[TopicPartition, list[Any] | KafkaError]:
    """The producers that wrote to each partition and are remembered: producer_id, producer_epoch, last_sequence,
    last_timestamp, coordinator_epoch, current_txn_start_offset. `node_id`: ask this replica, not the leaders."""
    from pykafka_core.protocol.messages import describe_producers_request as m

    found: dict[TopicPartition, list[Any] | KafkaError] = {}
    by_node: dict[int, list[TopicPartition]] = {}
    for topic, partition in partitions:
        try:
            node = (await client.leader(topic, partition))[0] if node_id is None else node_id
        except KafkaError as error:
            found[topic, partition] = error
        else:
            by_node.setdefault(node, []).append((topic, partition))
    for node, wanted in by_node.items():
        answer = await client.call(
            m.DescribeProducersRequest(
                topics=[
                    m.TopicRequest(name=name, partition_indexes=indexes) for name, indexes in _by_topic(wanted).items()
                ]
            ),
            node_id=node,
            what="describeProducers",
        )
        for topic in answer.topics:
            for each in topic.partitions:
                found[topic.name, each.partition_index] = (
                    KafkaError(each.error_code, each.error_message) if each.error_code else each.active_producers
                )
    return found

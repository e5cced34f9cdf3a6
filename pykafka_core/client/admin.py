"""What an administrator asks of a cluster. Each function is one call of Kafka's Admin client.

Errors of single topics, partitions or resources are raised as KafkaError by the functions that act on one of them;
those that take many return the error in the place of the result, so that a caller can report each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pykafka_core.client.cluster import Client
from pykafka_core.client.errors import KafkaError, UnsupportedError, check
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode

__all__ = [
    "ConfigKey",
    "create_partitions",
    "create_topic",
    "delete_records",
    "delete_topics",
    "describe_cluster",
    "describe_configs",
    "describe_log_dirs",
    "describe_topics",
    "incremental_alter_configs",
    "list_offsets",
    "list_reassignments",
    "list_topics",
]

TopicPartition = tuple[str, int]
ConfigKey = tuple[int, str]
"""Resource type and name: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group."""

BROKER, BROKER_LOGGER = 4, 8
SET, DELETE, APPEND, SUBTRACT = range(4)


async def list_topics(client: Client) -> list[Any]:
    """Every topic, as Metadata tells it: name, topic_id, is_internal, partitions."""
    answer = await client.metadata(None, what="listTopics")
    return [topic for topic in answer.topics if topic.name is not None]


async def create_topic(
    client: Client,
    name: str,
    *,
    partition_count: int | None = None,
    replication_factor: int | None = None,
    assignments: Mapping[int, Sequence[int]] | None = None,
    configs: Mapping[str, str] | None = None,
) -> None:
    """Raises KafkaError."""
    from pykafka_core.protocol.messages import create_topics_request as m

    topic = m.CreatableTopic(
        name=name,
        num_partitions=-1 if partition_count is None else partition_count,
        replication_factor=-1 if replication_factor is None else replication_factor,
        assignments=[
            m.CreatableReplicaAssignment(partition_index=index, broker_ids=list(nodes))
            for index, nodes in (assignments or {}).items()
        ],
        configs=[m.CreatableTopicConfig(name=key, value=value) for key, value in (configs or {}).items()],
    )
    answer = await client.call(
        m.CreateTopicsRequest(topics=[topic], timeout_ms=client.settings.request_timeout_ms),
        what="createTopics",
        again=False,
    )
    client.forget_topic(name)
    check(answer.topics[0].error_code, answer.topics[0].error_message)


async def delete_topics(client: Client, names: Sequence[str]) -> None:
    """Raises KafkaError for the first that could not be deleted, after all were tried."""
    from pykafka_core.protocol.messages import delete_topics_request as m

    if not names:
        return
    by_state = client.settings.request_timeout_ms
    connection = await client.connect(what="deleteTopics")
    if connection.version_of(ApiKey.DELETE_TOPICS) >= 6:
        body = m.DeleteTopicsRequest(topics=[m.DeleteTopicState(name=name) for name in names], timeout_ms=by_state)
    else:
        body = m.DeleteTopicsRequest(topic_names=list(names), timeout_ms=by_state)
    answer = await client.call(body, what="deleteTopics", again=False)
    for name in names:
        client.forget_topic(name)
    for outcome in answer.responses:
        check(outcome.error_code, outcome.error_message)


async def create_partitions(
    client: Client, counts: Mapping[str, int], assignments: Mapping[str, Sequence[Sequence[int]]] | None = None
) -> None:
    """Raise topics to these partition counts. Raises KafkaError for the first that was refused."""
    from pykafka_core.protocol.messages import create_partitions_request as m

    answer = await client.call(
        m.CreatePartitionsRequest(
            topics=[
                m.CreatePartitionsTopic(
                    name=name,
                    count=count,
                    assignments=[m.CreatePartitionsAssignment(broker_ids=list(nodes)) for nodes in assignments[name]]
                    if assignments and name in assignments
                    else None,
                )
                for name, count in counts.items()
            ],
            timeout_ms=client.settings.request_timeout_ms,
        ),
        what="createPartitions",
        again=False,
    )
    for outcome in answer.results:
        client.forget_topic(outcome.name)
        check(outcome.error_code, outcome.error_message)


async def describe_topics(client: Client, names: Sequence[str], *, partition_limit: int = 2000) -> dict[str, Any]:
    """Topics by name, as DescribeTopicPartitions tells them: name, topic_id, is_internal, partitions with
    eligible_leader_replicas and last_known_elr, which are None where the broker has only Metadata.

    Raises KafkaError.
    """
    from pykafka_core.protocol.messages import describe_topic_partitions_request as m

    connection = await client.connect(what="describeTopics")
    if ApiKey.DESCRIBE_TOPIC_PARTITIONS not in connection.versions:
        return await _topics_by_metadata(client, names)
    found: dict[str, Any] = {}
    cursor = None
    while True:
        answer = await client.call(
            m.DescribeTopicPartitionsRequest(
                topics=[m.TopicRequest(name=name) for name in sorted(names)],
                response_partition_limit=partition_limit,
                cursor=cursor,
            ),
            what="describeTopics",
        )
        for topic in answer.topics:
            check(topic.error_code)
            if topic.name in found:
                found[topic.name].partitions += topic.partitions
            else:
                found[topic.name] = topic
        if answer.next_cursor is None:
            return found
        cursor = m.Cursor(topic_name=answer.next_cursor.topic_name, partition_index=answer.next_cursor.partition_index)


async def _topics_by_metadata(client: Client, names: Sequence[str]) -> dict[str, Any]:
    from pykafka_core.protocol.messages import describe_topic_partitions_response as m

    answer = await client.metadata(list(names), what="describeTopics")
    found: dict[str, Any] = {}
    for topic in answer.topics:
        check(topic.error_code)
        found[topic.name] = m.DescribeTopicPartitionsResponseTopic(
            name=topic.name,
            topic_id=topic.topic_id,
            is_internal=topic.is_internal,
            partitions=[
                m.DescribeTopicPartitionsResponsePartition(
                    partition_index=each.partition_index,
                    leader_id=each.leader_id,
                    leader_epoch=each.leader_epoch,
                    replica_nodes=each.replica_nodes,
                    isr_nodes=each.isr_nodes,
                    offline_replicas=each.offline_replicas,
                    eligible_leader_replicas=None,
                    last_known_elr=None,
                )
                for each in topic.partitions
            ],
        )
    return found


async def list_reassignments(client: Client) -> dict[TopicPartition, Any]:
    """Partitions that are on their way to other nodes; none where the broker does not know the API."""
    from pykafka_core.protocol.messages.list_partition_reassignments_request import ListPartitionReassignmentsRequest

    try:
        answer = await client.call(
            ListPartitionReassignmentsRequest(topics=None, timeout_ms=client.settings.request_timeout_ms),
            what="listPartitionReassignments",
        )
    except UnsupportedError:
        return {}
    if answer.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
        return {}
    check(answer.error_code, answer.error_message)
    return {
        (topic.name, partition.partition_index): partition for topic in answer.topics for partition in topic.partitions
    }


def _broker_of(key: ConfigKey) -> int | None:
    """Brokers alone know their own configuration; the rest is the same everywhere."""
    return int(key[1]) if key[0] in (BROKER, BROKER_LOGGER) and key[1] else None


def _by_broker(keys: Iterable[ConfigKey]) -> dict[int | None, list[ConfigKey]]:
    groups: dict[int | None, list[ConfigKey]] = {}
    for key in keys:
        groups.setdefault(_broker_of(key), []).append(key)
    return groups


async def describe_configs(
    client: Client, keys: Iterable[ConfigKey], *, synonyms: bool = False
) -> dict[ConfigKey, list[Any]]:
    """All entries of each resource, in the order of the answer. Raises KafkaError for the first that has none."""
    from pykafka_core.protocol.messages import describe_configs_request as m

    found: dict[ConfigKey, list[Any]] = {}
    for node_id, group in _by_broker(keys).items():
        if node_id is not None:
            await _know_node(client, node_id, "describeConfigs")
        answer = await client.call(
            m.DescribeConfigsRequest(
                resources=[
                    m.DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=None)
                    for kind, name in group
                ],
                include_synonyms=synonyms,
            ),
            node_id=node_id,
            what="describeConfigs",
        )
        for result in answer.results:
            check(result.error_code, result.error_message)
            found[result.resource_type, result.resource_name] = result.configs
    return found


async def incremental_alter_configs(
    client: Client, changes: Mapping[ConfigKey, Sequence[tuple[str, int, str | None]]], *, validate_only: bool = False
) -> None:
    """Change configurations: (name, SET/DELETE/APPEND/SUBTRACT, value) for each. Raises KafkaError for the first
    resource that was refused."""
    from pykafka_core.protocol.messages import incremental_alter_configs_request as m

    for node_id, group in _by_broker(changes).items():
        if node_id is not None:
            await _know_node(client, node_id, "incrementalAlterConfigs")
        answer = await client.call(
            m.IncrementalAlterConfigsRequest(
                resources=[
                    m.AlterConfigsResource(
                        resource_type=key[0],
                        resource_name=key[1],
                        configs=[
                            m.AlterableConfig(name=name, config_operation=operation, value=value)
                            for name, operation, value in changes[key]
                        ],
                    )
                    for key in group
                ],
                validate_only=validate_only,
            ),
            node_id=node_id,
            what="incrementalAlterConfigs",
            again=False,
        )
        for result in answer.responses:
            check(result.error_code, result.error_message)


async def _know_node(client: Client, node_id: int, what: str) -> None:
    if node_id not in client.nodes:
        await client.metadata([], what=what)


async def list_offsets(
    client: Client, specs: Mapping[TopicPartition, int], *, read_committed: bool = False
) -> dict[TopicPartition, tuple[int, int, int] | KafkaError]:
    """(offset, timestamp, leader epoch) for each partition; the offset is -1 where there is none.

    A spec is a timestamp, or -1 latest, -2 earliest, -3 largest timestamp, -4 earliest local, -5 latest tiered.
    """
    from pykafka_core.protocol.messages import list_offsets_request as m

    found: dict[TopicPartition, tuple[int, int, int] | KafkaError] = {}
    by_node: dict[int, dict[str, list[int]]] = {}
    for topic, partition in specs:
        try:
            node_id, _ = await client.leader(topic, partition)
        except KafkaError as error:
            found[topic, partition] = error
        else:
            by_node.setdefault(node_id, {}).setdefault(topic, []).append(partition)
    # Each marker came with a version of its own; asking an older broker for it must be an error, not an answer.
    oldest = min(specs.values(), default=0)
    needed = {-3: 7, -4: 8, -5: 9, -6: 11}.get(oldest, 0)
    for node_id, topics in by_node.items():
        connection = await client.connect(node_id, what="listOffsets")
        if connection.version_of(ApiKey.LIST_OFFSETS) < needed:
            raise UnsupportedError(f"The broker does not support the offset specification {oldest}")
        answer = await client.call(
            m.ListOffsetsRequest(
                replica_id=-1,
                isolation_level=1 if read_committed else 0,
                timeout_ms=client.settings.request_timeout_ms,
                topics=[
                    m.ListOffsetsTopic(
                        name=topic,
                        partitions=[
                            m.ListOffsetsPartition(partition_index=index, timestamp=specs[topic, index])
                            for index in partitions
                        ],
                    )
                    for topic, partitions in topics.items()
                ],
            ),
            node_id=node_id,
            what="listOffsets",
        )
        for topic in answer.topics:
            for each in topic.partitions:
                found[topic.name, each.partition_index] = (
                    KafkaError(each.error_code) if each.error_code else (each.offset, each.timestamp, each.leader_epoch)
                )
    return found


async def delete_records(
    client: Client, offsets: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int | KafkaError]:
    """Delete what lies before these offsets (-1: everything); the new low watermark of each partition."""
    from pykafka_core.protocol.messages import delete_records_request as m

    found: dict[TopicPartition, int | KafkaError] = {}
    by_node: dict[int, dict[str, list[int]]] = {}
    for topic, partition in offsets:
        try:
            node_id, _ = await client.leader(topic, partition)
        except KafkaError as error:
            found[topic, partition] = error
        else:
            by_node.setdefault(node_id, {}).setdefault(topic, []).append(partition)
    for node_id, topics in by_node.items():
        answer = await client.call(
            m.DeleteRecordsRequest(
                topics=[
                    m.DeleteRecordsTopic(
                        name=topic,
                        partitions=[
                            m.DeleteRecordsPartition(partition_index=index, offset=offsets[topic, index])
                            for index in partitions
                        ],
                    )
                    for topic, partitions in topics.items()
                ],
                timeout_ms=client.settings.request_timeout_ms,
            ),
            node_id=node_id,
            what="deleteRecords",
        )
        for topic in answer.topics:
            for each in topic.partitions:
                found[topic.name, each.partition_index] = (
                    KafkaError(each.error_code) if each.error_code else each.low_watermark
                )
    return found


async def describe_cluster(
    client: Client, *, controllers: bool = False, fenced: bool = False
) -> tuple[str | None, int, list[Any]]:
    """(cluster id, controller id, brokers with broker_id, host, port, rack, is_fenced).

    `controllers`: those instead, asked of one of them; `fenced`: brokers too that are registered and do not serve.
    """
    from pykafka_core.protocol.messages import describe_cluster_request as m
    from pykafka_core.protocol.messages import describe_cluster_response as r

    connection = await client.connect(what="listNodes")
    if fenced and connection.versions.get(ApiKey.DESCRIBE_CLUSTER, (0, 0))[1] < 2:
        raise UnsupportedError("Including fenced broker endpoints is not supported with version 1")
    if ApiKey.DESCRIBE_CLUSTER not in connection.versions:
        answer = await client.metadata([], what="listNodes")
        return (
            answer.cluster_id,
            answer.controller_id,
            [
                r.DescribeClusterBroker(broker_id=each.node_id, host=each.host, port=each.port, rack=each.rack)
                for each in answer.brokers
            ],
        )
    body = m.DescribeClusterRequest(endpoint_type=2 if controllers else 1, include_fenced_brokers=fenced)
    answer = await client.call(body, what="listNodes")
    check(answer.error_code, answer.error_message)
    return answer.cluster_id, answer.controller_id, answer.brokers


async def describe_log_dirs(client: Client, node_ids: Sequence[int]) -> dict[int, list[Any]]:
    """The log directories of each node: log_dir, error_code, topics with their partitions."""
    from pykafka_core.protocol.messages.describe_log_dirs_request import DescribeLogDirsRequest

    found: dict[int, list[Any]] = {}
    for node_id in node_ids:
        answer = await client.call(DescribeLogDirsRequest(topics=None), node_id=node_id, what="describeLogDirs")
        check(answer.error_code)
        found[node_id] = answer.results
    return found

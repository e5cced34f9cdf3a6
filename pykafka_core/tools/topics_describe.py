"""kafka-topics --describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykafka_core.client.admin import (
    describe_cluster,
    describe_configs,
    describe_topics,
    list_reassignments,
    list_topics,
)
from pykafka_core.protocol.uuids import ZERO_UUID, uuid_from_string, uuid_to_string
from pykafka_core.tools.command import ToolError, whole_number
from pykafka_core.tools.java_order import hash_map_order
from pykafka_core.tools.topics import REPORTS, ensure_exists, matching

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client
    from pykafka_core.tools.options import Options

__all__ = ["describe"]

TOPIC_RESOURCE = 2
DEFAULT_CONFIG = 5


async def describe(client: Client, options: Options) -> None:
    limit = whole_number(options, "partition-size-limit-per-response") or 2000
    names = await wanted_names(client, options)
    topics = await describe_topics(client, names, partition_limit=limit) if names else {}
    configs = await describe_configs(client, [(TOPIC_RESOURCE, name) for name in topics]) if topics else {}
    _, _, brokers = await describe_cluster(client)
    live = {broker.broker_id for broker in brokers}
    reassignments = await list_reassignments(client) if topics else {}
    reports = [name for name in REPORTS if name in options]
    for name in hash_map_order(hash_map_order(sorted(topics), len(topics)), len(topics)):
        entries = {entry.name: entry for entry in configs[TOPIC_RESOURCE, name]}
        description = Description(name, topics[name], entries, reassignments, live)
        only_overridden = "topics-with-overrides" in options
        if not reports and (not only_overridden or description.overrides()):
            print(description.summary())
        if only_overridden:
            continue
        for partition in description.partitions:
            if not reports or any(description.is_reported(partition, report) for report in reports):
                print(description.line(partition))


async def wanted_names(client: Client, options: Options) -> list[str]:
    """Raises ToolError."""
    given = options.last("topic-id")
    if given is not None:
        try:
            wanted = uuid_from_string(given)
        except ValueError:
            raise ToolError(f"Input string `{given}` decoded as no topic id of 16 bytes") from None
        if wanted != ZERO_UUID:
            if "topic" in options and "if-exists" in options:
                print(
                    "Only topic id will be used when both --topic and --topic-id are specified and topicId is not "
                    "Uuid.ZERO_UUID"
                )
            names = [topic.name for topic in await list_topics(client) if topic.topic_id == wanted]
            if not names and "if-exists" not in options:
                raise ToolError(f"TopicId '{given}' does not exist as expected")
            return names
    names = await matching(client, options)
    ensure_exists(names, options)
    return names


class Description:
    """One topic, in lines."""

    def __init__(
        self, name: str, topic: Any, entries: dict[str, Any], reassignments: dict[Any, Any], live: set[int]
    ) -> None:
        self.name = name
        self.topic_id: bytes = topic.topic_id
        self.partitions: list[Any] = sorted(topic.partitions, key=lambda each: each.partition_index)
        self.entries = entries
        self.reassignments = reassignments
        self.live = live

    def overrides(self) -> list[str]:
        return [
            f"{name}={self.entries[name].value}"
            for name in hash_map_order(self.entries)
            if self.entries[name].config_source != DEFAULT_CONFIG
        ]

    def summary(self) -> str:
        topic_id = "" if self.topic_id == ZERO_UUID else f"\tTopicId: {uuid_to_string(self.topic_id)}"
        return (
            f"Topic: {self.name}{topic_id}\tPartitionCount: {len(self.partitions)}"
            f"\tReplicationFactor: {self.replication_factor(self.partitions[0])}\tConfigs: {','.join(self.overrides())}"
        )

    def line(self, partition: Any) -> str:
        moving = self.reassignments.get((self.name, partition.partition_index))
        moves = (
            f"\tAdding Replicas: {joined(moving.adding_replicas)}"
            f"\tRemoving Replicas: {joined(moving.removing_replicas)}"
            if moving
            else ""
        )
        return (
            f"\tTopic: {self.name}\tPartition: {partition.partition_index}"
            f"\tLeader: {partition.leader_id if partition.leader_id >= 0 else 'none'}"
            f"\tReplicas: {joined(partition.replica_nodes)}\tIsr: {joined(partition.isr_nodes)}{moves}"
            f"\tElr: {joined(partition.eligible_leader_replicas)}"
            f"\tLastKnownElr: {joined(partition.last_known_elr)}"
        )

    def replication_factor(self, partition: Any) -> int:
        moving = self.reassignments.get((self.name, partition.partition_index))
        changing = {*moving.adding_replicas, *moving.removing_replicas} if moving else set()
        if moving and changing.intersection(partition.replica_nodes):
            return len(moving.replicas) - len(moving.adding_replicas)
        return len(partition.replica_nodes)

    def is_reported(self, partition: Any, report: str) -> bool:
        in_sync, has_leader = len(partition.isr_nodes), partition.leader_id >= 0
        required = int(self.entries["min.insync.replicas"].value)
        match report:
            case "under-replicated-partitions":
                return self.replication_factor(partition) > in_sync
            case "unavailable-partitions":
                return not has_leader or partition.leader_id not in self.live
            case "under-min-isr-partitions":
                return not has_leader or in_sync < required
            case _:
                return in_sync == required


def joined(node_ids: list[int] | None) -> str:
    return "N/A" if node_ids is None else ",".join(map(str, node_ids))

"""DescribeTopicPartitions (75), version 0: topics and partitions page by page.

- No topics named: all. They come sorted by name, so that the cursor of one page is where the next one begins.
- A page holds at most `response_partition_limit` partitions, and never more than `max.request.partition.size.limit`.
  Topics that do not exist take no room.
- Eligible leader replicas are what the metadata says (KIP-966): empty lists on a single broker.

Java's admin client prefers this API over Metadata. Source: KIP-966;
kafka.server.handlers.DescribeTopicPartitionsRequestHandler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.operations import TOPIC_OPERATIONS
from pykafka_core.broker.topic_names import INTERNAL_TOPICS
from pykafka_core.protocol._codec import Encoded
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.describe_topic_partitions_request import DescribeTopicPartitionsRequest
from pykafka_core.protocol.messages.describe_topic_partitions_response import (
    Cursor,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster
    from pykafka_core.broker.kept_topics import KeptTopics
    from pykafka_core.metadata.image import PartitionImage, TopicImage
    from pykafka_core.metadata.store import MetadataStore

PARTITION_LIMIT_MAX = 2000
"""Default of max.request.partition.size.limit."""


@serves(ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, 0)
def describe_topic_partitions(
    request: DescribeTopicPartitionsRequest,
    context: RequestContext,
    *,
    cluster: Cluster,
    store: MetadataStore,
    kept_topics: KeptTopics,
) -> DescribeTopicPartitionsResponse:
    images = store.image.topics
    names = sorted({topic.name for topic in request.topics} if request.topics else images)
    first_name, first_partition = "", 0
    if request.cursor is not None:
        first_name, first_partition = request.cursor.topic_name, max(request.cursor.partition_index, 0)
    left = max(1, min(request.response_partition_limit, PARTITION_LIMIT_MAX))
    health = kept_topics.health()
    topics: list[Any] = []
    for name in names:
        if name < first_name:
            continue
        image = images.get(name)
        if image is None:
            topics.append(
                DescribeTopicPartitionsResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name=name)
            )
            continue
        begin = first_partition if name == first_name else 0
        if left == 0:
            return DescribeTopicPartitionsResponse(
                topics=topics, next_cursor=Cursor(topic_name=name, partition_index=begin)
            )
        page = image.partitions[begin : begin + left]
        if len(page) == len(image.partitions):
            topics.append(whole(image, context.api_version, cluster, kept_topics, health))
        else:
            topics.append(describe(image, page, cluster))
        left -= len(page)
        if begin + len(page) < len(image.partitions):
            return DescribeTopicPartitionsResponse(
                topics=topics, next_cursor=Cursor(topic_name=name, partition_index=begin + len(page))
            )
    return DescribeTopicPartitionsResponse(topics=topics)


def whole(
    topic: TopicImage, version: int, cluster: Cluster, kept_topics: KeptTopics, health: object
) -> DescribeTopicPartitionsResponseTopic | Encoded:
    return kept_topics.part(
        DescribeTopicPartitionsResponse, version, topic, health, lambda: describe(topic, topic.partitions, cluster)
    )


def describe(
    topic: TopicImage, page: tuple[PartitionImage, ...], cluster: Cluster
) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.name in INTERNAL_TOPICS,
        partitions=[describe_partition(topic.name, partition, cluster) for partition in page],
        topic_authorized_operations=TOPIC_OPERATIONS,
    )


def describe_partition(
    topic: str, partition: PartitionImage, cluster: Cluster
) -> DescribeTopicPartitionsResponsePartition:
    has_leader = cluster.is_led(topic, partition)
    return DescribeTopicPartitionsResponsePartition(
        error_code=ErrorCode.NONE if has_leader else ErrorCode.LEADER_NOT_AVAILABLE,
        partition_index=partition.partition_id,
        leader_id=partition.leader if has_leader else -1,
        leader_epoch=partition.leader_epoch,
        replica_nodes=list(partition.replicas),
        isr_nodes=list(partition.isr),
        eligible_leader_replicas=list(partition.eligible_leader_replicas),
        last_known_elr=list(partition.last_known_elr),
        offline_replicas=cluster.offline_replicas(topic, partition),
    )

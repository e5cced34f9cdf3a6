"""Metadata (3), versions 0-13: brokers, topics, partitions and their leaders; the first thing a client asks for and
asks again.

- Which topics: null is all (version 1 on), an empty list none; in version 0 an empty list is all.
- A topic that does not exist is created where `auto.create.topics.enable` and the request (version 4 on; before,
  always) allow it, and answered as it then is. Kafka answers 3 and lets the client come back; one broker has nothing
  to wait for.
- Version 8 on: authorized operations where asked, of the cluster until version 10.
- Version 10 brings topic ids to answers, version 12 to requests. Ids or null names in a request of version 10 or 11
  are refused with 42. An unknown id is answered with 100.
- Leader epochs (version 7 on) never go down for a topic id: clients ignore metadata in which they do.
- What is said about a topic is kept in encoded form for as long as it holds (kept_topics.py).
- Each client is told the broker's address on the listener it came through.

Source: KIP-4, KIP-204, KIP-320, KIP-430, KIP-516, KIP-700, KIP-1102; kafka.server.KafkaApis.handleTopicMetadataRequest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.operations import CLUSTER_OPERATIONS, NOT_ASKED, TOPIC_OPERATIONS
from pykafka_core.broker.topic_names import INTERNAL_TOPICS, why_invalid
from pykafka_core.protocol._codec import Encoded
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.message import ZERO_UUID
from pykafka_core.protocol.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from pykafka_core.protocol.messages.metadata_response import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster
    from pykafka_core.broker.kept_topics import KeptTopics
    from pykafka_core.broker.topic_admin import TopicAdmin
    from pykafka_core.metadata.image import MetadataImage, PartitionImage, TopicImage
    from pykafka_core.metadata.store import MetadataStore

TOPIC_ID_REQUEST_VERSION_MIN = 12


Topic = MetadataResponseTopic | Encoded


@serves(ApiKey.METADATA, 0, 13)
def metadata(
    request: MetadataRequest,
    context: RequestContext,
    *,
    cluster: Cluster,
    store: MetadataStore,
    topic_admin: TopicAdmin,
    kept_topics: KeptTopics,
) -> MetadataResponse | Awaitable[MetadataResponse]:
    asked = request.topics
    refused: dict[str, int] = {}

    def answer() -> MetadataResponse:
        # Nothing waits from here on: the answer is of one moment.
        describe_topic = describer(request, context, cluster, kept_topics)
        image = store.image
        if asked is None or (context.api_version == 0 and not asked):
            topics = [describe_topic(topic) for _, topic in sorted(image.topics.items())]
        else:
            topics = [find(topic, image, refused, describe_topic) for topic in asked]
        return respond(request, context, cluster, topics)

    if not asked:
        return answer()
    if context.api_version < TOPIC_ID_REQUEST_VERSION_MIN and any(
        topic.name is None or topic.topic_id != ZERO_UUID for topic in asked
    ):
        return MetadataResponse(
            topics=[
                MetadataResponseTopic(
                    error_code=ErrorCode.INVALID_REQUEST, name=topic.name or "", topic_id=topic.topic_id
                )
                for topic in asked
            ]
        )
    if request.allow_auto_topic_creation and topic_admin.auto_create_enabled:
        known = store.image.topics
        wanted = [topic.name for topic in asked if topic.topic_id == ZERO_UUID and topic.name is not None]
        missing = [name for name in dict.fromkeys(wanted) if name not in known and why_invalid(name) is None]
        if missing:
            return create_and_answer(missing, topic_admin, store, refused, answer)
    return answer()


async def create_and_answer(
    missing: Sequence[str],
    topic_admin: TopicAdmin,
    store: MetadataStore,
    refused: dict[str, int],
    answer: Callable[[], MetadataResponse],
) -> MetadataResponse:
    """Create these topics, note in `refused` why some could not be, and answer."""
    for name in missing:
        if name in store.image.topics:
            continue
        try:
            await topic_admin.auto_create(name)
        except RequestError as error:
            refused[name] = error.code
    return answer()


def describer(
    request: MetadataRequest, context: RequestContext, cluster: Cluster, kept_topics: KeptTopics
) -> Callable[[TopicImage], Topic]:
    """Describes topics to this client, at this moment."""
    health = kept_topics.health()
    operations = TOPIC_OPERATIONS if request.include_topic_authorized_operations else NOT_ASKED

    def describe_topic(topic: TopicImage) -> Topic:
        return kept_topics.part(
            MetadataResponse,
            context.api_version,
            topic,
            health,
            lambda: describe(topic, cluster, operations),
            operations,
        )

    return describe_topic


def respond(
    request: MetadataRequest, context: RequestContext, cluster: Cluster, topics: list[Any]
) -> MetadataResponse:
    return MetadataResponse(
        brokers=[
            MetadataResponseBroker(node_id=node.node_id, host=node.host, port=node.port, rack=node.rack)
            for node in cluster.nodes(context)
        ],
        cluster_id=cluster.cluster_id,
        controller_id=cluster.controller_id,
        topics=topics,
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else NOT_ASKED,
    )


def find(
    asked: MetadataRequestTopic,
    image: MetadataImage,
    refused: Mapping[str, int],
    describe_topic: Callable[[TopicImage], Topic],
) -> Topic:
    """The topic that was asked for, or why there is none."""
    name = asked.name
    if asked.topic_id != ZERO_UUID or name is None:
        found = image.topic_by_id(asked.topic_id)
        if found is None:
            return MetadataResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=asked.topic_id)
        return describe_topic(found)
    found = image.topics.get(name)
    if found is not None:
        return describe_topic(found)
    if name in refused:
        code = refused[name]
    else:
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if why_invalid(name) is None else ErrorCode.INVALID_TOPIC_EXCEPTION
    return MetadataResponseTopic(error_code=code, name=name, is_internal=name in INTERNAL_TOPICS)


def describe(topic: TopicImage, cluster: Cluster, operations: int = NOT_ASKED) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.name in INTERNAL_TOPICS,
        partitions=[describe_partition(topic.name, partition, cluster) for partition in topic.partitions],
        topic_authorized_operations=operations,
    )


def describe_partition(topic: str, partition: PartitionImage, cluster: Cluster) -> MetadataResponsePartition:
    has_leader = cluster.is_led(topic, partition)
    return MetadataResponsePartition(
        error_code=ErrorCode.NONE if has_leader else ErrorCode.LEADER_NOT_AVAILABLE,
        partition_index=partition.partition_id,
        leader_id=partition.leader if has_leader else -1,
        leader_epoch=partition.leader_epoch,
        replica_nodes=list(partition.replicas),
        isr_nodes=list(partition.isr),
        offline_replicas=cluster.offline_replicas(topic, partition),
    )

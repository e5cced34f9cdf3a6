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
- Each client is told the broker's address on the listener it came through.

Source: KIP-4, KIP-204, KIP-320, KIP-430, KIP-516, KIP-700, KIP-1102; kafka.server.KafkaApis.handleTopicMetadataRequest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.operations import CLUSTER_OPERATIONS, NOT_ASKED, TOPIC_OPERATIONS
from pykafka_core.broker.topic_names import INTERNAL_TOPICS, why_invalid
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.message import ZERO_UUID
from pykafka_core.protocol.messages.metadata_request import MetadataRequest
from pykafka_core.protocol.messages.metadata_response import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster
    from pykafka_core.broker.topic_admin import TopicAdmin
    from pykafka_core.metadata.image import PartitionImage, TopicImage
    from pykafka_core.metadata.store import MetadataStore

TOPIC_ID_REQUEST_VERSION_MIN = 12


@serves(ApiKey.METADATA, 0, 13)
async def metadata(
    request: MetadataRequest,
    context: RequestContext,
    *,
    cluster: Cluster,
    store: MetadataStore,
    topic_admin: TopicAdmin,
) -> MetadataResponse:
    asked = request.topics
    if asked is None or (context.api_version == 0 and not asked):
        topics = [describe(topic, cluster) for _, topic in sorted(store.image.topics.items())]
    elif context.api_version < TOPIC_ID_REQUEST_VERSION_MIN and any(
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
    else:
        topics = []
        for topic in asked:
            if topic.topic_id != ZERO_UUID or topic.name is None:
                found = store.image.topic_by_id(topic.topic_id)
                if found is None:
                    topics.append(
                        MetadataResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=topic.topic_id)
                    )
                    continue
                topics.append(describe(found, cluster))
            else:
                topics.append(await by_name(topic.name, request.allow_auto_topic_creation, cluster, store, topic_admin))
    if request.include_topic_authorized_operations:
        for answered in topics:
            if answered.error_code == ErrorCode.NONE:
                answered.topic_authorized_operations = TOPIC_OPERATIONS
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


async def by_name(
    name: str, may_create: bool, cluster: Cluster, store: MetadataStore, topic_admin: TopicAdmin
) -> MetadataResponseTopic:
    found = store.image.topics.get(name)
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if found is None and why_invalid(name) is not None:
        code = ErrorCode.INVALID_TOPIC_EXCEPTION
    elif found is None and may_create and topic_admin.auto_create_enabled:
        try:
            await topic_admin.auto_create(name)
            found = store.image.topics.get(name)
        except RequestError as error:
            code = error.code
    if found is None:
        return MetadataResponseTopic(error_code=code, name=name, is_internal=name in INTERNAL_TOPICS)
    return describe(found, cluster)


def describe(topic: TopicImage, cluster: Cluster) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.name in INTERNAL_TOPICS,
        partitions=[describe_partition(topic.name, partition, cluster) for partition in topic.partitions],
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

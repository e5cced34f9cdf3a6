"""OffsetDelete (47), version 0: forget the committed offsets of some partitions (KIP-496).

- A group with members may lose offsets of topics that none of them subscribes to; of the others:
  GROUP_SUBSCRIBED_TO_TOPIC. Members whose subscriptions are not known: NON_EMPTY_GROUP.
- Nothing committed is no error; a topic or partition that does not exist: UNKNOWN_TOPIC_OR_PARTITION.

Source: kafka.server.KafkaApis.handleOffsetDeleteRequest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any

from pykafka_core.broker.answers import answered
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.coordinator.events import DeleteOffsets, TopicPartition
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.offset_delete_request import OffsetDeleteRequest
from pykafka_core.protocol.messages.offset_delete_response import (
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups
    from pykafka_core.metadata.store import MetadataStore


@serves(ApiKey.OFFSET_DELETE, 0, 0)
def offset_delete(
    request: OffsetDeleteRequest, context: RequestContext, *, groups: Groups, store: MetadataStore
) -> OffsetDeleteResponse | Awaitable[OffsetDeleteResponse]:
    image = store.image
    known = [
        (topic.name, each.partition_index)
        for topic in request.topics
        for each in topic.partitions
        if topic.name in image.topics and 0 <= each.partition_index < len(image.topics[topic.name].partitions)
    ]
    answers: Any = groups.refusal(request.group_id)
    if not answers:
        answers = groups.ask(DeleteOffsets(group_id=request.group_id, request=groups.request(), partitions=known))

    def respond(answers: Mapping[TopicPartition, ErrorCode] | ErrorCode) -> OffsetDeleteResponse:
        if isinstance(answers, ErrorCode):
            return OffsetDeleteResponse(error_code=answers)
        return OffsetDeleteResponse(
            topics=[
                OffsetDeleteResponseTopic(
                    name=topic.name,
                    partitions=[
                        OffsetDeleteResponsePartition(
                            partition_index=each.partition_index,
                            error_code=answers.get(
                                (topic.name, each.partition_index), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                            ),
                        )
                        for each in topic.partitions
                    ],
                )
                for topic in request.topics
            ]
        )

    return answered(answers, respond)

"""DeleteTopics (20), versions 1-6: topics by name, from version 6 on also by id.

- Unknown name: UNKNOWN_TOPIC_OR_PARTITION; unknown id: UNKNOWN_TOPIC_ID. Both or neither given, or the same topic
  twice: INVALID_REQUEST.
- `delete.topic.enable=false`: TOPIC_DELETION_DISABLED, below version 3 INVALID_REQUEST.
- When the answer is sent, clients cannot reach the topic any more and its name is free. Its files go after
  file.delete.delay.ms.

Source: KIP-4, KIP-516; kafka.server.ControllerApis.deleteTopics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.message import ZERO_UUID
from pykafka_core.protocol.messages.delete_topics_request import DeleteTopicsRequest, DeleteTopicState
from pykafka_core.protocol.messages.delete_topics_response import DeletableTopicResult, DeleteTopicsResponse

if TYPE_CHECKING:
    from pykafka_core.broker.topic_admin import TopicAdmin
    from pykafka_core.metadata.image import MetadataImage
    from pykafka_core.metadata.store import MetadataStore

IDS_VERSION_MIN = 6
DELETION_DISABLED_VERSION_MIN = 3


@serves(ApiKey.DELETE_TOPICS, 1, 6)
async def delete_topics(
    request: DeleteTopicsRequest, context: RequestContext, *, store: MetadataStore, topic_admin: TopicAdmin
) -> DeleteTopicsResponse:
    if context.api_version >= IDS_VERSION_MIN:
        asked = request.topics
    else:
        asked = [DeleteTopicState(name=name) for name in request.topic_names]
    results: list[DeletableTopicResult] = []
    found: dict[bytes, DeletableTopicResult] = {}
    for topic in asked:
        result = DeletableTopicResult(name=topic.name, topic_id=topic.topic_id)
        results.append(result)
        try:
            if not topic_admin.delete_enabled:
                raise RequestError(
                    ErrorCode.TOPIC_DELETION_DISABLED
                    if context.api_version >= DELETION_DISABLED_VERSION_MIN
                    else ErrorCode.INVALID_REQUEST,
                    "Topic deletion is disabled.",
                )
            result.name, result.topic_id = resolve(topic, store.image)
            if result.topic_id in found:
                raise RequestError(ErrorCode.INVALID_REQUEST, "The topic is named more than once.")
            found[result.topic_id] = result
        except RequestError as error:
            refuse(result, error)
    refused = await topic_admin.delete(list(found))
    for topic_id, reason in refused.items():
        refuse(found[topic_id], reason)
    return DeleteTopicsResponse(responses=results)


def resolve(topic: DeleteTopicState, image: MetadataImage) -> tuple[str, bytes]:
    if topic.topic_id != ZERO_UUID:
        if topic.name is not None:
            raise RequestError(ErrorCode.INVALID_REQUEST, "You may not specify both topic name and topic id.")
        by_id = image.topic_by_id(topic.topic_id)
        if by_id is None:
            raise RequestError(ErrorCode.UNKNOWN_TOPIC_ID, "This server does not host this topic ID.")
        return by_id.name, by_id.topic_id
    if topic.name is None:
        raise RequestError(ErrorCode.INVALID_REQUEST, "Neither topic name nor id were specified.")
    by_name = image.topics.get(topic.name)
    if by_name is None:
        raise RequestError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")
    return by_name.name, by_name.topic_id


def refuse(result: DeletableTopicResult, error: RequestError) -> None:
    result.error_code = error.code
    result.error_message = str(error)

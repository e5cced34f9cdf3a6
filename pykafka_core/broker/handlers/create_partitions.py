"""CreatePartitions (37), versions 0-3: raise the partition count of topics.

- `count` is the new total. Not above the current one, or above it without a broker for each assigned replica: refused.
- Assignments, if given, name the replicas of each new partition, as many as there are new partitions.
- `validate_only` answers as if it had been done.

Source: KIP-195; org.apache.kafka.controller.ReplicationControlManager.createPartitions.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.create_partitions_request import CreatePartitionsRequest
from pykafka_core.protocol.messages.create_partitions_response import (
    CreatePartitionsResponse,
    CreatePartitionsTopicResult,
)

if TYPE_CHECKING:
    from pykafka_core.broker.topic_admin import TopicAdmin


@serves(ApiKey.CREATE_PARTITIONS, 0, 3)
async def create_partitions(
    request: CreatePartitionsRequest, context: RequestContext, *, topic_admin: TopicAdmin
) -> CreatePartitionsResponse:
    counts = Counter(topic.name for topic in request.topics)
    results = []
    for topic in {topic.name: topic for topic in request.topics}.values():
        result = CreatePartitionsTopicResult(name=topic.name)
        results.append(result)
        try:
            if counts[topic.name] > 1:
                raise RequestError(ErrorCode.INVALID_REQUEST, "Duplicate topic in request.")
            assignments = None if topic.assignments is None else [item.broker_ids for item in topic.assignments]
            await topic_admin.grow(topic.name, topic.count, assignments, validate_only=request.validate_only)
        except RequestError as error:
            result.error_code, result.error_message = error.code, str(error)
    return CreatePartitionsResponse(results=results)

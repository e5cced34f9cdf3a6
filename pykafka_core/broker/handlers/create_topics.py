"""CreateTopics (19), versions 2-7: new topics, each refused or created on its own.

- Partition count and replication factor -1 mean the broker's defaults (KIP-464); with assignments both must be -1.
- `validate_only` answers as if the topics had been created.
- A name that is taken: TOPIC_ALREADY_EXISTS; one that differs from another topic only in '.' and '_':
  INVALID_TOPIC_EXCEPTION.
- Version 5 on: the answer tells partition count, replication factor and every config with its source (KIP-525).
- Version 7 on: the topic id (KIP-516); the zero id where nothing was created.

Directories, logs and metadata are durable before the answer. Source:
org.apache.kafka.controller.ReplicationControlManager.createTopics.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.topic_names import collision_key
from pykafka_core.broker.topic_plans import TopicPlan
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.message import ZERO_UUID
from pykafka_core.protocol.messages.create_topics_request import CreateTopicsRequest
from pykafka_core.protocol.messages.create_topics_response import (
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsResponse,
)

if TYPE_CHECKING:
    from pykafka_core.broker.configs import Configs
    from pykafka_core.broker.topic_admin import TopicAdmin


@serves(ApiKey.CREATE_TOPICS, 2, 7)
async def create_topics(
    request: CreateTopicsRequest, context: RequestContext, *, topic_admin: TopicAdmin, configs: Configs
) -> CreateTopicsResponse:
    counts = Counter(topic.name for topic in request.topics)
    plans: list[TopicPlan] = []
    planned: dict[str, str] = {}
    refused: dict[str, RequestError] = {}
    for topic in request.topics:
        try:
            if counts[topic.name] > 1:
                raise RequestError(ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
            plans.append(
                topic_admin.plan(
                    topic.name,
                    partition_count=topic.num_partitions,
                    replication_factor=topic.replication_factor,
                    assignments=[(item.partition_index, item.broker_ids) for item in topic.assignments],
                    configs=[(item.name, item.value) for item in topic.configs],
                    besides=planned,
                )
            )
            planned[collision_key(topic.name)] = topic.name
        except RequestError as error:
            refused[topic.name] = error
    outcomes = [ZERO_UUID] * len(plans) if request.validate_only else await topic_admin.create(plans)
    results = {
        plan.name: created(plan, outcome, configs) if isinstance(outcome, bytes) else failed(plan.name, outcome)
        for plan, outcome in zip(plans, outcomes, strict=True)
    }
    results |= {name: failed(name, error) for name, error in refused.items()}
    return CreateTopicsResponse(topics=[results[name] for name in counts])


def created(plan: TopicPlan, topic_id: bytes, configs: Configs) -> CreatableTopicResult:
    return CreatableTopicResult(
        name=plan.name,
        topic_id=topic_id,
        error_message=None,
        num_partitions=len(plan.assignments),
        replication_factor=len(plan.assignments[0]),
        configs=[
            CreatableTopicConfigs(
                name=entry.name,
                value=entry.value,
                read_only=entry.read_only,
                config_source=entry.source,
                is_sensitive=entry.sensitive,
            )
            for entry in configs.topic_entries(plan.configs)
        ],
    )


def failed(name: str, error: RequestError) -> CreatableTopicResult:
    return CreatableTopicResult(name=name, error_code=error.code, error_message=str(error), configs=None)

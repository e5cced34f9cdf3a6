"""OffsetFetch (9), versions 1-10: how far groups have read.

- Nothing committed, or no such group: offset -1 and no error.
- Version 2 on, null topics ask for all there are; an error of the group is the answer's, before it is each partition's.
- Version 5 brings leader epochs, 7 `require_stable` (KIP-447): UNSTABLE_OFFSET_COMMIT where a transaction that has not
  ended has sent an offset. Version 8 asks for several groups (KIP-709), 9 names the member and its epoch (KIP-848), 10
  has topic ids in place of names: UNKNOWN_TOPIC_ID for one that is not known.

Source: kafka.server.KafkaApis.handleOffsetFetchRequest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.coordinator.events import CommittedOffset, FetchOffsets, OffsetsAnswer, TopicPartition
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.message import ZERO_UUID
from pykafka_core.protocol.messages.offset_fetch_request import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from pykafka_core.protocol.messages.offset_fetch_response import (
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups
    from pykafka_core.metadata.image import MetadataImage
    from pykafka_core.metadata.store import MetadataStore

GROUP_ERROR_VERSION = 2
GROUPS_VERSION = 8
TOPIC_ID_VERSION = 10
NONE = -1

NO_TOPIC_IDS: Mapping[str, bytes] = {}

Found = CommittedOffset | ErrorCode | None


@serves(ApiKey.OFFSET_FETCH, 1, 10)
def offset_fetch(
    request: OffsetFetchRequest, context: RequestContext, *, groups: Groups, store: MetadataStore
) -> OffsetFetchResponse:
    version = context.api_version
    if version < GROUPS_VERSION:
        return single(request, version, groups)
    by_id = version >= TOPIC_ID_VERSION
    return OffsetFetchResponse(
        groups=[one_group(group, request.require_stable, by_id, groups, store.image) for group in request.groups]
    )


def fetch(
    groups: Groups,
    group_id: str,
    partitions: list[TopicPartition] | None,
    require_stable: bool,
    topic_ids: Mapping[str, bytes] = NO_TOPIC_IDS,
    member: tuple[str | None, int] = (None, NONE),
) -> OffsetsAnswer:
    error = groups.refusal(group_id)
    if error:
        return OffsetsAnswer(error=error)
    answer: OffsetsAnswer = groups.ask(
        FetchOffsets(
            group_id=group_id,
            request=groups.request(),
            partitions=partitions,
            require_stable=require_stable,
            topic_ids=topic_ids,
            member_id=member[0],
            member_epoch=member[1],
        )
    )
    return answer


def single(request: OffsetFetchRequest, version: int, groups: Groups) -> OffsetFetchResponse:
    asked = request.topics
    wanted = None if asked is None else [(topic.name, index) for topic in asked for index in topic.partition_indexes]
    answer = fetch(groups, request.group_id, wanted, request.require_stable)
    if answer.error and version >= GROUP_ERROR_VERSION:
        return OffsetFetchResponse(error_code=answer.error)
    offsets: dict[TopicPartition, Found] = dict(answer.offsets)
    if answer.error:
        offsets = dict.fromkeys(wanted or (), answer.error)
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(name=name, partitions=partitions)
            for name, partitions in by_topic(offsets, OffsetFetchResponsePartition).items()
        ]
    )


def one_group(
    asked: OffsetFetchRequestGroup, require_stable: bool, by_id: bool, groups: Groups, image: MetadataImage
) -> OffsetFetchResponseGroup:
    unknown: list[OffsetFetchRequestTopics] = []
    wanted: list[TopicPartition] | None = None
    topic_ids: dict[str, bytes] = {}
    if asked.topics is not None:
        wanted = []
        for topic in asked.topics:
            known = image.topic_by_id(topic.topic_id) if by_id else None
            if by_id and known is None:
                unknown.append(topic)
            else:
                name = topic.name if known is None else known.name
                if known is not None:
                    topic_ids[name] = known.topic_id
                wanted += [(name, index) for index in topic.partition_indexes]
    member = (asked.member_id, asked.member_epoch)
    answer = fetch(groups, asked.group_id, wanted, require_stable, topic_ids, member)
    if answer.error:
        return OffsetFetchResponseGroup(group_id=asked.group_id, error_code=answer.error)
    topics = []
    for name, partitions in by_topic(answer.offsets, OffsetFetchResponsePartitions).items():
        topic_id = ZERO_UUID
        if by_id:
            image_topic = image.topics.get(name)
            if image_topic is None:
                continue  # all were asked for, and this one has no id that the client could know it by
            topic_id = image_topic.topic_id
        topics.append(OffsetFetchResponseTopics(name=name, topic_id=topic_id, partitions=partitions))
    topics += [
        OffsetFetchResponseTopics(
            topic_id=topic.topic_id,
            partitions=[
                partition_answer(OffsetFetchResponsePartitions, index, ErrorCode.UNKNOWN_TOPIC_ID)
                for index in topic.partition_indexes
            ],
        )
        for topic in unknown
    ]
    return OffsetFetchResponseGroup(group_id=asked.group_id, topics=topics)


def by_topic(offsets: Any, make: Callable[..., Any]) -> dict[str, list[Any]]:
    """The answers for partitions by topic, in the order in which they were asked for."""
    topics: dict[str, list[Any]] = {}
    for (name, index), found in offsets.items():
        topics.setdefault(name, []).append(partition_answer(make, index, found))
    return topics


def partition_answer(make: Callable[..., Any], index: int, found: Found) -> Any:
    if isinstance(found, CommittedOffset):
        return make(
            partition_index=index,
            committed_offset=found.offset,
            committed_leader_epoch=found.leader_epoch,
            metadata=found.metadata,
            error_code=ErrorCode.NONE,
        )
    return make(
        partition_index=index,
        committed_offset=NONE,
        committed_leader_epoch=NONE,
        metadata="",
        error_code=ErrorCode.NONE if found is None else found,
    )

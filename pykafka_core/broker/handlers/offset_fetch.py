"""OffsetFetch (9), versions 1-10: how far groups have read.

- Nothing committed, or no such group: offset -1 and no error.
- Version 2 on, null topics ask for all there are; an error of the group is the answer's, before it is each partition's.
- While a group is being loaded its answer waits for that, at most LOAD_WAIT_S; Kafka's is COORDINATOR_LOAD_IN_PROGRESS
  at once. That is an error of the group, which some clients do not look at (aiokafka 0.14): they would take it for a
  group that has committed nothing, and after a restart of the broker begin where auto.offset.reset says.
- Version 5 brings leader epochs, 7 `require_stable` (KIP-447): UNSTABLE_OFFSET_COMMIT where a transaction that has not
  ended has sent an offset. Version 8 asks for several groups (KIP-709), 9 names the member and its epoch (KIP-848), 10
  has topic ids in place of names: UNKNOWN_TOPIC_ID for one that is not known.

Source: kafka.server.KafkaApis.handleOffsetFetchRequest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pykafka_core.broker.answers import all_answered, answered
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
) -> OffsetFetchResponse | Awaitable[OffsetFetchResponse]:
    version = context.api_version
    group_ids = [request.group_id] if version < GROUPS_VERSION else [group.group_id for group in request.groups]
    if any(groups.refusal(each) == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS for each in group_ids):
        return once_loaded(request, version, groups, store, group_ids)
    return fetched(request, version, groups, store)


async def once_loaded(
    request: OffsetFetchRequest, version: int, groups: Groups, store: MetadataStore, group_ids: Sequence[str]
) -> OffsetFetchResponse:
    await groups.loaded(group_ids)
    answer = fetched(request, version, groups, store)
    return answer if isinstance(answer, OffsetFetchResponse) else await answer


def fetched(
    request: OffsetFetchRequest, version: int, groups: Groups, store: MetadataStore
) -> OffsetFetchResponse | Awaitable[OffsetFetchResponse]:
    image = store.image
    if version < GROUPS_VERSION:
        return single(request, version, groups)
    asked = [Asked(group, image if version >= TOPIC_ID_VERSION else None) for group in request.groups]

    def respond(answers: Sequence[OffsetsAnswer | ErrorCode]) -> OffsetFetchResponse:
        return OffsetFetchResponse(
            groups=[one_group(group, whole(answer), image) for group, answer in zip(asked, answers, strict=True)]
        )

    return all_answered(
        [
            fetch(groups, each.group.group_id, each.wanted, request.require_stable, each.topic_ids, each.member)
            for each in asked
        ],
        respond,
    )


def fetch(
    groups: Groups,
    group_id: str,
    partitions: list[TopicPartition] | None,
    require_stable: bool,
    topic_ids: Mapping[str, bytes] = NO_TOPIC_IDS,
    member: tuple[str | None, int] = (None, NONE),
) -> Any:
    """An OffsetsAnswer or an ErrorCode, or a future of it."""
    return groups.refusal(group_id) or groups.ask(
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


def whole(answer: OffsetsAnswer | ErrorCode) -> OffsetsAnswer:
    return OffsetsAnswer(error=answer) if isinstance(answer, ErrorCode) else answer


def single(
    request: OffsetFetchRequest, version: int, groups: Groups
) -> OffsetFetchResponse | Awaitable[OffsetFetchResponse]:
    asked = request.topics
    wanted = None if asked is None else [(topic.name, index) for topic in asked for index in topic.partition_indexes]

    def respond(found: OffsetsAnswer | ErrorCode) -> OffsetFetchResponse:
        answer = whole(found)
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

    return answered(fetch(groups, request.group_id, wanted, request.require_stable), respond)


class Asked:
    """One group of a request; with topic ids in place of names, what they are in `image`."""

    __slots__ = ("by_id", "group", "member", "topic_ids", "unknown", "wanted")

    def __init__(self, group: OffsetFetchRequestGroup, image: MetadataImage | None) -> None:
        self.group = group
        self.member = (group.member_id, group.member_epoch)
        self.by_id = image is not None
        self.unknown: list[OffsetFetchRequestTopics] = []
        self.wanted: list[TopicPartition] | None = None
        self.topic_ids: dict[str, bytes] = {}
        if group.topics is None:
            return
        self.wanted = []
        for topic in group.topics:
            known = image.topic_by_id(topic.topic_id) if image is not None else None
            if self.by_id and known is None:
                self.unknown.append(topic)
            else:
                name = topic.name if known is None else known.name
                if known is not None:
                    self.topic_ids[name] = known.topic_id
                self.wanted += [(name, index) for index in topic.partition_indexes]


def one_group(asked: Asked, answer: OffsetsAnswer, image: MetadataImage) -> OffsetFetchResponseGroup:
    group_id = asked.group.group_id
    if answer.error:
        return OffsetFetchResponseGroup(group_id=group_id, error_code=answer.error)
    topics = []
    for name, partitions in by_topic(answer.offsets, OffsetFetchResponsePartitions).items():
        topic_id = ZERO_UUID
        if asked.by_id:
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
        for topic in asked.unknown
    ]
    return OffsetFetchResponseGroup(group_id=group_id, topics=topics)


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

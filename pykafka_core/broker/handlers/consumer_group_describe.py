"""ConsumerGroupDescribe (69), versions 0-1: state, epochs and members of consumer groups (KIP-848).

- Of each member: what it has, and what it is to have. Version 1 tells whether it speaks the classic protocol.
- A group that does not exist, or is a classic one: GROUP_ID_NOT_FOUND.
- UNSUPPORTED_VERSION where the consumer protocol is off.

Source: kafka.server.KafkaApis.handleConsumerGroupDescribe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.answers import result
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.operations import GROUP_OPERATIONS, NOT_ASKED
from pykafka_core.coordinator.consumer_events import DescribeConsumerGroup
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.consumer_group_describe_request import ConsumerGroupDescribeRequest
from pykafka_core.protocol.messages.consumer_group_describe_response import (
    Assignment,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
    Member,
    TopicPartitions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pykafka_core.broker.groups import Groups
    from pykafka_core.metadata.image import MetadataImage
    from pykafka_core.metadata.store import MetadataStore

CLASSIC, CONSUMER = 0, 1


@serves(ApiKey.CONSUMER_GROUP_DESCRIBE, 0, 1)
async def consumer_group_describe(
    request: ConsumerGroupDescribeRequest, context: RequestContext, *, groups: Groups, store: MetadataStore
) -> ConsumerGroupDescribeResponse:
    described = [await describe(group_id, groups, store.image) for group_id in request.group_ids]
    for group in described:
        asked = request.include_authorized_operations and group.error_code == ErrorCode.NONE
        group.authorized_operations = GROUP_OPERATIONS if asked else NOT_ASKED
    return ConsumerGroupDescribeResponse(groups=described)


async def describe(group_id: str, groups: Groups, image: MetadataImage) -> DescribedGroup:
    error = groups.consumer_refusal()
    if not error:
        error = groups.refusal(group_id) if group_id else ErrorCode.INVALID_GROUP_ID
    if error:
        return DescribedGroup(group_id=group_id, error_code=error)
    found = await result(groups.ask(DescribeConsumerGroup(group_id=group_id, request=groups.request())))
    if isinstance(found, ErrorCode):
        return DescribedGroup(group_id=group_id, error_code=found)
    if isinstance(found, str):
        return DescribedGroup(group_id=group_id, error_code=ErrorCode.GROUP_ID_NOT_FOUND, error_message=found)
    return DescribedGroup(
        group_id=group_id,
        group_state=found.state,
        group_epoch=found.epoch,
        assignment_epoch=found.assignment_epoch,
        assignor_name=found.assignor,
        members=[
            Member(
                member_id=member.member_id,
                instance_id=member.instance_id,
                rack_id=member.rack_id,
                member_epoch=member.epoch,
                client_id=member.client_id,
                client_host=member.client_host,
                subscribed_topic_names=list(member.topic_names),
                subscribed_topic_regex=member.topic_regex,
                assignment=assignment(member.assignment, image),
                target_assignment=assignment(member.target_assignment, image),
                member_type=CLASSIC if member.is_classic else CONSUMER,
            )
            for member in found.members
        ],
    )


def assignment(partitions: Mapping[bytes, frozenset[int]], image: MetadataImage) -> Assignment:
    return Assignment(
        topic_partitions=[
            TopicPartitions(topic_id=topic_id, topic_name=topic.name, partitions=sorted(mine))
            for topic_id, mine in partitions.items()
            if (topic := image.topic_by_id(topic_id)) is not None
        ]
    )

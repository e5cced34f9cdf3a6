"""What an administrator asks of groups: list and describe them, read, set and delete their offsets, delete them.

Groups of the classic protocol and of the consumer protocol (KIP-848) are described alike; what only the newer one has
is None for the older. Source: org.apache.kafka.clients.admin.KafkaAdminClient and the handlers beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pykafka_core._dataclass import dataclass, field
from pykafka_core.client.cluster import Client, Node
from pykafka_core.client.coordinators import PASSING, call_coordinator
from pykafka_core.client.errors import KafkaError, UnsupportedError, check
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode

__all__ = [
    "CommittedOffset",
    "GroupDescription",
    "GroupListing",
    "GroupMember",
    "NotConsumerGroupError",
    "alter_group_offsets",
    "committed_offsets",
    "delete_group_offsets",
    "delete_groups",
    "describe_groups",
    "list_groups",
]

TopicPartition = tuple[str, int]
CONSUMER = "consumer"
"""The protocol type of consumers' groups."""


@dataclass(slots=True, frozen=True, kw_only=True)
class GroupListing:
    group_id: str
    protocol_type: str
    state: str
    """Empty where the broker does not say, and so is the type."""
    group_type: str


@dataclass(slots=True, frozen=True, kw_only=True)
class GroupMember:
    member_id: str
    instance_id: str | None
    client_id: str
    host: str
    assignment: list[TopicPartition]
    target: list[TopicPartition] | None = None
    """What it is to have; None in a classic group, as are the two below."""
    epoch: int | None = None
    upgraded: bool | None = None
    """Whether a member of a consumer group speaks the newer protocol."""


@dataclass(slots=True, frozen=True, kw_only=True)
class GroupDescription:
    group_id: str
    group_type: str
    state: str
    assignor: str
    coordinator: Node
    members: list[GroupMember] = field(default_factory=list)
    group_epoch: int | None = None
    assignment_epoch: int | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class CommittedOffset:
    offset: int
    leader_epoch: int | None
    metadata: str


class NotConsumerGroupError(Exception):
    """The group is there, but its members are no consumers."""


async def list_groups(
    client: Client, *, states: Sequence[str] = (), types: Sequence[str] = (), protocol_types: Sequence[str] = ()
) -> list[GroupListing]:
    """The groups of all nodes; empty filters let everything pass. Raises KafkaError."""
    from pykafka_core.protocol.messages.list_groups_request import ListGroupsRequest

    await client.metadata([], what="findAllBrokers")
    found: dict[str, GroupListing] = {}
    for node_id, node in sorted(client.nodes.items()):
        connection = await client.connect(node_id, what="listGroups")
        version = connection.version_of(ApiKey.LIST_GROUPS)
        if states and version < 4:
            raise UnsupportedError("The broker only supports ListGroups v" f"{version}, but we need v4 or newer to "
                                   "request groups by states.")  # fmt: skip
        # A broker that does not know types has none but the classic one.
        if types and version < 5 and "Classic" not in types:
            raise UnsupportedError("The broker only supports ListGroups v" f"{version}, but we need v5 or newer to "
                                   "request groups by type.")  # fmt: skip
        body = ListGroupsRequest(states_filter=list(states), types_filter=list(types) if version >= 5 else [])
        answer = await until_loaded(client, body, node_id)
        if answer.error_code:
            raise KafkaError(
                answer.error_code,
                f"Error listing groups on {node.host}:{node.port} (id: {node_id} rack: {node.rack or 'null'} isFenced: "
                "false)",
            )
        for each in answer.groups:
            if not protocol_types or each.protocol_type in protocol_types:
                found[each.group_id] = GroupListing(
                    group_id=each.group_id,
                    protocol_type=each.protocol_type,
                    state=each.group_state,
                    group_type=each.group_type.capitalize(),
                )
    return list(found.values())


async def until_loaded(client: Client, body: Any, node_id: int) -> Any:
    """The answer of a node, once its coordinator has read its groups."""
    deadline = asyncio.get_running_loop().time() + client.settings.default_api_timeout_ms / 1000
    while True:
        answer = await client.call(body, node_id=node_id, what="listGroups")
        if answer.error_code not in PASSING or asyncio.get_running_loop().time() > deadline:
            return answer
        await asyncio.sleep(client.settings.retry_backoff_ms / 1000)


async def describe_groups(
    client: Client, group_ids: Iterable[str], *, on_progress: Callable[[int], None] = lambda count: None
) -> dict[str, GroupDescription | KafkaError | NotConsumerGroupError]:
    """Each group, or why it cannot be described. `on_progress` is told how many are."""
    found: dict[str, GroupDescription | KafkaError | NotConsumerGroupError] = {}
    for group_id in dict.fromkeys(group_ids):
        on_progress(len(found))
        try:
            found[group_id] = await describe_group(client, group_id)
        except (KafkaError, NotConsumerGroupError) as error:
            found[group_id] = error
    return found


async def describe_group(client: Client, group_id: str) -> GroupDescription:
    """By the consumer protocol's API first, which tells more. Raises KafkaError, NotConsumerGroupError."""
    from pykafka_core.protocol.messages.consumer_group_describe_request import ConsumerGroupDescribeRequest

    what = "describeConsumerGroups"
    refusal: str | None = None
    try:
        answer, node = await call_coordinator(
            client, group_id, ConsumerGroupDescribeRequest(group_ids=[group_id]), first_code, what=what
        )
        group = answer.groups[0]
        if not group.error_code:
            return GroupDescription(
                group_id=group_id,
                group_type="Consumer",
                state=group.group_state,
                assignor=group.assignor_name,
                coordinator=node,
                members=[newer_member(each) for each in group.members],
                group_epoch=group.group_epoch,
                assignment_epoch=group.assignment_epoch,
            )
        if group.error_code == ErrorCode.GROUP_ID_NOT_FOUND:
            refusal = group.error_message
        elif group.error_code != ErrorCode.UNSUPPORTED_VERSION:
            raise KafkaError(group.error_code, group.error_message)
    except UnsupportedError:
        pass
    return await describe_classic_group(client, group_id, refusal)


async def describe_classic_group(client: Client, group_id: str, refusal: str | None) -> GroupDescription:
    """`refusal`: what the consumer protocol's API has said, which tells more if there is no such group at all."""
    from pykafka_core.protocol.messages.describe_groups_request import DescribeGroupsRequest

    answer, node = await call_coordinator(
        client, group_id, DescribeGroupsRequest(groups=[group_id]), first_code, what="describeConsumerGroups"
    )
    group = answer.groups[0]
    if group.error_code == ErrorCode.GROUP_ID_NOT_FOUND:
        raise KafkaError(group.error_code, refusal or group.error_message)
    check(group.error_code, group.error_message)
    if group.protocol_type not in ("", CONSUMER):
        raise NotConsumerGroupError(f"GroupId {group_id} is not a consumer group ({group.protocol_type}).")
    return GroupDescription(
        group_id=group_id,
        group_type="Classic",
        state=group.group_state,
        assignor=group.protocol_data,
        coordinator=node,
        members=[
            GroupMember(
                member_id=each.member_id,
                instance_id=each.group_instance_id,
                client_id=each.client_id,
                host=each.client_host,
                assignment=read_assignment(each.member_assignment),
            )
            for each in group.members
        ],
    )


def first_code(answer: Any) -> int:
    code: int = answer.groups[0].error_code
    return code


def newer_member(member: Any) -> GroupMember:
    def pairs(assignment: Any) -> list[TopicPartition]:
        return [(each.topic_name, index) for each in assignment.topic_partitions for index in each.partitions]

    return GroupMember(
        member_id=member.member_id,
        instance_id=member.instance_id,
        client_id=member.client_id,
        host=member.client_host,
        assignment=pairs(member.assignment),
        target=pairs(member.target_assignment),
        epoch=member.member_epoch,
        upgraded=None if member.member_type == -1 else member.member_type == 1,
    )


def read_assignment(data: bytes) -> list[TopicPartition]:
    """What a consumer of a classic group was assigned: a version, then the message. Later versions only add fields."""
    if not data:
        return []
    from pykafka_core.protocol._codec import decode
    from pykafka_core.protocol.messages.consumer_protocol_assignment import ConsumerProtocolAssignment

    version = min(int.from_bytes(data[:2], "big", signed=True), ConsumerProtocolAssignment.VERSION_MAX)
    message, _ = decode(ConsumerProtocolAssignment, max(version, 0), data, 2)
    return [(each.topic, index) for each in message.assigned_partitions for index in each.partitions]


async def committed_offsets(
    client: Client, group_id: str, partitions: Iterable[TopicPartition] | None = None, *, require_stable: bool = False
) -> dict[TopicPartition, CommittedOffset]:
    """What a group has committed, of all partitions or of these. Raises KafkaError.

    `require_stable`: wait for transactions with offsets of these partitions, as whoever reads on from there must
    (KIP-447). A broker asked for all partitions does not name those that have a first offset pending.
    """
    from pykafka_core.protocol.messages import offset_fetch_request as m

    def code_of(answer: Any) -> int:
        code: int = answer.groups[0].error_code if answer.groups else answer.error_code
        return code

    connection = await client.connect(what="listConsumerGroupOffsets")
    version = connection.version_of(ApiKey.OFFSET_FETCH)
    named = None if partitions is None else by_topic(partitions).items()
    if version >= 8:
        topics = None
        if named is not None:
            topics = [m.OffsetFetchRequestTopics(name=name, partition_indexes=indexes) for name, indexes in named]
        body = m.OffsetFetchRequest(groups=[m.OffsetFetchRequestGroup(group_id=group_id, topics=topics)])
    else:
        body = m.OffsetFetchRequest(group_id=group_id, topics=None)
        if named is not None:
            body.topics = [m.OffsetFetchRequestTopic(name=name, partition_indexes=indexes) for name, indexes in named]
    body.require_stable = require_stable and version >= 7
    while True:
        # From version 10 on topics are named by id.
        answer, _ = await call_coordinator(
            client, group_id, body, code_of, what="listConsumerGroupOffsets", version_max=9
        )
        check(code_of(answer))
        answered = answer.groups[0].topics if answer.groups else answer.topics
        codes = {each.error_code for topic in answered for each in topic.partitions}
        if ErrorCode.UNSTABLE_OFFSET_COMMIT not in codes:
            break
        await asyncio.sleep(client.settings.retry_backoff_ms / 1000)
    return {
        (topic.name, each.partition_index): CommittedOffset(
            offset=each.committed_offset,
            leader_epoch=each.committed_leader_epoch if each.committed_leader_epoch >= 0 else None,
            metadata=each.metadata or "",
        )
        for topic in answered
        for each in topic.partitions
        if not each.error_code and each.committed_offset >= 0
    }


async def alter_group_offsets(client: Client, group_id: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Commit these offsets for a group without members. Raises KafkaError for the first that was refused."""
    from pykafka_core.protocol.messages import offset_commit_request as m

    if not offsets:
        return
    body = m.OffsetCommitRequest(
        group_id=group_id,
        topics=[
            m.OffsetCommitRequestTopic(
                name=topic,
                partitions=[
                    m.OffsetCommitRequestPartition(partition_index=index, committed_offset=offsets[topic, index])
                    for index in indexes
                ],
            )
            for topic, indexes in by_topic(offsets).items()
        ],
    )

    def code_of(answer: Any) -> int:
        codes = [each.error_code for topic in answer.topics for each in topic.partitions if each.error_code]
        return next((code for code in codes if code in PASSING), codes[0] if codes else 0)

    answer, _ = await call_coordinator(client, group_id, body, code_of, what="offsetCommit", version_max=9)
    failed = [
        (f"{topic.name}-{each.partition_index}", each.error_code)
        for topic in answer.topics
        for each in topic.partitions
        if each.error_code
    ]
    if failed:
        names = ", ".join(name for name, _ in failed)
        raise KafkaError(failed[0][1], f"Failed altering group offsets for the following partitions: [{names}]")


async def delete_group_offsets(
    client: Client, group_id: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, KafkaError | None]:
    """What became of each partition. Raises KafkaError where the whole was refused."""
    from pykafka_core.protocol.messages import offset_delete_request as m

    body = m.OffsetDeleteRequest(
        group_id=group_id,
        topics=[
            m.OffsetDeleteRequestTopic(
                name=topic, partitions=[m.OffsetDeleteRequestPartition(partition_index=index) for index in indexes]
            )
            for topic, indexes in by_topic(partitions).items()
        ],
    )
    answer, _ = await call_coordinator(client, group_id, body, lambda it: it.error_code, what="offsetDelete")
    check(answer.error_code)
    return {
        (topic.name, each.partition_index): KafkaError(each.error_code) if each.error_code else None
        for topic in answer.topics
        for each in topic.partitions
    }


async def delete_groups(client: Client, group_ids: Iterable[str]) -> dict[str, KafkaError | None]:
    """What became of each group."""
    from pykafka_core.protocol.messages.delete_groups_request import DeleteGroupsRequest

    found: dict[str, KafkaError | None] = {}
    for group_id in dict.fromkeys(group_ids):
        try:
            answer, _ = await call_coordinator(
                client,
                group_id,
                DeleteGroupsRequest(groups_names=[group_id]),
                lambda it: it.results[0].error_code,
                what="deleteConsumerGroups",
            )
            check(answer.results[0].error_code, answer.results[0].error_message)
            found[group_id] = None
        except KafkaError as error:
            found[group_id] = error
    return found


def by_topic(partitions: Iterable[TopicPartition]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for topic, index in partitions:
        topics.setdefault(topic, []).append(index)
    return topics

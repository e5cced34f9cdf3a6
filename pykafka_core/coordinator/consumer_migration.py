"""A classic group becomes a consumer group with the first member that speaks the new protocol, and is a classic group
again when the last of these has gone.

    upgrade     the generation is the group epoch; members keep what they were assigned, as classic members
    downgrade   the group epoch is the generation; members keep what they were to have, and are to join again

Pure functions that make one group from another, with the records that say so. Source: KIP-848 (online migration);
ConsumerGroup.fromClassicGroup, ClassicGroup.fromConsumerGroup, GroupMetadataManager.validateOnlineUpgrade.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from pykafka_core.coordinator.classic import ClassicGroup
from pykafka_core.coordinator.classic_adopted import AdoptedClassicGroup
from pykafka_core.coordinator.consumer_events import Refusal
from pykafka_core.coordinator.consumer_group import CONSUMER_PROTOCOL_TYPE, ConsumerGroup
from pykafka_core.coordinator.consumer_member import ClassicPart, ConsumerGroupMember, without_epochs
from pykafka_core.coordinator.consumer_plan import Plan
from pykafka_core.coordinator.consumer_protocol import (
    read_assignment,
    read_subscription,
    version_of,
    write_assignment,
)
from pykafka_core.coordinator.consumer_records import (
    current_record,
    epoch_record,
    member_record,
    target_epoch_record,
    target_record,
    tombstones,
)
from pykafka_core.coordinator.consumer_steps import ConsumerSteps
from pykafka_core.coordinator.effects import Effect, KeyValue
from pykafka_core.coordinator.events import Now
from pykafka_core.coordinator.member import Member
from pykafka_core.coordinator.records import group_tombstone
from pykafka_core.coordinator.topics import TopicsImage
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.exceptions import ProtocolError

__all__ = ["consumer_tombstones", "downgrade", "may_downgrade_without", "upgrade"]


def upgrade(classic: ClassicGroup, steps: ConsumerSteps) -> Plan:
    """A plan with the consumer group that a classic group is to be. Raises Refusal."""
    group_id = classic.group_id
    _check_upgrade(classic, steps)
    try:
        members = [
            _upgraded(group_id, member, classic.protocol_name, classic.generation, steps.topics)
            for member in classic.members.all()
        ]
    except ProtocolError as error:
        raise _cannot_upgrade(group_id, "because the embedded consumer protocol is malformed.") from error
    plan = Plan(ConsumerGroup(group_id))
    names = plan.group.topics_with(members)
    records: list[KeyValue] = [
        *(member_record(group_id, member) for member in members),
        epoch_record(group_id, classic.generation, steps.hashes.of_group(names, steps.topics)),
        *(target_record(group_id, member.member_id, without_epochs(member.assigned)) for member in members),
        target_epoch_record(group_id, classic.generation, 0),
        *(current_record(group_id, member) for member in members),
    ]
    for key, value, _ in records:
        plan.group.replay(key, value)
    plan.before[:] = [group_tombstone(group_id), *records]

    def start_sessions(now: Now) -> Iterator[Effect]:
        for member in members:
            assert member.classic is not None
            yield from plan.group.timers.touch(member.member_id, member.classic.session_timeout_ms, now)

    plan.then(start_sessions)
    return plan


def _check_upgrade(classic: ClassicGroup, steps: ConsumerSteps) -> None:
    if not steps.config.migration.upgrade:
        raise _cannot_upgrade(classic.group_id, "because online upgrade is disabled.")
    if classic.protocol_type != CONSUMER_PROTOCOL_TYPE:
        raise _cannot_upgrade(classic.group_id, "because the group does not use the consumer embedded protocol.")
    if len(classic.members) > steps.config.max_size:
        raise _cannot_upgrade(classic.group_id, "because the group size exceeds the consumer group maximum size.")


def _cannot_upgrade(group_id: str, why: str) -> Refusal:
    return Refusal(ErrorCode.GROUP_ID_NOT_FOUND, f"Cannot upgrade classic group {group_id} to consumer group {why}")


def _upgraded(
    group_id: str, member: Member, protocol_name: str | None, generation: int, topics: TopicsImage
) -> ConsumerGroupMember:
    assigned, user_data = read_assignment(member.assignment)
    if user_data:
        raise Refusal(
            ErrorCode.GROUP_ID_NOT_FOUND,
            f"Cannot upgrade classic group {group_id} to consumer group because an unsupported custom assignor is in use. "  # noqa: E501
            "Please refer to the documentation or switch to a default assignor before re-attempting the upgrade.",
        )
    # Before its first generation a group has no protocol; what its members say is the same in each.
    subscription = read_subscription(member.metadata(protocol_name) or member.protocols[0][1])
    found = ((topics.by_name(name), partitions) for name, partitions in assigned.items())
    return ConsumerGroupMember(
        member_id=member.member_id,
        epoch=generation,
        previous_epoch=generation,
        instance_id=member.instance_id,
        rack_id=subscription.rack_id,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        client_id=member.client_id,
        client_host=member.client_host,
        topic_names=subscription.topics,
        assigned={
            topic.topic_id: dict.fromkeys(sorted(partitions), generation)
            for topic, partitions in found
            if topic is not None and partitions
        },
        classic=ClassicPart(session_timeout_ms=member.session_timeout_ms, protocols=member.protocols),
    )


def may_downgrade_without(
    group: ConsumerGroup, leaving: Collection[ConsumerGroupMember], steps: ConsumerSteps, classic_max_size: int
) -> bool:
    """Whether all who stay speak the classic protocol, and there are some, and they may go on as a classic group."""
    staying = len(group.members) - len(leaving)
    classic_leaving = sum(member.classic is not None for member in leaving)
    return (
        staying > 0
        and group.classic_count - classic_leaving == staying
        and steps.config.migration.downgrade
        and staying <= classic_max_size
    )


def downgrade(
    group: ConsumerGroup,
    staying: Iterable[ConsumerGroupMember],
    classic: AdoptedClassicGroup,
    topics: TopicsImage,
    now: Now,
) -> None:
    """Make a new classic group one of these members, with what they were to have."""
    members = [_downgraded(member) for member in staying]
    classic.adopt(members, group.epoch, now)
    for member in members:
        metadata = member.metadata(classic.protocol_name)
        assigned = (
            (topic.name, partitions)
            for topic_id, partitions in group.target_of(member.member_id, member.instance_id).items()
            if (topic := topics.by_id(topic_id)) is not None
        )
        member.assignment = write_assignment(version_of(metadata), assigned)


def _downgraded(member: ConsumerGroupMember) -> Member:
    part = member.classic
    assert part is not None
    return Member(
        member_id=member.member_id,
        instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        session_timeout_ms=part.session_timeout_ms,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocols=part.protocols,
    )


def consumer_tombstones(group: ConsumerGroup, *, replaced: str = "", by: str = "") -> list[KeyValue]:
    """The end of a consumer group's records. `by` has taken the place of `replaced` in them already."""
    members = [by if member_id == replaced else member_id for member_id in group.members]
    return tombstones(group.group_id, members, group.regexes)

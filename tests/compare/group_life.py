"""A random life of two consumer groups (KIP-848): what their members say next, given what they were answered.

Members mostly keep to the protocol, as clients do, and sometimes not: an epoch of yesterday, a field that may not be
there, an assignor that nobody knows, a commit by one who has left. Static and classic members take part.

Left out, because there answers depend on the clock or on the history of a hash table: regular expressions, which are
resolved in the background, and members that ask for different assignors, equally many for each.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Final

from pykafka_core.protocol._codec import encode
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.consumer_group_describe_request import ConsumerGroupDescribeRequest
from pykafka_core.protocol.messages.consumer_group_heartbeat_request import (
    ConsumerGroupHeartbeatRequest,
    TopicPartitions,
)
from pykafka_core.protocol.messages.consumer_protocol_subscription import ConsumerProtocolSubscription, TopicPartition
from pykafka_core.protocol.messages.delete_groups_request import DeleteGroupsRequest
from pykafka_core.protocol.messages.describe_groups_request import DescribeGroupsRequest
from pykafka_core.protocol.messages.heartbeat_request import HeartbeatRequest
from pykafka_core.protocol.messages.join_group_request import JoinGroupRequest, JoinGroupRequestProtocol
from pykafka_core.protocol.messages.leave_group_request import LeaveGroupRequest, MemberIdentity
from pykafka_core.protocol.messages.list_groups_request import ListGroupsRequest
from pykafka_core.protocol.messages.offset_commit_request import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from pykafka_core.protocol.messages.offset_delete_request import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from pykafka_core.protocol.messages.offset_fetch_request import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from pykafka_core.protocol.messages.sync_group_request import SyncGroupRequest

SESSION_MS: Final = 600_000
ASSIGNORS: Final = ("uniform", "range")
LOST: Final = (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH)
BAD_FIELDS: Final[tuple[dict[str, Any], ...]] = (
    {"member_id": ""}, {"group_id": ""}, {"instance_id": ""}, {"rack_id": " "}, {"member_epoch": 0},
    {"member_epoch": -3}, {"member_epoch": 1}, {"member_epoch": 7}, {"server_assignor": "nobody's"},
)  # fmt: skip

Topics = dict[bytes, set[int]]


@dataclass
class Consumer:
    group: int
    name: str
    instance: str | None
    epoch: int = 0
    owned: Topics = field(default_factory=dict)
    assigned: Topics = field(default_factory=dict)
    topics: list[str] = field(default_factory=list)
    protocol: str | None = None

    def forget(self) -> None:
        self.epoch, self.owned = 0, {}


class GroupLife:
    """`ask` is given a request and its version and returns the answer, with which the members go on."""

    def __init__(self, chance: random.Random, label: str, topics: dict[str, bytes], partitions: dict[str, int]) -> None:
        self.chance = chance
        self.groups = [f"{label}-{name}" for name in ASSIGNORS]
        self.ids = topics
        self.names = {topic_id: name for name, topic_id in topics.items()}
        self.partitions = partitions
        self.consumers = [Consumer(group, f"m{n}", f"i{n}" if n < 2 else None) for group in range(2) for n in range(5)]
        self.classics = [Consumer(group, f"c{n}", "j0" if n == 0 else None) for group in range(2) for n in range(3)]

    def step(self, ask: Any) -> None:
        what = self.chance.random()
        member = self.chance.choice(self.consumers)
        if what < 0.58:
            self.heartbeat(ask, member)
        elif what < 0.64:
            self.heartbeat(ask, member, member_epoch=self.chance.choice([-1, -2] if member.instance else [-1]))
        elif what < 0.69:
            self.heartbeat(ask, member, **self.chance.choice([*BAD_FIELDS, {"member_epoch": member.epoch - 1}]))
        elif what < 0.79:
            self.offsets(ask, member)
        elif what < 0.81:
            self.delete_offsets(ask)
        elif what < 0.85:
            self.look(ask)
        elif what < 0.86:
            ask(DescribeGroupsRequest(groups=self.groups), 6)
            ask(DeleteGroupsRequest(groups_names=[self.chance.choice(self.groups)]), 2)
        else:
            self.classic(ask, self.chance.choice(self.classics))

    def look(self, ask: Any) -> None:
        ask(ConsumerGroupDescribeRequest(group_ids=[*self.groups, "nobody's"]), 1)
        states = self.chance.choice([[], ["stable"], ["Reconciling", "Assigning"], ["Empty"]])
        types = self.chance.choice([[], ["consumer"], ["classic"]])
        ask(ListGroupsRequest(states_filter=states, types_filter=types), 5)

    def heartbeat(self, ask: Any, member: Consumer, **more: Any) -> None:
        often, assignor = self.chance.random, ASSIGNORS[member.group]
        said: dict[str, Any] = {
            "group_id": self.groups[member.group],
            "member_id": member.name,
            "member_epoch": member.epoch,
            "instance_id": member.instance,
        }
        if member.epoch == 0:
            said |= {"rebalance_timeout_ms": SESSION_MS, "topic_partitions": []}
            said["subscribed_topic_names"] = self.some_topics()
            said |= {"rack_id": "r"} if often() < 0.2 else {}
        else:
            said |= {"topic_partitions": on_the_wire(member.owned)} if often() < 0.7 else {}
            said |= {"subscribed_topic_names": self.some_topics()} if often() < 0.15 else {}
        said |= {"server_assignor": assignor} if often() < 0.15 else {}
        said |= more
        answer = ask(ConsumerGroupHeartbeatRequest(**said), 1)
        if answer.error_code in LOST or (answer.error_code == 0 and said["member_epoch"] < 0):
            member.forget()
        elif answer.error_code == 0:
            member.epoch = answer.member_epoch
            if answer.assignment is not None:
                self.take(member, {each.topic_id: set(each.partitions) for each in answer.assignment.topic_partitions})

    def take(self, member: Consumer, assigned: Topics) -> None:
        member.assigned = assigned
        if self.chance.random() < 0.3:  # not given up yet: it has both
            both = {*assigned, *member.owned}
            member.owned = {each: assigned.get(each, set()) | member.owned.get(each, set()) for each in both}
        else:
            member.owned = assigned

    def offsets(self, ask: Any, member: Consumer) -> None:
        group, epoch = self.groups[member.group], self.chance.choice([0, 0, -1, 1]) + member.epoch
        topic = self.chance.choice(sorted(self.ids))
        partition = self.chance.randrange(self.partitions[topic])
        if member.assigned and self.chance.random() < 0.7:
            topic_id = self.chance.choice(sorted(member.assigned))
            topic, partition = self.names[topic_id], self.chance.choice(sorted(member.assigned[topic_id]) or [0])
        committed = OffsetCommitRequestPartition(partition_index=partition, committed_offset=self.chance.randrange(100))
        ask(
            OffsetCommitRequest(
                group_id=group,
                member_id=self.chance.choice([member.name] * 3 + [""]),
                generation_id_or_member_epoch=epoch,
                topics=[OffsetCommitRequestTopic(name=topic, topic_id=self.ids[topic], partitions=[committed])],
            ),
            self.chance.choice([8, 9, 10]),
        )
        who = self.chance.choice([(member.name, epoch), (member.name, member.epoch), (None, -1), ("nobody", 1)])
        wanted = [OffsetFetchRequestTopics(topic_id=self.ids[topic], name=topic, partition_indexes=[partition])]
        asked = OffsetFetchRequestGroup(group_id=group, member_id=who[0], member_epoch=who[1], topics=wanted)
        ask(OffsetFetchRequest(groups=[asked]), self.chance.choice([9, 10]))

    def delete_offsets(self, ask: Any) -> None:
        topic = OffsetDeleteRequestTopic(
            name=self.chance.choice(sorted(self.ids)), partitions=[OffsetDeleteRequestPartition(partition_index=0)]
        )
        ask(OffsetDeleteRequest(group_id=self.chance.choice(self.groups), topics=[topic]), 0)

    def classic(self, ask: Any, member: Consumer) -> None:
        group, what = self.groups[member.group], self.chance.random()
        if member.epoch == 0 or what < 0.35:
            member.topics = self.some_topics() if not member.topics or what < 0.1 else member.topics
            names = self.chance.choice([["range"], ["range", "cooperative-sticky"], ["cooperative-sticky", "range"]])
            metadata = self.subscription(member)
            joined = ask(
                JoinGroupRequest(
                    group_id=group,
                    member_id=member.name,
                    group_instance_id=member.instance,
                    session_timeout_ms=SESSION_MS,
                    rebalance_timeout_ms=SESSION_MS,
                    protocol_type="consumer",
                    protocols=[JoinGroupRequestProtocol(name=name, metadata=metadata) for name in names],
                ),
                9,
            )
            if joined.error_code:
                member.forget()
                return
            member.epoch, member.protocol = joined.generation_id, joined.protocol_name
        who = {"group_id": group, "member_id": member.name, "group_instance_id": member.instance}
        if what < 0.6:
            wrong = self.chance.choice([None, "nobody's"]) if self.chance.random() < 0.1 else member.protocol
            answer = ask(
                SyncGroupRequest(
                    **who, generation_id=member.epoch, protocol_type="consumer", protocol_name=wrong
                ),
                5,
            )  # fmt: skip
        elif what < 0.9:
            answer = ask(HeartbeatRequest(**who, generation_id=member.epoch), 4)
        else:
            identity = MemberIdentity(member_id=member.name, group_instance_id=member.instance)
            answer = ask(LeaveGroupRequest(group_id=group, members=[identity]), 5)
        if answer.error_code == ErrorCode.UNKNOWN_MEMBER_ID or what >= 0.9:
            member.forget()

    def subscription(self, member: Consumer) -> bytes:
        owned = [
            TopicPartition(topic=self.names[topic_id], partitions=sorted(partitions))
            for topic_id, partitions in sorted(member.owned.items())
        ]
        generation = member.epoch or -1
        said = ConsumerProtocolSubscription(topics=member.topics, owned_partitions=owned, generation_id=generation)
        return b"\0\3" + encode(said, 3)

    def some_topics(self) -> list[str]:
        fewest = 0 if self.chance.random() < 0.1 else 1
        return self.chance.sample([*sorted(self.ids), "nowhere"], self.chance.randint(fewest, 3))


def on_the_wire(owned: Topics) -> list[TopicPartitions]:
    return [TopicPartitions(topic_id=each, partitions=sorted(owned[each])) for each in sorted(owned)]

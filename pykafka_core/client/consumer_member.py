"""One member of a consumer group of the new protocol (KIP-848): the broker shares the partitions out.

Used like `group.GroupMember`. The difference: when the group is rebalanced, only what `to_revoke` names has to be given
up; the rest stays, and is read on.

A member asks with a heartbeat; the answer says what it should own. What it should give up is given up first and said
in the next heartbeat; then the broker gives those partitions to others. What has not changed since the last heartbeat
that was answered is not said again.

Source: org.apache.kafka.clients.consumer.internals.{ConsumerHeartbeatRequestManager,ConsumerMembershipManager}.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pykafka_core.client.cluster import Client
from pykafka_core.client.coordinators import call_coordinator
from pykafka_core.client.errors import KafkaError, check
from pykafka_core.client.group import GroupMember, GroupSettings, plain_code
from pykafka_core.client.groups import by_topic
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.uuids import random_uuid, uuid_to_string

__all__ = ["ConsumerMember"]

TopicPartition = tuple[str, int]

JOIN_EPOCH, LEAVE_EPOCH, STATIC_LEAVE_EPOCH = 0, -1, -2
LOST = (ErrorCode.FENCED_MEMBER_EPOCH, ErrorCode.UNKNOWN_MEMBER_ID)


class ConsumerMember(GroupMember):
    """`generation_id` is the member's epoch. Belongs to the event loop that runs it."""

    def __init__(
        self,
        client: Client,
        group_id: str,
        topics: Sequence[str],
        settings: GroupSettings,
    ) -> None:
        super().__init__(client, group_id, topics, settings)
        self.member_id = uuid_to_string(random_uuid())
        self.generation_id = JOIN_EPOCH
        self._target: list[TopicPartition] | None = None
        self._said: tuple[list[str], list[TopicPartition]] | None = None
        self._refusal: KafkaError | None = None
        self._interval_ms = settings.heartbeat_interval_ms
        self._names: dict[bytes, str] = {}
        self._ids: dict[str, bytes] = {}

    @property
    def is_member(self) -> bool:
        return self.generation_id != JOIN_EPOCH

    def to_revoke(self) -> list[TopicPartition]:
        target = self._target or []
        return [place for place in self.assignment if place not in target]

    async def join(self) -> list[TopicPartition]:
        """Become a member, or take what the group has assigned since. Raises KafkaError."""
        await self._stop_heartbeat()
        owned = list(self.assignment)
        while self._target is None or not self.is_member:
            if self._refusal is not None:
                raise self._refusal
            if not self.is_member:
                self.assignment, self._target, owned = [], None, []
            await self._exchange()
            if self._target is None:
                await asyncio.sleep(self._interval_ms / 1000)
        if self._refusal is not None:
            raise self._refusal
        self.assignment = self._target
        self.kept = [place for place in self.assignment if place in owned]
        self.unrest.clear()
        # What is owned now, which frees what was given up.
        await self._exchange()
        self._heartbeat = asyncio.create_task(self._beat())
        return self.assignment

    async def commit(
        self, offsets: Mapping[TopicPartition, int], leader_epochs: Mapping[TopicPartition, int] | None = None
    ) -> None:
        """An epoch may have passed since the last heartbeat: then that is asked for, and the commit made again."""
        try:
            await super().commit(offsets, leader_epochs)
        except KafkaError as error:
            if error.code != ErrorCode.STALE_MEMBER_EPOCH:
                raise
            await self._exchange()
            await super().commit(offsets, leader_epochs)

    async def leave(self) -> None:
        """Errors are of no consequence and are not told."""
        await self._stop_heartbeat()
        if not self.is_member:
            return
        static = self._settings.group_instance_id is not None
        self.generation_id = STATIC_LEAVE_EPOCH if static else LEAVE_EPOCH
        try:
            await self._send()
        except KafkaError:
            pass
        self.generation_id, self.assignment = JOIN_EPOCH, []

    def _lose(self, code: int) -> None:
        """The group goes on without this member: it begins anew, with nothing."""
        if code in LOST:
            self.generation_id, self._target, self._said = JOIN_EPOCH, None, None
            self.unrest.set()

    async def _beat(self) -> None:
        while self.is_member and self._refusal is None:
            await asyncio.sleep(self._interval_ms / 1000)
            try:
                await self._exchange()
            except KafkaError as error:
                if not error.is_retriable:
                    self.is_fenced = error.code == ErrorCode.FENCED_INSTANCE_ID
                    self._refusal = error
                    self.unrest.set()

    async def _exchange(self) -> None:
        """One heartbeat, and what its answer means. Raises KafkaError."""
        answer = await self._send()
        if answer.error_code in LOST:
            self._lose(answer.error_code)
            return
        check(answer.error_code, answer.error_message or None)
        self.generation_id = answer.member_epoch
        self._interval_ms = answer.heartbeat_interval_ms or self._interval_ms
        if answer.assignment is not None:
            target: list[TopicPartition] = []
            said, self._said = self._said, None
            for each in answer.assignment.topic_partitions:
                # Where a name is not known yet, the next heartbeat says all, and is told all again.
                name = await self._name_of(each.topic_id)
                target += [(name, index) for index in each.partitions]
            self._said = said
            self._target = sorted(target)
            if self._target != sorted(self.assignment):
                self.unrest.set()

    async def _send(self) -> Any:
        from pykafka_core.protocol.messages import consumer_group_heartbeat_request as m

        topics, owned = sorted(self.topics), sorted(self.assignment)
        said = self._said if self.is_member else None
        says_all = said is None
        body = m.ConsumerGroupHeartbeatRequest(
            group_id=self.group_id,
            member_id=self.member_id,
            member_epoch=self.generation_id,
            instance_id=self._settings.group_instance_id,
            rebalance_timeout_ms=self._settings.rebalance_timeout_ms if says_all else -1,
            subscribed_topic_names=topics if said is None or topics != said[0] else None,
            server_assignor=self._settings.server_assignor if says_all else None,
            topic_partitions=[
                m.TopicPartitions(topic_id=await self._id_of(topic), partitions=indexes)
                for topic, indexes in by_topic(owned).items()
            ]
            if said is None or owned != said[1]
            else None,
        )
        # Until there is an answer, nobody knows what of this has arrived.
        self._said = None
        answer, _ = await call_coordinator(self._client, self.group_id, body, plain_code, what="ConsumerGroupHeartbeat")
        if not answer.error_code:
            self._said = topics, owned
        return answer

    async def _learn(self) -> None:
        # Also of what it reads no more, and has to give up.
        known = {*self.topics, *(topic for topic, _ in self.assignment)}
        answer = await self._client.metadata(sorted(known))
        for topic in answer.topics:
            if not topic.error_code:
                self._names[topic.topic_id], self._ids[topic.name] = topic.name, topic.topic_id

    async def _name_of(self, topic_id: bytes) -> str:
        if topic_id not in self._names:
            await self._learn()
        if topic_id not in self._names:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
        return self._names[topic_id]

    async def _id_of(self, topic: str) -> bytes:
        if topic not in self._ids:
            await self._learn()
        return self._ids.get(topic, bytes(16))

"""Reads topics as a member of a consumer group.

    consumer = GroupConsumer(client, "group", ConsumerSettings(), GroupSettings(), find_topics)
    for record in await consumer.poll(5.0):
        ...
        consumer.took(record)
    await consumer.close()

`find_topics` returns the names to read; it is asked again now and then, as topics come and grow. What `took` was told
is what gets committed: every `auto.commit.interval.ms`, before partitions are given up, and at the end. Records that
were fetched and not taken come again to whoever reads the partition next.

When the group is rebalanced, a partition is kept, and read on meanwhile; or given up, after a commit; or lost, because
others may read it already, and then nothing is said of it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pykafka_core.client.cluster import Client
from pykafka_core.client.consumer import ConsumedRecord, Consumer, ConsumerSettings, NoOffsetError, find_offsets
from pykafka_core.client.errors import KafkaError
from pykafka_core.client.group import GroupSettings
from pykafka_core.client.groups import committed_offsets
from pykafka_core.client.membership import make_member
from pykafka_core.client.settings import number
from pykafka_core.protocol.errors import ErrorCode

__all__ = ["GroupConsumer"]

TopicPartition = tuple[str, int]
REFRESH_SECONDS = 10.0
MISSING_TOPIC_SECONDS = 0.2
CLOSE_SECONDS = 30.0


class GroupConsumer:
    """Belongs to the event loop that runs it. The client stays the caller's."""

    def __init__(
        self,
        client: Client,
        group_id: str,
        settings: ConsumerSettings,
        group_settings: GroupSettings,
        find_topics: Callable[[], Awaitable[list[str]]],
        *,
        commit_interval_ms: int | None = 5_000,
    ) -> None:
        self._client = client
        self._settings = settings
        self._coordinator = client.another()
        self._member = make_member(self._coordinator, group_id, [], group_settings)
        self._consumer = Consumer(client, settings)
        self._find_topics = find_topics
        self._commit_interval = None if commit_interval_ms is None else commit_interval_ms / 1000
        self._taken: dict[TopicPartition, tuple[int, int]] = {}
        self._topics: dict[str, int] = {}
        self._joined = False
        self._joining: asyncio.Task[list[TopicPartition]] | None = None
        self._refresh_at = self._commit_at = 0.0

    @staticmethod
    def commit_interval(properties: Mapping[str, str]) -> int | None:
        """Milliseconds, from Kafka's names; None where nothing is committed by itself. Raises SettingsError."""
        if properties.get("enable.auto.commit", "true").strip().lower() != "true":
            return None
        return number(properties, "auto.commit.interval.ms", 5_000)

    async def poll(self, timeout_seconds: float) -> list[ConsumedRecord]:
        """The next records; none when there were none in this time. Raises KafkaError."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_seconds
        while True:
            if clock() >= self._refresh_at:
                await self._refresh()
            if self._joining is not None and self._joining.done():
                await self._take_over()
            wants = self._member.unrest.is_set() if self._joined else bool(self._topics)
            if self._joining is None and wants:
                await self._prepare()
                self._joining = asyncio.create_task(self._member.join())
            if self._joining is None and self._joined and clock() >= self._commit_at:
                await self._commit()
            found = await self._read(max(min(deadline, self._refresh_at) - clock(), 0.0))
            if found or clock() >= deadline:
                return found

    def took(self, record: ConsumedRecord) -> None:
        """This record is done with."""
        place = record.topic, record.partition
        if place in self._taken:
            self._taken[place] = (record.record.offset + 1, record.leader_epoch)

    async def close(self) -> None:
        """Commit, leave the group and end."""
        await self._consumer.close()
        if self._joining is not None:
            self._joining.cancel()
            await asyncio.gather(self._joining, return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._commit()
                # Also where the first positions could not be had: it is a member since it was given its partitions.
                await self._member.leave()
        except TimeoutError:
            pass  # the coordinator is away; the session will end by itself
        finally:
            await self._coordinator.close()

    async def _read(self, seconds: float) -> list[ConsumedRecord]:
        """Records, or none as soon as there is something to do for the group."""
        reading = asyncio.ensure_future(self._consumer.poll(seconds))
        unrest: asyncio.Future[Any] = self._joining or asyncio.ensure_future(self._member.unrest.wait())
        try:
            await asyncio.wait([reading, unrest], return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else []
        finally:
            own = [reading] if unrest is self._joining else [reading, unrest]
            for task in own:
                task.cancel()
            await asyncio.gather(*own, return_exceptions=True)

    async def _refresh(self) -> None:
        """Join again when there are other topics or partitions than the group has shared out."""
        names = await self._find_topics()
        counts: dict[str, int] = {}
        if names:
            answer = await self._client.metadata(names, allow_auto_topic_creation=True)
            counts = {topic.name: len(topic.partitions) for topic in answer.topics if not topic.error_code}
        if counts != self._topics:
            self._topics = counts
            self._joined = self._joined and not counts
            if self._joined:
                self._member.unrest.set()
        wait = REFRESH_SECONDS if counts else MISSING_TOPIC_SECONDS
        self._refresh_at = asyncio.get_running_loop().time() + wait

    async def _prepare(self) -> None:
        """What has to be done before joining (again)."""
        await self._commit()
        self._give_up(self._member.to_revoke())
        if self._member.is_fenced:
            raise KafkaError(ErrorCode.FENCED_INSTANCE_ID)
        self._member.topics = list(self._topics)

    async def _take_over(self) -> None:
        """The group has shared out anew."""
        assert self._joining
        joining, self._joining = self._joining, None
        partitions = joining.result()
        held = set(self._member.kept) & set(self._taken)
        self._give_up([place for place in self._taken if place not in {*held, *self._member.revoked}])
        await self._commit()
        self._give_up(self._member.revoked)
        positions = await self._positions([place for place in partitions if place not in held])
        self._taken |= positions
        self._consumer.assign({place: offset for place, (offset, _) in positions.items()})
        self._joined = True
        self._commit_at = asyncio.get_running_loop().time() + (self._commit_interval or 0.0)

    def _give_up(self, partitions: list[TopicPartition]) -> None:
        for place in partitions:
            self._taken.pop(place, None)
        self._consumer.revoke(partitions)

    async def _positions(self, partitions: list[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
        """Where the group has stopped, or where it begins."""
        if not partitions:
            return {}
        group_id = self._member.group_id
        committed = await committed_offsets(self._coordinator, group_id, partitions, require_stable=True)
        found = {
            place: (committed[place].offset, -1 if (epoch := committed[place].leader_epoch) is None else epoch)
            for place in partitions
            if place in committed
        }
        new = [place for place in partitions if place not in found]
        if new and self._settings.reset_to is None:
            raise NoOffsetError(new)
        while new and self._settings.reset_to is not None:
            specs = dict.fromkeys(new, self._settings.reset_to)
            outcomes = await find_offsets(self._client, specs, self._settings)
            for place, outcome in outcomes.items():
                if not isinstance(outcome, KafkaError):
                    found[place] = (max(outcome[0], 0), -1)
                elif not outcome.is_retriable:
                    raise outcome
                else:
                    self._client.forget_leader(*place)
            new = [place for place in new if place not in found]
            if new:
                await asyncio.sleep(self._client.settings.retry_backoff_ms / 1000)
        return found

    async def _commit(self) -> None:
        """What cannot be committed now comes with the next commit, or comes again to the next reader."""
        if self._commit_interval is None:
            return
        try:
            await self._member.commit(
                {place: offset for place, (offset, _) in self._taken.items()},
                {place: epoch for place, (_, epoch) in self._taken.items()},
            )
        except KafkaError as error:
            if not (error.is_retriable or self._member.unrest.is_set()):
                raise
        self._commit_at = asyncio.get_running_loop().time() + (self._commit_interval or 0.0)

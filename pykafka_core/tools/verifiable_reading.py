"""The run of a kafka-verifiable-consumer: a member of a group that prints what happens to it."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

from pykafka_core.tools.arguments import Given
from pykafka_core.tools.events import print_event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pykafka_core.client.cluster import Client
    from pykafka_core.client.consumer import ConsumedRecord
    from pykafka_core.client.group import GroupMember

__all__ = ["Reading"]

TopicPartition = tuple[str, int]

POLL_RECORDS_MAX = 500
AUTO_COMMIT_SECONDS = 5.0


class Reading:
    def __init__(
        self, given: Given, servers: str, settings: object, group_settings: object, consumer_settings: object
    ) -> None:
        self.servers = servers
        self.settings = settings
        self.group_settings = group_settings
        self.consumer_settings = consumer_settings
        self.topic, self.group_id = given.last("topic") or "", given.last("group-id") or ""
        limit = given.number("max-messages")
        self.left = -1 if limit is None or limit < 0 else limit
        self.verbose = "verbose" in given
        self.auto_commit = "enable-autocommit" in given
        self.uncommitted: dict[TopicPartition, int] = {}
        self.committed_at = 0.0
        self.stop = asyncio.Event()
        self.status = 0

    async def run(self, client: Client) -> int:
        from pykafka_core.client.cluster import Client as OwnClient
        from pykafka_core.client.errors import KafkaError
        from pykafka_core.client.group import GroupSettings
        from pykafka_core.client.membership import make_member
        from pykafka_core.client.settings import ClientSettings, parse_addresses

        assert isinstance(self.settings, ClientSettings)
        assert isinstance(self.group_settings, GroupSettings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end, 128 + number)
        print_event("startup_complete")
        async with OwnClient(parse_addresses(self.servers), self.settings) as own:
            member = make_member(own, self.group_id, [self.topic], self.group_settings)
            try:
                while self.left != 0 and not self.stop.is_set():
                    await self.read_generation(client, member)
            except KafkaError as error:
                print(f"Error during processing, terminating consumer process: \n{error.java_text()}", file=sys.stderr)
            finally:
                if self.auto_commit:
                    await self.commit_quietly(member)
                self.revoke(member, member.assignment)
                await member.leave()
        print_event("shutdown_complete")
        if not self.status:
            print_event("shutdown_requested")
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        return self.status

    def end(self, status: int) -> None:
        if not self.stop.is_set():
            print_event("shutdown_requested")
        self.status = status
        self.stop.set()

    def revoke(self, member: GroupMember, partitions: list[TopicPartition]) -> None:
        if partitions:
            print_event("partitions_revoked", partitions=shown(partitions))
            member.assignment = [place for place in member.assignment if place not in partitions]

    async def read_generation(self, client: Client, member: GroupMember) -> None:
        """Until the group is rebalanced, or all is read."""
        from pykafka_core.client.consumer import Consumer, ConsumerSettings

        assert isinstance(self.consumer_settings, ConsumerSettings)
        before = list(member.assignment)
        joined = asyncio.create_task(member.join())
        stopped = asyncio.create_task(self.stop.wait())
        await asyncio.wait([joined, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not joined.done():
            joined.cancel()
            await asyncio.gather(joined, return_exceptions=True)
            return
        await joined
        gone = [place for place in before if place not in member.kept]
        if gone:
            print_event("partitions_revoked", partitions=shown(gone))
        added = [place for place in member.assignment if place not in member.kept]
        print_event("partitions_assigned", partitions=shown(added))
        consumer = Consumer(client, self.consumer_settings)
        consumer.assign(await self.positions(member))
        self.committed_at = asyncio.get_running_loop().time()
        try:
            while not member.must_rejoin and self.left != 0 and not self.stop.is_set():
                records = await consumer.poll(0.2)
                for start in range(0, len(records), POLL_RECORDS_MAX):
                    if self.left == 0 or member.must_rejoin:
                        break
                    await self.take(member, records[start : start + POLL_RECORDS_MAX])
                await self.maybe_commit(member)
        finally:
            await consumer.close()
        if member.must_rejoin:
            if self.auto_commit:
                await self.commit_quietly(member)
            self.revoke(member, member.to_revoke())

    async def positions(self, member: GroupMember) -> dict[TopicPartition, int]:
        from pykafka_core.client.consumer import ConsumerSettings, NoOffsetError

        assert isinstance(self.consumer_settings, ConsumerSettings)
        found: Mapping[TopicPartition, int] = await member.committed()
        reset = self.consumer_settings.reset_to
        missing = [place for place in member.assignment if place not in found]
        if missing and reset is None:
            raise NoOffsetError(missing)
        return {place: found.get(place, -1 if reset is None else reset) for place in member.assignment}

    async def take(self, member: GroupMember, records: list[ConsumedRecord]) -> None:
        by_place: dict[TopicPartition, list[ConsumedRecord]] = {}
        for each in records:
            by_place.setdefault((each.topic, each.partition), []).append(each)
        offsets: dict[TopicPartition, int] = {}
        summaries: list[dict[str, object]] = []
        for (topic, partition), own in by_place.items():
            taken = own if self.left < 0 else own[: self.left]
            if not taken:
                break
            first, last = taken[0].record.offset, taken[-1].record.offset
            offsets[topic, partition] = last + 1
            summaries.append(
                {"topic": topic, "partition": partition, "count": len(taken), "minOffset": first, "maxOffset": last}
            )
            for each in taken if self.verbose else ():
                print_event(
                    "record_data",
                    key=text(each.record.key),
                    value=text(each.record.value),
                    topic=topic,
                    partition=partition,
                    offset=each.record.offset,
                )
            if self.left > 0:
                self.left -= len(taken)
        print_event("records_consumed", count=len(records), partitions=summaries)
        self.uncommitted.update(offsets)
        if not self.auto_commit:
            await self.commit(member, offsets)

    async def commit(self, member: GroupMember, offsets: Mapping[TopicPartition, int]) -> None:
        from pykafka_core.client.errors import KafkaError

        shown_offsets = [
            {"topic": topic, "partition": partition, "offset": offset} for (topic, partition), offset in offsets.items()
        ]
        try:
            await member.commit(offsets)
        except KafkaError as error:
            if member.is_fenced:
                raise
            print_event("offsets_committed", offsets=shown_offsets, error=str(error), success=False)
        else:
            print_event("offsets_committed", offsets=shown_offsets, success=True)

    async def maybe_commit(self, member: GroupMember) -> None:
        now = asyncio.get_running_loop().time()
        if self.auto_commit and now - self.committed_at >= AUTO_COMMIT_SECONDS:
            self.committed_at = now
            await self.commit_quietly(member)

    async def commit_quietly(self, member: GroupMember) -> None:
        from pykafka_core.client.errors import KafkaError

        offsets, self.uncommitted = self.uncommitted, {}
        try:
            await member.commit(offsets)
        except KafkaError:
            pass


def shown(partitions: list[TopicPartition]) -> list[dict[str, object]]:
    return [{"topic": topic, "partition": partition} for topic, partition in partitions]


def text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")

"""Members of groups that note what they read, for the tests of the client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pykafka_core.client.cluster import Client
from pykafka_core.client.consumer import EARLIEST, ConsumerSettings
from pykafka_core.client.group import GroupSettings
from pykafka_core.client.group_consumer import GroupConsumer
from pykafka_core.client.producer import Producer

SETTINGS = GroupSettings(heartbeat_interval_ms=100, session_timeout_ms=3000, assignors=("range",))


class Member:
    """A consumer that runs until it is closed or killed."""

    def __init__(self, client: Client, topic: str, group_id: str, settings: GroupSettings = SETTINGS) -> None:
        async def topics() -> list[str]:
            return [topic]

        self.consumer = GroupConsumer(
            client,
            group_id,
            ConsumerSettings(reset_to=EARLIEST, fetch_wait_ms_max=100),
            settings,
            topics,
        )
        self.values: list[bytes | None] = []
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            for record in await self.consumer.poll(10.0):
                self.values.append(record.record.value)
                self.consumer.took(record)

    @property
    def partitions(self) -> list[int]:
        return sorted(index for _, index in self.consumer._taken)

    async def kill(self) -> None:
        """End without a word to the coordinator: no commit, no leave, no heartbeat."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.consumer._member._stop_heartbeat()
        await self.consumer._consumer.close()
        await self.consumer._coordinator.close()

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.consumer.close()


async def until(condition: Callable[[], bool], *members: Member) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        for member in members:
            if member.task.done():
                member.task.result()
        assert time.monotonic() < deadline, [member.partitions for member in members]
        await asyncio.sleep(0.02)


async def produce(client: Client, topic: str, start: int, end: int, partitions: int) -> None:
    producer = Producer(client)
    for number in range(start, end):
        await producer.send(topic, b"%d" % number, partition=number % partitions)
    await producer.close()

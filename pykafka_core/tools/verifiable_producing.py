"""The run of a kafka-verifiable-producer: sends, and tells what became of each message in the order of sending."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import deque
from typing import TYPE_CHECKING

from pykafka_core.tools.arguments import Given
from pykafka_core.tools.events import Double, print_event

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.client.producer import Producer, ProducerSettings

    Answers = deque[tuple[str | None, str, asyncio.Future[tuple[int, int, int]]]]
    """Key, value, and what became of it."""

__all__ = ["Run"]


class Run:
    def __init__(self, given: Given, settings: ProducerSettings) -> None:
        self.settings = settings
        self.topic = given.last("topic") or ""
        self.limit = given.number("max-messages")
        self.throughput = -1 if given.number("throughput") is None else given.number("throughput") or 0
        self.prefix = given.last("value-prefix")
        self.key_count = given.number("repeating-keys")
        created = given.number("message-create-time")
        self.create_time_ms = None if created is None or created < 0 else created
        self.sent = self.acked = 0
        self.stop = asyncio.Event()
        self.closed = False
        self.status = 0

    async def run(self, client: Client) -> int:
        from pykafka_core.client.producer import Producer

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end, 128 + number)
        began = time.monotonic()
        print_event("startup_complete")
        producer = Producer(client, self.settings)
        answers: Answers = deque()
        told = asyncio.create_task(self.tell(answers))
        try:
            await self.send_all(producer, answers, began)
            await producer.flush()
        finally:
            await producer.close()
            self.closed = True
            await told
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        print_event("shutdown_complete")
        seconds = max(time.monotonic() - began, 0.001)
        print_event(
            "tool_data",
            sent=self.sent,
            acked=self.acked,
            target_throughput=self.throughput,
            avg_throughput=Double(self.acked / seconds),
        )
        return self.status

    def end(self, status: int) -> None:
        self.status = status
        self.stop.set()

    async def send_all(self, producer: Producer, answers: Answers, began: float) -> None:
        from pykafka_core.client.errors import KafkaError

        began_ms = time.time_ns() // 1_000_000
        number = 0
        while (self.limit is None or self.limit < 0 or number < self.limit) and not self.stop.is_set():
            key = None if not self.key_count else str(number % self.key_count)
            value = f"{self.prefix}.{number}" if self.prefix is not None else str(number)
            timestamp_ms = self.create_time_ms
            if self.create_time_ms is not None:
                # As Kafka's tool counts it on.
                self.create_time_ms += time.time_ns() // 1_000_000 - began_ms
            self.sent += 1
            try:
                future = await producer.send(
                    self.topic,
                    value.encode(),
                    key=None if key is None else key.encode(),
                    timestamp_ms=timestamp_ms,
                )
                answers.append((key, value, future))
            except KafkaError as error:
                self.print_error(key, value, error)
            number += 1
            await self.keep_rate(number, began)

    async def keep_rate(self, number: int, began: float) -> None:
        if self.throughput == 0:
            await self.stop.wait()
        elif self.throughput > 0:
            ahead = number / self.throughput - (time.monotonic() - began)
            if ahead > 0:
                try:
                    async with asyncio.timeout(ahead):
                        await self.stop.wait()
                except TimeoutError:
                    pass
        elif number % 100 == 0:
            await asyncio.sleep(0)

    async def tell(self, answers: Answers) -> None:
        """Print what became of each message, in the order in which they were sent."""
        from pykafka_core.client.errors import KafkaError

        while answers or not self.closed:
            if not answers:
                await asyncio.sleep(0.005)
                continue
            key, value, future = answers.popleft()
            try:
                partition, offset, _ = await future
            except KafkaError as error:
                self.print_error(key, value, error)
            else:
                self.acked += 1
                print_event(
                    "producer_send_success", key=key, value=value, offset=offset, topic=self.topic, partition=partition
                )

    def print_error(self, key: str | None, value: str, error: KafkaError) -> None:
        from pykafka_core.protocol.errors import ErrorCode

        invalid = error.code == ErrorCode.INVALID_TOPIC_EXCEPTION
        print_event(
            "producer_send_error",
            topic=self.topic,
            key=key,
            value=value,
            exception=f"class {error.java_name}",
            message=f"Invalid topics: [{self.topic}]" if invalid else str(error),
        )

"""kafka-verifiable-producer: numbers that count up, and a line of JSON for each that is acknowledged or refused.

Ends when all are sent, or at SIGTERM or SIGINT; then what is under way is waited for, and a summary printed.

Source of words and statuses: org.apache.kafka.tools.VerifiableProducer.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from pykafka_core.tools.arguments import INTEGER, LONG, Argument, Given, Parser
from pykafka_core.tools.arguments import run as run_parser
from pykafka_core.tools.command import ToolError, load_properties, run_with_client, warn_deprecated
from pykafka_core.tools.events import Double, print_event

if TYPE_CHECKING:

    from pykafka_core.client.cluster import Client
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.client.producer import Producer, ProducerSettings

    Answers = deque[tuple[str | None, str, asyncio.Future[tuple[int, int, int]]]]
    """Key, value, and what became of it."""

PARSER = Parser(
    "verifiable-producer",
    "This tool produces increasing integers to the specified topic and prints JSON metadata to stdout on each send, "
    "making externally visible which messages have been acked and which have not.",
    [
        Argument("topic", "Produce messages to this topic.", "TOPIC", required=True),
        Argument("max-messages", "So many messages; -1: until the process is ended.", "MAX-MESSAGES", number=INTEGER),
        Argument("throughput", "About so many messages a second; -1: as many as go.", "THROUGHPUT", number=INTEGER),
        Argument(
            "acks",
            "Which acknowledgements to wait for. (default: -1)",
            "ACKS",
            number=INTEGER,
            choices=("0", "1", "-1"),
        ),
        Argument("producer.config", "The old name of --command-config.", "CONFIG-FILE"),
        Argument("message-create-time", "The timestamp of the first message.", "CREATE-TIME", number=LONG),
        Argument("value-prefix", "A number before each value, with a dot.", "VALUE-PREFIX", number=INTEGER),
        Argument(
            "repeating-keys", "Keys from 0 to below this number, again and again.", "REPEATING-KEYS", number=INTEGER
        ),
        Argument("command-config", "A properties file with settings of the producer.", "CONFIG-FILE"),
        Argument(
            "bootstrap-server",
            "REQUIRED: the servers to connect to.",
            "HOST1:PORT1[,HOST2:PORT2[...]]",
            required=True,
        ),
    ],
)


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    if not words:
        print(PARSER.help())
        return 0
    return run_parser(PARSER, words, act, help_status=1)


def act(given: Given) -> int:
    from pykafka_core.client.producer import ProducerSettings
    from pykafka_core.client.settings import ClientSettings, SettingsError

    try:
        if "producer.config" in given:
            warn_deprecated("producer.config", "command-config")
        properties = {
            "acks": given.last("acks") or "-1",
            **load_properties(given.last("command-config") or given.last("producer.config")),
        }
        settings = ProducerSettings.load(properties)
        client_settings = ClientSettings.load(properties, client_id="producer-1")
        run = Run(given, settings)
        return run_with_client(given.last("bootstrap-server") or "", client_settings, run.run)
    except SettingsError as error:
        text, java_name = str(error), "org.apache.kafka.common.config.ConfigException"
    except ToolError as error:
        text, java_name = str(error), error.java_name
    print(f'Exception in thread "main" {java_name}: {text}', file=sys.stderr)
    return 1


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


if __name__ == "__main__":
    sys.exit(main())

"""kafka-producer-perf-test: how many records a broker takes, and how long it takes.

The records are made and sent by C (csrc/client); Python prints what the counters say, once in an interval.

Source of words and statuses: org.apache.kafka.tools.ProducerPerformance.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from pykafka_core.tools.arguments import INTEGER, LONG, Argument, Given, Parser, UsageError
from pykafka_core.tools.arguments import run as run_parser
from pykafka_core.tools.command import ToolError, load_properties, run_with_client
from pykafka_core.tools.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pykafka_core.client.cluster import Client
    from pykafka_core.client.load import ProduceLoad
    from pykafka_core.client.transactions import Transaction

PROPERTY = "PROP-NAME=PROP-VALUE"
MEBIBYTE = 1024 * 1024
TURN_MS = 200

PARSER = Parser(
    "kafka-producer-perf-test",
    "This tool is used to verify the producer performance. A transactional id, or --transaction-duration-ms, makes it "
    "use transactions.",
    [
        Argument("bootstrap-server", "The servers to connect to.", "BOOTSTRAP-SERVER"),
        Argument("topic", "Produce records to this topic.", "TOPIC", required=True),
        Argument("num-records", "Number of records to produce.", "NUM-RECORDS", required=True, number=LONG),
        Argument("payload-delimiter", "What is between the payloads of a file. (default: \\n)", "PAYLOAD-DELIMITER"),
        Argument(
            "throughput",
            "About so many records a second; -1: as many as go.",
            "THROUGHPUT",
            required=True,
            number="Double",
        ),
        Argument("producer-props", "The old name of --command-property.", PROPERTY, many=True),
        Argument("command-property", "Settings of the producer, stronger than those of a file.", PROPERTY, many=True),
        Argument("producer.config", "The old name of --command-config.", "CONFIG-FILE"),
        Argument("command-config", "A properties file with settings of the producer.", "CONFIG-FILE"),
        Argument("print-metrics", "Print metrics at the end."),
        Argument("transactional-id", "The transactional id to use.", "TRANSACTIONAL-ID"),
        Argument(
            "transaction-duration-ms",
            "Commit a transaction after so long. (default: 3000)",
            "TRANSACTION-DURATION",
            number=LONG,
        ),
        Argument(
            "warmup-records",
            "So many records are left out of a second summary. (default: 0)",
            "WARMUP-RECORDS",
            number=LONG,
        ),
        Argument("reporting-interval", "Print progress every so often. (default: 5000)", "INTERVAL-MS", number=LONG),
        Argument("record-size", "Records of so many random letters.", "RECORD-SIZE", number=INTEGER),
        Argument(
            "payload-file", "A UTF-8 file with payloads, of which each record gets one at random.", "PAYLOAD-FILE"
        ),
        Argument("payload-monotonic", "The payload is a number that counts up."),
    ],
    exclusive=[(True, ("record-size", "payload-file", "payload-monotonic"))],
)
SOURCES = ("bootstrap-server", "command-property", "producer-props", "producer.config", "command-config")


class UncaughtError(ToolError):
    """Ends the command as an uncaught exception ends Kafka's."""


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    if not words:
        print(PARSER.help())
        return 0
    return run_parser(PARSER, words, act, help_status=1)


def act(given: Given) -> int:
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.client.settings import SettingsError

    try:
        check_options(given)
        properties = properties_of(given)
        payload = payload_of(given)
        return produce(given, properties, payload)
    except ToolError as error:
        text, java_name = str(error), error.java_name
    except SettingsError as error:
        text, java_name = str(error), "org.apache.kafka.common.config.ConfigException"
    except KafkaError as error:
        text, java_name = str(error), error.java_name
    sys.stdout.flush()
    print(f'Exception in thread "main" {java_name}: {text}', file=sys.stderr)
    return 1


def check_options(given: Given) -> None:
    """Raises UsageError."""
    for name in ("num-records", "record-size", "reporting-interval", "transaction-duration-ms"):
        value = given.number(name)
        if value is not None and value <= 0:
            raise UsageError(PARSER, f"--{name} should be greater than zero.")
    warmup = given.number("warmup-records")
    if warmup and warmup >= (given.number("num-records") or 0):
        raise UsageError(
            PARSER,
            "The value for --warmup-records must be strictly fewer than the number of records in the test, "
            "--num-records.",
        )
    if not any(name in given for name in SOURCES):
        *most, last = (f"--{name}" for name in SOURCES)
        raise UsageError(PARSER, f"At least one of {', '.join(most)} or {last} must be specified.")
    for old, new in (("producer-props", "command-property"), ("producer.config", "command-config")):
        if old in given and new in given:
            raise UsageError(PARSER, f"--{new} and --{old} cannot be specified together.")
        if old in given and sys.stderr.isatty():
            print(
                f"Option --{old} has been deprecated and will be removed in a future version. Use --{new} instead.",
                file=sys.stderr,
            )


def properties_of(given: Given) -> dict[str, str]:
    """Raises ToolError."""
    properties = load_properties(given.last("command-config") or given.last("producer.config"))
    for word in given.all("command-property") or given.all("producer-props"):
        pieces = word.split("=")
        if len(pieces) != 2:
            raise ToolError(f"Invalid property: {word}")
        properties[pieces[0]] = pieces[1]
    servers = given.last("bootstrap-server")
    if servers is not None:
        properties["bootstrap.servers"] = servers
    if not properties.get("bootstrap.servers"):
        raise ToolError(
            "No resolvable bootstrap urls given in bootstrap.servers", "org.apache.kafka.common.config.ConfigException"
        )
    return {"client.id": "perf-producer-client", **properties}


def payload_of(given: Given) -> int | list[bytes] | None:
    """Raises ToolError."""
    path = given.last("payload-file")
    if path is None:
        return given.number("record-size")
    print(f"Reading payloads from: {os.path.abspath(path)}")
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except OSError:
        text = ""
    if not text:
        raise ToolError("File does not exist or empty file provided.")
    import re

    delimiter = given.last("payload-delimiter")
    try:
        parts = re.split("\n" if delimiter in (None, "\\n") else delimiter or "", text)
    except re.error as error:
        raise ToolError(f"{delimiter}: {error}", "java.util.regex.PatternSyntaxException") from error
    # A scanner gives nothing for what is before the first or behind the last delimiter.
    if parts and not parts[-1]:
        parts.pop()
    if parts and not parts[0]:
        parts.pop(0)
    print(f"Number of records read: {len(parts)}")
    if not parts:
        raise ToolError("bound must be positive")
    return [part.encode() for part in parts]


# ---- the test -------------------------------------------------------------------------------------------------------


def transactional_id_of(given: Given, properties: Mapping[str, str]) -> str | None:
    named = given.last("transactional-id") or properties.get("transactional.id")
    if named is None and "transaction-duration-ms" in given:
        from pykafka_core.protocol.uuids import random_uuid, uuid_to_string

        return f"performance-producer-{uuid_to_string(random_uuid())}"
    return named


def produce(given: Given, properties: dict[str, str], payload: int | list[bytes] | None) -> int:
    """Raises ToolError, KafkaError, SettingsError."""
    from pykafka_core.client.settings import ClientSettings, number

    settings = ClientSettings.load(properties)
    size_max = number(properties, "max.request.size", 1_048_576)
    largest = payload if isinstance(payload, int) else max(map(len, payload), default=0) if payload else 24
    if largest + 88 > size_max:
        raise ToolError(
            f"The message is {largest + 88} bytes when serialized which is larger than {size_max}, which is the value "
            "of the max.request.size configuration.",
            "org.apache.kafka.common.errors.RecordTooLargeException",
        )

    async def work(client: Client) -> int:
        return await measure(client, given, properties, payload)

    return run_with_client(properties["bootstrap.servers"], settings, work)


async def measure(client: Client, given: Given, properties: dict[str, str], payload: int | list[bytes] | None) -> int:
    from pykafka_core.client.load import ProduceTask, open_produce_load

    topic, count = given.last("topic") or "", given.number("num-records") or 0
    warmup = max(given.number("warmup-records") or 0, 0)
    transactional_id = transactional_id_of(given, properties)
    transaction: Transaction | None = None
    if transactional_id is not None:
        from pykafka_core.client.settings import number
        from pykafka_core.client.transactions import Transaction

        timeout_ms = number(properties, "transaction.timeout.ms", 60_000)
        transaction = Transaction(client, transactional_id, timeout_ms=timeout_ms)
        await transaction.init()
    task = ProduceTask(
        record_count=count,
        payload=payload,
        records_per_second=float(given.last("throughput") or -1),
        warmup_count=warmup,
        transactional_id=transactional_id,
        producer_id=-1 if transaction is None else transaction.producer_id,
        producer_epoch=-1 if transaction is None else transaction.producer_epoch,
    )
    load = await open_produce_load(client, topic, properties, task)
    if warmup:
        print(
            f"Warmup first {warmup} records. Steady state results will print after the complete test summary.",
            flush=True,
        )
    with Progress("records sent", count) as progress:
        report = Report(load, warmup, given.number("reporting-interval") or 5000, progress)
        if transaction is None:
            await report.follow()
        else:
            places = [(topic, index) for index in range(await client.partition_count(topic))]
            await report.follow_transactions(transaction, places, given.number("transaction-duration-ms") or 3000)
    report.print_total()
    if "print-metrics" in given:
        report.print_metrics(client.settings.client_id)
    failed, code = load.failed
    if failed:
        from pykafka_core.client.errors import KafkaError

        print(f"{failed} records failed: {KafkaError(code).java_text()}", file=sys.stderr)
    return 0


class Report:
    """Kafka's lines, from the counters of a load."""

    def __init__(self, load: ProduceLoad, warmup: int, interval_ms: int, progress: Progress) -> None:
        self.load = load
        self.progress = progress
        self.warmup = warmup
        self.interval_ms = interval_ms
        self.began = self.window_began = time.monotonic()
        self.steady_began: float | None = None

    async def follow(self, until: float = float("inf")) -> bool:
        """Until all is done, or this monotonic time has come; whether all is done. Raises KafkaError."""
        from pykafka_core.client.load import run

        while time.monotonic() < until:
            left_ms = min((until - time.monotonic()) * 1000, self.interval_ms, TURN_MS)
            done = await run(self.load, max(int(left_ms), 1))
            now = time.monotonic()
            if self.warmup and self.steady_began is None and self.load.made > self.warmup:
                self.steady_began = now
                self.progress.hide()
                print("In steady state.", flush=True)
            if done:
                break
            self.progress.show(self.load.total.records)
            if (now - self.window_began) * 1000 >= self.interval_ms:
                self.print_window(now)
        else:
            return False
        if self.warmup and self.steady_began is None:
            self.steady_began = self.began
            self.progress.hide()
            print("In steady state.", flush=True)
        return True

    async def follow_transactions(
        self, transaction: Transaction, places: list[tuple[str, int]], duration_ms: int
    ) -> None:
        """One transaction after the other; a commit waits until all that belongs to it is answered."""
        from pykafka_core.client.load import run

        done = False
        while not done:
            await transaction.add_partitions(places)
            done = await self.follow(time.monotonic() + duration_ms / 1000)
            while not await run(self.load, TURN_MS, drain=True):
                pass
            await transaction.end(commit=True)

    def print_window(self, now: float) -> None:
        window = self.load.take_window()
        if window.records:
            seconds = now - self.window_began
            self.progress.hide()
            print(
                f"{window.records} records sent, {window.records / seconds:.1f} records/sec "
                f"({window.bytes / seconds / MEBIBYTE:.2f} MB/sec), {window.total_ms / window.records:.1f} ms avg "
                f"latency, {float(window.max_ms):.1f} ms max latency.",
                flush=True,
            )
        self.window_began = now

    def print_total(self) -> None:
        now = time.monotonic()
        print(self.summary(self.load.total, now - self.began, steady=False))
        if self.steady_began is not None:
            print(self.summary(self.load.steady, now - self.steady_began, steady=True))

    def summary(self, total: Any, seconds: float, *, steady: bool) -> str:
        average = f"{total.total_ms / total.records:.2f}" if total.records else "NaN"
        percentiles = ", ".join(
            f"{self.load.percentile(part, steady=steady)} ms {name}"
            for part, name in ((0.5, "50th"), (0.95, "95th"), (0.99, "99th"), (0.999, "99.9th"))
        )
        seconds = max(seconds, 0.001)
        return (
            f"{total.records} {'steady state ' if steady else ''}records sent, {total.records / seconds:f} records/sec "
            f"({total.bytes / seconds / MEBIBYTE:.2f} MB/sec), {average} ms avg latency, {float(total.max_ms):.2f} ms "
            f"max latency, {percentiles}."
        )

    def print_metrics(self, client_id: str) -> None:
        """Those of Kafka's metrics that this tool keeps, in Kafka's layout."""
        total = self.load.total
        seconds = max(time.monotonic() - self.began, 0.001)
        rows = {
            "record-error-total": float(self.load.failed[0]),
            "record-send-rate": total.records / seconds,
            "record-send-total": float(total.records),
            "request-latency-avg": total.total_ms / total.records if total.records else float("nan"),
            "request-latency-max": float(total.max_ms),
        }
        names = {f"producer-metrics:{name}:{{client-id={client_id}}}": value for name, value in rows.items()}
        width = max(map(len, names))
        print(f"\n{'Metric Name':{width}}   Value")
        for name, value in names.items():
            print(f"{name:{width}} : {value:.3f}")


if __name__ == "__main__":
    sys.exit(main())

"""kafka-consumer-perf-test: how many records a broker gives, and how long it takes.

A member of a group learns its partitions and positions; the records are fetched and counted by C (csrc/client).

Source of words and statuses: org.apache.kafka.tools.ConsumerPerformance.
"""

from __future__ import annotations

import random
import sys
import time
from typing import TYPE_CHECKING

from pykafka_core.tools.command import (
    Command,
    Option,
    ToolError,
    UsageError,
    WrongUseError,
    load_properties,
    run_with_client,
    warn_deprecated,
    whole_number,
)
from pykafka_core.tools.options import Options
from pykafka_core.tools.progress import Progress

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client
    from pykafka_core.client.group import GroupMember
    from pykafka_core.client.load import FetchLoad

MEBIBYTE = 1024 * 1024
TURN_MS = 100
DATE_FORMAT = "yyyy-MM-dd HH:mm:ss:SSS"

COMMAND = Command(
    "This tool is used to verify the consumer performance.",
    [
        Option("bootstrap-server", "REQUIRED: the servers to connect to.", "String: server to connect to"),
        Option("command-config", "A properties file with settings of the consumer.", "String: config file"),
        Option(
            "command-property",
            "A setting of the consumer, stronger than that of a file; may be repeated.",
            "String: prop1=val1",
        ),
        Option("consumer.config", "The old name of --command-config.", "String: config file"),
        Option(
            "date-format", f"How to print times, as java.text. SimpleDateFormat. (default: {DATE_FORMAT})", "String"
        ),
        Option("fetch-size", "The most bytes of one partition in one fetch. (default: 1048576)", "Integer: size"),
        Option("from-latest", "Begin at the end of the log where the group has no offset."),
        Option("group", "The group to read in. (default: perf-consumer- and a random number)", "String: gid"),
        Option("hide-header", "Leave the line with the names of the columns out."),
        Option("include", "A regular expression of the topics to read.", "String: Java regex (String)"),
        Option("messages", "The old name of --num-records.", "Long: count"),
        Option("num-records", "REQUIRED: how many records to read.", "Long: count"),
        Option("print-metrics", "Print metrics at the end."),
        Option("reporting-interval", "Print progress every so often. (default: 5000)", "Long: interval_ms"),
        Option("show-detailed-stats", "Print a line in each reporting interval."),
        Option("socket-buffer-size", "The size of the receive buffer. (default: 2097152)", "Integer: size"),
        Option(
            "timeout",
            "End when no record has come for so many milliseconds. (default: 10000)",
            "Long: milliseconds",
            optional=True,
        ),
        Option("topic", "The topic to read.", "String: topic"),
    ],
)


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        options = COMMAND.parse(words)
        status = COMMAND.answer_help(options, words)
        if status is not None:
            return status
        check_options(options)
    except (WrongUseError, UsageError) as wrong:
        return COMMAND.refuse(wrong)
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.client.settings import SettingsError

    try:
        return run(options)
    except ToolError as error:
        text, java_name = str(error), error.java_name
    except SettingsError as error:
        text, java_name = str(error), "org.apache.kafka.common.config.ConfigException"
    except KafkaError as error:
        text, java_name = str(error), error.java_name
    sys.stdout.flush()
    print(f"{text}\n{java_name}: {text}", file=sys.stderr)
    return 1


def check_options(options: Options) -> None:
    """Raises WrongUseError."""
    COMMAND.require(options, "bootstrap-server")
    for one, other in (("messages", "num-records"), ("topic", "include")):
        if (one in options) == (other in options):
            raise WrongUseError(f"Exactly one of the following arguments is required: [{one}], [{other}]")
    for old, new in (("messages", "num-records"), ("consumer.config", "command-config")):
        if old in options:
            warn_deprecated(old, new)


def run(options: Options) -> int:
    """Raises ToolError, KafkaError, SettingsError."""
    from pykafka_core.client.settings import ClientSettings

    properties = {
        "auto.offset.reset": "latest" if "from-latest" in options else "earliest",
        "client.id": "perf-consumer-client",
        **load_properties(options.last("command-config") or options.last("consumer.config")),
    }
    for word in options.all("command-property"):
        name, equals, value = word.partition("=")
        if not equals:
            raise ToolError(f"Invalid command line properties: {word}")
        properties[name] = value
    properties["auto.offset.reset"] = "latest" if "from-latest" in options else "earliest"
    properties["max.partition.fetch.bytes"] = str(whole_number(options, "fetch-size") or 1024 * 1024)
    properties["group.id"] = options.last("group") or f"perf-consumer-{random.randrange(100_000)}"
    if "hide-header" not in options:
        print(header(detailed="show-detailed-stats" in options), flush=True)
    count = whole_number(options, "num-records" if "num-records" in options else "messages") or 0
    interval_ms = whole_number(options, "reporting-interval")
    settings = ClientSettings.load(properties)
    reading = Reading(
        options,
        properties,
        count,
        timeout_ms=number_or(options, "timeout", 10_000),
        interval_ms=5000 if interval_ms is None else interval_ms,
    )
    run_with_client(options.last("bootstrap-server") or "", settings, reading.run)
    return 0


def number_or(options: Options, name: str, default: int) -> int:
    if not options.last(name):
        return default
    value = whole_number(options, name)
    return default if value is None else value


def header(*, detailed: bool) -> str:
    first = "time, threadId" if detailed else "start.time, end.time"
    return (
        f"{first}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, "
        "fetch.MB.sec, fetch.nMsg.sec"
    )


class Reading:
    """One run, and what Kafka prints of it."""

    def __init__(
        self, options: Options, properties: dict[str, str], count: int, *, timeout_ms: int, interval_ms: int
    ) -> None:
        self.options = options
        self.properties = properties
        self.count = count
        self.timeout_ms = timeout_ms
        self.interval_ms = interval_ms
        self.date_format = options.last("date-format") or DATE_FORMAT
        self.records = self.bytes = 0
        self.join_ms = self.round_join_ms = 0
        self.places: dict[tuple[str, int], int] = {}
        """Where to go on with the partitions that a rebalance leaves to this member."""

    async def run(self, client: Client) -> None:
        """Raises KafkaError."""
        from pykafka_core.client.cluster import Client as OwnClient
        from pykafka_core.client.group import GroupSettings
        from pykafka_core.client.membership import make_member
        from pykafka_core.client.settings import parse_addresses

        began_ms = now_ms()
        topics = await self.topics(client)
        settings = GroupSettings.load(self.properties)
        async with OwnClient(parse_addresses(self.options.last("bootstrap-server") or ""), client.settings) as own:
            member = make_member(own, self.properties["group.id"], topics, settings)
            try:
                with Progress("records read", self.count) as self.progress:
                    await self.read(client, member, began_ms)
            finally:
                await member.leave()
        if self.records < self.count:
            print(
                "WARNING: Exiting before consuming the expected number of records: timeout "
                f"({self.timeout_ms} ms) exceeded. You can use the --timeout option to increase the timeout."
            )
        if "show-detailed-stats" not in self.options:
            self.print_total(began_ms, now_ms())
        if "print-metrics" in self.options:
            self.print_metrics(now_ms() - began_ms)

    async def topics(self, client: Client) -> list[str]:
        topic = self.options.last("topic")
        if topic is not None:
            return [topic]
        from pykafka_core.client.admin import list_topics
        from pykafka_core.tools.topic_names import IncludeList

        wanted = IncludeList(self.options.last("include") or "")
        return [each.name for each in await list_topics(client) if wanted.allows(each.name, exclude_internal=True)]

    async def read(self, client: Client, member: GroupMember, began_ms: int) -> None:
        self.report_ms = self.joined_ms = self.heard_ms = began_ms
        self.reported_records = self.reported_bytes = 0
        while self.records < self.count:
            joining_ms = now_ms()
            partitions = await member.join()
            self.places = {place: offset for place, offset in self.places.items() if place in member.kept}
            elapsed_ms = now_ms() - joining_ms
            self.join_ms += elapsed_ms
            self.round_join_ms += elapsed_ms
            self.heard_ms = now_ms()
            if await self.read_generation(client, member, partitions):
                return

    async def read_generation(self, client: Client, member: GroupMember, partitions: list[tuple[str, int]]) -> bool:
        """True when there is no more to do; False: the group is rebalanced."""
        import asyncio

        from pykafka_core.client.load import open_fetch_load

        load: FetchLoad | None = None
        if partitions:
            known = self.places | await self.positions(client, member, partitions)
            positions = {place: known[place] for place in partitions}
            load = await open_fetch_load(client, positions, self.properties, record_count=self.count - self.records)
        before_records, before_bytes = self.records, self.bytes
        try:
            while self.records < self.count:
                if load is None:
                    await asyncio.sleep(TURN_MS / 1000)
                else:
                    await self.step(client, load, partitions)
                    counters = load.counters
                    if before_records + counters.records > self.records:
                        self.heard_ms = now_ms()
                    self.records, self.bytes = before_records + counters.records, before_bytes + counters.bytes
                self.progress.show(self.records)
                self.report()
                if now_ms() - self.heard_ms > self.timeout_ms:
                    return True
                if member.must_rejoin:
                    return False
            return True
        finally:
            if load is not None:
                self.places = {place: load.offset(number) for number, place in enumerate(partitions)}
                if self.properties.get("enable.auto.commit", "true").lower() != "false":
                    await commit(member, self.places)

    async def positions(
        self, client: Client, member: GroupMember, partitions: list[tuple[str, int]]
    ) -> dict[tuple[str, int], int]:
        from pykafka_core.client.admin import list_offsets
        from pykafka_core.client.errors import KafkaError

        committed = await member.committed()
        start = -1 if "from-latest" in self.options else -2
        asked = {place: start for place in partitions if place not in committed and place not in self.places}
        for place, outcome in (await list_offsets(client, asked) if asked else {}).items():
            if isinstance(outcome, KafkaError):
                raise outcome
            committed[place] = max(outcome[0], 0)
        return {place: committed[place] for place in partitions if place not in self.places}

    async def step(self, client: Client, load: FetchLoad, partitions: list[tuple[str, int]]) -> None:
        from pykafka_core.client.admin import list_offsets
        from pykafka_core.client.errors import KafkaError
        from pykafka_core.client.load import run
        from pykafka_core.protocol.errors import ErrorCode

        try:
            await run(load, TURN_MS)
        except KafkaError as error:
            if error.code != ErrorCode.OFFSET_OUT_OF_RANGE:
                raise
            number = load.refusal[1]
            place = partitions[number]
            outcome = (await list_offsets(client, {place: -2}))[place]
            if isinstance(outcome, KafkaError):
                raise outcome from error
            load.seek(number, outcome[0])

    # ---- lines ----------------------------------------------------------------------------------------------------

    def report(self) -> None:
        now = now_ms()
        if now - self.report_ms < self.interval_ms or self.records == self.reported_records:
            return
        if "show-detailed-stats" in self.options:
            elapsed_ms = now - self.report_ms
            fetch_ms = elapsed_ms - self.round_join_ms
            mebibytes = (self.bytes - self.reported_bytes) / MEBIBYTE
            records = self.records - self.reported_records
            rates = (1000 * mebibytes / fetch_ms, 1000 * records / fetch_ms) if fetch_ms > 0 else (0.0, 0.0)
            self.progress.hide()
            print(
                f"{java_date(now, self.date_format)}, 0, {self.bytes / MEBIBYTE:.4f}, "
                f"{1000 * mebibytes / elapsed_ms:.4f}, {self.records}, {1000 * records / elapsed_ms:.4f}, "
                f"{self.round_join_ms}, {fetch_ms}, {rates[0]:.4f}, {rates[1]:.4f}",
                flush=True,
            )
        self.round_join_ms = 0
        self.report_ms, self.reported_records, self.reported_bytes = now, self.records, self.bytes

    def print_total(self, began_ms: int, ended_ms: int) -> None:
        mebibytes = self.bytes / MEBIBYTE
        seconds = (ended_ms - began_ms) / 1000
        fetch_ms = ended_ms - began_ms - self.join_ms
        print(
            f"{java_date(began_ms, self.date_format)}, {java_date(ended_ms, self.date_format)}, {mebibytes:.4f}, "
            f"{per(mebibytes, seconds)}, {self.records}, {per(self.records, seconds)}, {self.join_ms}, {fetch_ms}, "
            f"{per(mebibytes, fetch_ms / 1000)}, {per(self.records, fetch_ms / 1000)}"
        )

    def print_metrics(self, elapsed_ms: int) -> None:
        rows = {
            "bytes-consumed-total": float(self.bytes),
            "records-consumed-rate": self.records / max(elapsed_ms / 1000, 0.001),
            "records-consumed-total": float(self.records),
        }
        client_id = self.properties["client.id"]
        names = {
            f"consumer-fetch-manager-metrics:{name}:{{client-id={client_id}}}": value for name, value in rows.items()
        }
        width = max(map(len, names))
        print(f"\n{'Metric Name':{width}}   Value")
        for name, value in names.items():
            print(f"{name:{width}} : {value:.3f}")


async def commit(member: GroupMember, offsets: dict[tuple[str, int], int]) -> None:
    """What a rebalance has made impossible is read again by whoever has the partition now."""
    from pykafka_core.client.errors import KafkaError

    try:
        await member.commit(offsets)
    except KafkaError:
        pass


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def per(amount: float, seconds: float) -> str:
    """As Java divides and prints."""
    if seconds > 0:
        return f"{amount / seconds:.4f}"
    return "NaN" if amount == 0 else "Infinity"


def java_date(timestamp_ms: int, pattern: str) -> str:
    """What java.text.SimpleDateFormat makes of the letters y M d H h m s S a E z and quoted text."""
    import re

    moment = time.localtime(timestamp_ms / 1000)
    values = {
        "y": moment.tm_year, "M": moment.tm_mon, "d": moment.tm_mday, "H": moment.tm_hour, "m": moment.tm_min,
        "s": moment.tm_sec, "S": timestamp_ms % 1000, "h": moment.tm_hour % 12 or 12, "k": moment.tm_hour or 24,
        "K": moment.tm_hour % 12, "D": moment.tm_yday,
    }  # fmt: skip

    def shown(match: re.Match[str]) -> str:
        run, quoted = match[0], match[1]
        if quoted is not None:
            return quoted or "'"
        letter, width = run[0], len(run)
        if letter == "y" and width == 2:
            return f"{moment.tm_year % 100:02}"
        if letter == "M" and width > 2:
            return time.strftime("%b" if width == 3 else "%B", moment)
        if letter == "E":
            return time.strftime("%a" if width < 4 else "%A", moment)
        if letter == "a":
            return "AM" if moment.tm_hour < 12 else "PM"
        if letter in ("z", "Z"):
            return time.strftime("%Z" if letter == "z" else "%z", moment)
        if letter not in values:
            raise ToolError(f"Illegal pattern character '{letter}'")
        return f"{values[letter]:0{width}}"

    return re.sub(r"'([^']*)'|([A-Za-z])\2*", shown, pattern)


if __name__ == "__main__":
    sys.exit(main())

"""kafka-verifiable-consumer: reads a topic as a member of a group, and prints a line of JSON for whatever happens.

Ends after --max-messages, or at SIGTERM or SIGINT; then it leaves the group.

Source of words and statuses: org.apache.kafka.tools.VerifiableConsumer.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

from pykafka_core.tools.arguments import INTEGER, Argument, Given, Parser
from pykafka_core.tools.arguments import run as run_parser
from pykafka_core.tools.command import ToolError, load_properties, run_with_client, warn_deprecated
from pykafka_core.tools.events import print_event

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pykafka_core.client.cluster import Client
    from pykafka_core.client.consumer import ConsumedRecord
    from pykafka_core.client.group import GroupMember

TopicPartition = tuple[str, int]

RANGE = "org.apache.kafka.clients.consumer.RangeAssignor"
POLL_RECORDS_MAX = 500
AUTO_COMMIT_SECONDS = 5.0

PARSER = Parser(
    "verifiable-consumer",
    "This tool consumes messages from a specific topic and emits consumer events (e.g. group rebalances, received "
    "messages, and offsets committed) as JSON objects to STDOUT.",
    [
        Argument("topic", "Consumes messages from this topic.", "TOPIC", required=True),
        Argument("group-protocol", "classic or consumer. (default: classic)", "GROUP-PROTOCOL"),
        Argument("group-remote-assignor", "The broker's assignor, of the protocol consumer.", "GROUP-REMOTE-ASSIGNOR"),
        Argument("group-id", "The id of the group.", "GROUP-ID", required=True),
        Argument("group-instance-id", "The name of a static member.", "GROUP-INSTANCE-ID"),
        Argument("max-messages", "So many messages; -1: until the process is ended.", "MAX-MESSAGES", number=INTEGER),
        Argument(
            "session-timeout", "After so long without a heartbeat the member is out.", "TIMEOUT-MS", number=INTEGER
        ),
        Argument("verbose", "A line for each record."),
        Argument("enable-autocommit", "Commit every five seconds, and not what was read each time."),
        Argument("reset-policy", "earliest, latest or none. (default: earliest)", "RESET-POLICY"),
        Argument("assignment-strategy", f"The assignor. (default: {RANGE})", "ASSIGNMENT-STRATEGY"),
        Argument("consumer.config", "The old name of --command-config.", "CONFIG-FILE"),
        Argument("command-config", "A properties file with settings of the consumer.", "CONFIG-FILE"),
        Argument("bootstrap-server", "The servers to connect to.", "HOST1:PORT1[,HOST2:PORT2[...]]", required=True),
    ],
)


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    if not words:
        print(PARSER.help())
        return 0
    return run_parser(PARSER, words, act, help_status=1)


def act(given: Given) -> int:
    from pykafka_core.client.settings import SettingsError

    try:
        return run(given)
    except SettingsError as error:
        text, java_name = str(error), "org.apache.kafka.common.config.ConfigException"
    except ToolError as error:
        text, java_name = str(error), error.java_name
    print(f'Exception in thread "main" {java_name}: {text}', file=sys.stderr)
    return 1


def run(given: Given) -> int:
    """Raises ToolError, SettingsError."""
    from pykafka_core.client.consumer import ConsumerSettings
    from pykafka_core.client.group import GroupSettings
    from pykafka_core.client.settings import ClientSettings

    if "consumer.config" in given:
        warn_deprecated("consumer.config", "command-config")
    protocol = (given.last("group-protocol") or "classic").upper()
    if protocol not in ("CLASSIC", "CONSUMER"):
        raise ToolError(f"No enum constant org.apache.kafka.clients.consumer.GroupProtocol.{protocol}")
    policy = given.last("reset-policy") or "earliest"
    if policy not in ("earliest", "latest", "none"):
        raise ToolError(
            f"Invalid value {policy} for configuration auto.offset.reset: Invalid value `{policy}` for configuration "
            "auto.offset.reset. The value must be either 'earliest', 'latest', 'none' or of the format "
            "'by_duration:<PnDTnHnMn.nS.>'.",
            "org.apache.kafka.common.config.ConfigException",
        )
    properties = load_properties(given.last("command-config") or given.last("consumer.config"))
    properties["auto.offset.reset"] = policy
    properties["partition.assignment.strategy"] = given.last("assignment-strategy") or RANGE
    for option, name in (("group-instance-id", "group.instance.id"), ("session-timeout", "session.timeout.ms")):
        value = given.last(option)
        if value is not None:
            properties[name] = value
    consumer_settings, group_settings = ConsumerSettings.load(properties), GroupSettings.load(properties)
    settings = ClientSettings.load(properties, client_id="consumer-1")
    servers = given.last("bootstrap-server") or ""
    reading = Reading(given, servers, settings, group_settings, consumer_settings)
    return run_with_client(servers, settings, reading.run)


class Reading:
    def __init__(
        self, given: Given, servers: str, settings: object, group_settings: object, consumer_settings: object
    ) -> None:
        self.servers = servers
        self.settings = settings
        self.group_settings = group_settings
        self.consumer_settings = consumer_settings
        self.topic, self.group_id = given.last("topic") or "", given.last("group-id") or ""
        self.is_classic = (given.last("group-protocol") or "classic").lower() == "classic"
        self.server_assignor = given.last("group-remote-assignor")
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
        from pykafka_core.client.group import GroupMember, GroupSettings
        from pykafka_core.client.settings import ClientSettings, parse_addresses

        assert isinstance(self.settings, ClientSettings)
        assert isinstance(self.group_settings, GroupSettings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end, 128 + number)
        print_event("startup_complete")
        async with OwnClient(parse_addresses(self.servers), self.settings) as own:
            member = GroupMember(own, self.group_id, [self.topic], self.group_settings)
            if not self.is_classic:
                from pykafka_core.client.consumer_member import ConsumerMember

                member = ConsumerMember(
                    own, self.group_id, [self.topic], self.group_settings, server_assignor=self.server_assignor
                )
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
        kept = list(member.assignment)
        joined = asyncio.create_task(member.join())
        stopped = asyncio.create_task(self.stop.wait())
        await asyncio.wait([joined, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not joined.done():
            joined.cancel()
            await asyncio.gather(joined, return_exceptions=True)
            return
        added = [place for place in joined.result() if place not in kept]
        if added or not kept:
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
        from pykafka_core.client.consumer import ConsumerSettings
        from pykafka_core.client.errors import KafkaError
        from pykafka_core.protocol.errors import ErrorCode

        assert isinstance(self.consumer_settings, ConsumerSettings)
        found: Mapping[TopicPartition, int] = await member.committed()
        reset = self.consumer_settings.reset_to
        missing = [place for place in member.assignment if place not in found]
        if missing and reset is None:
            names = ", ".join(f"{topic}-{partition}" for topic, partition in missing)
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE, f"Undefined offset with no reset policy for partitions: [{names}]"
            )
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


if __name__ == "__main__":
    sys.exit(main())

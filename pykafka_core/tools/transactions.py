"""kafka-transactions: which transactions there are, and an end for those that hang.

Source of words and statuses: org.apache.kafka.tools.TransactionsCommand, KIP-664.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pykafka_core.tools.arguments import INTEGER, LONG, Argument, Given, Parser, run
from pykafka_core.tools.command import ToolError, load_settings, run_with_client

if TYPE_CHECKING:
    from pykafka_core.client.cluster import Client

TopicPartition = tuple[str, int]

TOPIC = Argument("topic", "The topic.", "TOPIC", required=True)
PARTITION = Argument("partition", "The number of the partition.", "PARTITION", required=True, number=INTEGER)
PARTITIONS_MAX = 500

PARSER = Parser(
    "kafka-transactions.sh",
    "This tool is used to analyze the transactional state of producers in the cluster. It can be used to detect and "
    "recover from hanging transactions.",
    [
        Argument("command-config", "A properties file with settings of the client.", "FILE"),
        Argument("bootstrap-server", "The servers to connect to.", "host:port", required=True),
    ],
    commands=[
        Parser(
            "list",
            "list transactions",
            [
                Argument(
                    "duration-filter",
                    "Only those that have run longer than so many milliseconds; below 0: all.",
                    "DURATION_FILTER",
                    number=LONG,
                ),
                Argument(
                    "transactional-id-pattern",
                    "Only those whose id matches this regular expression.",
                    "TRANSACTIONAL_ID_PATTERN",
                ),
            ],
        ),
        Parser(
            "describe",
            "describe the state of an active transactional-id",
            [Argument("transactional-id", "The transactional id.", "TRANSACTIONAL_ID", required=True)],
        ),
        Parser(
            "describe-producers",
            "describe the states of active producers for a topic partition",
            [
                Argument("broker-id", "Ask this replica, and not the leader.", "BROKER_ID", number=INTEGER),
                TOPIC,
                PARTITION,
            ],
        ),
        Parser(
            "abort",
            "abort a hanging transaction (requires administrative privileges)",
            [
                TOPIC,
                PARTITION,
                Argument("start-offset", "Where the transaction begins.", "START_OFFSET", number=LONG),
                Argument("producer-id", "For brokers before 3.0: the producer id.", "PRODUCER_ID", number=LONG),
                Argument("producer-epoch", "For brokers before 3.0: its epoch.", "PRODUCER_EPOCH", number=INTEGER),
                Argument(
                    "coordinator-epoch",
                    "For brokers before 3.0: the coordinator's epoch.",
                    "COORDINATOR_EPOCH",
                    number=INTEGER,
                ),
            ],
        ),
        Parser(
            "find-hanging",
            "find hanging transactions",
            [
                Argument("broker-id", "Look on this broker.", "BROKER_ID", number=INTEGER),
                Argument(
                    "max-transaction-timeout",
                    "Only those that have been open for longer than so many minutes. (default: 15)",
                    "MAX_TRANSACTION_TIMEOUT",
                    number=INTEGER,
                ),
                Argument("topic", "Look in this topic; required with --partition.", "TOPIC"),
                Argument("partition", "The number of the partition.", "PARTITION", number=INTEGER),
            ],
        ),
        Parser(
            "forceTerminateTransaction",
            "Force abort an ongoing transaction on transactionalId (requires administrative privileges)",
            [Argument("transactionalId", "The transactional id.", "TRANSACTIONALID", required=True)],
        ),
    ],
    command_value="COMMAND",
    short_version=True,
)


class TerseError(Exception):
    """Ends the command; the text is all that is said."""


def failed(what: str, error: Exception) -> TerseError:
    return TerseError(f"{what}: {error}. Enable debug logging for additional detail.")


def main(words: list[str] | None = None) -> int:
    return run(PARSER, words, act, help_status=1)


def act(given: Given) -> int:
    from pykafka_core.client.errors import KafkaError

    try:
        settings = load_settings(given.last("command-config"))
        run_with_client(given.last("bootstrap-server") or "", settings, lambda client: work(client, given))
    except TerseError as error:
        print(error, file=sys.stderr)
        return 1
    except ToolError as error:
        print(
            f"Failed to load admin client properties: {error}. Enable debug logging for additional detail.",
            file=sys.stderr,
        )
        return 1
    except KafkaError as error:
        print(f"{error}\n{error.java_text()}", file=sys.stderr)
        return 1
    return 0


async def work(client: Client, given: Given) -> None:
    match given.command:
        case "list":
            await list_all(client, given)
        case "describe":
            await describe(client, given)
        case "describe-producers":
            await describe_producers(client, given)
        case "abort":
            await abort(client, given)
        case "find-hanging":
            await find_hanging(client, given)
        case _:
            await force(client, given)


def show(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    from pykafka_core.tools.table import print_table

    print_table(heads, [[str(cell) for cell in row] for row in rows])


async def list_all(client: Client, given: Given) -> None:
    from pykafka_core.client.admin_transactions import list_transactions
    from pykafka_core.client.errors import KafkaError

    duration = given.number("duration-filter")
    try:
        found = await list_transactions(
            client, duration_ms=-1 if duration is None else duration, pattern=given.last("transactional-id-pattern")
        )
    except KafkaError as error:
        raise failed("Failed to list transactions", error) from error
    show(
        ["TransactionalId", "Coordinator", "ProducerId", "TransactionState"],
        [
            [each.transactional_id, node_id, each.producer_id, each.transaction_state]
            for node_id, states in found.items()
            for each in states
        ],
    )


async def describe(client: Client, given: Given) -> None:
    from pykafka_core.client.admin_transactions import describe_transactions
    from pykafka_core.client.errors import KafkaError

    name = given.last("transactional-id") or ""
    what = f"Failed to describe transaction state of transactional-id `{name}`"
    try:
        found = await describe_transactions(client, [name])
    except KafkaError as error:
        raise failed(what, error) from error
    if name not in found:
        raise TerseError(
            f"{what}: DescribeTransactions request for transactionalId `{name}` failed because the ID could not be "
            "found. Enable debug logging for additional detail."
        )
    node_id, state = found[name]
    begun = state.transaction_start_time_ms
    show(
        [
            "CoordinatorId", "TransactionalId", "ProducerId", "ProducerEpoch", "TransactionState",
            "TransactionTimeoutMs", "CurrentTransactionStartTimeMs", "TransactionDurationMs", "TopicPartitions",
        ],
        [
            [
                node_id, name, state.producer_id, state.producer_epoch, state.transaction_state,
                state.transaction_timeout_ms, "None" if begun < 0 else begun, "None" if begun < 0 else now_ms() - begun,
                ",".join(f"{each.topic}-{index}" for each in state.topics for index in each.partitions),
            ]
        ],
    )  # fmt: skip


async def describe_producers(client: Client, given: Given) -> None:
    place = place_of(given)
    node_id = given.number("broker-id")
    where = "leader" if node_id is None else f"broker {node_id}"
    producers = await producers_of(
        client, place, f"Failed to describe producers for partition {shown(place)} on {where}", node_id
    )
    show(
        [
            "ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch", "LastSequence", "LastTimestamp",
            "CurrentTransactionStartOffset",
        ],
        [
            [
                each.producer_id, each.producer_epoch, each.coordinator_epoch, each.last_sequence, each.last_timestamp,
                "None" if each.current_txn_start_offset < 0 else each.current_txn_start_offset,
            ]
            for each in producers
        ],
    )  # fmt: skip


async def producers_of(client: Client, place: TopicPartition, what: str, node_id: int | None = None) -> list[Any]:
    from pykafka_core.client.admin_partitions import describe_producers
    from pykafka_core.client.errors import KafkaError

    if node_id is not None:
        await client.metadata([])
    try:
        found = (await describe_producers(client, [place], node_id=node_id))[place]
    except KafkaError as error:
        raise failed(what, error) from error
    if isinstance(found, KafkaError):
        raise failed(what, found)
    return found


def place_of(given: Given) -> TopicPartition:
    return given.last("topic") or "", given.number("partition") or 0


def shown(place: TopicPartition) -> str:
    return f"{place[0]}-{place[1]}"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


# ---- abort ----------------------------------------------------------------------------------------------------------


async def abort(client: Client, given: Given) -> None:
    from pykafka_core.client.admin_transactions import write_abort_marker
    from pykafka_core.client.errors import KafkaError

    place, start, producer_id = place_of(given), given.number("start-offset"), given.number("producer-id")
    if start is None and producer_id is None:
        raise TerseError(
            "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) or "
            "with --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)"
        )
    if start is None:
        for name in ("producer-epoch", "coordinator-epoch"):
            if name not in given:
                raise TerseError(f"Missing required argument --{name}")
        producer_epoch, coordinator_epoch = given.number("producer-epoch") or 0, given.number("coordinator-epoch") or 0
    else:
        producers = await producers_of(client, place, f"Failed to validate producer state for partition {shown(place)}")
        found = next((each for each in producers if each.current_txn_start_offset == start), None)
        if found is None:
            raise TerseError(
                f"Could not find any open transactions starting at offset {start} on partition {shown(place)}"
            )
        producer_id, producer_epoch = found.producer_id, found.producer_epoch
        coordinator_epoch = found.coordinator_epoch
    # A transaction that hangs from its producer's first one on has no coordinator's epoch; 0 is below all of them.
    coordinator_epoch = max(coordinator_epoch, 0)
    try:
        await write_abort_marker(
            client,
            place,
            producer_id=producer_id or 0,
            producer_epoch=producer_epoch,
            coordinator_epoch=coordinator_epoch,
        )
    except KafkaError as error:
        spec = (
            f"AbortTransactionSpec(topicPartition={shown(place)}, producerId={producer_id}, "
            f"producerEpoch={producer_epoch}, coordinatorEpoch={coordinator_epoch})"
        )
        raise failed(f"Failed to abort transaction {spec}", error) from error


async def force(client: Client, given: Given) -> None:
    """A new epoch of the id: what the old one had begun is aborted."""
    from pykafka_core.client.errors import KafkaError
    from pykafka_core.client.transactions import Transaction

    name = given.last("transactionalId") or ""
    try:
        await Transaction(client, name, timeout_ms=client.settings.request_timeout_ms).init()
    except KafkaError as error:
        raise failed(f"Failed to force terminate transactionalId `{name}`", error) from error


# ---- find what hangs ------------------------------------------------------------------------------------------------


async def find_hanging(client: Client, given: Given) -> None:
    topic, broker_id = given.last("topic"), given.number("broker-id")
    if topic is None and broker_id is None:
        raise TerseError(
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search"
        )
    if "partition" in given and topic is None:
        raise TerseError("The --partition argument requires --topic to be provided")
    minutes = given.number("max-transaction-timeout")
    longest_ms = (15 if minutes is None else minutes) * 60_000
    places = [place_of(given)] if "partition" in given else await places_to_search(client, topic, broker_id)
    candidates = await open_transactions(client, places, broker_id, longest_ms)
    hanging = await hanging_of(client, candidates) if candidates else []
    show(
        [
            "Topic", "Partition", "ProducerId", "ProducerEpoch", "CoordinatorEpoch", "StartOffset", "LastTimestamp",
            "Duration(min)",
        ],
        [
            [
                *place, each.producer_id, each.producer_epoch, each.coordinator_epoch, each.current_txn_start_offset,
                each.last_timestamp, (now_ms() - each.last_timestamp) // 60_000,
            ]
            for place, each in hanging
        ],
    )  # fmt: skip


async def places_to_search(client: Client, topic: str | None, broker_id: int | None) -> list[TopicPartition]:
    from pykafka_core.client.admin import describe_topics, list_topics
    from pykafka_core.client.errors import KafkaError

    try:
        names = [topic] if topic is not None else [each.name for each in await list_topics(client)]
    except KafkaError as error:
        raise failed("Failed to list topics", error) from error
    try:
        found = await describe_topics(client, names)
    except KafkaError as error:
        raise failed(f"Failed to describe {len(names)} topics", error) from error
    return [
        (name, each.partition_index)
        for name, description in found.items()
        for each in description.partitions
        if broker_id is None or broker_id in each.replica_nodes
    ]


async def open_transactions(
    client: Client, places: Sequence[TopicPartition], broker_id: int | None, longest_ms: int
) -> list[tuple[TopicPartition, Any]]:
    from pykafka_core.client.admin_partitions import describe_producers
    from pykafka_core.client.errors import KafkaError

    if broker_id is not None:
        await client.metadata([])
    found: list[tuple[TopicPartition, Any]] = []
    for start in range(0, len(places), PARTITIONS_MAX):
        some = places[start : start + PARTITIONS_MAX]
        what = f"Failed to describe producers for {len(some)} partitions on broker {broker_id}"
        try:
            answers = await describe_producers(client, some, node_id=broker_id)
        except KafkaError as error:
            raise failed(what, error) from error
        for place, producers in answers.items():
            if isinstance(producers, KafkaError):
                raise failed(what, producers)
            found += [
                (place, each)
                for each in producers
                if each.current_txn_start_offset >= 0 and now_ms() - each.last_timestamp > longest_ms
            ]
    return found


async def hanging_of(
    client: Client, candidates: Sequence[tuple[TopicPartition, Any]]
) -> list[tuple[TopicPartition, Any]]:
    """Those that no coordinator will end: it does not know the producer, or not that the partition belongs to it."""
    from pykafka_core.client.admin_transactions import describe_transactions, list_transactions
    from pykafka_core.client.errors import KafkaError

    producer_ids = sorted({each.producer_id for _, each in candidates})
    try:
        listed = await list_transactions(client, producer_ids=producer_ids)
    except KafkaError as error:
        raise failed(f"Failed to list transactions for {len(producer_ids)} producers", error) from error
    names = {each.producer_id: each.transactional_id for states in listed.values() for each in states}
    try:
        described = await describe_transactions(client, names.values())
    except KafkaError as error:
        raise failed(f"Failed to describe {len(names)} transactions", error) from error
    awaited = {
        (name, topic.topic, index)
        for name, (_, state) in described.items()
        for topic in state.topics
        for index in topic.partitions
    }
    return [(place, each) for place, each in candidates if (names.get(each.producer_id), *place) not in awaited]


if __name__ == "__main__":
    sys.exit(main())

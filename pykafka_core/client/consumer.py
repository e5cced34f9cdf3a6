"""Reads assigned partitions, each from a position of its own.

    consumer = Consumer(client, ConsumerSettings(read_committed=True))
    consumer.assign({("topic", 0): EARLIEST, ("topic", 1): 42})
    while records := await consumer.poll(5.0): ...

One fetch is under way per node, also while the caller works on what the last one has brought. Control batches are never
given out, nor records of aborted transactions where `read_committed` is set. CRCs are checked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from pykafka_core._dataclass import dataclass
from pykafka_core.client.admin import list_offsets
from pykafka_core.client.cluster import Client
from pykafka_core.client.durations import parse_duration_ms
from pykafka_core.client.errors import DisconnectedError, KafkaError, KafkaTimeoutError
from pykafka_core.client.settings import SettingsError, number
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages import fetch_request as m
from pykafka_core.records import CorruptRecordError, LimitError, Record, batches, check_stored, iterate

__all__ = [
    "BY_AGE",
    "EARLIEST",
    "LATEST",
    "ConsumedRecord",
    "Consumer",
    "ConsumerSettings",
    "NoOffsetError",
    "find_offsets",
]

TopicPartition = tuple[str, int]
EARLIEST, LATEST = -2, -1
BY_AGE = -100  # of no meaning to a broker

FETCH_VERSION_MAX = 12  # from 13 on topics are named by id
ABORT = b"\x00\x00\x00\x00"  # the key of a marker: version 0, type 0


@dataclass(slots=True, frozen=True, kw_only=True)
class ConsumerSettings:
    read_committed: bool = False
    reset_to: int | None = LATEST
    """Where to go on when the position does not exist (any more): EARLIEST, LATEST, BY_AGE; None: raise an error."""
    reset_age_ms: int = 0
    """With BY_AGE: at the first record that is no older, or behind the last one."""
    fetch_size_min: int = 1
    fetch_size_max: int = 50 * 1024 * 1024
    partition_fetch_size_max: int = 1024 * 1024
    fetch_wait_ms_max: int = 500

    @classmethod
    def load(cls, properties: Mapping[str, str]) -> ConsumerSettings:
        """From Kafka's names. Raises SettingsError."""
        reset = properties.get("auto.offset.reset", "latest")
        age_ms = parse_duration_ms(reset.removeprefix("by_duration:")) if reset.startswith("by_duration:") else None
        if reset not in ("latest", "earliest", "none") and (age_ms is None or age_ms < 0):
            raise SettingsError(
                f"Invalid value {reset} for configuration auto.offset.reset: Invalid value `{reset}` for configuration "
                "auto.offset.reset. The value must be either 'earliest', 'latest', 'none' or of the format "
                "'by_duration:<PnDTnHnMn.nS.>'."
            )
        isolation = properties.get("isolation.level", "read_uncommitted")
        if isolation not in ("read_uncommitted", "read_committed"):
            raise SettingsError(
                f"Invalid value {isolation} for configuration isolation.level: String must be one of: "
                "read_committed, read_uncommitted"
            )
        return cls(
            read_committed=isolation == "read_committed",
            reset_to={"latest": LATEST, "earliest": EARLIEST, "none": None}.get(reset, BY_AGE),
            reset_age_ms=age_ms or 0,
            fetch_size_min=number(properties, "fetch.min.bytes", 1),
            fetch_size_max=number(properties, "fetch.max.bytes", 50 * 1024 * 1024),
            partition_fetch_size_max=number(properties, "max.partition.fetch.bytes", 1024 * 1024),
            fetch_wait_ms_max=number(properties, "fetch.max.wait.ms", 500),
        )


class NoOffsetError(KafkaError):
    """Nothing was committed, and nothing is said of where to begin."""

    def __init__(self, partitions: Iterable[TopicPartition]) -> None:
        names = ", ".join(f"{topic}-{index}" for topic, index in partitions)
        super().__init__(
            ErrorCode.OFFSET_OUT_OF_RANGE, f"Undefined offset with no reset policy for partitions: [{names}]"
        )

    @property
    def java_name(self) -> str:
        return "org.apache.kafka.clients.consumer.NoOffsetForPartitionException"


async def find_offsets(
    client: Client, named: Mapping[TopicPartition, int], settings: ConsumerSettings
) -> dict[TopicPartition, tuple[int, int, int] | KafkaError]:
    """What EARLIEST, LATEST or BY_AGE is at the moment, as `list_offsets` answers."""
    young_ms = max(time.time_ns() // 1_000_000 - settings.reset_age_ms, 0)
    specs = {place: young_ms if spec == BY_AGE else spec for place, spec in named.items()}
    found = await list_offsets(client, specs, read_committed=settings.read_committed)
    without = {
        place: LATEST
        for place, outcome in found.items()
        if named[place] == BY_AGE and not isinstance(outcome, KafkaError) and outcome[0] < 0
    }
    if without:
        found |= await list_offsets(client, without, read_committed=settings.read_committed)
    return found


class ConsumedRecord(NamedTuple):
    topic: str
    partition: int
    leader_epoch: int
    is_log_append_time: bool
    record: Record


class Consumer:
    """Belongs to the event loop that runs it. The client stays the caller's."""

    def __init__(self, client: Client, settings: ConsumerSettings | None = None) -> None:
        self._client = client
        self._settings = settings or ConsumerSettings()
        self._positions: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._fetches: dict[int, asyncio.Task[list[ConsumedRecord]]] = {}
        self._ready: list[ConsumedRecord] = []
        """Fetched, and not given out yet: the positions are behind them already."""
        self._pause = 0.0

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions too, from an offset, from EARLIEST or from LATEST."""
        self._positions.update(positions)

    def revoke(self, partitions: Collection[TopicPartition]) -> None:
        """Read these no more. What was fetched of them is not given out; the others go on where they are."""
        if not partitions:
            return
        for node_id, task in list(self._fetches.items()):
            if not task.done():
                # It has moved no position yet. What it would bring may be of a partition that is assigned again.
                task.cancel()
            elif task.cancelled() or task.exception() is not None:
                continue
            else:
                self._ready += task.result()
            del self._fetches[node_id]
        for place in partitions:
            self._positions.pop(place, None)
        self._ready = [each for each in self._ready if (each.topic, each.partition) in self._positions]

    def position(self, topic: str, partition: int) -> int:
        """The offset of the next record; EARLIEST or LATEST while that is not known."""
        return self._positions[topic, partition]

    def end(self, topic: str, partition: int) -> int | None:
        """The high watermark as the last fetch has shown it, the last stable offset where only committed records
        count."""
        return self._ends.get((topic, partition))

    async def poll(self, timeout_seconds: float) -> list[ConsumedRecord]:
        """The next records, in order within each partition; none when there were none in this time.

        Raises KafkaError where trying again would not help. One that is cancelled loses nothing.
        """
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while True:
            if self._ready:
                return self._give_out()
            await self._start_fetches()
            left = deadline - asyncio.get_running_loop().time()
            if not self._fetches:
                await asyncio.sleep(max(0.0, min(left, 0.1)))
                if left <= 0:
                    return []
                continue
            done, _ = await asyncio.wait(
                self._fetches.values(), timeout=max(left, 0.0), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return []
            for node_id in [node_id for node_id, task in self._fetches.items() if task in done]:
                self._ready += self._fetches.pop(node_id).result()
            if self._ready:
                try:
                    await self._start_fetches()
                except KafkaError:
                    pass  # told by the next poll; what was read must not be lost
                return self._give_out()

    def _give_out(self) -> list[ConsumedRecord]:
        found, self._ready = self._ready, []
        return found

    async def close(self) -> None:
        tasks = list(self._fetches.values())
        self._fetches.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _start_fetches(self) -> None:
        await self._resolve()
        by_node: dict[int, dict[str, list[int]]] = {}
        for (topic, partition), position in self._positions.items():
            if position < 0:
                continue
            try:
                node_id, _ = await self._client.leader(topic, partition)
            except KafkaError as error:
                if error.code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                    raise
                continue
            by_node.setdefault(node_id, {}).setdefault(topic, []).append(partition)
        for node_id, topics in by_node.items():
            if node_id not in self._fetches:
                self._fetches[node_id] = asyncio.create_task(self._fetch(node_id, topics))

    async def _resolve(self) -> None:
        """Ask for the offsets of positions that have a name only."""
        named = {place: position for place, position in self._positions.items() if position < 0}
        if not named:
            return
        found = await find_offsets(self._client, named, self._settings)
        for place, outcome in found.items():
            if isinstance(outcome, KafkaError):
                if not outcome.is_retriable:
                    raise outcome
                self._client.forget_leader(*place)
            else:
                self._positions[place] = max(outcome[0], 0)

    async def _fetch(self, node_id: int, topics: Mapping[str, list[int]]) -> list[ConsumedRecord]:
        settings = self._settings
        if self._pause:
            await asyncio.sleep(self._pause)
        request = m.FetchRequest(
            replica_id=-1,
            max_wait_ms=settings.fetch_wait_ms_max,
            min_bytes=settings.fetch_size_min,
            max_bytes=settings.fetch_size_max,
            isolation_level=1 if settings.read_committed else 0,
            session_id=0,
            session_epoch=-1,
            topics=[
                m.FetchTopic(
                    topic=topic,
                    partitions=[
                        m.FetchPartition(
                            partition=partition,
                            fetch_offset=self._positions[topic, partition],
                            partition_max_bytes=settings.partition_fetch_size_max,
                        )
                        for partition in partitions
                    ],
                )
                for topic, partitions in topics.items()
            ],
        )
        wait = self._client.settings.request_timeout_ms + settings.fetch_wait_ms_max
        try:
            answer = await self._client.call(
                request, node_id=node_id, version_max=FETCH_VERSION_MAX, timeout_ms=wait, what="fetch"
            )
        except (DisconnectedError, KafkaTimeoutError):
            for topic, partitions in topics.items():
                for partition in partitions:
                    self._client.forget_leader(topic, partition)
            self._pause = self._client.settings.retry_backoff_ms / 1000
            return []
        self._pause = 0.0
        found: list[ConsumedRecord] = []
        for response in answer.responses:
            for data in response.partitions:
                self._take((response.topic, data.partition_index), data, found)
        return found

    def _take(self, place: TopicPartition, data: Any, found: list[ConsumedRecord]) -> None:
        if data.error_code:
            self._suffer(place, KafkaError(data.error_code))
            return
        self._ends[place] = data.last_stable_offset if self._settings.read_committed else data.high_watermark
        if not data.records:
            return
        aborted = sorted(
            ((each.first_offset, each.producer_id) for each in data.aborted_transactions or []), reverse=True
        )
        open_aborted: set[int] = set()
        position = self._positions[place]
        try:
            for batch in batches(data.records):
                header = check_stored(batch)
                if header is None or header.last_offset < position:
                    continue
                while aborted and aborted[-1][0] <= header.last_offset:
                    open_aborted.add(aborted.pop()[1])
                if header.is_control:
                    if any(record.key == ABORT for record in iterate(batch)):
                        open_aborted.discard(header.producer_id)
                elif not (header.is_transactional and header.producer_id in open_aborted):
                    found += [
                        ConsumedRecord(*place, header.leader_epoch, header.is_log_append_time, record)
                        for record in iterate(batch)
                        if record.offset >= position
                    ]
                position = header.next_offset
        except (CorruptRecordError, LimitError) as error:
            raise KafkaError(
                ErrorCode.CORRUPT_MESSAGE,
                f"Record batch for partition {place[0]}-{place[1]} at offset {position} is invalid, cause: {error}",
            ) from error
        self._positions[place] = position

    def _suffer(self, place: TopicPartition, error: KafkaError) -> None:
        """What a partition's error means for its next fetch."""
        if error.code == ErrorCode.OFFSET_OUT_OF_RANGE and self._settings.reset_to is not None:
            self._positions[place] = self._settings.reset_to
        elif error.is_retriable:
            self._client.forget_leader(*place)
            self._pause = self._client.settings.retry_backoff_ms / 1000
        else:
            raise error

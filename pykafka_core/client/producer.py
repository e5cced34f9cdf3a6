"""Writes records: gathers them into batches, sends a batch per partition at a time, retries what can be retried.

    producer = Producer(client, ProducerSettings(codec=Codec.ZSTD))
    sent = await producer.send("topic", b"value", key=b"key")
    partition, offset, timestamp = await sent
    await producer.close()

Invariants:
1. Of each partition one batch at most is on the wire, so a retry can never overtake the batch behind it.
2. A batch keeps its bytes, its producer id and its sequence through all retries; that is what makes a retry harmless
   when the producer is idempotent.
3. When a batch of an idempotent producer is given up, the next batch begins under a new producer id: a gap in the
   sequence would be refused by the broker for good.
4. What is buffered is bounded by `buffer_memory_bytes`; `send` waits for room.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence

from pykafka_core._dataclass import dataclass
from pykafka_core.client.cluster import Client
from pykafka_core.client.errors import DisconnectedError, KafkaError, KafkaTimeoutError, check
from pykafka_core.client.partitioner import partition_for_key
from pykafka_core.client.settings import SettingsError, number
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages import produce_request as m
from pykafka_core.records import Codec, encode

__all__ = ["Producer", "ProducerSettings"]

Headers = Sequence[tuple[str, bytes | None]]
Sent = tuple[int, int, int]
"""Partition, offset (-1 without acknowledgement) and timestamp of a record."""

PRODUCE_VERSION_MAX = 12  # from 13 on topics are named by id
RECORD_OVERHEAD = 21
BATCH_OVERHEAD = 61
REQUESTS_IN_FLIGHT = 5


@dataclass(slots=True, frozen=True, kw_only=True)
class ProducerSettings:
    acks: int = -1
    codec: int = Codec.NONE
    idempotent: bool = True
    batch_size_bytes: int = 16_384
    linger_ms: int = 5
    request_size_max: int = 1_048_576
    buffer_memory_bytes: int = 32 * 1024 * 1024
    delivery_timeout_ms: int = 120_000
    max_block_ms: int = 60_000

    @classmethod
    def load(cls, properties: Mapping[str, str]) -> ProducerSettings:
        """From Kafka's names. Raises SettingsError."""
        acks = {"all": "-1"}.get(properties.get("acks", "all"), properties.get("acks", ""))
        if acks not in ("-1", "0", "1"):
            raise SettingsError(f"Invalid value {acks} for configuration acks: String must be one of: all, -1, 0, 1")
        name = properties.get("compression.type", "none").lower()
        if name.upper() not in Codec.__members__:
            raise SettingsError(f"Unknown compression name: {name}")
        wanted = properties.get("enable.idempotence")
        if wanted is not None and wanted.lower() == "true" and acks != "-1":
            raise SettingsError(
                "Must set acks to all in order to use the idempotent producer. Otherwise we cannot "
                "guarantee idempotence."
            )
        if properties.get("transactional.id"):
            raise SettingsError("transactional.id is set, but transactions are not supported by this client")
        return cls(
            acks=int(acks),
            codec=Codec[name.upper()],
            idempotent=acks == "-1" and (wanted is None or wanted.lower() == "true"),
            batch_size_bytes=number(properties, "batch.size", 16_384),
            linger_ms=number(properties, "linger.ms", 5),
            request_size_max=number(properties, "max.request.size", 1_048_576),
            buffer_memory_bytes=number(properties, "buffer.memory", 32 * 1024 * 1024),
            delivery_timeout_ms=number(properties, "delivery.timeout.ms", 120_000),
            max_block_ms=number(properties, "max.block.ms", 60_000),
        )


class _Batch:
    __slots__ = ("attempts", "body", "created", "futures", "key", "retry_at", "rows", "size_bytes")

    def __init__(self, key: tuple[str, int], now: float) -> None:
        self.key = key
        self.created = now
        self.rows: list[tuple[int, int, bytes | None, bytes | None, Headers]] = []
        self.futures: list[asyncio.Future[Sent]] = []
        self.size_bytes = BATCH_OVERHEAD
        self.body: bytes | None = None
        self.attempts = 0
        self.retry_at = 0.0


class Producer:
    """Belongs to the event loop that runs it. The client stays the caller's."""

    def __init__(self, client: Client, settings: ProducerSettings | None = None) -> None:
        self._client = client
        self._settings = settings or ProducerSettings()
        self._waiting: dict[tuple[str, int], deque[_Batch]] = {}
        self._busy: set[tuple[str, int]] = set()
        self._in_flight: dict[int, int] = {}
        self._partition_counts: dict[str, int] = {}
        self._sticky: dict[str, int] = {}
        self._buffered = 0
        self._flushing = 0
        self._closed = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._idle = asyncio.Event()
        self._producer_id = -1
        self._producer_epoch = -1
        self._sequences: dict[tuple[str, int], int] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._run())

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
        partition: int | None = None,
    ) -> asyncio.Future[Sent]:
        """Put a record in line, as soon as there is room. The future tells partition, offset and timestamp.

        Raises KafkaError where the topic cannot be had or the record is too large.
        """
        size = RECORD_OVERHEAD + len(key or b"") + len(value or b"")
        for name, content in headers:
            size += len(name) + len(content or b"") + 10
        limit = min(self._settings.request_size_max, self._settings.buffer_memory_bytes)
        if size + BATCH_OVERHEAD > limit:
            raise KafkaError(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"The message is {size + BATCH_OVERHEAD} bytes when serialized which is larger than {limit}, which is "
                "the value of the max.request.size configuration.",
            )
        if topic not in self._partition_counts:
            self._partition_counts[topic] = await self._count(topic)
        while self._buffered + size > self._settings.buffer_memory_bytes and self._buffered:
            self._room.clear()
            self._wake.set()
            await self._room.wait()
        if partition is None:
            partition = self._choose(topic, key)
        future: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
        self._append((topic, partition), size, (timestamp_ms, key, value, headers), future)
        return future

    async def flush(self) -> None:
        """Send everything that was put in line, and wait until it is answered."""
        self._flushing += 1
        try:
            while self._buffered:
                self._idle.clear()
                self._wake.set()
                await self._idle.wait()
        finally:
            self._flushing -= 1

    async def close(self) -> None:
        """Flush, and send no more."""
        if not self._task.done():
            flushed = asyncio.create_task(self.flush())
            await asyncio.wait([flushed, self._task], return_when=asyncio.FIRST_COMPLETED)
            flushed.cancel()
        self._closed = True
        self._wake.set()
        await self._task
        if self._answers:
            await asyncio.wait(self._answers)

    async def _count(self, topic: str) -> int:
        limit = self._settings.max_block_ms
        try:
            async with asyncio.timeout(limit / 1000):
                return await self._client.partition_count(topic, create=True)
        except TimeoutError:
            raise KafkaTimeoutError(f"Topic {topic} not present in metadata after {limit} ms.") from None

    def _choose(self, topic: str, key: bytes | None) -> int:
        count = self._partition_counts[topic]
        if key is not None:
            return partition_for_key(key, count)
        # Records without a key stay with one partition for a batch, then go on to the next: fuller batches.
        sticky = self._sticky.get(topic)
        if sticky is None:
            sticky = self._sticky[topic] = time.monotonic_ns() // 1000 % count
        line = self._waiting.get((topic, sticky))
        if line and line[-1].size_bytes >= self._settings.batch_size_bytes:
            sticky = self._sticky[topic] = (sticky + 1) % count
        return sticky

    def _append(
        self,
        place: tuple[str, int],
        size: int,
        row: tuple[int | None, bytes | None, bytes | None, Headers],
        future: asyncio.Future[Sent],
    ) -> None:
        line = self._waiting.setdefault(place, deque())
        batch = line[-1] if line else None
        if batch is None or batch.body is not None or batch.size_bytes + size > self._settings.batch_size_bytes:
            batch = _Batch(place, time.monotonic())
            line.append(batch)
            self._wake.set()
        timestamp = time.time_ns() // 1_000_000 if row[0] is None else row[0]
        batch.rows.append((len(batch.rows), timestamp, *row[1:]))
        batch.futures.append(future)
        batch.size_bytes += size
        self._buffered += size
        if batch.size_bytes >= self._settings.batch_size_bytes:
            self._wake.set()

    async def _run(self) -> None:
        try:
            while not self._closed:
                self._wake.clear()
                wait = await self._send_what_is_ready()
                try:
                    await asyncio.wait_for(self._wake.wait(), wait)
                except TimeoutError:
                    pass
        except Exception as error:
            # Nobody sends any more: whoever waits must not wait for ever.
            self._closed = True
            for line in self._waiting.values():
                for batch in list(line):
                    self._failed(batch, KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, f"The producer failed: {error}"))
            raise

    async def _send_what_is_ready(self) -> float | None:
        """Send; return after how many seconds more will be ready by itself."""
        now = time.monotonic()
        soonest: float | None = None
        by_node: dict[int, list[_Batch]] = {}
        for place, line in list(self._waiting.items()):
            if place in self._busy or not line:
                continue
            batch = line[0]
            due = self._due(batch, behind=len(line) > 1)
            if due > now:
                soonest = due if soonest is None else min(soonest, due)
                continue
            try:
                node_id, _ = await self._client.leader(*place)
            except KafkaError as error:
                self._failed(batch, error)
                continue
            by_node.setdefault(node_id, []).append(batch)
        for node_id, batches in by_node.items():
            while batches and self._in_flight.get(node_id, 0) < REQUESTS_IN_FLIGHT:
                chosen: list[_Batch] = []
                size = 0
                while batches and (not chosen or size + batches[0].size_bytes <= self._settings.request_size_max):
                    size += batches[0].size_bytes
                    chosen.append(batches.pop(0))
                await self._send_request(node_id, chosen)
        return None if soonest is None else max(soonest - time.monotonic(), 0.0)

    def _due(self, batch: _Batch, *, behind: bool) -> float:
        if batch.retry_at:
            return batch.retry_at
        full = behind or batch.size_bytes >= self._settings.batch_size_bytes
        if full or self._flushing or self._buffered > self._settings.buffer_memory_bytes // 2:
            return 0.0
        return batch.created + self._settings.linger_ms / 1000

    async def _send_request(self, node_id: int, batches: list[_Batch]) -> None:
        try:
            await self._encode(batches)
            topics: dict[str, list[m.PartitionProduceData]] = {}
            for batch in batches:
                topics.setdefault(batch.key[0], []).append(
                    m.PartitionProduceData(index=batch.key[1], records=batch.body)
                )
            request = m.ProduceRequest(
                transactional_id=None,
                acks=self._settings.acks,
                timeout_ms=self._client.settings.request_timeout_ms,
                topic_data=[m.TopicProduceData(name=name, partition_data=data) for name, data in topics.items()],
            )
            connection = await self._client.connect(node_id, what="produce")
            answered = self._settings.acks != 0
            sent = await connection.send(request, version_max=PRODUCE_VERSION_MAX, answered=answered)
        except KafkaError as error:
            for batch in batches:
                self._failed(batch, error)
            return
        if not answered:
            for batch in batches:
                self._succeeded(batch, -1, -1)
            return
        self._busy.update(batch.key for batch in batches)
        self._in_flight[node_id] = self._in_flight.get(node_id, 0) + 1

        async def finish() -> None:
            try:
                answer = await connection.answer(sent)
                outcomes = {
                    (topic.name, each.index): each for topic in answer.responses for each in topic.partition_responses
                }
                for batch in batches:
                    self._finish(batch, outcomes.get(batch.key))
            except KafkaError as error:
                for batch in batches:
                    self._failed(batch, error)
            finally:
                self._busy.difference_update(batch.key for batch in batches)
                self._in_flight[node_id] -= 1
                self._wake.set()

        task = asyncio.create_task(finish())
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _encode(self, batches: list[_Batch]) -> None:
        settings = self._settings
        if settings.idempotent and self._producer_id < 0 and any(batch.body is None for batch in batches):
            await self._new_producer_id()
        for batch in batches:
            if batch.body is not None:
                continue
            sequence = -1
            if settings.idempotent:
                sequence = self._sequences.get(batch.key, 0)
                self._sequences[batch.key] = (sequence + len(batch.rows)) & 0x7FFFFFFF
            batch.body = encode(
                batch.rows,  # type: ignore[arg-type]  # rows of five, as a Record has
                codec=settings.codec,
                producer_id=self._producer_id,
                producer_epoch=self._producer_epoch,
                base_sequence=sequence,
            )

    async def _new_producer_id(self) -> None:
        from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest

        answer = await self._client.call(
            InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0, producer_id=-1, producer_epoch=-1),
            what="InitProducerId",
        )
        check(answer.error_code)
        self._producer_id, self._producer_epoch = answer.producer_id, answer.producer_epoch
        self._sequences.clear()

    def _finish(self, batch: _Batch, outcome: object | None) -> None:
        if outcome is None:
            self._failed(batch, KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, "The broker has left out a partition."))
            return
        code: int = outcome.error_code  # type: ignore[attr-defined]
        if code in (ErrorCode.NONE, ErrorCode.DUPLICATE_SEQUENCE_NUMBER):
            self._succeeded(batch, outcome.base_offset, outcome.log_append_time_ms)  # type: ignore[attr-defined]
        else:
            self._failed(batch, KafkaError(code, outcome.error_message))  # type: ignore[attr-defined]

    def _succeeded(self, batch: _Batch, base_offset: int, log_append_time: int) -> None:
        self._remove(batch)
        for row, future in zip(batch.rows, batch.futures, strict=True):
            if not future.done():
                offset = -1 if base_offset < 0 else base_offset + row[0]
                future.set_result((batch.key[1], offset, row[1] if log_append_time < 0 else log_append_time))

    def _failed(self, batch: _Batch, error: KafkaError) -> None:
        """Try again later, or tell whoever waits."""
        now = time.monotonic()
        expired = now - batch.created > self._settings.delivery_timeout_ms / 1000
        lost = isinstance(error, DisconnectedError | KafkaTimeoutError)
        if (error.is_retriable or lost) and not expired and not self._closed:
            batch.attempts += 1
            self._client.forget_leader(*batch.key)
            pause = self._client.settings.retry_backoff_ms / 1000 * 2 ** min(batch.attempts - 1, 5)
            batch.retry_at = now + min(pause, self._client.settings.retry_backoff_max_ms / 1000)
            self._wake.set()
            return
        if batch.body is not None:
            self._producer_id = -1
        self._remove(batch)
        for future in batch.futures:
            if not future.done():
                future.set_exception(error)
                future.exception()  # seen: a caller that does not look is no error

    def _remove(self, batch: _Batch) -> None:
        line = self._waiting[batch.key]
        line.remove(batch)
        self._buffered -= batch.size_bytes - BATCH_OVERHEAD
        self._room.set()
        if not self._buffered:
            self._idle.set()

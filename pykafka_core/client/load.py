"""Loads of records that run in C: Python says what and where, and looks at the counters now and then.

    load = await open_produce_load(client, "topic", properties, ProduceTask(record_count=1000000, payload=100))
    while not await run(load, 5000): print(load.take_window())

The leaders of a topic's partitions are looked up when a load begins and are not followed after that.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from pykafka_core._dataclass import dataclass
from pykafka_core.client.cluster import Client
from pykafka_core.client.consumer import ConsumerSettings
from pykafka_core.client.errors import KafkaError, KafkaTimeoutError
from pykafka_core.client.producer import ProducerSettings
from pykafka_core.client.settings import number
from pykafka_core.native import FetchLoad, ProduceLoad
from pykafka_core.records import Codec, compress, decompress

__all__ = ["FetchLoad", "ProduceLoad", "ProduceTask", "open_fetch_load", "open_produce_load", "run"]

SIZE_MAX = 0x7FFFFFFF

T = TypeVar("T")


@dataclass(slots=True, frozen=True, kw_only=True)
class ProduceTask:
    record_count: int
    payload: int | Sequence[bytes] | None
    """A size for random letters, values to choose from, or None for a counter."""
    records_per_second: float = -1
    warmup_count: int = 0
    transactional_id: str | None = None
    producer_id: int = -1
    producer_epoch: int = -1
    """Those of the transactional id; without one they are asked for where the settings want idempotence."""


async def places_of(client: Client, topic: str, indexes: Sequence[int]) -> tuple[list[tuple[str, int]], list[int]]:
    """(host, port) of each node that leads one of these partitions, and for each partition the number of its node."""
    leaders = [(await client.leader(topic, index))[0] for index in indexes]
    nodes = list(dict.fromkeys(leaders))
    return [(client.nodes[node].host, client.nodes[node].port) for node in nodes], [
        nodes.index(each) for each in leaders
    ]


async def open_produce_load(
    client: Client, topic: str, properties: Mapping[str, str], task: ProduceTask
) -> ProduceLoad:
    """Raises SettingsError, KafkaError."""
    settings = ProducerSettings.load({name: each for name, each in properties.items() if name != "transactional.id"})
    count = await client.partition_count(topic, create=True)
    addresses, links = await places_of(client, topic, range(count))
    producer_id, producer_epoch = task.producer_id, task.producer_epoch
    # A broker remembers five batches of an idempotent producer.
    in_flight_most = 5 if settings.idempotent else 64
    if producer_id < 0 and settings.idempotent:
        producer_id, producer_epoch = await new_producer_id(client)
    return await connected(
        lambda: ProduceLoad(
            addresses,
            list(enumerate(links)),
            topic=topic.encode(),
            client_id=client.settings.client_id.encode(),
            transactional_id=None if task.transactional_id is None else task.transactional_id.encode(),
            record_count=task.record_count,
            warmup_count=task.warmup_count,
            producer_id=producer_id,
            producer_epoch=producer_epoch,
            linger_us=settings.linger_ms * 1000,
            records_per_second=task.records_per_second,
            seed=int.from_bytes(os.urandom(8), "big"),
            batch_size_bytes=settings.batch_size_bytes,
            buffer_size_bytes=settings.buffer_memory_bytes,
            payload=task.payload,
            in_flight_max=max(1, min(number(properties, "max.in.flight.requests.per.connection", 5), in_flight_most)),
            request_timeout_ms=client.settings.request_timeout_ms,
            acks=settings.acks,
            codec=settings.codec,
            compress=None if settings.codec == Codec.NONE else lambda codec, data: bytes(compress(codec, data)),
            connect_timeout_ms=client.settings.connection_setup_timeout_ms,
        )
    )


async def new_producer_id(client: Client) -> tuple[int, int]:
    """Waits while the broker has none yet. Raises KafkaError."""
    from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest

    deadline = asyncio.get_running_loop().time() + client.settings.default_api_timeout_ms / 1000
    while True:
        answer = await client.call(
            InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0, producer_id=-1, producer_epoch=-1),
            what="InitProducerId",
        )
        if not answer.error_code:
            return answer.producer_id, answer.producer_epoch
        error = KafkaError(answer.error_code)
        if not error.is_retriable or asyncio.get_running_loop().time() > deadline:
            raise error
        await asyncio.sleep(client.settings.retry_backoff_ms / 1000)


async def open_fetch_load(
    client: Client,
    positions: Mapping[tuple[str, int], int],
    properties: Mapping[str, str],
    *,
    record_count: int,
) -> FetchLoad:
    """Reads each partition from its offset on. Raises SettingsError, KafkaError."""
    settings = ConsumerSettings.load(properties)
    nodes: dict[int, int] = {}
    places: list[tuple[bytes, int, int, int]] = []
    for (topic, partition), offset in positions.items():
        node, _ = await client.leader(topic, partition)
        places.append((topic.encode(), partition, offset, nodes.setdefault(node, len(nodes))))
    addresses = [(client.nodes[node].host, client.nodes[node].port) for node in nodes]
    return await connected(
        lambda: FetchLoad(
            addresses,
            places,
            client_id=client.settings.client_id.encode(),
            record_count=record_count,
            wait_ms=settings.fetch_wait_ms_max,
            size_min_bytes=settings.fetch_size_min,
            size_max_bytes=settings.fetch_size_max,
            partition_size_max_bytes=settings.partition_fetch_size_max,
            request_timeout_ms=client.settings.request_timeout_ms,
            check_crcs=properties.get("check.crcs", "true").lower() != "false",
            read_committed=settings.read_committed,
            decompress=lambda codec, data: decompress(codec, data, size_max=SIZE_MAX),
            connect_timeout_ms=client.settings.connection_setup_timeout_ms,
        )
    )


async def connected(make: Callable[[], T]) -> T:
    """Raises KafkaTimeoutError."""
    try:
        return await asyncio.to_thread(make)
    except ConnectionError as error:
        raise KafkaTimeoutError(f"Connection to {error}") from error


async def run(load: ProduceLoad | FetchLoad, milliseconds: int, *, drain: bool = False) -> bool:
    """Go on for so long, in a thread of its own; True when there is no more to do. `drain`: end what is begun and make
    nothing new. Raises KafkaError."""
    try:
        if isinstance(load, ProduceLoad):
            return await asyncio.to_thread(load.run, milliseconds, drain=drain)
        done = await asyncio.to_thread(load.run, milliseconds)
    except ConnectionError as error:
        raise KafkaTimeoutError(str(error)) from error
    if done is None:
        raise KafkaError(load.refusal[0])
    return done

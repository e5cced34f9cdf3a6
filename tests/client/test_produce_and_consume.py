"""Producer and consumer against a broker of ours."""

from __future__ import annotations

import asyncio

import pytest

from pykafka_core.client.admin import create_topic, delete_records, list_offsets
from pykafka_core.client.cluster import Client
from pykafka_core.client.consumer import EARLIEST, LATEST, ConsumedRecord, Consumer, ConsumerSettings
from pykafka_core.client.errors import KafkaError
from pykafka_core.client.partitioner import partition_for_key
from pykafka_core.client.producer import Producer, ProducerSettings
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.records import Codec

Address = tuple[str, int]


async def read_all(client: Client, topic: str, count: int, partition_count: int = 1) -> list[ConsumedRecord]:
    consumer = Consumer(client, ConsumerSettings(reset_to=EARLIEST))
    consumer.assign({(topic, partition): EARLIEST for partition in range(partition_count)})
    found: list[ConsumedRecord] = []
    while len(found) < count and (records := await consumer.poll(5.0)):
        found += records
    await consumer.close()
    return found


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("idempotent", [False, True])
async def test_what_goes_in_comes_out(address: Address, codec: Codec, idempotent: bool) -> None:
    topic = f"round-{codec.name}-{idempotent}".lower()
    async with Client([address]) as client:
        await create_topic(client, topic, partition_count=3)
        producer = Producer(client, ProducerSettings(codec=codec, idempotent=idempotent, linger_ms=2))
        rows = [
            (b"k%d" % n if n % 3 else None, None if n % 7 == 0 else b"v" * (n % 50), [("h", b"%d" % n), ("n", None)])
            for n in range(2000)
        ]
        sent = [await producer.send(topic, value, key=key, headers=headers) for key, value, headers in rows]
        places = [await each for each in sent]
        await producer.close()
        found = await read_all(client, topic, len(rows), 3)
    by_place = {(each.partition, each.record.offset): each.record for each in found}
    assert len(by_place) == len(rows)
    for (key, value, headers), (partition, offset, timestamp) in zip(rows, places, strict=True):
        record = by_place[partition, offset]
        assert (record.key, record.value, list(record.headers), record.timestamp) == (key, value, headers, timestamp)
        if key is not None:
            assert partition == partition_for_key(key, 3)


@pytest.mark.parametrize("acks", [0, 1, -1])
async def test_acknowledgements(address: Address, acks: int) -> None:
    topic = f"acks{acks}"
    async with Client([address]) as client:
        await create_topic(client, topic, partition_count=1)
        producer = Producer(client, ProducerSettings(acks=acks, idempotent=False))
        sent = [await producer.send(topic, b"%d" % n) for n in range(50)]
        await producer.close()
        offsets = [(await each)[1] for each in sent]
        assert offsets == ([-1] * 50 if acks == 0 else list(range(50)))
        assert [each.record.value for each in await read_all(client, topic, 50)] == [b"%d" % n for n in range(50)]


async def test_a_topic_is_made_on_first_use(address: Address) -> None:
    async with Client([address]) as client:
        producer = Producer(client)
        assert (await (await producer.send("made-on-first-use", b"x")))[1] == 0
        await producer.close()


async def test_a_record_that_is_too_large_is_refused_before_it_is_sent(address: Address) -> None:
    async with Client([address]) as client:
        producer = Producer(client)
        with pytest.raises(KafkaError, match=r"max\.request\.size"):
            await producer.send("too-large", b"x" * (1 << 20))
        await producer.close()


async def test_a_refusal_reaches_the_caller_and_the_next_batch_is_good(address: Address) -> None:
    async with Client([address]) as client:
        await create_topic(client, "small", partition_count=1, configs={"max.message.bytes": "1000"})
        producer = Producer(client, ProducerSettings(linger_ms=0))
        with pytest.raises(KafkaError) as raised:
            await (await producer.send("small", b"x" * 2000))
        assert raised.value.code == ErrorCode.MESSAGE_TOO_LARGE
        assert (await (await producer.send("small", b"y")))[1] == 0
        await producer.close()


async def test_buffer_memory_bounds_what_waits(address: Address) -> None:
    async with Client([address]) as client:
        await create_topic(client, "bounded", partition_count=1)
        producer = Producer(client, ProducerSettings(buffer_memory_bytes=10_000, linger_ms=60_000))
        for _ in range(100):
            await asyncio.wait_for(producer.send("bounded", b"x" * 1000), 10)
            assert producer._buffered <= 10_000
        await producer.close()
        assert len(await read_all(client, "bounded", 100)) == 100


async def test_positions(address: Address) -> None:
    async with Client([address]) as client:
        await create_topic(client, "positions", partition_count=1)
        producer = Producer(client)
        for n in range(10):
            await (await producer.send("positions", b"%d" % n, timestamp_ms=1000 + n))
        consumer = Consumer(client)
        consumer.assign({("positions", 0): 7})
        assert [each.record.offset for each in await consumer.poll(5)] == [7, 8, 9]
        assert consumer.end("positions", 0) == 10
        await consumer.close()
        latest = Consumer(client)
        latest.assign({("positions", 0): LATEST})
        assert await latest.poll(0.3) == []
        await (await producer.send("positions", b"new"))
        assert [each.record.value for each in await latest.poll(5)] == [b"new"]
        await latest.close()
        await producer.close()
        place = ("positions", 0)
        for spec, offset in ((-1, 11), (-2, 0), (1004, 4), (1 << 60, -1)):
            outcome = (await list_offsets(client, {place: spec}))[place]
            assert not isinstance(outcome, KafkaError)
            assert outcome[0] == offset


async def test_a_position_that_is_gone(address: Address) -> None:
    async with Client([address]) as client:
        await create_topic(client, "gone", partition_count=1)
        producer = Producer(client, ProducerSettings(linger_ms=0))
        for n in range(5):
            await (await producer.send("gone", b"%d" % n))
        await producer.close()
        assert await delete_records(client, {("gone", 0): 3}) == {("gone", 0): 3}
        for reset, wanted in ((EARLIEST, [b"3", b"4"]), (LATEST, [])):
            consumer = Consumer(client, ConsumerSettings(reset_to=reset))
            consumer.assign({("gone", 0): 1})
            assert [each.record.value for each in await consumer.poll(1.0)] == wanted
            await consumer.close()
        consumer = Consumer(client, ConsumerSettings(reset_to=None))
        consumer.assign({("gone", 0): 1})
        with pytest.raises(KafkaError) as raised:
            await consumer.poll(1.0)
        assert raised.value.code == ErrorCode.OFFSET_OUT_OF_RANGE
        await consumer.close()


async def test_a_poll_that_is_cancelled_loses_nothing(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it has the records already, and only prepares the next fetch."""
    async with Client([address]) as client:
        await create_topic(client, "cancelled", partition_count=1)
        producer = Producer(client, ProducerSettings(linger_ms=0))
        for n in range(5):
            await (await producer.send("cancelled", b"%d" % n))
        await producer.close()
        consumer = Consumer(client)
        consumer.assign({("cancelled", 0): 0})
        start, calls, hangs = consumer._start_fetches, 0, asyncio.Event()

        async def start_once() -> None:
            nonlocal calls
            calls += 1
            if calls == 2:
                hangs.set()
                await asyncio.Event().wait()
            await start()

        monkeypatch.setattr(consumer, "_start_fetches", start_once)
        poll = asyncio.create_task(consumer.poll(5))
        await asyncio.wait_for(hangs.wait(), 10)
        poll.cancel()
        with pytest.raises(asyncio.CancelledError):
            await poll
        assert [each.record.offset for each in await consumer.poll(5)] == [0, 1, 2, 3, 4]
        await consumer.close()


async def test_what_was_fetched_of_a_partition_that_is_given_up_is_not_given_out(address: Address) -> None:
    async with Client([address]) as client:
        await create_topic(client, "given-up", partition_count=2)
        producer = Producer(client, ProducerSettings(linger_ms=0))
        for n in range(6):
            await (await producer.send("given-up", b"%d" % n, partition=n % 2))
        await producer.close()
        consumer = Consumer(client)
        consumer.assign({("given-up", 0): 0, ("given-up", 1): 0})
        await consumer._start_fetches()
        await asyncio.wait(consumer._fetches.values())
        consumer.revoke([("given-up", 1)])
        assert [(each.partition, each.record.offset) for each in await consumer.poll(5)] == [(0, 0), (0, 1), (0, 2)]
        consumer.assign({("given-up", 1): 2})
        assert [(each.partition, each.record.offset) for each in await consumer.poll(5)] == [(1, 2)]
        await consumer.close()

"""Goal: what a client may remember of a broker is still true after a stop and start.

Method: raw requests before SIGTERM and after a start on the same directory: producer state, ids, epochs, offsets.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from harness.batch import build
from harness.broker import Broker
from harness.requests import (
    EARLIEST,
    FETCH,
    INIT_PRODUCER_ID,
    LATEST,
    LIST_OFFSETS,
    METADATA,
    PRODUCE,
    await_leaders,
    create_topic,
    delete_topic,
    fetch,
    init_producer_id,
    list_offsets,
    metadata,
    produce,
    read_fetch,
    read_init_producer_id,
    read_list_offsets,
    read_metadata,
    read_produce,
)
from harness.wire import Connection

pytestmark = [pytest.mark.row("reopen"), pytest.mark.timeout(180)]


def put(wire: Connection, topic: str, batch: bytes) -> tuple[int, int]:
    (answer,) = read_produce(wire.call(PRODUCE, 8, produce(8, topic, batch)), 8)
    return answer.error, answer.base_offset


def new_id(wire: Connection) -> int:
    while True:
        error, number, _ = read_init_producer_id(wire.call(INIT_PRODUCER_ID, 1, init_producer_id(1)))
        if error != 14:
            assert error == 0
            return number
        time.sleep(0.05)


def offset(wire: Connection, topic: str, timestamp: int) -> tuple[int, int]:
    listed = read_list_offsets(wire.call(LIST_OFFSETS, 5, list_offsets(5, topic, [(0, timestamp)])), 5)[0]
    assert listed.error == 0
    return listed.offset, listed.timestamp


def test_a_reopened_broker_is_the_same_broker(own_broker: Callable[..., Broker]) -> None:
    broker = own_broker(properties=True)
    now = int(time.time() * 1000) - 100_000
    create_topic(broker.address, "kept", 2, max_message_bytes=5000)
    create_topic(broker.address, "deleted")
    with Connection(broker.address) as wire:
        me = new_id(wire)
        for number in range(3):
            batch = build(producer_id=me, producer_epoch=0, base_sequence=number, timestamp=now + 1000 * number)
            assert put(wire, "kept", batch) == (0, number)
        before = read_metadata(wire.call(METADATA, 12, metadata(12, ["kept", "deleted"])), 12)
        old_id = before.topics[1].topic_id
    delete_topic(broker.address, "deleted")
    broker.stop()
    broker.start()

    await_leaders(broker.address, "kept", 2)
    with Connection(broker.address) as wire:
        after = read_metadata(wire.call(METADATA, 12, metadata(12, ["kept", "deleted"])), 12)
        assert (after.cluster_id, after.brokers) == (before.cluster_id, before.brokers)
        kept, gone = after.topics
        assert gone.error == 3
        assert kept.topic_id == before.topics[0].topic_id
        for partition, (error, leader, epoch) in before.topics[0].partitions.items():
            now_error, now_leader, now_epoch = kept.partitions[partition]
            assert (now_error, now_leader) == (error, leader)
            assert now_epoch >= epoch, "a leader epoch went down"

        assert [offset(wire, "kept", t)[0] for t in (EARLIEST, LATEST)] == [0, 3]
        assert offset(wire, "kept", now + 500) == (1, now + 1000)
        # The last batch before the stop is still known, and so is the next sequence.
        repeat = build(producer_id=me, producer_epoch=0, base_sequence=2, timestamp=now + 2000)
        assert put(wire, "kept", repeat) == (0, 2)
        assert put(wire, "kept", build(producer_id=me, producer_epoch=0, base_sequence=4)) == (45, -1)
        assert put(wire, "kept", build(producer_id=me, producer_epoch=0, base_sequence=3)) == (0, 3)
        assert new_id(wire) != me
        assert put(wire, "kept", build([bytes(6000)]))[0] == 10, "the topic's configuration is lost"

    create_topic(broker.address, "deleted")
    with Connection(broker.address) as wire:
        answer = read_metadata(wire.call(METADATA, 12, metadata(12, ["deleted"])), 12)
        assert answer.topics[0].topic_id != old_id, "a topic id was used twice"
        assert offset(wire, "deleted", LATEST)[0] == 0
        stale = read_fetch(wire.call(FETCH, 13, fetch(13, [(old_id, 0, 0)])), 13)
        assert stale.partitions[0].error == 100

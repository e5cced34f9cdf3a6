"""ListOffsets where a compressed batch must be opened; and that what Python answers is what the reactors answer.

Method: a running broker, asked over a socket; the same questions about compressed batches, which Python answers, and
about others, which the reactors answer.
"""

import pytest

from pykafka_core.protocol.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from pykafka_core.records import Codec
from tests.broker.raw_client import batch_of, create_topic, produce
from tests.broker.transactional_client import Producer, coordinated

T = 1_700_000_000_000
TIME_OF_OPEN = T
"""Of what a transactional Producer writes."""


def ask(client, name, *timestamps, version=7, isolation=0, current=-1, partition=0, replica=-1):
    found = []
    for timestamp in timestamps:
        wanted = ListOffsetsPartition(partition_index=partition, timestamp=timestamp, current_leader_epoch=current)
        request = ListOffsetsRequest(
            replica_id=replica, isolation_level=isolation, topics=[ListOffsetsTopic(name=name, partitions=[wanted])]
        )
        (answer,) = client.call(request, version).topics[0].partitions
        found.append((answer.error_code, answer.offset, answer.timestamp))
    return found


@pytest.mark.parametrize("version", range(1, 12))
@pytest.mark.parametrize("codec", list(Codec))
def test_a_record_inside_a_batch_is_found(client, name, version, codec):
    create_topic(client, name)
    for first in (T, T + 10):
        produce(client, name, batch_of(b"a", b"b", b"c", timestamp=first, codec=codec), version=9)
    assert ask(client, name, 0, T, T + 1, T + 2, T + 3, T + 11, T + 13, version=version) == [
        (0, 0, T),
        (0, 0, T),
        (0, 1, T + 1),
        (0, 2, T + 2),
        (0, 3, T + 10),
        (0, 4, T + 11),
        (0, -1, -1),
    ]


@pytest.mark.parametrize("codec", list(Codec))
def test_the_highest_timestamp_inside_a_batch(client, name, codec):
    create_topic(client, name)
    produce(client, name, batch_of(b"a", b"b", b"c", timestamp=T, codec=codec), version=9)
    produce(client, name, batch_of(b"d", timestamp=T - 5, codec=codec), version=9)
    assert ask(client, name, -3, version=7) == [(0, 2, T + 2)]
    assert ask(client, name, -3, version=6) == [(35, -1, -1)]


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
def test_all_questions_in_one_request(client, name, codec):
    """A request that is handed up is answered whole, also the parts that need no opening."""
    create_topic(client, name, 3)
    for partition in range(2):
        produce(client, name, batch_of(b"a", b"b", timestamp=T, codec=codec), version=9, first_partition=partition)
    targets = [(0, T + 1), (1, -1), (2, -2), (5, T), (-1, -1)]
    for version in (4, 8, 9, 11):
        extra = [(2, marker) for marker in (-4, -5, -6, -7)]
        answers = []
        for partition, timestamp in extra:
            wanted = [
                ListOffsetsTopic(
                    name=name,
                    partitions=[
                        ListOffsetsPartition(partition_index=0, timestamp=T + 1),
                        ListOffsetsPartition(partition_index=partition, timestamp=timestamp),
                    ],
                )
            ]
            answer = client.call(ListOffsetsRequest(replica_id=-1, topics=wanted), version).topics[0].partitions
            assert (answer[0].error_code, answer[0].offset) == (0, 1)
            answers.append((answer[1].error_code, answer[1].offset))
        assert answers == [
            (0, 0) if version >= 8 else (35, -1),
            (0, -1) if version >= 9 else (35, -1),
            (0, -1) if version >= 11 else (35, -1),
            (35, -1),
        ]
    wanted = [ListOffsetsPartition(partition_index=index, timestamp=timestamp) for index, timestamp in targets]
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=wanted)])
    found = client.call(request, 7).topics[0].partitions
    assert [(p.partition_index, p.error_code, p.offset) for p in found] == [
        (0, 0, 1),
        (1, 0, 2),
        (2, 0, 0),
        (5, 3, -1),
        (-1, 3, -1),
    ]


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
def test_a_partition_named_twice(client, name, codec):
    create_topic(client, name, 2)
    for partition in range(2):
        produce(client, name, batch_of(b"a", b"b", timestamp=T, codec=codec), version=9, first_partition=partition)
    wanted = [ListOffsetsPartition(partition_index=index, timestamp=T + 1) for index in (0, 1, 0)]
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=wanted)])
    found = client.call(request, 7).topics[0].partitions
    assert [(p.error_code, p.offset) for p in found] == [(42, -1), (0, 1), (42, -1)]


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
def test_the_clients_epoch_is_checked(client, name, codec):
    create_topic(client, name)
    produce(client, name, batch_of(b"a", b"b", timestamp=T, codec=codec), version=9)
    assert ask(client, name, T + 1, current=0) == [(0, 1, T + 1)]
    assert ask(client, name, T + 1, current=1) == [(75, -1, -1)]
    assert ask(client, name, T + 1, isolation=1) == [(0, 1, T + 1)]


def test_records_below_the_log_start_are_not_found(client, name):
    from tests.broker.handlers.test_delete_records import delete

    create_topic(client, name)
    produce(client, name, batch_of(b"a", b"b", b"c", timestamp=T, codec=Codec.GZIP), version=9)
    assert delete(client, name, (0, 2)) == [(0, 2, 0)]
    assert ask(client, name, T) == [(0, 2, T + 2)]


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
def test_only_consumers_are_held_back_by_open_transactions(client, name, codec):
    create_topic(client, name)
    coordinated(client, name)
    produce(client, name, batch_of(b"before", timestamp=T - 10, codec=codec), version=9)
    producer = Producer(client, name)
    assert producer.init() == 0
    assert producer.produce(name, b"open") == 0
    produce(client, name, batch_of(b"a", b"behind", timestamp=TIME_OF_OPEN + 10, codec=codec), version=9)
    for replica, latest, later in ((-1, 1, -1), (0, 4, 3), (5, 4, 3), (-2, 4, 3)):
        found = ask(client, name, -1, TIME_OF_OPEN + 11, isolation=1, replica=replica)
        assert [each[:2] for each in found] == [(0, latest), (0, later)], replica
    assert producer.end(commit=False) == 0

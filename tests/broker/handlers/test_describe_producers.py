"""DescribeProducers: who wrote last, with which sequence and timestamp.

Answers as recorded from Apache Kafka 4.3.1.
"""

from pykafka_core.protocol.messages.describe_producers_request import DescribeProducersRequest, TopicRequest
from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest
from pykafka_core.records import Record, encode
from tests.broker.raw_client import create_topic, produce

TIME = 1_700_000_000_000


def described(client, *asked):
    topics = [TopicRequest(name=name, partition_indexes=list(indexes)) for name, indexes in asked]
    return client.call(DescribeProducersRequest(topics=topics), 0).topics


def batch(producer_id, sequence, *values, epoch=0):
    rows = [Record(offset, TIME + sequence + offset, None, value) for offset, value in enumerate(values)]
    return encode(rows, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence)


def new_producer(client):
    answer = client.call(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000), 4)
    assert answer.error_code == 0
    return answer.producer_id


def test_who_wrote_last(client, name):
    create_topic(client, name, 2)
    one, other = new_producer(client), new_producer(client)
    for sent in (batch(one, 0, b"a", b"b"), batch(one, 2, b"c"), batch(other, 0, b"d")):
        assert produce(client, name, sent)[0].error_code == 0
    ((first, second),) = [topic.partitions for topic in described(client, (name, [0, 1]))]
    assert (first.error_code, first.error_message, second.active_producers) == (0, None, [])
    found = {
        each.producer_id: (
            each.producer_epoch,
            each.last_sequence,
            each.last_timestamp,
            each.coordinator_epoch,
            each.current_txn_start_offset,
        )
        for each in first.active_producers
    }
    assert found == {one: (0, 2, TIME + 2, -1, -1), other: (0, 0, TIME, -1, -1)}


def test_what_is_not_here(client, name):
    create_topic(client, name)
    answers = [
        [(each.partition_index, each.error_code, each.error_message) for each in topic.partitions]
        for topic in described(client, (name, [1]), ("no-such-topic", [0]), ("b d", [0]), (name, []))
    ]
    assert answers == [
        [(1, 3, None)],
        [(0, 3, "This server does not host this topic-partition.")],
        [
            (
                0,
                17,
                "Topic name is invalid: 'b d' contains one or more characters other than ASCII alphanumerics, "
                "'.', '_' and '-'",
            )
        ],
        [],
    ]

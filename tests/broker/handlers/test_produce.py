"""Produce where a batch must be opened: codecs of topics, keys on compacted topics, and what else is in such a request.

Method: a running broker, asked over a socket; what it stored is fetched back and decoded.
"""

import gzip

import pytest

from pykafka_core.crc32c import crc32c
from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from pykafka_core.records import BatchHeader, Codec, batches, encode, iterate
from tests.broker.raw_client import RawClient, batch_of, create_topic, fetch, produce

CODEC_NAMES = {"uncompressed": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
T = 1_700_000_000_000
CRC = slice(17, 21)


def stored(client, name):
    data = fetch(client, name)
    return [(BatchHeader.load(batch), list(iterate(batch))) for batch in batches(data)]


def damaged(batch, position=-1):
    broken = bytearray(batch)
    broken[position] ^= 0xFF
    return bytes(broken)


@pytest.mark.parametrize("wanted", CODEC_NAMES)
@pytest.mark.parametrize("given", list(Codec))
def test_batches_get_the_codec_of_the_topic(client, name, wanted, given):
    create_topic(client, name, compression_type=wanted)
    (answer,) = produce(client, name, batch_of(b"a" * 500, b"b" * 500, timestamp=T, codec=given), version=9)
    assert (answer.error_code, answer.base_offset, answer.log_append_time_ms) == (0, 0, -1)
    ((header, records),) = stored(client, name)
    assert header.codec == CODEC_NAMES[wanted]
    assert [(r.offset, r.timestamp, r.key, r.value) for r in records] == [
        (0, T, b"k", b"a" * 500),
        (1, T + 1, b"k", b"b" * 500),
    ]
    assert (header.max_timestamp, header.leader_epoch) == (T + 1, 0)


@pytest.mark.parametrize("version", range(3, 14))
def test_each_version(client, name, version):
    topic_id = create_topic(client, name, 2, compression_type="gzip")
    topic = topic_id if version >= 13 else name
    answers = produce(client, topic, batch_of(b"a"), batch_of(b"b"), version=version)
    assert [(answer.index, answer.error_code, answer.base_offset) for answer in answers] == [(0, 0, 0), (1, 0, 0)]


def test_an_unknown_topic_beside_one_whose_batch_is_opened(client, name):
    create_topic(client, name, compression_type="gzip")
    data = [PartitionProduceData(index=0, records=batch_of(b"a"))]
    wanted = [TopicProduceData(name=topic, partition_data=data) for topic in (name, f"{name}-none")]
    answer = client.call(ProduceRequest(acks=1, timeout_ms=1000, topic_data=wanted), 8)
    assert [topic.partition_responses[0].error_code for topic in answer.responses] == [0, 3]


def test_good_and_bad_partitions_in_one_request(client, name):
    create_topic(client, name, 4, compression_type="gzip")
    good, bad = batch_of(b"a"), damaged(batch_of(b"b"))
    answers = produce(client, name, good, bad, b"", good, good)
    assert [answer.error_code for answer in answers] == [0, 2, 87, 0, 3]
    assert [answer.base_offset for answer in answers] == [0, -1, -1, 0, -1]


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (lambda b: damaged(b, 70), 2),
        (lambda b: b[:-1], 87),
        (lambda b: b + b, 87),
        (lambda b: damaged(b, 16), 2),
        (lambda b: b"", 87),
    ],
)
def test_a_batch_that_is_opened_is_checked_first(client, name, broken, code):
    create_topic(client, name, compression_type="zstd")
    (answer,) = produce(client, name, broken(batch_of(b"a" * 100)))
    assert (answer.error_code, answer.base_offset) == (code, -1)
    assert fetch(client, name) == b""


def test_a_stream_that_does_not_decompress(client, name):
    create_topic(client, name, compression_type="zstd")
    whole = batch_of(b"a" * 100, codec=Codec.GZIP)
    (answer,) = produce(client, name, with_records(whole, b"\x1f\x8b\x08\x00garbage"))
    assert answer.error_code == 87
    assert answer.error_message


def test_a_bomb_is_refused_before_it_goes_off(client, name):
    create_topic(client, name, compression_type="zstd")
    bomb = gzip.compress(bytes(200 * 1024 * 1024), 9)
    (answer,) = produce(client, name, with_records(batch_of(b"a", codec=Codec.GZIP), bomb))
    assert answer.error_code == 10


def with_records(batch, section):
    """The batch with another records section, and the CRC that belongs to it."""
    made = bytearray(batch[:61] + section)
    made[8:12] = (len(made) - 12).to_bytes(4, "big")
    made[CRC] = crc32c(bytes(made[21:])).to_bytes(4, "big")
    return bytes(made)


@pytest.mark.parametrize("codec", [codec for codec in Codec if codec != Codec.NONE])
def test_compressed_records_on_a_compacted_topic_need_keys(client, name, codec):
    create_topic(client, name, cleanup_policy="compact")
    records = [(0, T, b"k", b"v"), (1, T, None, b"w"), (2, T, b"k", None)]
    (answer,) = produce(client, name, encode(records, codec=codec, leader_epoch=-1), version=9)
    assert (answer.error_code, answer.base_offset) == (87, -1)
    assert [error.batch_index for error in answer.record_errors] == [1]
    assert answer.record_errors[0].batch_index_error_message
    batch = encode([records[0], (1, T, b"k", None)], codec=codec, leader_epoch=-1)
    (answer,) = produce(client, name, batch, version=9)
    assert answer.error_code == 0
    assert fetch(client, name)[61:] == batch[61:]  # the client's own bytes


def test_a_compressed_batch_may_grow_beyond_the_limit(client, name):
    create_topic(client, name, compression_type="uncompressed", max_message_bytes=1000)
    (answer,) = produce(client, name, batch_of(b"a" * 5000, codec=Codec.GZIP))
    assert answer.error_code == 10


def test_log_append_time_with_a_codec(client, name):
    create_topic(client, name, compression_type="lz4", message_timestamp_type="LogAppendTime")
    (answer,) = produce(client, name, batch_of(b"a", timestamp=5))
    assert answer.error_code == 0
    ((header, _),) = stored(client, name)
    assert (header.codec, header.is_log_append_time, header.max_timestamp) == (3, True, answer.log_append_time_ms)


def test_timestamps_inside_a_compressed_batch_are_checked(client, name):
    create_topic(client, name, compression_type="lz4", message_timestamp_before_max_ms=1000)
    (answer,) = produce(client, name, batch_of(b"a", timestamp=T, codec=Codec.GZIP))
    assert answer.error_code == 32


def test_an_idempotent_batch_is_known_again_after_re_encoding(client, name):
    create_topic(client, name, compression_type="gzip")

    def numbered(sequence):
        return encode([(0, T, b"k", b"v")], leader_epoch=-1, producer_id=77, producer_epoch=0, base_sequence=sequence)

    first, again, second, gap = (produce(client, name, numbered(n))[0] for n in (0, 0, 1, 5))
    assert [(a.error_code, a.base_offset) for a in (first, again, second, gap)] == [(0, 0), (0, 0), (0, 1), (45, -1)]


def test_acks(client, broker, name):
    create_topic(client, name, compression_type="gzip")
    assert produce(client, name, batch_of(b"a"), acks=5)[0].error_code == 21
    assert produce(client, name, batch_of(b"a"), acks=-1)[0].error_code == 0
    with RawClient(broker.bootstrap) as other:
        send_without_answer(other, name, batch_of(b"b"))
        assert produce(other, name, batch_of(b"c"))[0].base_offset == 2
        send_without_answer(other, name, damaged(batch_of(b"d")))
        assert other.is_closed()


def send_without_answer(client, name, batch):
    data = TopicProduceData(name=name, partition_data=[PartitionProduceData(index=0, records=batch)])
    client.send(ProduceRequest(acks=0, timeout_ms=1000, topic_data=[data]), 8)


def test_min_insync_replicas(client, name):
    create_topic(client, name, compression_type="gzip", min_insync_replicas=2)
    assert [produce(client, name, batch_of(b"a"), acks=acks)[0].error_code for acks in (-1, 1)] == [19, 0]


def test_zstd_needs_version_7(client, name):
    create_topic(client, name, compression_type="gzip")
    codes = [
        produce(client, name, batch_of(b"a", codec=Codec.ZSTD), version=version)[0].error_code for version in (6, 7)
    ]
    assert codes == [76, 0]


def test_a_transactional_batch_has_no_transaction_here(client, name):
    create_topic(client, name, compression_type="gzip")
    batch = encode(
        [(0, T, b"k", b"v")], leader_epoch=-1, producer_id=5, producer_epoch=0, base_sequence=0, transactional=True
    )
    assert produce(client, name, batch)[0].error_code == 53

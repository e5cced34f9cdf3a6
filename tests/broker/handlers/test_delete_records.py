"""DeleteRecords in every version: the log start offset rises, stays there, and nothing else can be asked for.

Method: a running broker, asked over a socket.
"""

import pytest

from pykafka_core.protocol.messages.delete_records_request import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from pykafka_core.protocol.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from pykafka_core.protocol.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient, batch_of, create_topic, produce


def delete(client, name, *wanted, version=2):
    partitions = [DeleteRecordsPartition(partition_index=index, offset=offset) for index, offset in wanted]
    request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=name, partitions=partitions)])
    (topic,) = client.call(request, version).topics
    assert topic.name == name
    return [(p.partition_index, p.low_watermark, p.error_code) for p in topic.partitions]


def earliest(client, name):
    wanted = ListOffsetsTopic(name=name, partitions=[ListOffsetsPartition(partition_index=0, timestamp=-2)])
    return client.call(ListOffsetsRequest(replica_id=-1, topics=[wanted]), 5).topics[0].partitions[0].offset


def fetch_error(client, name, offset):
    topic = FetchTopic(topic=name, partitions=[FetchPartition(fetch_offset=offset, partition_max_bytes=1 << 20)])
    request = FetchRequest(max_wait_ms=0, min_bytes=0, max_bytes=1 << 20, topics=[topic])
    return client.call(request, 11).responses[0].partitions[0].error_code


@pytest.mark.parametrize("version", range(3))
def test_each_version_raises_the_start(client, name, version):
    create_topic(client, name)
    for _ in range(3):
        produce(client, name, batch_of(b"a", b"b"))
    assert delete(client, name, (0, 3), version=version) == [(0, 3, 0)]
    assert earliest(client, name) == 3
    assert [fetch_error(client, name, offset) for offset in (2, 3)] == [1, 0]
    assert delete(client, name, (0, 1), version=version) == [(0, 3, 0)]
    assert delete(client, name, (0, -1), version=version) == [(0, 6, 0)]
    assert earliest(client, name) == 6


def test_refusals(client, name):
    create_topic(client, name)
    produce(client, name, batch_of(b"a"))
    assert delete(client, name, (0, 2), (0, -2), (1, 0), (-1, 0)) == [(0, -1, 1), (0, -1, 1), (1, -1, 3), (-1, -1, 3)]
    assert delete(client, f"{name}-none", (0, 0)) == [(0, -1, 3)]
    assert earliest(client, name) == 0


def test_a_compacted_topic_keeps_its_records(client, name):
    create_topic(client, name, cleanup_policy="compact")
    create_topic(client, f"{name}-both", cleanup_policy="compact,delete")
    for topic in (name, f"{name}-both"):
        produce(client, topic, batch_of(b"a"))
    assert delete(client, name, (0, 1)) == [(0, -1, 44)]
    assert delete(client, f"{name}-both", (0, 1)) == [(0, 1, 0)]


@pytest.mark.parametrize("clean", [True, False])
def test_what_was_deleted_stays_deleted(tmp_path, clean):
    broker = Broker(directory=tmp_path, topics={"t": 1})
    with broker, RawClient(broker.bootstrap) as client:
        for _ in range(2):
            produce(client, "t", batch_of(b"a"))
        assert delete(client, "t", (0, 1)) == [(0, 1, 0)]
    if not clean:
        (tmp_path / ".kafka_cleanshutdown").unlink()
    with broker, RawClient(broker.bootstrap) as client:
        assert earliest(client, "t") == 1


def test_whole_segments_leave_the_disk(client, broker, name):
    create_topic(client, name, segment_bytes=1 << 20, file_delete_delay_ms=0)
    for _ in range(4):
        produce(client, name, batch_of(b"x" * 600_000))
    folder = broker.directory / f"{name}-0"
    before = len(list(folder.glob("*.log")))
    assert before > 2
    assert delete(client, name, (0, -1)) == [(0, 4, 0)]
    assert len(list(folder.glob("*.log"))) == 1

"""DescribeLogDirs in every version, with one directory and with several.

Method: running brokers, asked over a socket.
"""

import shutil

import pytest

from pykafka_core.protocol.messages.describe_log_dirs_request import DescribableLogDirTopic, DescribeLogDirsRequest
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient, batch_of, create_topic, fetch, produce


def describe(client, topics=None, version=5):
    wanted = None
    if topics is not None:
        wanted = [DescribableLogDirTopic(topic=name, partitions=partitions) for name, partitions in topics.items()]
    answer = client.call(DescribeLogDirsRequest(topics=wanted), version)
    assert answer.error_code == 0
    return answer.results


@pytest.mark.parametrize("version", range(1, 6))
def test_each_version_tells_sizes(client, broker, name, version):
    create_topic(client, name, 2)
    produce(client, name, batch_of(b"v" * 100))
    (result,) = describe(client, {name: [0, 1, 7], f"{name}-none": [0]}, version)
    assert (result.error_code, result.log_dir) == (0, str(broker.directory))
    (topic,) = result.topics
    assert topic.name == name
    sizes = {p.partition_index: p.partition_size for p in topic.partitions}
    assert sizes == {0: len(fetch(client, name)), 1: 0}
    assert {(p.offset_lag, p.is_future_key) for p in topic.partitions} == {(0, False)}
    if version >= 4:
        assert result.total_bytes == shutil.disk_usage(broker.directory).total
        assert 0 < result.usable_bytes <= result.total_bytes
    else:
        assert (result.total_bytes, result.usable_bytes) == (-1, -1)


def test_null_is_everything(client, name):
    create_topic(client, name)
    (result,) = describe(client)
    assert name in {topic.name for topic in result.topics}
    (result,) = describe(client, {})
    assert result.topics == []


def test_partitions_are_spread_over_directories_and_found_again(tmp_path):
    places = [tmp_path / "a", tmp_path / "b"]
    broker = Broker(log_dirs=",".join(map(str, places)), topics={"t": 5})

    def placed(client):
        return {
            result.log_dir: sorted(p.partition_index for topic in result.topics for p in topic.partitions)
            for result in describe(client)
        }

    with broker, RawClient(broker.bootstrap) as client:
        before = placed(client)
        assert sorted(map(len, before.values())) == [2, 3]
        produce(client, "t", *[batch_of(b"v")] * 5)
    with broker, RawClient(broker.bootstrap) as client:
        assert placed(client) == before
        assert all(fetch(client, "t", partition) for partition in range(5))

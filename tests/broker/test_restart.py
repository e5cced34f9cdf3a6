"""What a broker knows again after it was stopped, cleanly or not.

Method: a broker in this process, started several times over the same directory. An unclean stop is a clean one whose
marker is taken away: the next start must not believe what it finds. (Killed processes are in test_process.py.)
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pykafka_core.protocol.messages.create_partitions_request import CreatePartitionsRequest, CreatePartitionsTopic
from pykafka_core.protocol.messages.describe_cluster_request import DescribeClusterRequest
from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest
from pykafka_core.protocol.messages.metadata_request import MetadataRequest
from pykafka_core.records import encode
from pykafka_core.testing import Broker
from tests.broker.handlers.test_configs import SET, alter, values
from tests.broker.raw_client import RawClient, batch_of, create_topic, fetch, produce


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    running = Broker(directory=tmp_path)
    running.start()
    yield running
    running.stop()


def restart(broker: Broker, *, clean: bool) -> None:
    broker.stop()
    marker = broker.directory / ".kafka_cleanshutdown"
    assert marker.read_text().startswith('{"version":0,"brokerEpoch":')
    if not clean:
        marker.unlink()
    broker.start()
    assert not marker.exists()


def snapshot(broker: Broker) -> dict[str, object]:
    with RawClient(broker.bootstrap) as client:
        answer = client.call(MetadataRequest(topics=None), 12)
        return {
            "cluster": (answer.cluster_id, answer.controller_id, [b.node_id for b in answer.brokers]),
            "topics": {t.name: (t.topic_id, len(t.partitions)) for t in answer.topics},
            "configs": {t.name: values(client, 2, t.name) for t in answer.topics},
            "data": {
                (t.name, p.partition_index): fetch(client, t.name, p.partition_index)
                for t in answer.topics
                for p in t.partitions
            },
        }


def epochs(broker: Broker) -> dict[str, int]:
    with RawClient(broker.bootstrap) as client:
        answer = client.call(MetadataRequest(topics=None), 12)
        return {topic.name: topic.partitions[0].leader_epoch for topic in answer.topics}


def fill(broker: Broker) -> None:
    with RawClient(broker.bootstrap) as client:
        create_topic(client, "plain", 3)
        create_topic(client, "tuned", 1, retention_ms=77777, compression_type="gzip")
        alter(client, 2, "plain", ("segment.bytes", SET, str(1 << 20)))
        alter(client, 4, "", ("log.retention.ms", SET, "123456"))
        client.call(CreatePartitionsRequest(topics=[CreatePartitionsTopic(name="plain", count=4, assignments=None)]), 3)
        produce(client, "plain", *[batch_of(f"p{i}".encode()) for i in range(4)])
        produce(client, "tuned", batch_of(b"x" * 1000))


@pytest.mark.parametrize("clean", [True, False])
def test_everything_is_there_again(broker: Broker, clean: bool) -> None:
    fill(broker)
    before, epochs_before = snapshot(broker), epochs(broker)
    for times in (1, 2):
        restart(broker, clean=clean)
        assert snapshot(broker) == before
        assert epochs(broker) == {name: epoch + (0 if clean else times) for name, epoch in epochs_before.items()}
    assert before["configs"]["plain"]["retention.ms"] == ("123456", 3)  # type: ignore[index]


def test_new_batches_bear_the_new_epoch(broker: Broker) -> None:
    fill(broker)
    restart(broker, clean=False)
    with RawClient(broker.bootstrap) as client:
        (answer,) = produce(client, "plain", batch_of(b"after"))
        assert (answer.error_code, answer.base_offset) == (0, 1)
        data = fetch(client, "plain", 0, 1)
        assert int.from_bytes(data[12:16], "big") == 1


@pytest.mark.parametrize("clean", [True, False])
def test_producers_are_known_again(broker: Broker, clean: bool) -> None:
    # Producers are forgotten by the timestamps of their records.
    now = time.time_ns() // 1_000_000

    def numbered(sequence: int) -> bytes:
        return encode([(0, now, b"k", b"v")], leader_epoch=-1, producer_id=9, producer_epoch=0, base_sequence=sequence)

    with RawClient(broker.bootstrap) as client:
        create_topic(client, "t")
        assert [produce(client, "t", numbered(n))[0].base_offset for n in (0, 1)] == [0, 1]
        first = client.call(InitProducerIdRequest(transactional_id=None), 4).producer_id
    restart(broker, clean=clean)
    with RawClient(broker.bootstrap) as client:
        again = produce(client, "t", numbered(1))[0]
        assert (again.error_code, again.base_offset) == (0, 1)
        assert produce(client, "t", numbered(2))[0].base_offset == 2
        assert produce(client, "t", numbered(9))[0].error_code == 45
        assert client.call(InitProducerIdRequest(transactional_id=None), 4).producer_id > first


def test_a_deleted_topic_does_not_come_back(broker: Broker) -> None:
    from tests.broker.handlers.test_delete_topics import delete, topics

    fill(broker)
    with RawClient(broker.bootstrap) as client:
        delete(client, "plain")
    restart(broker, clean=False)
    with RawClient(broker.bootstrap) as client:
        assert topics(client) == {"tuned"}


def test_a_lost_partition_metadata_file_is_written_again(broker: Broker) -> None:
    fill(broker)
    before = snapshot(broker)
    files = [broker.directory / f"plain-{i}" / "partition.metadata" for i in range(2)]
    texts = [file.read_text() for file in files]
    broker.stop()
    files[0].unlink()
    files[1].write_text("")
    broker.start()
    assert snapshot(broker) == before
    assert [file.read_text() for file in files] == texts


def test_what_the_metadata_does_not_know_is_left_alone(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    fill(broker)
    before = snapshot(broker)
    broker.stop()
    stranger = broker.directory / "stranger-0"
    stranger.mkdir()
    (stranger / "00000000000000000000.log").write_bytes(b"precious")
    broker.start()
    assert snapshot(broker) == before
    assert (stranger / "00000000000000000000.log").read_bytes() == b"precious"
    assert "stranger-0" in caplog.text


def test_a_torn_tail_is_cut(broker: Broker) -> None:
    fill(broker)
    before = snapshot(broker)
    broker.stop()
    (broker.directory / ".kafka_cleanshutdown").unlink()
    with (broker.directory / "plain-0" / "00000000000000000000.log").open("ab") as file:
        file.write(batch_of(b"torn")[:-3])
    broker.start()
    assert snapshot(broker) == before
    with RawClient(broker.bootstrap) as client:
        assert produce(client, "plain", batch_of(b"next"))[0].base_offset == 1


def test_the_cluster_keeps_its_identity(broker: Broker) -> None:
    def identity() -> tuple[str, int]:
        with RawClient(broker.bootstrap) as client:
            answer = client.call(DescribeClusterRequest(), 1)
            return answer.cluster_id, answer.controller_id

    before = identity()
    assert len(before[0]) == 22
    restart(broker, clean=True)
    assert identity() == before


def test_a_start_that_fails_leaves_the_directory_usable(broker: Broker) -> None:
    from pykafka_core.broker.errors import StartError

    fill(broker)
    before = snapshot(broker)
    with Broker() as other:
        broker.stop()
        with pytest.raises(StartError, match="is in use"):
            Broker(directory=broker.directory, listeners=f"PLAINTEXT://{other.bootstrap}").start()
    assert (broker.directory / ".kafka_cleanshutdown").exists()
    broker.start()
    assert snapshot(broker) == before
    assert set(epochs(broker).values()) == {0}

"""OffsetForLeaderEpoch in every version: where epochs end, through restarts, and checks of the client's own epoch.

Method: running brokers, asked over a socket. An unclean stop is one whose marker is taken away.
"""

import pytest

from pykafka_core.protocol.messages.offset_for_leader_epoch_request import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient, batch_of, create_topic, produce


def ask(client, name, epoch, *, current=-1, partition=0, version=4):
    wanted = OffsetForLeaderPartition(partition=partition, current_leader_epoch=current, leader_epoch=epoch)
    request = OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic=name, partitions=[wanted])])
    (found,) = client.call(request, version).topics[0].partitions
    assert found.partition == partition
    return found.error_code, found.leader_epoch, found.end_offset


@pytest.mark.parametrize("version", [2, 3, 4])
def test_the_current_epoch_ends_at_the_log_end(client, name, version):
    create_topic(client, name)
    assert ask(client, name, 0, version=version) == (0, 0, 0)
    produce(client, name, batch_of(b"a", b"b"))
    assert ask(client, name, 0, version=version) == (0, 0, 2)
    assert ask(client, name, 5, version=version) == (0, -1, -1)


def test_the_clients_own_epoch_is_checked(client, name):
    create_topic(client, name)
    assert ask(client, name, 0, current=0) == (0, 0, 0)
    assert ask(client, name, 0, current=1) == (75, -1, -1)
    assert ask(client, f"{name}-none", 0) == (3, -1, -1)
    assert ask(client, name, 0, partition=1) == (3, -1, -1)


def test_epochs_through_unclean_stops(tmp_path):
    broker = Broker(directory=tmp_path, topics={"t": 1})

    def unclean_stop():
        broker.stop()
        (tmp_path / ".kafka_cleanshutdown").unlink()

    with broker, RawClient(broker.bootstrap) as client:
        produce(client, "t", batch_of(b"a", b"b"))
        unclean_stop()
    broker.start()
    unclean_stop()  # an epoch in which nothing was written
    with broker, RawClient(broker.bootstrap) as client:
        produce(client, "t", batch_of(b"c"))
        assert ask(client, "t", 0) == (0, 0, 2)
        assert ask(client, "t", 1) == (0, 0, 2) or ask(client, "t", 1) == (0, 1, 2)
        assert ask(client, "t", 2) == (0, 2, 3)
        assert ask(client, "t", 0, current=1) == (74, -1, -1)
    with broker, RawClient(broker.bootstrap) as client:  # a clean stop changes nothing
        assert ask(client, "t", 2, current=2) == (0, 2, 3)

"""AlterPartitionReassignments and ListPartitionReassignments: one broker has nowhere to move to and says so; what a
larger cluster left behind can be tidied up.

Method: a running broker for the answers (as recorded from Apache Kafka 4.3.1), a metadata store in memory for the rest.
"""

import pytest

from pykafka_core.protocol.messages import alter_partition_reassignments_request as alter
from pykafka_core.protocol.messages import list_partition_reassignments_request as listing
from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord
from pykafka_core.protocol.records.metadata.register_broker_record import RegisterBrokerRecord
from tests.broker.fakes import FakeStore, ask, fake_cluster
from tests.broker.raw_client import create_topic

PREFIX = "The manual partition assignment includes"


def request_for(topic, *wanted, factor=True):
    partitions = [alter.ReassignablePartition(partition_index=index, replicas=replicas) for index, replicas in wanted]
    return alter.AlterPartitionReassignmentsRequest(
        allow_replication_factor_change=factor, topics=[alter.ReassignableTopic(name=topic, partitions=partitions)]
    )


def outcomes(answer):
    assert answer.error_code == 0
    return [(each.error_code, each.error_message) for topic in answer.responses for each in topic.partitions]


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    ("replicas", "code", "sentence"),
    [
        ([1], 0, None),
        ([], 39, f"{PREFIX} an empty replica list."),
        ([1, 1], 39, f"{PREFIX} the broker 1 more than once."),
        ([-1], 39, f"{PREFIX} broker -1, but no such broker is registered."),
        ([1, 2], 39, f"{PREFIX} broker 2, but no such broker is registered."),
        (None, 85, "There is no reassignment to cancel"),
    ],
)
def test_one_broker(client, name, version, replicas, code, sentence):
    create_topic(client, name)
    assert outcomes(client.call(request_for(name, (0, replicas)), version)) == [(code, sentence)]


def test_what_does_not_exist(client, name):
    create_topic(client, name)
    assert outcomes(client.call(request_for(name, (9, [1])), 1)) == [(3, f"Unable to find partition {name}:9.")]
    assert outcomes(client.call(request_for("nope", (0, [1])), 1)) == [(3, "Unable to find a topic named nope.")]


@pytest.mark.parametrize("topics", [None, [], [listing.ListPartitionReassignmentsTopics(name="nope")]])
def test_nothing_is_moving(client, topics):
    answer = client.call(listing.ListPartitionReassignmentsRequest(topics=topics), 0)
    assert (answer.error_code, answer.error_message, answer.topics) == (0, None, [])


async def left_behind(**fields):
    store = FakeStore()
    topic_id = await store.add_topic("t")
    brokers = [RegisterBrokerRecord(broker_id=each, broker_epoch=each, fenced=each != 1) for each in (1, 2, 3)]
    await store.commit([*brokers, PartitionChangeRecord(partition_id=0, topic_id=topic_id, **fields)])
    return store, {"store": store, "cluster": fake_cluster()}


async def test_replicas_on_brokers_that_are_gone_can_go():
    store, ports = await left_behind(replicas=[2, 1], isr=[1, 2], directories=[b"b" * 16, b"a" * 16], leader=2)
    assert outcomes(await ask(ports, request_for("t", (0, [1]), factor=False), 1)) == [
        (38, "The replication factor is changed from 2 to 1")
    ]
    assert outcomes(await ask(ports, request_for("t", (0, [1])), 1)) == [(0, None)]
    partition = store.image.partition("t", 0)
    assert (partition.replicas, partition.isr, partition.leader) == ((1,), (1,), 1)
    assert partition.directories == (b"a" * 16,)


async def test_a_broker_that_is_not_running_is_no_target():
    store, ports = await left_behind(replicas=[2, 1], isr=[2])
    before = store.image
    assert outcomes(await ask(ports, request_for("t", (0, [1, 3])), 1)) == [
        (39, f"{PREFIX} broker 3, which is not running.")
    ]
    assert outcomes(await ask(ports, request_for("t", (0, [1])), 1))[0][0] == 39  # it would be nobody in sync
    assert store.image is before


async def test_a_move_that_was_begun_is_listed_and_can_be_cancelled():
    store, ports = await left_behind(replicas=[3, 1, 2], isr=[1, 2], adding_replicas=[3], removing_replicas=[2])
    (topic,) = (await ask(ports, listing.ListPartitionReassignmentsRequest(topics=None), 0)).topics
    (moving,) = topic.partitions
    assert (moving.replicas, moving.adding_replicas, moving.removing_replicas) == ([3, 1, 2], [3], [2])
    assert outcomes(await ask(ports, request_for("t", (0, None)), 1)) == [(0, None)]
    partition = store.image.partition("t", 0)
    assert (partition.replicas, partition.adding_replicas, partition.removing_replicas) == ((1, 2), (), ())
    assert (partition.isr, partition.leader) == ((1, 2), 1)
    assert (await ask(ports, listing.ListPartitionReassignmentsRequest(topics=None), 0)).topics == []

"""ElectLeaders: nothing to elect on one broker, and what came from a larger cluster gets its leader.

Method: a running broker for the answers (as recorded from Apache Kafka 4.3.1), a metadata store in memory for
partitions that somebody else led.
"""

import pytest

from pykafka_core.protocol.messages.elect_leaders_request import ElectLeadersRequest, TopicPartitions
from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord
from tests.broker.fakes import FakeStore, ask, fake_cluster
from tests.broker.raw_client import create_topic

PREFERRED, UNCLEAN = range(2)
NOT_NEEDED = (84, "Leader election not needed for topic partition.")


def request_for(election, *asked):
    return ElectLeadersRequest(
        election_type=election,
        topic_partitions=[TopicPartitions(topic=topic, partitions=indexes) for topic, indexes in asked],
    )


def outcomes(answer):
    return {
        (topic.topic, each.partition_id): (each.error_code, each.error_message)
        for topic in answer.replica_election_results
        for each in topic.partition_result
    }


@pytest.mark.parametrize("election", [PREFERRED, UNCLEAN])
@pytest.mark.parametrize("version", [1, 2])
def test_nothing_to_elect(client, name, election, version):
    create_topic(client, name, 2)
    answer = client.call(request_for(election, (name, [0, 1, 9]), ("no-such-topic", [0])), version)
    assert answer.error_code == 0
    assert outcomes(answer) == {
        (name, 0): NOT_NEEDED,
        (name, 1): NOT_NEEDED,
        (name, 9): (3, f"No such partition as {name}-9"),
        ("no-such-topic", 0): (3, "No such topic as no-such-topic"),
    }
    everything = client.call(ElectLeadersRequest(election_type=election, topic_partitions=None), version)
    assert (everything.error_code, everything.replica_election_results) == (0, [])


def test_version_0_prefers(client, name):
    create_topic(client, name)
    assert outcomes(client.call(request_for(PREFERRED, (name, [0])), 0)) == {(name, 0): NOT_NEEDED}


def test_unknown_election_type(client, name):
    answer = client.call(request_for(7, (name, [0])), 2)
    assert answer.error_code == 42
    assert outcomes(answer) == {(name, 0): (42, "Unknown election type 7")}


class RunningPartition:
    def __init__(self):
        self.log, self.leader_epoch, self.assigned, self.woken = self, 0, None, False

    def assign_epoch(self, epoch):
        self.assigned = epoch

    def wake(self):
        self.woken = True


class RunningTopics:
    def __init__(self):
        self.partitions = [RunningPartition()]

    def find(self, name):
        return self


async def partition_of_another(**fields):
    store = FakeStore()
    topic_id = await store.add_topic("t", leader=2)
    await store.commit([PartitionChangeRecord(partition_id=0, topic_id=topic_id, **fields)])
    topics = RunningTopics()
    return store, topics, {"store": store, "topics": topics, "cluster": fake_cluster()}


async def test_unclean_election_of_a_replica_that_was_not_in_sync():
    store, topics, ports = await partition_of_another(replicas=[2, 1], isr=[2], eligible_leader_replicas=[2])
    assert outcomes(await ask(ports, request_for(PREFERRED, ("t", [0])), 2)) == {
        ("t", 0): (80, "The preferred leader was not available.")
    }
    assert outcomes(await ask(ports, request_for(UNCLEAN, ("t", [0])), 2)) == {("t", 0): (0, None)}
    partition = store.image.partition("t", 0)
    assert (partition.leader, partition.isr, partition.eligible_leader_replicas) == (1, (1,), ())
    here = topics.partitions[0]
    assert here.assigned == here.leader_epoch == partition.leader_epoch > 0
    assert here.woken
    assert outcomes(await ask(ports, request_for(UNCLEAN, ("t", [0])), 2)) == {("t", 0): NOT_NEEDED}


async def test_preferred_election_of_this_broker_loses_nothing():
    store, _, ports = await partition_of_another(replicas=[1, 2], isr=[1, 2])
    everything = ElectLeadersRequest(election_type=PREFERRED, topic_partitions=None)
    assert outcomes(await ask(ports, everything, 2)) == {("t", 0): (0, None)}
    partition = store.image.partition("t", 0)
    assert (partition.leader, partition.isr) == (1, (1, 2))
    assert outcomes(await ask(ports, everything, 2)) == {}


async def test_a_partition_that_is_not_here():
    _, _, ports = await partition_of_another(replicas=[2, 3], isr=[2, 3])
    assert outcomes(await ask(ports, request_for(UNCLEAN, ("t", [0])), 2))["t", 0][0] == 83

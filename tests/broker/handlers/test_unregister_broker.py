"""UnregisterBroker: a broker that is gone leaves the metadata and every partition; the one that runs stays."""

from pykafka_core.protocol.messages.unregister_broker_request import UnregisterBrokerRequest
from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord
from pykafka_core.protocol.records.metadata.register_broker_record import RegisterBrokerRecord
from tests.broker.fakes import FakeStore, ask, fake_cluster


def test_one_that_is_not_registered(client):
    answer = client.call(UnregisterBrokerRequest(broker_id=7), 0)
    assert (answer.error_code, answer.error_message) == (102, "Broker ID 7 is not currently registered")


def test_the_one_that_answers_stays(client):
    answer = client.call(UnregisterBrokerRequest(broker_id=1), 0)
    assert answer.error_code == 42
    assert "is running" in answer.error_message


async def test_one_that_is_gone():
    store = FakeStore()
    topic_id = await store.add_topic("t", 3)
    brokers = [RegisterBrokerRecord(broker_id=each, broker_epoch=each, fenced=each != 1) for each in (1, 2)]
    places = [([2, 1], [1, 2], 2), ([2], [2], 2), ([1, 2], [1], 1)]
    changes = [
        PartitionChangeRecord(partition_id=index, topic_id=topic_id, replicas=replicas, isr=isr, leader=leader)
        for index, (replicas, isr, leader) in enumerate(places)
    ]
    await store.commit([*brokers, *changes])
    answer = await ask({"store": store, "cluster": fake_cluster()}, UnregisterBrokerRequest(broker_id=2), 0)
    assert answer.error_code == 0
    assert list(store.image.brokers) == [1]
    after = [(each.isr, each.leader) for each in store.image.topics["t"].partitions]
    assert after == [((1,), 1), ((2,), -1), ((1,), 1)]

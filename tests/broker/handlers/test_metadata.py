"""Metadata: which topics are answered, by name and by id, in every version; who is told which address; what is created.

Method: requests through codec, dispatcher and handler, over a metadata store in memory and an administrator that
records its calls.
"""

import pytest

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.operations import CLUSTER_OPERATIONS, NOT_ASKED, TOPIC_OPERATIONS
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from tests.broker.fakes import CLUSTER_ID, NODE_ID, FakeStore, ask, fake_cluster, fake_kept_topics

ALL = range(14)
NO_ID = bytes(16)


class FakeAdmin:
    def __init__(self, store, *, enabled=True, refusal=None):
        self.store, self.auto_create_enabled, self.refusal = store, enabled, refusal
        self.created = []

    async def auto_create(self, name):
        if self.refusal is not None:
            raise self.refusal
        self.created.append(name)
        await self.store.add_topic(name)


@pytest.fixture
def store():
    return FakeStore()


def ports(store, *, cluster=None, **admin):
    return {
        "store": store,
        "cluster": cluster or fake_cluster(),
        "topic_admin": FakeAdmin(store, **admin),
        "kept_topics": fake_kept_topics(store),
    }


def named(*names):
    return [MetadataRequestTopic(name=name) for name in names]


@pytest.mark.parametrize("version", ALL)
async def test_each_version_describes_a_topic(store, version):
    topic_id = await store.add_topic("t", 2, leader_epoch=7)
    answer = await ask(ports(store), MetadataRequest(topics=named("t")), version)
    (broker,) = answer.brokers
    assert (broker.node_id, broker.host, broker.port) == (NODE_ID, "127.0.0.1", 9092)
    assert broker.rack == ("r1" if version >= 1 else None)
    assert answer.controller_id == (NODE_ID if version >= 1 else -1)
    assert answer.cluster_id == (CLUSTER_ID if version >= 2 else None)
    (topic,) = answer.topics
    assert (topic.error_code, topic.name) == (0, "t")
    assert topic.topic_id == (topic_id if version >= 10 else NO_ID)
    assert [(p.error_code, p.partition_index, p.leader_id, p.replica_nodes, p.isr_nodes) for p in topic.partitions] == [
        (0, index, NODE_ID, [NODE_ID], [NODE_ID]) for index in range(2)
    ]
    assert {p.leader_epoch for p in topic.partitions} == {7 if version >= 7 else -1}


@pytest.mark.parametrize("version", ALL)
async def test_which_topics_null_and_empty_mean(store, version):
    for name in ("b", "a"):
        await store.add_topic(name)

    async def names(topics):
        answer = await ask(ports(store), MetadataRequest(topics=topics), version)
        return [topic.name for topic in answer.topics]

    assert await names([]) == (["a", "b"] if version == 0 else [])
    if version >= 1:
        assert await names(None) == ["a", "b"]


@pytest.mark.parametrize("version", ALL)
async def test_unknown_topic_is_created_where_allowed(store, version):
    allowed = ports(store)
    answer = await ask(allowed, MetadataRequest(topics=named("new")), version)
    assert [topic.error_code for topic in answer.topics] == [0]
    assert len(answer.topics[0].partitions) == 1
    assert allowed["topic_admin"].created == ["new"]
    forbidden = ports(store, enabled=False)
    answer = await ask(forbidden, MetadataRequest(topics=named("other")), version)
    assert [topic.error_code for topic in answer.topics] == [3]
    assert forbidden["topic_admin"].created == []


@pytest.mark.parametrize("version", range(4, 14))
async def test_unknown_topic_is_not_created_unasked(store, version):
    given = ports(store)
    answer = await ask(given, MetadataRequest(topics=named("t"), allow_auto_topic_creation=False), version)
    assert [(topic.error_code, topic.name, topic.topic_id) for topic in answer.topics] == [(3, "t", NO_ID)]
    assert given["topic_admin"].created == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../etc", "a" * 250, "é"])
async def test_invalid_name_is_never_created(store, name):
    given = ports(store)
    answer = await ask(given, MetadataRequest(topics=named(name)), 9)
    assert [(topic.error_code, topic.name) for topic in answer.topics] == [(17, name)]
    assert given["topic_admin"].created == []


async def test_a_creation_that_fails_is_answered_with_its_reason(store):
    refusal = RequestError(ErrorCode.INVALID_REPLICATION_FACTOR, "three of one")
    answer = await ask(ports(store, refusal=refusal), MetadataRequest(topics=named("t")), 9)
    assert [topic.error_code for topic in answer.topics] == [38]


@pytest.mark.parametrize("version", [12, 13])
async def test_topics_by_id(store, version):
    topic_id = await store.add_topic("t")
    wanted = [
        MetadataRequestTopic(name=None, topic_id=topic_id),
        MetadataRequestTopic(name=None, topic_id=b"\x09" * 16),
    ]
    answer = await ask(ports(store), MetadataRequest(topics=wanted), version)
    assert [(topic.error_code, topic.name, topic.topic_id) for topic in answer.topics] == [
        (0, "t", topic_id),
        (100, None, b"\x09" * 16),
    ]


@pytest.mark.parametrize("version", [10, 11])
async def test_ids_in_a_request_before_version_12_are_refused(store, version):
    topic_id = await store.add_topic("t")
    for wanted in (MetadataRequestTopic(name="t", topic_id=topic_id), MetadataRequestTopic(name=None)):
        answer = await ask(ports(store), MetadataRequest(topics=[wanted]), version)
        assert [topic.error_code for topic in answer.topics] == [42]


async def test_authorized_operations_only_where_asked(store):
    await store.add_topic("t")
    for version in range(8, 14):
        answer = await ask(ports(store), MetadataRequest(topics=named("t")), version)
        assert answer.topics[0].topic_authorized_operations == NOT_ASKED
        assert answer.cluster_authorized_operations == NOT_ASKED
        wanted = MetadataRequest(
            topics=named("t"),
            include_topic_authorized_operations=True,
            include_cluster_authorized_operations=version <= 10,
        )
        answer = await ask(ports(store), wanted, version)
        assert answer.topics[0].topic_authorized_operations == TOPIC_OPERATIONS
        assert answer.cluster_authorized_operations == (CLUSTER_OPERATIONS if version <= 10 else NOT_ASKED)


async def test_a_client_is_told_the_address_it_connected_to_or_the_advertised_one(store):
    async def told(local, **listener):
        given = ports(store, cluster=fake_cluster(**listener))
        (broker,) = (await ask(given, MetadataRequest(topics=[]), 9, local=local)).brokers
        return broker.host, broker.port

    assert await told("192.0.2.7:9092") == ("192.0.2.7", 9092)
    assert await told("::1:9092") == ("::1", 9092)
    assert await told("[2001:db8::1]:19092") == ("2001:db8::1", 19092)
    assert await told("::ffff:192.0.2.7:9092") == ("192.0.2.7", 9092)
    assert await told("192.0.2.7:9092", advertised_host="kafka.example", advertised_port=19092) == (
        "kafka.example",
        19092,
    )


async def test_a_partition_whose_leader_is_not_here_has_none(store):
    await store.add_topic("t", leader=2)
    answer = await ask(ports(store), MetadataRequest(topics=named("t")), 9)
    (partition,) = answer.topics[0].partitions
    assert (partition.error_code, partition.leader_id) == (5, -1)


async def test_internal_topics_are_marked(store):
    await store.add_topic("__consumer_offsets")
    answer = await ask(ports(store), MetadataRequest(topics=None), 9)
    assert [topic.is_internal for topic in answer.topics] == [True]

"""DescribeTopicPartitions: pages, cursors, and topics that do not exist.

Method: requests through codec, dispatcher and handler, over a metadata store in memory.
"""

import pytest

from pykafka_core.protocol.messages.describe_topic_partitions_request import (
    Cursor,
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from tests.broker.fakes import FakeStore, ask, fake_cluster, fake_kept_topics


@pytest.fixture
async def store():
    store = FakeStore()
    for name, partitions in (("b", 3), ("a", 2), ("c", 1)):
        await store.add_topic(name, partitions)
    return store


async def page(store, topics=(), limit=2000, cursor=None):
    request = DescribeTopicPartitionsRequest(
        topics=[TopicRequest(name=name) for name in topics],
        response_partition_limit=limit,
        cursor=None if cursor is None else Cursor(topic_name=cursor[0], partition_index=cursor[1]),
    )
    ports = {"store": store, "cluster": fake_cluster(), "kept_topics": fake_kept_topics(store)}
    answer = await ask(ports, request, 0)
    shown = [(topic.name, topic.error_code, [p.partition_index for p in topic.partitions]) for topic in answer.topics]
    following = answer.next_cursor
    return shown, None if following is None else (following.topic_name, following.partition_index)


async def test_no_topics_means_all_by_name(store):
    assert await page(store) == ([("a", 0, [0, 1]), ("b", 0, [0, 1, 2]), ("c", 0, [0])], None)


async def test_pages_follow_each_other_without_gap_or_repeat(store):
    for limit in (1, 2, 3, 4, 5, 6):
        seen, cursor, pages = [], None, 0
        while True:
            shown, cursor = await page(store, limit=limit, cursor=cursor)
            assert sum(len(partitions) for _, _, partitions in shown) <= limit
            seen += [(name, index) for name, _, partitions in shown for index in partitions]
            pages += 1
            if cursor is None:
                break
        assert seen == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2), ("c", 0)]
        assert pages == -(-6 // limit)


async def test_limits_below_one_still_move_forward(store):
    assert await page(store, limit=0) == ([("a", 0, [0])], ("a", 1))
    assert await page(store, limit=-5) == ([("a", 0, [0])], ("a", 1))


async def test_unknown_topics_are_named_and_take_no_room(store):
    assert await page(store, ["x", "a", "aa"], limit=2) == ([("a", 0, [0, 1]), ("aa", 3, []), ("x", 3, [])], None)


async def test_a_cursor_into_a_deleted_topic_goes_on_with_the_next(store):
    assert await page(store, cursor=("aa", 5)) == ([("b", 0, [0, 1, 2]), ("c", 0, [0])], None)
    assert await page(store, cursor=("b", -1)) == ([("b", 0, [0, 1, 2]), ("c", 0, [0])], None)


async def test_a_partition_shows_its_replicas_and_epoch(store):
    answer = await ask(
        {"store": store, "cluster": fake_cluster(), "kept_topics": fake_kept_topics(store)},
        DescribeTopicPartitionsRequest(topics=[TopicRequest(name="c")]),
        0,
    )
    (partition,) = answer.topics[0].partitions
    assert (partition.leader_id, partition.leader_epoch, partition.replica_nodes, partition.isr_nodes) == (
        1,
        0,
        [1],
        [1],
    )
    assert (partition.eligible_leader_replicas, partition.last_known_elr, partition.offline_replicas) == ([], [], [])
    assert answer.topics[0].topic_authorized_operations > 0

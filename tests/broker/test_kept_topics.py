"""What clients are told about topics is kept in encoded form, and is to the byte what it would be if it were made anew.

Method: a broker's life drawn by hypothesis (topics come, go, grow, are led anew; log directories fail; logs move) with
one cache through all of it; after each step requests in drawn versions are answered twice, from the cache and by an
encoder that keeps nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pykafka_core.broker.cluster import Cluster
from pykafka_core.broker.dispatch import Dispatcher
from pykafka_core.broker.handlers import describe_topic_partitions, metadata
from pykafka_core.broker.kept_topics import PART_OVERHEAD, KeptTopics
from pykafka_core.broker.listeners import OpenListener
from pykafka_core.broker.operations import NOT_ASKED, TOPIC_OPERATIONS
from pykafka_core.metadata.image import PartitionImage, TopicImage
from pykafka_core.protocol._codec import encode, encode_struct
from pykafka_core.protocol.exceptions import ProtocolError
from pykafka_core.protocol.framing import encode_request, encode_response
from pykafka_core.protocol.messages.describe_topic_partitions_request import (
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from pykafka_core.protocol.messages.describe_topic_partitions_response import DescribeTopicPartitionsResponse
from pykafka_core.protocol.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from pykafka_core.protocol.messages.metadata_response import MetadataResponse, MetadataResponseTopic
from tests.broker.fakes import CLUSTER_ID, NODE_ID, FakeStore

NAMES = ("a", "b", "__consumer_offsets", "c")


class NoAdmin:
    auto_create_enabled = True

    async def auto_create(self, name: str) -> None:
        raise AssertionError(f"{name} is created")


class World:
    """A broker's metadata and logs, as far as the answers depend on them."""

    def __init__(self, *, bytes_max: int = 1 << 20) -> None:
        self.store = FakeStore()
        self.running: dict[str, list[int]] = {}
        """Of each topic, the log directory of each partition; another list whenever one is changed."""
        self.failed: set[int] = set()
        self.cluster = Cluster(
            cluster_id=CLUSTER_ID,
            node_id=NODE_ID,
            rack="r",
            listeners=[OpenListener(name="PLAINTEXT", host="", port=9092)],
            is_offline=lambda name, index: self.running[name][index] in self.failed,
        )
        self.kept = KeptTopics(
            self.store,  # type: ignore[arg-type]
            running=lambda name: self.running.get(name),
            health=lambda: tuple(sorted(self.failed)),
            bytes_max=bytes_max,
        )
        self.made = 0

    def put(self, name: str, partitions: int, leader: int = NODE_ID, epoch: int = 0) -> None:
        self.made += 1
        before = self.store.image.topics.get(name)
        topic_id = self.made.to_bytes(16, "big") if before is None else before.topic_id
        images = tuple(
            PartitionImage(
                partition_id=index,
                replicas=(NODE_ID, 7),
                isr=(leader,),
                leader=leader,
                leader_epoch=epoch,
                partition_epoch=0,
                eligible_leader_replicas=(7,) if epoch else (),
            )
            for index in range(partitions)
        )
        self.set_topics(
            {**self.store.image.topics, name: TopicImage(name=name, topic_id=topic_id, partitions=images)}
        )
        self.running[name] = [index % 2 for index in range(partitions)]

    def set_topics(self, topics: dict[str, TopicImage]) -> None:
        image = self.store.image
        self.store.image = replace(
            image,
            revision=image.revision + 1,
            topics=topics,
            topic_names={topic.topic_id: name for name, topic in topics.items()},
        )

    def delete(self, name: str) -> None:
        self.running.pop(name, None)
        self.set_topics({key: value for key, value in self.store.image.topics.items() if key != name})

    def move(self, name: str, to: int) -> None:
        if name in self.running:
            self.running[name] = [to] * len(self.running[name])

    async def ask(self, request: Any, version: int) -> bytes:
        ports = {
            "store": self.store,
            "cluster": self.cluster,
            "topic_admin": NoAdmin(),
            "kept_topics": self.kept,
        }
        frame = encode_request(request.API_KEY, version, 5, None, request)
        answer = await Dispatcher(ports).answer(frame, local="127.0.0.1:9092")
        assert answer is not None
        return answer

    def expected_metadata(self, names: list[str] | None, version: int, *, operations: bool) -> bytes:
        """As it was before anything was kept: one object for each partition."""
        topics = []
        images = self.store.image.topics
        for name in sorted(images) if names is None or (version == 0 and not names) else names:
            if name in images:
                topics.append(metadata.describe(images[name], self.cluster))
                if operations:
                    topics[-1].topic_authorized_operations = TOPIC_OPERATIONS
            else:
                topics.append(MetadataResponseTopic(error_code=3, name=name, is_internal=name.startswith("__")))
        body = MetadataResponse(
            brokers=[metadata.MetadataResponseBroker(node_id=NODE_ID, host="127.0.0.1", port=9092, rack="r")],
            cluster_id=CLUSTER_ID,
            controller_id=NODE_ID,
            topics=topics,
            cluster_authorized_operations=NOT_ASKED,
        )
        return encode_response(3, version, 5, body)

    def expected_described(self, names: list[str]) -> bytes:
        images = self.store.image.topics
        body = DescribeTopicPartitionsResponse(
            topics=[
                describe_topic_partitions.describe(images[name], images[name].partitions, self.cluster)
                if name in images
                else describe_topic_partitions.DescribeTopicPartitionsResponseTopic(error_code=3, name=name)
                for name in sorted(set(names) or images)
            ]
        )
        return encode_response(75, 0, 5, body)


STEPS = st.one_of(
    st.tuples(
        st.just("put"),
        st.sampled_from(NAMES),
        st.integers(1, 4),
        st.sampled_from([NODE_ID, 7, -1]),
        st.integers(0, 3),
    ),
    st.tuples(st.just("delete"), st.sampled_from(NAMES)),
    st.tuples(st.just("move"), st.sampled_from(NAMES), st.integers(0, 1)),
    st.tuples(st.just("fail"), st.integers(0, 1)),
)
QUESTIONS = st.tuples(
    st.integers(0, 13), st.none() | st.lists(st.sampled_from((*NAMES, "unknown")), max_size=4), st.booleans()
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(STEPS, st.lists(QUESTIONS, min_size=1, max_size=4)), max_size=8),
    st.sampled_from([400, 1 << 20]),
)
def test_answers_are_to_the_byte_those_that_nothing_is_kept_of(story: list[Any], bytes_max: int) -> None:
    world = World(bytes_max=bytes_max)

    async def live() -> None:
        for (what, *details), questions in story:
            if what == "fail":
                world.failed.add(details[0])
            else:
                getattr(world, what)(*details)
            for version, names, operations in questions:
                asked = None if names is None else [MetadataRequestTopic(name=name) for name in names]
                request = MetadataRequest(
                    topics=[] if asked is None and version == 0 else asked,
                    allow_auto_topic_creation=version < 4,
                    include_topic_authorized_operations=operations and version >= 8,
                )
                missing = [name for name in names or () if name not in world.store.image.topics]
                if version < 4 and missing:
                    continue  # these versions always ask for a creation
                expected = world.expected_metadata(names, version, operations=operations and version >= 8)
                assert await world.ask(request, version) == expected
                described = DescribeTopicPartitionsRequest(topics=[TopicRequest(name=name) for name in names or ()])
                assert await world.ask(described, 0) == world.expected_described(names or [])
                assert world.kept.size_bytes <= bytes_max

    asyncio.run(live())


async def test_a_part_is_made_once_and_anew_when_its_topic_its_log_or_a_directory_changes() -> None:
    world = World()
    world.put("a", 2)
    world.put("b", 2)
    made: list[str] = []

    def part(name: str, version: int = 9) -> bytes:
        image = world.store.image.topics[name]

        def make() -> MetadataResponseTopic:
            made.append(name)
            return metadata.describe(image, world.cluster)

        return world.kept.part(MetadataResponse, version, image, world.kept.health(), make).data

    assert part("a") == part("a")
    part("b")
    assert made == ["a", "b"]
    part("a", version=8)
    assert made == ["a", "b", "a"]
    made.clear()
    world.put("a", 2, epoch=1)
    world.set_topics(dict(world.store.image.topics))
    part("a")
    part("b")
    assert made == ["a"]
    world.move("b", 1)
    part("b")
    part("b")
    assert made == ["a", "b"]
    before = part("b")
    world.failed.add(1)
    assert part("b") != before
    part("a")
    assert made == ["a", "b", "b", "a"]


async def test_what_is_kept_is_bounded_and_goes_with_its_topic() -> None:
    world = World()
    for name in NAMES:
        world.put(name, 4)
    request = MetadataRequest(topics=None)
    for version in range(1, 14):
        await world.ask(request, version)
    full = world.kept.size_bytes
    assert full > 13 * len(NAMES) * PART_OVERHEAD
    await world.ask(request, 13)
    assert world.kept.size_bytes == full
    for name in NAMES[1:]:
        world.delete(name)
    await world.ask(request, 13)
    assert world.kept.size_bytes < full / 2
    small = World(bytes_max=full // 3)
    for name in NAMES:
        small.put(name, 4)
    for version in range(1, 14):
        assert await small.ask(request, version) == small.expected_metadata(None, version, operations=False)
        assert small.kept.size_bytes <= full // 3


def test_an_encoded_struct_stands_only_where_it_was_made_for() -> None:
    topic = MetadataResponseTopic(name="t")
    part = encode_struct(MetadataResponse, 9, topic)
    assert encode(MetadataResponse(topics=[part]), 9) == encode(MetadataResponse(topics=[topic]), 9)  # type: ignore[list-item]
    with pytest.raises(ProtocolError, match=r"topics\[0\].*encoded for version 9"):
        encode(MetadataResponse(topics=[part]), 8)  # type: ignore[list-item]
    with pytest.raises(ProtocolError, match="is a MetadataResponseTopic encoded"):
        encode(MetadataResponse(brokers=[part]), 9)  # type: ignore[list-item]
    with pytest.raises(TypeError, match="TopicRequest is no part of MetadataResponse"):
        encode_struct(MetadataResponse, 9, TopicRequest())

"""CreatePartitions in every version: more partitions, at once usable, and refusals with Kafka's codes.

Method: a running broker, asked over a socket.
"""

import pytest

from pykafka_core.protocol.messages.create_partitions_request import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from pykafka_core.protocol.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from tests.broker.raw_client import batch_of, create_topic, fetch, produce


def grow(client, *topics, version=3, validate_only=False):
    wanted = [
        CreatePartitionsTopic(
            name=name,
            count=count,
            assignments=None if places is None else [CreatePartitionsAssignment(broker_ids=ids) for ids in places],
        )
        for name, count, places in topics
    ]
    return client.call(CreatePartitionsRequest(topics=wanted, validate_only=validate_only), version).results


def count(client, name):
    return len(client.call(MetadataRequest(topics=[MetadataRequestTopic(name=name)]), 9).topics[0].partitions)


@pytest.mark.parametrize("version", range(4))
def test_each_version_adds_partitions_and_keeps_what_is_there(client, name, version):
    create_topic(client, name, 1)
    produce(client, name, batch_of(b"before"))
    before = fetch(client, name)
    (result,) = grow(client, (name, 3, None), version=version)
    assert (result.name, result.error_code, result.error_message) == (name, 0, None)
    assert count(client, name) == 3
    assert fetch(client, name) == before
    assert [answer.error_code for answer in produce(client, name, *[batch_of(b"v")] * 3)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("wanted", "places", "code", "words"),
    [
        (2, None, 37, "already has 2"),
        (1, None, 37, "would not be an increase"),
        (0, None, 37, "would not be an increase"),
        (-1, None, 37, "would not be an increase"),
        (200_000, None, 37, "at most"),
        (4, [[1]], 39, "only 1 assignment(s)"),
        (3, [[2]], 39, "includes broker 2"),
        (3, [[1, 1]], 39, "more than once"),
        (3, [[]], 39, "empty replica list"),
    ],
)
def test_refusals(client, name, wanted, places, code, words):
    create_topic(client, name, 2)
    (result,) = grow(client, (name, wanted, places))
    assert result.error_code == code
    assert words in result.error_message
    assert count(client, name) == 2


def test_assignments(client, name):
    create_topic(client, name, 1)
    (result,) = grow(client, (name, 3, [[1], [1]]))
    assert result.error_code == 0
    assert count(client, name) == 3


def test_unknown_and_doubled_topics(client, name):
    create_topic(client, name, 1)
    assert [result.error_code for result in grow(client, (f"{name}-none", 2, None))] == [3]
    (result,) = grow(client, (name, 2, None), (name, 3, None))
    assert (result.error_code, count(client, name)) == (42, 1)


def test_validate_only_adds_nothing(client, name):
    create_topic(client, name, 1)
    assert [result.error_code for result in grow(client, (name, 2, None), validate_only=True)] == [0]
    assert count(client, name) == 1

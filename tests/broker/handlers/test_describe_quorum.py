"""DescribeQuorum: this broker is the quorum, and its offsets move with the metadata; any other question is refused in
the form that Apache Kafka 4.3.1 gives."""

import time

import pytest

from pykafka_core.metadata.directories import META_PROPERTIES
from pykafka_core.metadata.uuids import uuid_to_string
from pykafka_core.protocol.messages.describe_quorum_request import DescribeQuorumRequest, PartitionData, TopicData
from tests.broker.raw_client import create_topic


def quorum(client, *topics, version=2):
    asked = [
        TopicData(topic_name=name, partitions=[PartitionData(partition_index=index) for index in indexes])
        for name, indexes in topics
    ]
    answer = client.call(DescribeQuorumRequest(topics=asked), version)
    assert (answer.error_code, answer.error_message) == (0, "")
    return answer


@pytest.mark.parametrize("version", range(3))
def test_one_voter_that_leads(client, broker, version):
    answer = quorum(client, ("__cluster_metadata", [0]), version=version)
    (partition,) = answer.topics[0].partitions
    (voter,) = partition.current_voters
    assert (partition.error_code, partition.leader_id, voter.replica_id, partition.observers) == (0, 1, 1, [])
    assert partition.leader_epoch >= 1
    assert partition.high_watermark == voter.log_end_offset > 0
    if version >= 1:
        assert abs(voter.last_caught_up_timestamp - time.time() * 1000) < 60_000
        assert voter.last_fetch_timestamp == voter.last_caught_up_timestamp
    if version >= 2:
        assert f"directory.id={uuid_to_string(voter.replica_directory_id)}" in (
            (broker.directory / META_PROPERTIES).read_text()
        )
        (node,) = answer.nodes
        assert node.node_id == 1
        assert [each.name for each in node.listeners] == ["CONTROLLER"]


def test_offsets_move_with_the_metadata(client, name):
    def end():
        return quorum(client, ("__cluster_metadata", [0])).topics[0].partitions[0].high_watermark

    before = end()
    create_topic(client, name)
    assert end() == before + 2  # a topic and a partition


@pytest.mark.parametrize(
    "asked",
    [
        [("__cluster_metadata", [1])],
        [("__cluster_metadata", [0, 1])],
        [("t", [0])],
        [("__cluster_metadata", [0]), ("t", [0])],
    ],
)
def test_any_other_question(client, asked):
    answer = quorum(client, *asked)
    assert answer.nodes == []
    found = [(topic.topic_name, [each.partition_index for each in topic.partitions]) for topic in answer.topics]
    assert found == asked
    for topic in answer.topics:
        for each in topic.partitions:
            assert (each.error_code, each.error_message) == (3, "This server does not host this topic-partition.")


def test_nothing_asked(client):
    assert quorum(client).topics == []
    assert quorum(client, ("__cluster_metadata", [])).topics[0].partitions == []

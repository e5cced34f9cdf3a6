"""CreateTopics in every version: defaults, refusals with Kafka's codes and words, and what is there afterwards.

Method: a running broker, asked over a socket.
"""

import pytest

from pykafka_core.protocol.messages.create_topics_request import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from pykafka_core.protocol.messages.metadata_request import MetadataRequest, MetadataRequestTopic


def topic_of(name, partitions=1, factor=1, assignments=(), **configs):
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=factor,
        assignments=[CreatableReplicaAssignment(partition_index=i, broker_ids=list(ids)) for i, ids in assignments],
        configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
    )


def create(client, *topics, version=7, validate_only=False):
    answer = client.call(CreateTopicsRequest(topics=list(topics), validate_only=validate_only), version)
    return answer.topics


def exists(client, name):
    request = MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=False)
    return client.call(request, 9).topics[0].error_code == 0


@pytest.mark.parametrize("version", range(2, 8))
def test_each_version_creates_and_says_what(client, broker, name, version):
    (result,) = create(client, topic_of(name, 3, max_message_bytes="5000"), version=version)
    assert (result.name, result.error_code, result.error_message) == (name, 0, None)
    assert exists(client, name)
    assert sorted(path.name for path in broker.directory.glob(f"{name}-*")) == [f"{name}-{i}" for i in range(3)]
    if version >= 5:
        assert (result.num_partitions, result.replication_factor) == (3, 1)
        configs = {config.name: (config.value, config.config_source) for config in result.configs}
        assert configs["max.message.bytes"] == ("5000", 1)
        assert configs["segment.ms"] == ("604800000", 5)
        assert len(configs) > 25
    if version >= 7:
        request = MetadataRequest(topics=[MetadataRequestTopic(name=name)])
        assert client.call(request, 12).topics[0].topic_id == result.topic_id != bytes(16)


def test_minus_one_means_the_defaults(client, name):
    (result,) = create(client, topic_of(name, -1, -1))
    assert (result.error_code, result.num_partitions, result.replication_factor) == (0, 1, 1)


def test_assignments_place_the_partitions(client, name):
    (result,) = create(client, topic_of(name, -1, -1, [(1, [1]), (0, [1])]))
    assert (result.error_code, result.num_partitions) == (0, 2)


REFUSED = {
    "no partitions": ({"partitions": 0}, 37, "non-positive"),
    "minus two partitions": ({"partitions": -2}, 37, "non-positive"),
    "too many partitions": ({"partitions": 2**31 - 1}, 37, "at most"),
    "no replicas": ({"factor": 0}, 38, "larger than 0"),
    "two replicas on one broker": ({"factor": 2}, 38, "only 1 broker"),
    "assignments and a factor": ({"partitions": -1, "factor": 1, "assignments": [(0, [1])]}, 42, "replication factor"),
    "assignments and a count": ({"partitions": 1, "factor": -1, "assignments": [(0, [1])]}, 42, "numPartitions"),
    "a gap in the assignments": ({"partitions": -1, "factor": -1, "assignments": [(1, [1])]}, 39, "consecutive"),
    "a partition assigned twice": (
        {"partitions": -1, "factor": -1, "assignments": [(0, [1]), (0, [1])]},
        39,
        "multiple",
    ),
    "an unknown broker": ({"partitions": -1, "factor": -1, "assignments": [(0, [9])]}, 39, "includes broker 9"),
    "a broker twice": ({"partitions": -1, "factor": -1, "assignments": [(0, [1, 1])]}, 39, "more than once"),
    "nobody assigned": ({"partitions": -1, "factor": -1, "assignments": [(0, [])]}, 39, "empty replica list"),
    "an unknown config": ({"no_such": "1"}, 40, "Unknown topic config name: no.such"),
    "a config out of range": ({"max_message_bytes": "-7"}, 40, "Invalid value -7"),
    "a config of the wrong type": ({"retention_ms": "soon"}, 40, "Not a number of type LONG"),
    "a config without value": ({"retention_ms": None}, 42, "Null value"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("validate_only", [False, True])
def test_refusals(client, name, case, validate_only):
    fields, code, words = REFUSED[case]
    (result,) = create(client, topic_of(name, **fields), validate_only=validate_only)
    assert result.error_code == code
    assert words in result.error_message
    assert result.topic_id == bytes(16)
    assert not exists(client, name)


@pytest.mark.parametrize("bad", ["", ".", "..", "a b", "a/b", "../../etc", "é", "a\n", "x" * 250, "__cluster_metadata"])
def test_bad_names(client, bad):
    (result,) = create(client, topic_of(bad))
    assert result.error_code == 17


def test_names_that_are_taken_or_collide(client, name):
    assert [r.error_code for r in create(client, topic_of(f"{name}.x"))] == [0]
    assert [r.error_code for r in create(client, topic_of(f"{name}.x"))] == [36]
    (result,) = create(client, topic_of(f"{name}_x"))
    assert (result.error_code, result.error_message) == (17, f"Topic '{name}_x' collides with existing topic: {name}.x")


def test_collisions_inside_one_request(client, name):
    results = create(client, topic_of(f"{name}.y"), topic_of(f"{name}_y"))
    assert [result.error_code for result in results] == [0, 17]


def test_the_same_name_twice_creates_nothing(client, name):
    (result,) = create(client, topic_of(name), topic_of(name))
    assert result.error_code == 42
    assert not exists(client, name)


def test_good_and_bad_topics_in_one_request(client, name):
    results = create(client, topic_of(f"{name}-a"), topic_of(f"{name} b"), topic_of(f"{name}-c"))
    assert [result.error_code for result in results] == [0, 17, 0]
    assert exists(client, f"{name}-a")
    assert exists(client, f"{name}-c")


def test_validate_only_creates_nothing(client, broker, name):
    (result,) = create(client, topic_of(name, 2), validate_only=True)
    assert (result.error_code, result.num_partitions, result.topic_id) == (0, 2, bytes(16))
    assert not exists(client, name)
    assert not list(broker.directory.glob(f"{name}-*"))


def test_a_directory_in_the_way_is_set_aside_not_lost(client, broker, name):
    stray = broker.directory / f"{name}-0"
    stray.mkdir()
    (stray / "precious").write_text("x")
    (result,) = create(client, topic_of(name))
    assert result.error_code == 0
    (aside,) = broker.directory.glob(f"{name}-0.*-stray")
    assert (aside / "precious").read_text() == "x"

"""DescribeConfigs, IncrementalAlterConfigs, AlterConfigs: what is shown, what may change, that a change takes effect.

Method: a running broker, asked over a socket; effects are seen in what Produce answers and in the segment files.
"""

import pytest

from pykafka_core.protocol.messages.alter_configs_request import AlterableConfig as LegacyConfig
from pykafka_core.protocol.messages.alter_configs_request import AlterConfigsRequest
from pykafka_core.protocol.messages.alter_configs_request import AlterConfigsResource as LegacyResource
from pykafka_core.protocol.messages.describe_configs_request import DescribeConfigsRequest, DescribeConfigsResource
from pykafka_core.protocol.messages.incremental_alter_configs_request import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tests.broker.raw_client import batch_of, create_topic, produce

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)
DYNAMIC_TOPIC, DYNAMIC_BROKER, DYNAMIC_DEFAULT, STATIC, DEFAULT = range(1, 6)


def describe(client, kind, name, keys=None, *, version=4, synonyms=False, documentation=False):
    request = DescribeConfigsRequest(
        resources=[DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=keys)],
        include_synonyms=synonyms,
        include_documentation=documentation and version >= 3,
    )
    (result,) = client.call(request, version).results
    return result


def values(client, kind, name):
    result = describe(client, kind, name)
    assert result.error_code == 0, result
    return {config.name: (config.value, config.config_source) for config in result.configs}


def alter(client, kind, name, *operations, version=1, validate_only=False):
    configs = [AlterableConfig(name=key, config_operation=op, value=value) for key, op, value in operations]
    resource = AlterConfigsResource(resource_type=kind, resource_name=name, configs=configs)
    request = IncrementalAlterConfigsRequest(resources=[resource], validate_only=validate_only)
    (response,) = client.call(request, version).responses
    return response


def replace(client, kind, name, version=2, validate_only=False, **configs):
    listed = [LegacyConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()]
    resource = LegacyResource(resource_type=kind, resource_name=name, configs=listed)
    (response,) = client.call(AlterConfigsRequest(resources=[resource], validate_only=validate_only), version).responses
    return response


# ---- describe


@pytest.mark.parametrize("version", range(1, 5))
def test_each_version_describes_a_topic(client, name, version):
    create_topic(client, name, max_message_bytes=2000)
    result = describe(client, TOPIC, name, version=version, synonyms=True, documentation=True)
    assert (result.error_code, result.error_message, result.resource_type, result.resource_name) == (
        0,
        None,
        TOPIC,
        name,
    )
    configs = {config.name: config for config in result.configs}
    assert len(configs) > 25
    changed = configs["max.message.bytes"]
    assert (changed.value, changed.config_source, changed.read_only, changed.is_sensitive) == ("2000", 1, False, False)
    assert [(s.name, s.value, s.source) for s in changed.synonyms] == [
        ("max.message.bytes", "2000", DYNAMIC_TOPIC),
        ("message.max.bytes", "1048588", DEFAULT),
    ]
    if version >= 3:
        assert changed.config_type == 3
        assert changed.documentation
    policy = configs["cleanup.policy"]
    assert (policy.value, policy.config_source) == ("delete", DEFAULT)


def test_only_what_was_asked_for(client, name):
    create_topic(client, name)
    result = describe(client, TOPIC, name, ["segment.ms", "no.such.config"])
    assert [config.name for config in result.configs] == ["segment.ms"]
    assert result.configs[0].synonyms == []
    assert result.configs[0].documentation is None
    assert len(describe(client, TOPIC, name, []).configs) == len(describe(client, TOPIC, name).configs) > 25


def test_synonyms_as_apache_kafka_shows_them(client, name):
    create_topic(client, name, retention_ms=5000)
    shown = {
        config.name: [(s.name, s.value, s.source) for s in config.synonyms]
        for config in describe(client, TOPIC, name, synonyms=True).configs
    }
    assert shown["retention.ms"] == [("retention.ms", "5000", DYNAMIC_TOPIC)]
    assert shown["cleanup.policy"] == [("log.cleanup.policy", "delete", DEFAULT)]
    assert shown["flush.messages"] == [("log.flush.interval.messages", str(2**63 - 1), DEFAULT)]
    assert shown["flush.ms"] == []


def test_a_broker(client, broker):
    configs = {config.name: config for config in describe(client, BROKER, "1", synonyms=True).configs}
    assert (configs["broker.rack"].value, configs["broker.rack"].config_source) == ("r1", STATIC)
    assert configs["node.id"].read_only
    assert not configs["message.max.bytes"].read_only
    assert configs["num.partitions"].value == "1"
    assert len(configs) > 80


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        (TOPIC, "no-such-topic", 3),
        (TOPIC, "bad name", 17),
        (TOPIC, "", 17),
        (BROKER, "7", 42),
        (BROKER, "one", 42),
        (BROKER_LOGGER, "1", 42),
        (CLIENT_METRICS, "m", 42),
        (GROUP, "g", 42),
        (99, "x", 42),
    ],
)
def test_who_cannot_be_described_or_changed(client, kind, name, code):
    result = describe(client, kind, name)
    assert (result.error_code, result.configs) == (code, [])
    assert result.error_message
    response = alter(client, kind, name, ("retention.ms", SET, "1"))
    assert response.error_code == code
    assert response.error_message
    assert replace(client, kind, name, retention_ms="1").error_code == code


# ---- alter


@pytest.mark.parametrize("version", [0, 1])
def test_set_and_delete(client, name, version):
    create_topic(client, name)
    response = alter(client, TOPIC, name, ("retention.ms", SET, "5000"), version=version)
    assert (response.error_code, response.error_message, response.resource_name) == (0, None, name)
    assert values(client, TOPIC, name)["retention.ms"] == ("5000", DYNAMIC_TOPIC)
    assert alter(client, TOPIC, name, ("retention.ms", DELETE, None), version=version).error_code == 0
    assert values(client, TOPIC, name)["retention.ms"] == ("604800000", DEFAULT)


def test_append_and_subtract(client, name):
    create_topic(client, name)
    assert alter(client, TOPIC, name, ("cleanup.policy", APPEND, "compact")).error_code == 0
    assert values(client, TOPIC, name)["cleanup.policy"] == ("delete,compact", DYNAMIC_TOPIC)
    assert alter(client, TOPIC, name, ("cleanup.policy", SUBTRACT, "delete")).error_code == 0
    assert values(client, TOPIC, name)["cleanup.policy"] == ("compact", DYNAMIC_TOPIC)
    assert alter(client, TOPIC, name, ("retention.ms", APPEND, "1")).error_code in (40, 42)


@pytest.mark.parametrize(
    ("operations", "code", "words"),
    [
        (
            [("retention.ms", SET, "abc")],
            40,
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        ([("no.such", SET, "1")], 40, "Unknown topic config name: no.such"),
        ([("max.message.bytes", SET, "-1")], 40, "Invalid value -1"),
        ([("retention.ms", SET, None)], 42, "Null value"),
        ([("retention.ms", 9, "1")], 42, "operation"),
        ([("retention.ms", SET, "1"), ("retention.ms", DELETE, None)], 42, "duplicate"),
        ([("segment.ms", SET, "100"), ("retention.ms", SET, "abc")], 40, "retention.ms"),
    ],
)
def test_refused_changes_change_nothing(client, name, operations, code, words):
    create_topic(client, name)
    before = values(client, TOPIC, name)
    response = alter(client, TOPIC, name, *operations)
    assert response.error_code == code
    assert words in response.error_message
    assert values(client, TOPIC, name) == before


def test_validate_only_changes_nothing(client, name):
    create_topic(client, name)
    before = values(client, TOPIC, name)
    assert alter(client, TOPIC, name, ("retention.ms", SET, "5"), validate_only=True).error_code == 0
    assert replace(client, TOPIC, name, retention_ms="5", validate_only=True).error_code == 0
    assert values(client, TOPIC, name) == before


def test_a_resource_named_twice_is_refused(client, name):
    create_topic(client, name)
    resource = AlterConfigsResource(
        resource_type=TOPIC, resource_name=name, configs=[AlterableConfig(name="retention.ms", value="5")]
    )
    answer = client.call(IncrementalAlterConfigsRequest(resources=[resource, resource]), 1)
    assert [response.error_code for response in answer.responses] == [42, 42]
    assert values(client, TOPIC, name)["retention.ms"][1] == DEFAULT


@pytest.mark.parametrize("version", range(3))
def test_replacing_takes_away_what_is_not_named(client, name, version):
    create_topic(client, name, retention_ms=7000, segment_ms=8000)
    assert replace(client, TOPIC, name, version, segment_ms="9000", max_message_bytes="100").error_code == 0
    now = values(client, TOPIC, name)
    assert now["segment.ms"] == ("9000", DYNAMIC_TOPIC)
    assert now["max.message.bytes"] == ("100", DYNAMIC_TOPIC)
    assert now["retention.ms"] == ("604800000", DEFAULT)
    assert replace(client, TOPIC, name, version, segment_ms=None).error_code == 42


# ---- brokers


def test_a_broker_config_that_topics_inherit(client, name):
    create_topic(client, name)
    create_topic(client, f"{name}-own", max_message_bytes=1_000_000)
    large = batch_of(b"x" * 500)
    try:
        assert alter(client, BROKER, "", ("message.max.bytes", SET, "300")).error_code == 0
        assert values(client, TOPIC, name)["max.message.bytes"] == ("300", DYNAMIC_DEFAULT)
        assert values(client, BROKER, "")["message.max.bytes"] == ("300", DYNAMIC_DEFAULT)
        assert produce(client, name, large)[0].error_code == 10
        assert produce(client, f"{name}-own", large)[0].error_code == 0
        assert alter(client, BROKER, "1", ("message.max.bytes", SET, "1000")).error_code == 0
        assert values(client, TOPIC, name)["max.message.bytes"] == ("1000", DYNAMIC_BROKER)
        assert produce(client, name, large)[0].error_code == 0
    finally:
        alter(client, BROKER, "", ("message.max.bytes", DELETE, None))
        alter(client, BROKER, "1", ("message.max.bytes", DELETE, None))
    assert values(client, TOPIC, name)["max.message.bytes"] == ("1048588", DEFAULT)
    assert values(client, BROKER, "") == {}


@pytest.mark.parametrize(("key", "value"), [("node.id", "2"), ("listeners", "PLAINTEXT://:1")])
def test_a_broker_config_that_cannot_change(client, key, value):
    response = alter(client, BROKER, "1", (key, SET, value))
    assert response.error_code == 42
    assert key in response.error_message


# ---- effects


def test_max_message_bytes(client, name):
    create_topic(client, name)
    batch = batch_of(b"x" * 1000)
    assert produce(client, name, batch)[0].error_code == 0
    alter(client, TOPIC, name, ("max.message.bytes", SET, str(len(batch) - 1)))
    assert produce(client, name, batch)[0].error_code == 10
    alter(client, TOPIC, name, ("max.message.bytes", SET, str(len(batch))))
    assert produce(client, name, batch)[0].error_code == 0


def test_timestamp_type_and_bounds(client, name):
    create_topic(client, name)
    old = batch_of(b"v", timestamp=1_000_000_000_000)
    assert produce(client, name, old)[0].log_append_time_ms == -1
    alter(client, TOPIC, name, ("message.timestamp.before.max.ms", SET, "60000"))
    assert produce(client, name, old)[0].error_code == 32
    alter(client, TOPIC, name, ("message.timestamp.type", SET, "LogAppendTime"))
    answer = produce(client, name, old)[0]
    assert answer.error_code == 0
    assert answer.log_append_time_ms > 1_000_000_000_000


def test_min_insync_replicas(client, name):
    create_topic(client, name)
    alter(client, TOPIC, name, ("min.insync.replicas", SET, "2"))
    assert produce(client, name, batch_of(b"v"), acks=-1)[0].error_code == 19
    assert produce(client, name, batch_of(b"v"), acks=1)[0].error_code == 0


def test_segment_bytes(client, broker, name):
    create_topic(client, name, segment_bytes=1 << 30)
    batch = batch_of(b"x" * 600_000)
    for _ in range(2):
        produce(client, name, batch)

    def segments():
        return len(list((broker.directory / f"{name}-0").glob("*.log")))

    assert segments() == 1
    alter(client, TOPIC, name, ("segment.bytes", SET, str(1 << 20)))
    for _ in range(2):
        produce(client, name, batch)
    assert segments() > 1


def test_cleanup_policy(client, name):
    create_topic(client, name)
    assert produce(client, name, batch_of(b"v", key=None))[0].error_code == 0
    alter(client, TOPIC, name, ("cleanup.policy", SET, "compact"))
    answer = produce(client, name, batch_of(b"v", key=None))[0]
    assert (answer.error_code, [error.batch_index for error in answer.record_errors]) == (87, [0])
    assert produce(client, name, batch_of(b"v"))[0].error_code == 0

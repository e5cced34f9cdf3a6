"""DescribeConfigs, IncrementalAlterConfigs, AlterConfigs: what is shown, what may change, that a change takes effect.

Method: a running broker, asked over a socket; effects are seen in what Produce answers and in the segment files.
"""

import logging

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
from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient, batch_of, create_topic, produce

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
        "",
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
        (BROKER_LOGGER, "7", 42),
        (BROKER_LOGGER, "", 42),
        (CLIENT_METRICS, "", 42),
        (GROUP, "", 42),
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


# ---- brokers, groups, client metrics, loggers


def entry(client, kind, name, key):
    (config,) = describe(client, kind, name, [key], synonyms=True).configs
    return config.value, [(s.name, s.value, s.source) for s in config.synonyms]


def test_broker_configs_in_layers(client):
    key = "log.retention.ms"
    assert entry(client, BROKER, "1", key) == (None, [])
    assert alter(client, BROKER, "", (key, SET, "5000")).error_code == 0
    assert alter(client, BROKER, "1", (key, SET, "6000")).error_code == 0
    hours = ("log.retention.hours", "168", DEFAULT)
    layers = [(key, "6000", DYNAMIC_BROKER), (key, "5000", DYNAMIC_DEFAULT), hours]
    assert entry(client, BROKER, "1", key) == ("6000", layers)
    assert entry(client, BROKER, "", key) == ("5000", [(key, "5000", DYNAMIC_DEFAULT)])
    assert alter(client, BROKER, "1", (key, DELETE, None)).error_code == 0
    assert entry(client, BROKER, "1", key) == ("5000", layers[1:])
    assert alter(client, BROKER, "", (key, DELETE, None)).error_code == 0
    assert describe(client, BROKER, "", [key]).configs == []


def test_rates_and_names_that_nobody_knows(client):
    rate, other = "replica.alter.log.dirs.io.max.bytes.per.second", "my.plugin.password"
    assert describe(client, BROKER, "1", [rate, other]).configs == []
    assert alter(client, BROKER, "1", (rate, SET, "7"), (other, SET, "secret")).error_code == 0
    shown = {config.name: config for config in describe(client, BROKER, "1", [rate, other], synonyms=True).configs}
    assert (shown[rate].value, shown[rate].config_type, shown[rate].read_only) == ("7", 5, False)
    assert (shown[other].value, shown[other].is_sensitive, shown[other].read_only) == (None, True, True)
    assert shown[other].synonyms[0].value is None
    response = alter(client, BROKER, "1", (rate, SET, "x"))
    assert (response.error_code, response.error_message) == (
        42,
        f"Invalid value x for configuration {rate}: Not a number of type LONG",
    )
    assert alter(client, BROKER, "1", (rate, DELETE, None), (other, DELETE, None)).error_code == 0
    assert describe(client, BROKER, "1", [rate, other]).configs == []


@pytest.mark.parametrize("broker_id", ["", "1"])
@pytest.mark.parametrize(
    ("operation", "code", "sentence"),
    [
        (("num.network.threads", SET, "4"), 42, "Cannot update these configs dynamically: [num.network.threads]"),
        (("telemetry.max.bytes", SET, "4"), 42, "Cannot update these configs dynamically: [telemetry.max.bytes]"),
        (("log.retention.ms", SET, "0"), 42,
         "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"),
        (("log.roll.ms", SET, "0"), 42, "requirement failed: log.roll.ms must be greater than or equal to 1"),
        (("log.cleaner.dedupe.buffer.size", SET, "1"), 42,
         "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."),
        (("log.retention.ms", APPEND, "1"), 40, "Config value append is not allowed for config key: log.retention.ms"),
        (("foo", SUBTRACT, "1"), 40, "Unknown config name: foo"),
        (("log.retention.ms", 9, "1"), 42, "Unknown operations type 9"),
    ],
)  # fmt: skip
def test_broker_configs_that_do_not_change(client, broker_id, operation, code, sentence):
    response = alter(client, BROKER, broker_id, operation)
    assert (response.error_code, response.error_message) == (code, sentence)


def test_configs_of_one_broker_are_none_for_all(client):
    response = alter(client, BROKER, "", ("listeners", SET, "PLAINTEXT://:1"))
    assert response.error_message == (
        "Cannot update these configs at default cluster level, broker id must be specified: [listeners]"
    )


def test_secrets_are_never_shown():
    secrets = {"ssl_keystore_password": "hidden", "delegation_token_secret_key": "hidden"}
    with Broker(**secrets) as own, RawClient(own.bootstrap) as client:
        configs = {config.name: config for config in describe(client, BROKER, "1", synonyms=True).configs}
    for name in ("ssl.keystore.password", "delegation.token.secret.key"):
        shown = configs[name]
        assert (shown.value, shown.is_sensitive, shown.config_source) == (None, True, STATIC)
        assert [synonym.value for synonym in shown.synonyms] == [None]
    assert len(configs) > 330
    assert "log.initial.task.delay.ms" not in configs  # internal in Kafka, and not shown there either


def test_a_group(client, name):
    session = "consumer.session.timeout.ms"
    assert entry(client, GROUP, name, session) == ("45000", [(f"group.{session}", "45000", DEFAULT)])
    assert alter(client, GROUP, name, (session, SET, "50000"), validate_only=True).error_code == 0
    assert entry(client, GROUP, name, session)[0] == "45000"
    assert alter(client, GROUP, name, (session, SET, "50000")).error_code == 0
    assert entry(client, GROUP, name, session) == (
        "50000",
        [(session, "50000", 8), (f"group.{session}", "45000", DEFAULT)],
    )
    assert replace(client, GROUP, name, consumer_heartbeat_interval_ms="6000").error_code == 0
    assert entry(client, GROUP, name, session)[0] == "45000"
    assert entry(client, GROUP, name, "consumer.heartbeat.interval.ms")[0] == "6000"
    refused = alter(client, GROUP, name, (session, SET, "1000"))
    assert (refused.error_code, refused.error_message) == (
        40,
        "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
    )


def test_client_metrics(client, name):
    assert values(client, CLIENT_METRICS, name) == {
        "interval.ms": ("300000", DEFAULT),
        "match": ("", DEFAULT),
        "metrics": ("", DEFAULT),
    }
    assert alter(client, CLIENT_METRICS, name, ("interval.ms", SET, "1000"), ("metrics", SET, "a,b")).error_code == 0
    assert entry(client, CLIENT_METRICS, name, "metrics") == ("a,b", [("metrics", "a,b", 7)])
    assert replace(client, CLIENT_METRICS, name).error_code == 0
    assert values(client, CLIENT_METRICS, name)["metrics"] == ("", DEFAULT)


def test_levels_of_loggers(client):
    logger = "kafka.log.LogCleaner"
    levels = {config.name: config for config in describe(client, BROKER_LOGGER, "1").configs}
    before = levels["root"].value
    assert (levels[logger].value, levels[logger].config_source, levels[logger].config_type) == (before, 6, 0)
    assert levels[logger].read_only is False
    other = "ERROR" if before == "WARN" else "WARN"
    assert alter(client, BROKER_LOGGER, "1", (logger, SET, other), validate_only=True).error_code == 0
    assert describe(client, BROKER_LOGGER, "1", [logger]).configs[0].value == before
    assert alter(client, BROKER_LOGGER, "1", (logger, SET, other)).error_code == 0
    assert describe(client, BROKER_LOGGER, "1", [logger]).configs[0].value == other
    assert logging.getLogger(logger).getEffectiveLevel() == getattr(logging, other)
    assert alter(client, BROKER_LOGGER, "1", (logger, DELETE, None)).error_code == 0
    assert describe(client, BROKER_LOGGER, "1", [logger]).configs[0].value == before


@pytest.mark.parametrize(
    ("operation", "code", "sentence"),
    [
        (("root", SET, "info"), 40, "Cannot set the log level of root to info as it is not a supported log level. "
         "Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"),
        (("root", DELETE, None), 42, "Removing the log level of the root logger is not allowed"),
        (("root", APPEND, "INFO"), 42, "APPEND operation is not allowed for the BROKER_LOGGER resource"),
        (("root", SET, None), 42, "Null value not supported for : root"),
        (("nope", SET, "INFO"), 40, "Logger nope does not exist!"),
    ],
)  # fmt: skip
def test_levels_that_are_refused(client, operation, code, sentence):
    response = alter(client, BROKER_LOGGER, "1", operation)
    assert (response.error_code, response.error_message) == (code, sentence)
    assert replace(client, BROKER_LOGGER, "1", root="INFO").error_message == "Unknown resource type 8"


def test_a_dynamic_broker_config_is_in_effect_at_once(client, name):
    create_topic(client, name)
    assert alter(client, BROKER, "", ("message.max.bytes", SET, "500")).error_code == 0
    try:
        (refused,) = produce(client, name, batch_of(bytes(1000)))
        assert refused.error_code == 10
    finally:
        alter(client, BROKER, "", ("message.max.bytes", DELETE, None))
    (taken,) = produce(client, name, batch_of(bytes(1000)))
    assert taken.error_code == 0


def test_dynamic_configs_survive_a_restart(tmp_path, name):
    changes = [
        (BROKER, "", "log.cleaner.backoff.ms", "1234"),
        (BROKER, "1", "log.retention.bytes", "99999"),
        (GROUP, "g", "consumer.session.timeout.ms", "50000"),
        (CLIENT_METRICS, "m", "interval.ms", "1000"),
    ]
    with Broker(directory=tmp_path) as own, RawClient(own.bootstrap) as client:
        for kind, resource, key, value in changes:
            assert alter(client, kind, resource, (key, SET, value)).error_code == 0
    with Broker(directory=tmp_path) as own, RawClient(own.bootstrap) as client:
        for kind, resource, key, value in changes:
            assert entry(client, kind, resource, key)[0] == value

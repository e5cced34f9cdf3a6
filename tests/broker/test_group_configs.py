"""Goal: group and client metrics configs are checked, bounded and shown as Apache Kafka does it.

Method: the questions that were put to Apache Kafka 4.3.1, and its answers.
"""

from __future__ import annotations

import pytest

from pykafka_core.broker.client_metrics_configs import alter_client_metrics_configs
from pykafka_core.broker.config import make_config
from pykafka_core.broker.config_describe import ConfigSource, ConfigSynonym, describe_group
from pykafka_core.broker.config_values import ConfigValueError
from pykafka_core.broker.configs import Configs
from pykafka_core.broker.group_configs import GROUP_CONFIGS, alter_group_configs, group_settings
from pykafka_core.broker.topic_configs import AlterOperation, ConfigConflictError, ConfigRequestError
from pykafka_core.metadata.changes import alter_configs
from pykafka_core.metadata.image import ConfigResourceType
from tests.broker.fakes import NODE_ID, FakeStore

DEFAULTS = make_config({}).values
SET, DELETE, APPEND, SUBTRACT = AlterOperation


def at_least(name: str, limit: str) -> str:
    return f"{name} must be greater than or equal to {limit}"


def at_most(name: str, limit: str) -> str:
    return f"{name} must be less than or equal to {limit}"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("consumer.session.timeout.ms", "1000", "min"),
        ("consumer.session.timeout.ms", "70000", "max"),
        ("consumer.session.timeout.ms", "0", "Value must be at least 1"),
        ("consumer.session.timeout.ms", "x", "Not a number of type INT"),
        ("consumer.session.timeout.ms", "", "Not a number of type INT"),
        ("consumer.heartbeat.interval.ms", "4999", "min"),
        ("consumer.heartbeat.interval.ms", "15001", "max"),
        ("consumer.assignment.interval.ms", "20000", "max"),
        ("consumer.assignment.interval.ms", "-1", "Value must be at least 0"),
        ("share.session.timeout.ms", "60001", "max"),
        ("share.record.lock.duration.ms", "1", "Value must be at least 1000"),
        ("share.record.lock.duration.ms", "14999", "min"),
        ("share.delivery.count.limit", "11", "max"),
        ("share.partition.max.record.locks", "99", "Value must be at least 100"),
        ("share.partition.max.record.locks", "4001", "max"),
        ("share.isolation.level", "READ_COMMITTED", "String must be one of: read_committed, read_uncommitted"),
        ("share.renew.acknowledge.enable", "x", "Expected value to be either true or false"),
        ("streams.heartbeat.interval.ms", "1", "min"),
        ("streams.num.standby.replicas", "-1", "Value must be at least 0"),
        ("streams.initial.rebalance.delay.ms", "-1", "Value must be at least 0"),
        (
            "share.auto.offset.reset",
            "by_duration:-P1D",
            "Invalid value `by_duration:-P1D` for configuration share.auto.offset.reset. The value must be either "
            "'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.",
        ),
    ],
)
def test_values_out_of_range(name: str, value: str, sentence: str) -> None:
    family, _, rest = name.partition(".")
    words = {
        "min": at_least(name, f"group.{family}.min.{rest}"),
        "max": at_most(name, f"group.{family}.max.{rest}"),
    }.get(sentence, f"Invalid value {value} for configuration {name}: {sentence}")
    with pytest.raises((ConfigConflictError, ConfigValueError)) as refused:
        alter_group_configs({}, [(name, SET, value)], DEFAULTS)
    assert str(refused.value) == words


def test_standby_replicas_have_a_limit_of_another_name() -> None:
    with pytest.raises(ConfigConflictError) as refused:
        alter_group_configs({}, [("streams.num.standby.replicas", SET, "3")], DEFAULTS)
    assert str(refused.value) == at_most("streams.num.standby.replicas", "group.streams.max.standby.replicas")


@pytest.mark.parametrize("value", ["earliest", "by_duration:P1D", "by_duration:PT1H30M", "by_duration:P2DT0.5S"])
def test_where_a_share_group_begins(value: str) -> None:
    assert alter_group_configs({}, [("share.auto.offset.reset", SET, value)], DEFAULTS)


@pytest.mark.parametrize("value", ["none", "Earliest", "by_duration:", "by_duration:P", "by_duration:1D", "latest:P1D"])
def test_where_a_share_group_does_not_begin(value: str) -> None:
    with pytest.raises(ConfigValueError):
        alter_group_configs({}, [("share.auto.offset.reset", SET, value)], DEFAULTS)


def test_a_session_outlasts_a_heartbeat() -> None:
    values = make_config(
        {"group.consumer.min.session.timeout.ms": "1000", "group.consumer.max.heartbeat.interval.ms": "50000"}
    ).values
    with pytest.raises(
        ConfigConflictError, match=r"consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms"
    ):
        alter_group_configs(
            {"consumer.session.timeout.ms": "6000"}, [("consumer.heartbeat.interval.ms", SET, "6000")], values
        )


@pytest.mark.parametrize(
    ("operations", "kind", "sentence"),
    [
        ([("foo", SET, "1")], ConfigConflictError, "Unknown group config name: foo"),
        ([("foo", APPEND, "1")], ConfigConflictError, "Can't APPEND to key foo because its type is not LIST."),
        ([("foo", 7, "1")], ConfigRequestError, "Unknown operations type 7"),
        ([("foo", SET, None)], ConfigRequestError, "Null value not supported for : foo"),
        ([("foo", DELETE, None)] * 2, ConfigRequestError, "Error due to duplicate config keys"),
    ],
)
def test_changes_that_make_no_sense(
    operations: list[tuple[str, int, str | None]], kind: type[Exception], sentence: str
) -> None:
    for alter in (alter_group_configs, lambda *arguments: alter_client_metrics_configs(*arguments[:2])):
        if operations == [("foo", SET, "1")] and alter is not alter_group_configs:
            kind, sentence = ConfigRequestError, "Unknown client metrics configuration: foo"
        with pytest.raises(kind) as refused:
            alter({}, operations, DEFAULTS)
        assert str(refused.value) == sentence


def test_only_what_changes_is_written() -> None:
    current = {"consumer.session.timeout.ms": "50000", "of.another.kafka": "1"}
    operations = [
        ("consumer.session.timeout.ms", SET, "50000"),
        ("share.session.timeout.ms", SET, "50000"),
        ("foo", DELETE, None),
    ]
    assert alter_group_configs(current, operations, DEFAULTS) == {"share.session.timeout.ms": "50000"}


def test_settings_follow_the_brokers_limits() -> None:
    overrides = {
        "consumer.session.timeout.ms": "60000",
        "consumer.heartbeat.interval.ms": "6000",
        "share.delivery.count.limit": "nonsense",
        "share.isolation.level": "read_committed",
    }
    settings = group_settings(overrides, DEFAULTS)
    assert settings.consumer_session_timeout_ms == 60_000
    assert settings.consumer_heartbeat_interval_ms == 6_000
    assert settings.share_delivery_count_limit == 5
    assert settings.share_isolation_level == "read_committed"
    narrower = make_config(
        {
            "group.consumer.max.session.timeout.ms": "50000",
            "group.consumer.min.heartbeat.interval.ms": "7000",
            "group.consumer.heartbeat.interval.ms": "7000",
            "group.streams.session.timeout.ms": "46000",
        }
    ).values
    settings = group_settings(overrides, narrower)
    assert settings.consumer_session_timeout_ms == 50_000
    assert settings.consumer_heartbeat_interval_ms == 7_000
    assert settings.streams_session_timeout_ms == 46_000


async def test_coordinators_learn_of_a_change_at_once() -> None:
    store = FakeStore()
    configs = Configs(config=make_config({}), store=store, node_id=NODE_ID)
    assert configs.group_settings("g") is configs.group_settings("h")
    assert configs.group_settings("g").consumer_session_timeout_ms == 45_000
    await store.commit(alter_configs(ConfigResourceType.GROUP, "g", {"consumer.session.timeout.ms": "50000"}))
    assert configs.group_settings("g").consumer_session_timeout_ms == 50_000
    assert configs.group_settings("g") is configs.group_settings("g")
    assert configs.group_settings("h").consumer_session_timeout_ms == 45_000
    await store.commit(alter_configs(ConfigResourceType.BROKER, "", {"group.consumer.assignment.interval.ms": "77"}))
    assert configs.group_settings("g").consumer_assignment_interval_ms == 77
    await store.commit(alter_configs(ConfigResourceType.GROUP, "g", {"consumer.session.timeout.ms": None}))
    assert configs.group_settings("g") is configs.group_settings("h")


def test_a_group_is_shown_with_its_sources() -> None:
    static = {"group.consumer.session.timeout.ms": "46000"}
    entries = {
        entry.name: entry
        for entry in describe_group(
            {"consumer.session.timeout.ms": "50000", "share.isolation.level": "read_committed"},
            make_config(static).values,
            ({}, {}, static),
        )
    }
    assert entries.keys() == GROUP_CONFIGS.keys()
    session = entries["consumer.session.timeout.ms"]
    assert (session.value, session.source, session.read_only) == ("50000", ConfigSource.DYNAMIC_GROUP, False)
    assert session.synonyms == (
        ConfigSynonym("consumer.session.timeout.ms", "50000", ConfigSource.DYNAMIC_GROUP),
        ConfigSynonym("group.consumer.session.timeout.ms", "46000", ConfigSource.STATIC_BROKER),
        ConfigSynonym("group.consumer.session.timeout.ms", "45000", ConfigSource.DEFAULT),
    )
    assert entries["share.isolation.level"].synonyms == (
        ConfigSynonym("share.isolation.level", "read_committed", ConfigSource.DYNAMIC_GROUP),
        ConfigSynonym("share.isolation.level", "read_uncommitted", ConfigSource.DEFAULT),
    )
    heartbeat = entries["consumer.heartbeat.interval.ms"]
    assert (heartbeat.value, heartbeat.source) == ("5000", ConfigSource.DEFAULT)
    assert all(entry.documentation.endswith(".") for entry in entries.values())


@pytest.mark.parametrize(
    ("name", "value", "kind", "sentence"),
    [
        (
            "interval.ms",
            "99",
            ConfigRequestError,
            "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)",
        ),
        (
            "interval.ms",
            "x",
            ConfigValueError,
            "Invalid value x for configuration interval.ms: Not a number of type INT",
        ),
        ("match", "foo=a", ConfigConflictError, "Illegal client matching pattern: foo=a"),
        ("match", "client_id", ConfigConflictError, "Illegal client matching pattern: client_id"),
        ("match", "client_id=[", ConfigConflictError, "Illegal client matching pattern: client_id=["),
        ("match", "client_id=a=b", ConfigConflictError, "Illegal client matching pattern: client_id=a=b"),
    ],
)
def test_client_metrics_that_are_refused(name: str, value: str, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind) as refused:
        alter_client_metrics_configs({}, [(name, SET, value)])
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [("interval.ms", "100"), ("metrics", ""), ("metrics", "*"), ("match", "client_id = a , client_source_port=1")],
)
def test_client_metrics_that_are_taken(name: str, value: str) -> None:
    assert alter_client_metrics_configs({}, [(name, SET, value)]) == {name: value}

"""Goal: topic configs are checked, merged and shown as Apache Kafka does it.

Method: the questions that were put to Apache Kafka 4.3.1 through its Admin client, and its answers.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykafka_core.broker.config import make_config
from pykafka_core.broker.config_describe import ConfigSource, ConfigSynonym, describe_broker, describe_topic
from pykafka_core.broker.config_dynamic import alter_broker_configs, broker_values
from pykafka_core.broker.config_values import ConfigValueError, format_value
from pykafka_core.broker.topic_configs import (
    TOPIC_CONFIGS,
    AlterOperation,
    ConfigConflictError,
    ConfigRequestError,
    UnknownTopicConfigError,
    alter_topic_configs,
    topic_settings,
    validate_topic_configs,
)

DEFAULTS = dict(make_config({}).values)
SET, DELETE, APPEND, SUBTRACT = AlterOperation


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("retention.ms", "abc", "Invalid value abc for configuration retention.ms: Not a number of type LONG"),
        ("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
        (
            "cleanup.policy",
            "foo",
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        ("segment.bytes", "14", "Invalid value 14 for configuration segment.bytes: Value must be at least 1048576"),
        (
            "segment.bytes",
            "99999999999",
            "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT",
        ),
        ("min.insync.replicas", "0", "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1"),
        (
            "min.cleanable.dirty.ratio",
            "1.5",
            "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
        ),
        (
            "min.cleanable.dirty.ratio",
            "x",
            "Invalid value x for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE",
        ),
        (
            "preallocate",
            "maybe",
            "Invalid value maybe for configuration preallocate: Expected value to be either true or false",
        ),
        (
            "compression.type",
            "brotli",
            "Invalid value brotli for configuration compression.type: "
            "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
        ),
        (
            "leader.replication.throttled.replicas",
            "0-1",
            "Invalid value [0-1] for configuration leader.replication.throttled.replicas: "
            "leader.replication.throttled.replicas must be the literal '*' or a list of replicas "
            "in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        ),
        (
            "compression.gzip.level",
            "77",
            "Invalid value 77 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
        ),
        (
            "compression.zstd.level",
            "99",
            "Invalid value 99 for configuration compression.zstd.level: Value must be no more than 22",
        ),
    ],
)
def test_a_wrong_value_gets_kafkas_sentence(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ConfigValueError) as caught:
        alter_topic_configs({}, [(name, SET, value)], DEFAULTS)
    assert str(caught.value) == sentence
    with pytest.raises(ConfigValueError):
        validate_topic_configs({name: value}, DEFAULTS)


@pytest.mark.parametrize(
    ("name", "operation", "value", "kind", "sentence"),
    [
        ("foo", SET, "1", UnknownTopicConfigError, "Unknown topic config name: foo"),
        (
            "retention.ms",
            APPEND,
            "5",
            ConfigConflictError,
            "Can't APPEND to key retention.ms because its type is not LIST.",
        ),
        ("foo", APPEND, "5", ConfigConflictError, "Can't APPEND to key foo because its type is not LIST."),
        ("retention.ms", SET, None, ConfigRequestError, "Null value not supported for : retention.ms"),
        ("retention.ms", 9, "1", ConfigRequestError, "Unknown alter operation 9"),
        (
            "min.compaction.lag.ms",
            SET,
            "9223372036854775807",
            ConfigConflictError,
            "conflict topic config setting min.compaction.lag.ms (9223372036854775807) > max.compaction.lag.ms (1000)",
        ),
        (
            "remote.storage.enable",
            SET,
            "true",
            ConfigConflictError,
            "Tiered Storage functionality is disabled in the broker.",
        ),
    ],
)
def test_a_change_that_makes_no_sense(
    name: str, operation: int, value: str | None, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind) as caught:
        alter_topic_configs({"max.compaction.lag.ms": "1000"}, [(name, operation, value)], DEFAULTS)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("current", "operation", "changes"),
    [
        ({}, ("cleanup.policy", SET, ""), {"cleanup.policy": ""}),
        ({}, ("retention.ms", SET, " 77 "), {"retention.ms": " 77 "}),
        ({}, ("retention.ms", SET, "+5"), {"retention.ms": "+5"}),
        ({"retention.ms": "5"}, ("retention.ms", SET, "5"), {}),
        ({"retention.ms": "5"}, ("retention.ms", DELETE, None), {"retention.ms": None}),
        ({}, ("retention.ms", DELETE, None), {}),
        ({}, ("foo", DELETE, ""), {}),
        ({}, ("cleanup.policy", APPEND, "compact"), {"cleanup.policy": "delete,compact"}),
        ({"cleanup.policy": "compact"}, ("cleanup.policy", APPEND, "compact"), {}),
        ({"cleanup.policy": "compact, delete"}, ("cleanup.policy", SUBTRACT, "compact"), {"cleanup.policy": "delete"}),
        ({}, ("cleanup.policy", SUBTRACT, "delete"), {"cleanup.policy": ""}),
        ({"unheard.of": "1"}, ("retention.ms", SET, "5"), {"retention.ms": "5"}),
    ],
)
def test_what_an_operation_changes(
    current: dict[str, str], operation: tuple[str, int, str | None], changes: dict[str, str | None]
) -> None:
    assert alter_topic_configs(current, [operation], DEFAULTS) == changes


def test_the_same_key_twice_is_refused() -> None:
    with pytest.raises(ConfigRequestError, match="duplicate"):
        alter_topic_configs({}, [("retention.ms", SET, "1"), ("retention.ms", SET, "2")], DEFAULTS)


def test_time_settings_inherit_in_milliseconds_then_minutes_then_hours() -> None:
    assert topic_settings(make_config({"log.retention.hours": "2"}).values, {}).retention_ms == 7_200_000
    both = make_config({"log.retention.hours": "2", "log.retention.minutes": "3"}).values
    assert topic_settings(both, {}).retention_ms == 180_000
    assert topic_settings(dict(both) | {"log.retention.ms": 7}, {}).retention_ms == 7
    assert topic_settings(both, {"retention.ms": "9"}).retention_ms == 9
    assert topic_settings(make_config({"log.retention.hours": "-1"}).values, {}).retention_ms == -1
    assert topic_settings(make_config({"log.roll.hours": "1"}).values, {}).segment_ms == 3_600_000


def test_an_override_that_does_not_parse_falls_back() -> None:
    assert topic_settings(DEFAULTS, {"retention.ms": "soon"}).retention_ms == 604_800_000


def test_settings_without_overrides_are_kafkas_defaults() -> None:
    settings = topic_settings(DEFAULTS, {})
    assert {
        name: getattr(settings, name.replace(".", "_"))
        for name in TOPIC_CONFIGS
        if hasattr(settings, name.replace(".", "_"))
    } == {name: key.default for name, key in TOPIC_CONFIGS.items() if hasattr(settings, name.replace(".", "_"))}


def test_synonyms_are_listed_from_topic_to_default() -> None:
    static = {"log.retention.hours": "168"}
    values = broker_values(make_config(static).values, {}, {"log.retention.ms": "7654321"})
    entries = {
        e.name: e
        for e in describe_topic({"retention.ms": "1000000"}, values, ({}, {"log.retention.ms": "7654321"}, {}))
    }
    assert entries["retention.ms"].synonyms == (
        ConfigSynonym("retention.ms", "1000000", ConfigSource.DYNAMIC_TOPIC),
        ConfigSynonym("log.retention.ms", "7654321", ConfigSource.DYNAMIC_DEFAULT_BROKER),
        ConfigSynonym("log.retention.hours", "168", ConfigSource.DEFAULT),
    )
    assert (entries["retention.ms"].value, entries["retention.ms"].source) == ("1000000", ConfigSource.DYNAMIC_TOPIC)
    assert entries["max.message.bytes"].synonyms == (
        ConfigSynonym("message.max.bytes", "1048588", ConfigSource.DEFAULT),
    )
    assert entries["max.message.bytes"].is_default
    assert entries["remote.storage.enable"].synonyms == ()
    assert set(entries) == set(TOPIC_CONFIGS)


def test_a_dynamic_broker_config_reaches_topics_that_do_not_set_it() -> None:
    values = broker_values(
        DEFAULTS, {"message.max.bytes": "77"}, {"message.max.bytes": "66", "log.retention.ms": "x", "foo": "1"}
    )
    assert topic_settings(values, {}).max_message_bytes == 77
    assert topic_settings(values, {}).retention_ms == 604_800_000
    assert DEFAULTS["message.max.bytes"] == 1048588


def test_broker_configs_are_shown_with_their_source() -> None:
    config = make_config({"num.partitions": "3", "log.dirs": "/a,/b"})
    entries = {e.name: e for e in describe_broker(config.values, ({}, {}, config.static))}
    assert entries["num.partitions"].synonyms == (
        ConfigSynonym("num.partitions", "3", ConfigSource.STATIC_BROKER),
        ConfigSynonym("num.partitions", "1", ConfigSource.DEFAULT),
    )
    assert entries["num.partitions"].read_only
    assert not entries["message.max.bytes"].read_only
    assert entries["log.dirs"].value == "/a,/b"
    assert entries["log.retention.ms"].value is None


@pytest.mark.parametrize(
    ("operation", "kind", "sentence"),
    [
        (("node.id", SET, "5"), ConfigRequestError, "Cannot update these configs dynamically: [node.id]"),
        (
            ("log.retention.ms", SET, "abc"),
            ConfigRequestError,
            "Invalid value abc for configuration log.retention.ms: Not a number of type LONG",
        ),
        (
            ("message.max.bytes", SET, "-1"),
            ConfigRequestError,
            "Invalid value -1 for configuration message.max.bytes: Value must be at least 0",
        ),
        (
            ("message.max.bytes", APPEND, "1"),
            ConfigConflictError,
            "Config value append is not allowed for config key: message.max.bytes",
        ),
    ],
)
def test_a_wrong_broker_change_gets_kafkas_sentence(
    operation: tuple[str, int, str | None], kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind) as caught:
        alter_broker_configs({}, [operation], DEFAULTS)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("current", "wanted", "sentence"),
    [
        (1, 3, "cannot be increased to more than double the current value 1"),
        (4, 1, "cannot be reduced to less than half the current value 4"),
        (4, 9, "cannot be increased to more than double the current value 4"),
        (1, 2, None),
        (4, 2, None),
        (4, 8, None),
    ],
)
def test_cleaner_threads_change_step_by_step(current: int, wanted: int, sentence: str | None) -> None:
    values = DEFAULTS | {"log.cleaner.threads": current}
    operation = ("log.cleaner.threads", SET, str(wanted))
    if sentence is None:
        assert alter_broker_configs({}, [operation], values) == {"log.cleaner.threads": str(wanted)}
        # Where a broker has a number of its own, that of all brokers changes nothing for it.
        assert alter_broker_configs({}, [("log.cleaner.threads", SET, "77")], values, values_with=lambda _: values)
        return
    for operations, with_them in (([operation], None), ([("x", DELETE, None)], lambda _: values | typed(wanted))):
        with pytest.raises(ConfigRequestError) as caught:
            alter_broker_configs({}, operations, values, values_with=with_them)
        assert str(caught.value) == (
            f"Invalid value org.apache.kafka.common.config.ConfigException: Log cleaner threads {sentence} "
            "for configuration Invalid dynamic configuration"
        )


def typed(threads: int) -> dict[str, int]:
    return {"log.cleaner.threads": threads}


def test_broker_changes() -> None:
    assert alter_broker_configs({}, [("foo", SET, "abc"), ("message.max.bytes", SET, "5")], DEFAULTS) == {
        "foo": "abc",
        "message.max.bytes": "5",
    }
    assert alter_broker_configs({}, [("log.cleanup.policy", APPEND, "compact")], DEFAULTS) == {
        "log.cleanup.policy": "delete,compact"
    }
    assert alter_broker_configs({"foo": "abc"}, [("foo", DELETE, None), ("node.id", DELETE, None)], DEFAULTS) == {
        "foo": None
    }


@given(st.sampled_from(sorted(TOPIC_CONFIGS)), st.text(max_size=20))
def test_a_value_is_refused_or_shown_and_read_back(name: str, text: str) -> None:
    key = TOPIC_CONFIGS[name]
    try:
        value = key.parse(text)
    except ConfigValueError:
        return
    shown = format_value(value)
    assert shown is not None
    assert key.parse(shown) == value

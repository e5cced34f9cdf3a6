"""Topic configs: the table, what is in effect for a topic, and the rules for changing them.

    settings = topic_settings(config.values, dynamic_broker_values, overrides)     typed, as the data path needs it
    validate_topic_configs(overrides, inherited)                                   before a topic is created
    changes = alter_topic_configs(current, operations, inherited)                  SET, DELETE, APPEND, SUBTRACT

What is in effect: the topic's own value, else the broker's value of the same meaning (its synonym), else Kafka's
default. Broker values come from dynamic configs first (`broker_values` merges them), then from the file.

The sentences are Kafka's. Source: org.apache.kafka.storage.internals.log.LogConfig, ServerTopicConfigSynonyms,
org.apache.kafka.controller.ConfigurationControlManager; answers recorded from Apache Kafka 4.3.1.
"""

from __future__ import annotations

from types import MappingProxyType

from pykafka_core._dataclass import dataclass, fields
from pykafka_core._enum import IntEnum
from pykafka_core.broker.config_keys import COMPRESSION_TYPES, GZIP_LEVEL, LZ4_LEVEL, ZSTD_LEVEL
from pykafka_core.broker.config_values import (
    LONG_MAX,
    AllOf,
    Check,
    ConfigKey,
    ConfigType,
    ConfigValueError,
    OneOf,
    Range,
    ThrottledReplicas,
    UpdateMode,
    format_value,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Final

__all__ = [
    "TOPIC_CONFIGS",
    "AlterOperation",
    "ConfigConflictError",
    "ConfigRequestError",
    "TopicConfigKey",
    "TopicSettings",
    "UnknownTopicConfigError",
    "alter_topic_configs",
    "inherited_value",
    "set_or_deleted",
    "topic_settings",
    "validate_topic_configs",
]


class UnknownTopicConfigError(ValueError):
    """A name that is no topic config: INVALID_CONFIG."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Unknown topic config name: {name}")


class ConfigRequestError(ValueError):
    """A change that makes no sense whatever the value: INVALID_REQUEST."""


class AlterOperation(IntEnum):
    """`config_operation` of IncrementalAlterConfigs."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


@dataclass(slots=True, frozen=True, kw_only=True)
class TopicConfigKey(ConfigKey):
    """One row. `synonyms` are broker configs of the same meaning, the strongest first, and the milliseconds in their
    unit."""

    synonyms: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True, frozen=True, kw_only=True)
class TopicSettings:
    """What is in effect for one topic. Field names are Kafka's with `_` for `.`."""

    cleanup_policy: tuple[str, ...]
    compression_gzip_level: int
    compression_lz4_level: int
    compression_type: str
    compression_zstd_level: int
    delete_retention_ms: int
    file_delete_delay_ms: int
    flush_messages: int
    flush_ms: int
    index_interval_bytes: int
    local_retention_bytes: int
    local_retention_ms: int
    max_compaction_lag_ms: int
    max_message_bytes: int
    message_timestamp_after_max_ms: int
    message_timestamp_before_max_ms: int
    message_timestamp_type: str
    min_cleanable_dirty_ratio: float
    min_compaction_lag_ms: int
    min_insync_replicas: int
    preallocate: bool
    retention_bytes: int
    retention_ms: int
    segment_bytes: int
    segment_index_bytes: int
    segment_jitter_ms: int
    segment_ms: int
    unclean_leader_election_enable: bool

    @property
    def compacted(self) -> bool:
        return "compact" in self.cleanup_policy

    @property
    def log_append_time(self) -> bool:
        return self.message_timestamp_type == "LogAppendTime"


_ROWS: list[TopicConfigKey] = []


def _key(name: str, kind: ConfigType, default: Any, doc: str, *synonyms: str, check: Check | None = None) -> None:
    units = {"minutes": 60_000, "hours": 3_600_000}
    pairs = tuple((synonym, units.get(synonym.rpartition(".")[2], 1)) for synonym in synonyms)
    _ROWS.append(
        TopicConfigKey(
            name=name, type=kind, default=default, doc=doc, check=check, synonyms=pairs, mode=UpdateMode.CLUSTER_WIDE
        )
    )


_BOOLEAN, _STRING, _INT, _LONG, _DOUBLE, _LIST = (
    ConfigType.BOOLEAN,
    ConfigType.STRING,
    ConfigType.INT,
    ConfigType.LONG,
    ConfigType.DOUBLE,
    ConfigType.LIST,
)

_key("cleanup.policy", _LIST, ("delete",),
     "What happens to old records: `delete` drops whole segments by age and size, `compact` keeps the last record "
     "of each key, both do both, and an empty list keeps everything.",
     "log.cleanup.policy", check=AllOf(("compact", "delete")))
_key("compression.gzip.level", _INT, -1, "The level where compression.type is gzip; -1 is the codec's default.",
     "compression.gzip.level", check=GZIP_LEVEL)
_key("compression.lz4.level", _INT, 9,
     "The level where compression.type is lz4.", "compression.lz4.level", check=LZ4_LEVEL)
_key("compression.type", _STRING, "producer",
     "The codec that stored batches have. With `producer` each stays as it came; with any other, batches that "
     "differ are compressed anew.", "compression.type", check=COMPRESSION_TYPES)
_key("compression.zstd.level", _INT, 3,
     "The level where compression.type is zstd.", "compression.zstd.level", check=ZSTD_LEVEL)
_key("delete.retention.ms", _LONG, 86400000,
     "How long a tombstone stays in a compacted log, so that slow readers see it.",
     "log.cleaner.delete.retention.ms", check=Range(0))
_key("file.delete.delay.ms", _LONG, 60000, "How long a file stays on disk after it was deleted.",
     "log.segment.delete.delay.ms", check=Range(0))
_key("flush.messages", _LONG, LONG_MAX, "Records after which the log is synced to disk; 1 syncs before each answer.",
     "log.flush.interval.messages", check=Range(1))
_key("flush.ms", _LONG, LONG_MAX, "Milliseconds after which the log is synced to disk.",
     "log.flush.interval.ms", "log.flush.scheduler.interval.ms", check=Range(0))
_key("follower.replication.throttled.replicas", _LIST, (),
     "Replicas whose fetching is throttled, as partition:broker pairs, or * for all.", check=ThrottledReplicas())
_key("index.interval.bytes", _INT, 4096,
     "Bytes of log for each index entry: fewer find an offset sooner in a larger index.",
     "log.index.interval.bytes", check=Range(0))
_key("leader.replication.throttled.replicas", _LIST, (),
     "Replicas whose serving of followers is throttled, as partition:broker pairs, or * for all.",
     check=ThrottledReplicas())
_key("local.retention.bytes", _LONG, -2, "With tiered storage, bytes that stay on local disks; -2: as retention.bytes.",
     "log.local.retention.bytes", check=Range(-2))
_key("local.retention.ms", _LONG, -2, "With tiered storage, how long records stay on local disks; -2: as retention.ms.",
     "log.local.retention.ms", check=Range(-2))
_key("max.compaction.lag.ms", _LONG, LONG_MAX, "How long a record may wait for compaction.",
     "log.cleaner.max.compaction.lag.ms", check=Range(1))
_key("max.message.bytes", _INT, 1048588, "The largest record batch that is taken, as it comes, compressed or not.",
     "message.max.bytes", check=Range(0))
_key("message.timestamp.after.max.ms", _LONG, 3600000,
     "How far a record's timestamp may lie ahead of the broker's clock.",
     "log.message.timestamp.after.max.ms", check=Range(0))
_key("message.timestamp.before.max.ms", _LONG, LONG_MAX,
     "How far a record's timestamp may lie behind the broker's clock.",
     "log.message.timestamp.before.max.ms", check=Range(0))
_key("message.timestamp.type", _STRING, "CreateTime",
     "Whose clock stamps records: the producer's (CreateTime) or the broker's.",
     "log.message.timestamp.type", check=OneOf(("CreateTime", "LogAppendTime")))
_key("min.cleanable.dirty.ratio", _DOUBLE, 0.5, "Share of the log that must be uncompacted before it is compacted.",
     "log.cleaner.min.cleanable.ratio", check=Range(0, 1))
_key("min.compaction.lag.ms", _LONG, 0, "How long a record is safe from compaction.",
     "log.cleaner.min.compaction.lag.ms", check=Range(0))
_key("min.insync.replicas", _INT, 1, "Replicas that must hold a record before acks=all is answered.",
     "min.insync.replicas", check=Range(1))
_key("preallocate", _BOOLEAN, False, "Give a new segment its full size on disk at once.", "log.preallocate")
_key("remote.log.copy.disable", _BOOLEAN, False, "With tiered storage, copy no more segments to it.")
_key("remote.log.delete.on.disable", _BOOLEAN, False, "Delete what tiered storage holds when it is switched off.")
_key("remote.storage.enable", _BOOLEAN, False, "Keep old segments in tiered storage.")
_key("retention.bytes", _LONG, -1,
     "Size of a partition above which its oldest segments go; -1: no limit.", "log.retention.bytes")
_key("retention.ms", _LONG, 604800000, "How long records are kept; -1: for ever.",
     "log.retention.ms", "log.retention.minutes", "log.retention.hours", check=Range(-1))
_key("segment.bytes", _INT, 1073741824,
     "Size at which the log starts a new segment.", "log.segment.bytes", check=Range(1048576))
_key("segment.index.bytes", _INT, 10485760,
     "Size of an index at which its segment is full.", "log.index.size.max.bytes", check=Range(4))
_key("segment.jitter.ms", _LONG, 0, "At most this much is taken off segment.ms, so that logs do not roll together.",
     "log.roll.jitter.ms", "log.roll.jitter.hours", check=Range(0))
_key("segment.ms", _LONG, 604800000,
     "Age at which the log starts a new segment.", "log.roll.ms", "log.roll.hours", check=Range(1))
_key("unclean.leader.election.enable", _BOOLEAN, False, "Let a replica lead that may have missed records.",
     "unclean.leader.election.enable")

TOPIC_CONFIGS: Final[Mapping[str, TopicConfigKey]] = MappingProxyType({key.name: key for key in _ROWS})

_SETTINGS: Final = tuple((field.name, TOPIC_CONFIGS[field.name.replace("_", ".")]) for field in fields(TopicSettings))


def inherited_value(key: TopicConfigKey, broker_values: Mapping[str, Any]) -> Any:
    """What a topic gets that does not set this key: the first synonym that has a value, in the topic config's unit."""
    for synonym, unit in key.synonyms:
        value = broker_values.get(synonym)
        if value is not None:
            return max(-1, value) * unit if unit > 1 and value >= 0 else value
    return key.default


def topic_settings(broker_values: Mapping[str, Any], overrides: Mapping[str, str]) -> TopicSettings:
    """What is in effect for a topic with these overrides.

    `broker_values`: typed broker configs by name, dynamic ones merged in. An override that does not parse (written by
    another Kafka) falls back to what the topic would inherit.
    """
    taken: dict[str, Any] = {}
    for field, key in _SETTINGS:
        text = overrides.get(key.name)
        if text is not None:
            try:
                taken[field] = key.parse(text)
                continue
            except ConfigValueError:
                pass
        taken[field] = inherited_value(key, broker_values)
    return TopicSettings(**taken)


def validate_topic_configs(overrides: Mapping[str, str | None], broker_values: Mapping[str, Any]) -> None:
    """Check the configs of a topic as a whole. Raises UnknownTopicConfigError, ConfigValueError or
    ConfigRequestError."""
    typed: dict[str, Any] = {}
    for name, text in overrides.items():
        key = TOPIC_CONFIGS.get(name)
        if key is None:
            raise UnknownTopicConfigError(name)
        if text is None:
            raise ConfigRequestError(f"Null value not supported for topic configs: {name}")
        typed[name] = key.parse(text)
    for name in ("min.compaction.lag.ms", "max.compaction.lag.ms"):
        typed.setdefault(name, inherited_value(TOPIC_CONFIGS[name], broker_values))
    low, high = typed["min.compaction.lag.ms"], typed["max.compaction.lag.ms"]
    if low > high:
        raise ConfigConflictError(
            f"conflict topic config setting min.compaction.lag.ms ({low}) > max.compaction.lag.ms ({high})"
        )
    if typed.get("remote.storage.enable"):
        raise ConfigConflictError(
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage."
        )


class ConfigConflictError(ValueError):
    """Values that are fine one by one and not together: INVALID_CONFIG."""


def set_or_deleted(operations: Iterable[tuple[str, int, str | None]]) -> dict[str, str | None]:
    """The new text by name, None where one goes: of configs that nothing can be added to, such as those of groups. Some
    of client metrics are lists, but Kafka does not add to them either.

    Raises ConfigRequestError (INVALID_REQUEST) or ConfigConflictError (INVALID_CONFIG).
    """
    changes: dict[str, str | None] = {}
    for name, operation, value in operations:
        if name in changes:
            raise ConfigRequestError("Error due to duplicate config keys")
        if operation == AlterOperation.DELETE:
            changes[name] = None
            continue
        if value is None:
            raise ConfigRequestError(f"Null value not supported for : {name}")
        if operation in (AlterOperation.APPEND, AlterOperation.SUBTRACT):
            raise ConfigConflictError(
                f"Can't {AlterOperation(operation).name} to key {name} because its type is not LIST."
            )
        if operation != AlterOperation.SET:
            raise ConfigRequestError(f"Unknown operations type {operation}")
        changes[name] = value
    return changes


def alter_topic_configs(
    current: Mapping[str, str],
    operations: Iterable[tuple[str, int, str | None]],
    broker_values: Mapping[str, Any],
) -> dict[str, str | None]:
    """What these operations (name, AlterOperation, value) change: the new text by name, None where an override goes.

    Nothing that stays the same is in the answer. Raises what `validate_topic_configs` raises, for the topic as it
    would be.
    """
    changes: dict[str, str | None] = {}
    for name, operation, value in operations:
        if name in changes:
            raise ConfigRequestError("Error due to duplicate config keys")
        changes[name] = _altered(current, name, operation, value, broker_values)
    result = {name: text for name, text in (dict(current) | changes).items() if text is not None}
    # What another Kafka left there and we do not know must not stand in the way of a change beside it.
    validate_topic_configs(
        {name: text for name, text in result.items() if name in changes or name in TOPIC_CONFIGS}, broker_values
    )
    return {name: text for name, text in changes.items() if current.get(name) != text}


def _altered(
    current: Mapping[str, str], name: str, operation: int, value: str | None, broker_values: Mapping[str, Any]
) -> str | None:
    try:
        kind = AlterOperation(operation)
    except ValueError as error:
        raise ConfigRequestError(f"Unknown alter operation {operation} for config {name}") from error
    if kind is AlterOperation.DELETE:
        return None
    if value is None:
        raise ConfigRequestError(f"Null value not supported for : {name}")
    if kind is AlterOperation.SET:
        return value
    key = TOPIC_CONFIGS.get(name)
    if key is None or key.type is not ConfigType.LIST:
        raise ConfigConflictError(f"Can't {kind.name} to key {name} because its type is not LIST.")
    before = current.get(name)
    if before is None:
        before = format_value(inherited_value(key, broker_values)) or ""
    items = [item for item in (part.strip() for part in before.split(",")) if item]
    for item in filter(None, (part.strip() for part in value.split(","))):
        if kind is AlterOperation.APPEND and item not in items:
            items.append(item)
        elif kind is AlterOperation.SUBTRACT and item in items:
            items.remove(item)
    return ",".join(items)

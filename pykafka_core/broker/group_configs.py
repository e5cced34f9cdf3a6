"""Group configs: the table, what is in effect for a group, and the rules for changing them.

    settings = group_settings(overrides, broker_values)          typed, as the coordinators need it
    changes = alter_group_configs(current, operations, broker_values)

What is in effect: the group's own value, held within the broker's limits as they are at this moment
(`group.consumer.min.session.timeout.ms` and their like), else the broker's value of the same meaning. A value outside
the limits cannot be set; one that was set before the limits changed is clamped and not lost.

The sentences are Kafka's. Source: org.apache.kafka.coordinator.group.GroupConfig; answers recorded from Apache Kafka
4.3.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from pykafka_core._dataclass import dataclass, fields
from pykafka_core.broker.config_values import ConfigKey, ConfigType, ConfigValueError, OneOf, Range
from pykafka_core.broker.topic_configs import ConfigConflictError, set_or_deleted

__all__ = ["GROUP_CONFIGS", "GroupConfigKey", "GroupSettings", "alter_group_configs", "group_default", "group_settings"]


@dataclass(slots=True, frozen=True, kw_only=True)
class GroupConfigKey(ConfigKey):
    """One row. `synonym`: the broker config of the same meaning; `low` and `high`: the broker's limits."""

    synonym: str
    low: str | None = None
    high: str | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class GroupSettings:
    """What is in effect for one group. Field names are Kafka's with `_` for `.`."""

    consumer_session_timeout_ms: int
    consumer_heartbeat_interval_ms: int
    consumer_assignment_interval_ms: int
    share_session_timeout_ms: int
    share_heartbeat_interval_ms: int
    share_assignment_interval_ms: int
    share_record_lock_duration_ms: int
    share_delivery_count_limit: int
    share_partition_max_record_locks: int
    share_auto_offset_reset: str
    share_isolation_level: str
    share_renew_acknowledge_enable: bool
    streams_session_timeout_ms: int
    streams_heartbeat_interval_ms: int
    streams_assignment_interval_ms: int
    streams_initial_rebalance_delay_ms: int
    streams_num_standby_replicas: int


_DURATION: Final = re.compile(r"P(?=.)([+-]?\d+D)?(T(?=.)([+-]?\d+H)?([+-]?\d+M)?([+-]?\d+(\.\d{0,9})?S)?)?")


@dataclass(slots=True, frozen=True)
class OffsetReset:
    """earliest, latest, or by_duration: and an ISO 8601 duration that is not negative."""

    def __call__(self, name: str, value: Any) -> None:
        kind, _, duration = str(value).partition(":")
        if value in ("earliest", "latest"):
            return
        if kind == "by_duration" and _DURATION.fullmatch(duration) and "-" not in duration:
            return
        raise ConfigValueError(
            name,
            value,
            f"Invalid value `{value}` for configuration {name}. The value must be either 'earliest', 'latest' or of "
            "the format 'by_duration:<PnDTnHnMn.nS>'.",
        )

    def __str__(self) -> str:
        return "earliest, latest, or by_duration:PnDTnHnMn.nS"


def _number(name: str, default: int, doc: str, *, least: int = 1, limits: str = "range") -> GroupConfigKey:
    family, _, rest = name.partition(".")
    return GroupConfigKey(
        name=name,
        type=ConfigType.INT,
        default=default,
        doc=doc,
        check=Range(least),
        synonym=f"group.{name}",
        low=f"group.{family}.min.{rest}" if limits == "range" else None,
        high=f"group.{family}.max.{rest}" if limits == "range" else limits or None,
    )


def _other(name: str, kind: ConfigType, default: Any, doc: str, check: Any) -> GroupConfigKey:
    return GroupConfigKey(name=name, type=kind, default=default, doc=doc, check=check, synonym=name)


# In the order in which Kafka looks at them.
_ROWS: Final = (
    _number("consumer.heartbeat.interval.ms", 5000, "How often members of the consumer group report."),
    _number("consumer.session.timeout.ms", 45000, "Silence after which a member of the consumer group is gone."),
    _number(
        "consumer.assignment.interval.ms",
        1000,
        "How much time lies at least between two assignments of the consumer group.",
        least=0,
    ),
    _number("share.heartbeat.interval.ms", 5000, "How often members of the share group report."),
    _number("share.session.timeout.ms", 45000, "Silence after which a member of the share group is gone."),
    _number(
        "share.record.lock.duration.ms", 30000, "How long a consumer of the share group keeps a record.", least=1000
    ),
    _number("share.delivery.count.limit", 5, "How often a record is offered to the share group.", least=2),
    _number(
        "share.partition.max.record.locks",
        2000,
        "Records of a partition that consumers of the share group may hold.",
        least=100,
    ),
    _number(
        "share.assignment.interval.ms",
        1000,
        "How much time lies at least between two assignments of the share group.",
        least=0,
    ),
    _other(
        "share.auto.offset.reset",
        ConfigType.STRING,
        "latest",
        "Where the share group begins in a partition that is new to it: earliest, latest, or as far back as "
        "by_duration says.",
        OffsetReset(),
    ),
    _other(
        "share.isolation.level",
        ConfigType.STRING,
        "read_uncommitted",
        "Whether the share group waits for the end of transactions (read_committed) or not.",
        OneOf(("read_committed", "read_uncommitted")),
    ),
    _other(
        "share.renew.acknowledge.enable",
        ConfigType.BOOLEAN,
        True,
        "Whether a consumer of the share group may ask for more time for a record.",
        None,
    ),
    _number("streams.heartbeat.interval.ms", 5000, "How often members of the streams group report."),
    _number("streams.session.timeout.ms", 45000, "Silence after which a member of the streams group is gone."),
    _number(
        "streams.num.standby.replicas",
        0,
        "Standby copies of each task of the streams group.",
        least=0,
        limits="group.streams.max.standby.replicas",
    ),
    _number(
        "streams.assignment.interval.ms",
        1000,
        "How much time lies at least between two assignments of the streams group.",
        least=0,
    ),
    _number(
        "streams.initial.rebalance.delay.ms",
        3000,
        "How long the streams group, while it is new, waits for more members before its first assignment.",
        least=0,
        limits="",
    ),
)

GROUP_CONFIGS: Final[Mapping[str, GroupConfigKey]] = MappingProxyType({key.name: key for key in _ROWS})

_SETTINGS: Final = tuple((field.name, GROUP_CONFIGS[field.name.replace("_", ".")]) for field in fields(GroupSettings))


def group_default(key: GroupConfigKey, broker_values: Mapping[str, Any]) -> Any:
    """What a group gets that does not set this key."""
    return broker_values.get(key.synonym, key.default)


def group_settings(overrides: Mapping[str, str], broker_values: Mapping[str, Any]) -> GroupSettings:
    """What is in effect for a group with these overrides. One that does not parse (written by another Kafka) falls
    back to the broker's value."""
    taken: dict[str, Any] = {}
    for field, key in _SETTINGS:
        text = overrides.get(key.name)
        taken[field] = group_default(key, broker_values)
        if text is not None:
            try:
                taken[field] = _clamped(key, key.parse(text), broker_values)
            except ConfigValueError:
                pass
    return GroupSettings(**taken)


def _clamped(key: GroupConfigKey, value: Any, broker_values: Mapping[str, Any]) -> Any:
    if key.low is not None:
        value = max(value, broker_values[key.low])
    if key.high is not None:
        value = min(value, broker_values[key.high])
    return value


def alter_group_configs(
    current: Mapping[str, str],
    operations: Iterable[tuple[str, int, str | None]],
    broker_values: Mapping[str, Any],
) -> dict[str, str | None]:
    """What these operations (name, AlterOperation, value) change: the new text by name, None where an override goes.

    Raises ConfigRequestError (INVALID_REQUEST), ConfigValueError or ConfigConflictError (INVALID_CONFIG).
    """
    changes = set_or_deleted(operations)
    result = {name: text for name, text in (dict(current) | changes).items() if text is not None}
    # What another Kafka left there and we do not know must not stand in the way of a change beside it.
    _validate({name: text for name, text in result.items() if name in changes or name in GROUP_CONFIGS}, broker_values)
    return {name: text for name, text in changes.items() if current.get(name) != text}


def _validate(overrides: Mapping[str, str], broker_values: Mapping[str, Any]) -> None:
    for name in overrides:
        if name not in GROUP_CONFIGS:
            raise ConfigConflictError(f"Unknown group config name: {name}")
    typed = {name: GROUP_CONFIGS[name].parse(text) for name, text in overrides.items()}
    for key in _ROWS:
        value = typed.get(key.name)
        if value is None:
            continue
        if key.low is not None and value < broker_values[key.low]:
            raise ConfigConflictError(f"{key.name} must be greater than or equal to {key.low}")
        if key.high is not None and value > broker_values[key.high]:
            raise ConfigConflictError(f"{key.name} must be less than or equal to {key.high}")
    for family in ("consumer", "share", "streams"):
        session, heartbeat = (
            GROUP_CONFIGS[f"{family}.session.timeout.ms"],
            GROUP_CONFIGS[f"{family}.heartbeat.interval.ms"],
        )
        values = [typed.get(key.name, group_default(key, broker_values)) for key in (session, heartbeat)]
        if values[0] <= values[1]:
            raise ConfigConflictError(f"{session.name} must be greater than {heartbeat.name}")

"""Configs as DescribeConfigs shows them: of topics, brokers, groups, client metrics and loggers.

Each value comes with the places it could come from, the strongest first. A name that stands for others (Kafka's
`log.retention.ms` for `.minutes` and `.hours`) shows those behind it only where it has a value of its own, as in
Apache Kafka.

Source: kafka.server.ConfigHelper, KIP-226, KIP-569 (types and documentation).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from itertools import dropwhile
from typing import Any, Final

from pykafka_core._dataclass import dataclass
from pykafka_core.broker.client_metrics_configs import CLIENT_METRICS_CONFIGS
from pykafka_core.broker.config_dynamic import DYNAMIC_BROKER_CONFIGS, DYNAMIC_ONLY_CONFIGS, Layers
from pykafka_core.broker.config_keys import BROKER_CONFIGS
from pykafka_core.broker.config_keys_others import OTHER_CONFIGS
from pykafka_core.broker.config_values import ConfigKey, ConfigType, ConfigValueError, format_value
from pykafka_core.broker.group_configs import GROUP_CONFIGS, group_default
from pykafka_core.broker.log_levels import log_levels, logger_key
from pykafka_core.broker.topic_configs import TOPIC_CONFIGS, inherited_value

__all__ = [
    "ConfigEntry",
    "ConfigSource",
    "ConfigSynonym",
    "describe_all_brokers",
    "describe_broker",
    "describe_client_metrics",
    "describe_group",
    "describe_loggers",
    "describe_topic",
]


class ConfigSource(IntEnum):
    """`config_source` of DescribeConfigs."""

    DYNAMIC_TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    DYNAMIC_BROKER_LOGGER = 6
    DYNAMIC_CLIENT_METRICS = 7
    DYNAMIC_GROUP = 8


@dataclass(slots=True, frozen=True)
class ConfigSynonym:
    """One place that a value could come from. `value` is None if it is secret."""

    name: str
    value: str | None
    source: ConfigSource


@dataclass(slots=True, frozen=True, kw_only=True)
class ConfigEntry:
    """One config of a resource, with the value in effect."""

    name: str
    value: str | None
    source: ConfigSource
    read_only: bool
    sensitive: bool
    type: ConfigType
    documentation: str
    synonyms: tuple[ConfigSynonym, ...]

    @property
    def is_default(self) -> bool:
        return self.source is ConfigSource.DEFAULT


_LAYER_SOURCES: Final = (ConfigSource.DYNAMIC_BROKER, ConfigSource.DYNAMIC_DEFAULT_BROKER, ConfigSource.STATIC_BROKER)

# What stands in for a config that has no value, the strongest first.
_STAND_INS: Final = {
    "log.retention.ms": ("log.retention.minutes", "log.retention.hours"),
    "log.retention.minutes": ("log.retention.hours",),
    "log.roll.ms": ("log.roll.hours",),
    "log.roll.jitter.ms": ("log.roll.jitter.hours",),
    "log.flush.interval.ms": ("log.flush.scheduler.interval.ms",),
}


# Kafka's internal configs, which it takes and does not show.
_HIDDEN: Final = frozenset(
    {
        "controller.performance.always.log.threshold.ms",
        "controller.performance.sample.period.ms",
        "group.consumer.regex.refresh.interval.ms",
        "group.share.initialize.retry.interval.ms",
        "group.share.persister.class.name",
        "log.initial.task.delay.ms",
        "producer.id.expiration.check.interval.ms",
        "remote.log.index.file.cache.ttl.ms",
        "remote.log.manager.task.retry.backoff.max.ms",
        "remote.log.manager.task.retry.backoff.ms",
        "remote.log.manager.task.retry.jitter",
        "server.max.startup.time.ms",
        "share.coordinator.cold.partition.snapshot.interval.ms",
        "share.coordinator.state.topic.prune.interval.ms",
        "unclean.leader.election.interval.ms",
        "unstable.api.versions.enable",
        "unstable.feature.versions.enable",
    }
)


def _broker_key(name: str) -> ConfigKey | None:
    return BROKER_CONFIGS.get(name) or OTHER_CONFIGS.get(name) or DYNAMIC_ONLY_CONFIGS.get(name)


def _broker_synonyms(name: str, layers: Layers, *, with_default: bool = True) -> list[ConfigSynonym]:
    """The values of a broker config and of those that stand in for it, the strongest first."""
    found: list[ConfigSynonym] = []
    names = (name, *_STAND_INS.get(name, ()))
    for layer, source in zip(layers, _LAYER_SOURCES, strict=True):
        for each in names:
            if each in layer and (source is ConfigSource.STATIC_BROKER or _is_dynamic(each)):
                key = _broker_key(each)
                sensitive = key is None or key.sensitive
                found.append(ConfigSynonym(each, None if sensitive else layer[each], source))
    if with_default:
        for each in names:
            key = _broker_key(each)
            default = None if key is None or each in DYNAMIC_ONLY_CONFIGS else format_value(key.default)
            if default is not None:
                found.append(ConfigSynonym(each, default, ConfigSource.DEFAULT))
    return list(dropwhile(lambda synonym: synonym.name != name, found))


def _is_dynamic(name: str) -> bool:
    """Whether a dynamic value of this name is what holds. Names that nobody knows are kept for plug-ins."""
    return name in DYNAMIC_BROKER_CONFIGS or name in DYNAMIC_ONLY_CONFIGS or _broker_key(name) is None


def _entry(key: ConfigKey, value: str | None, synonyms: list[ConfigSynonym], *, read_only: bool) -> ConfigEntry:
    return ConfigEntry(
        name=key.name,
        value=None if key.sensitive else value,
        source=synonyms[0].source if synonyms else ConfigSource.DEFAULT,
        read_only=read_only,
        sensitive=key.sensitive,
        type=key.type,
        documentation=key.doc,
        synonyms=tuple(synonyms),
    )


def describe_topic(overrides: Mapping[str, str], values: Mapping[str, Any], layers: Layers) -> list[ConfigEntry]:
    """All configs of a topic. `values`: from `broker_values`; `layers`: dynamic, dynamic default and static broker
    configs as text."""
    entries: list[ConfigEntry] = []
    for key in TOPIC_CONFIGS.values():
        synonyms: list[ConfigSynonym] = []
        value = format_value(inherited_value(key, values))
        if key.name in overrides:
            value = overrides[key.name]
            synonyms.append(ConfigSynonym(key.name, value, ConfigSource.DYNAMIC_TOPIC))
        if key.synonyms:
            synonyms += _broker_synonyms(key.synonyms[0][0], layers)
        entries.append(_entry(key, value, synonyms, read_only=False))
    return entries


def describe_broker(values: Mapping[str, Any], layers: Layers) -> list[ConfigEntry]:
    """All configs of this broker: those with an effect, those that Kafka has beside them, and whatever else was set."""
    entries = [
        _entry(
            key,
            format_value(values[name]) if name in values else _static_value(key, layers[2]),
            _broker_synonyms(name, layers),
            read_only=name not in DYNAMIC_BROKER_CONFIGS,
        )
        for name, key in sorted({**BROKER_CONFIGS, **OTHER_CONFIGS}.items())
        if name not in _HIDDEN
    ]
    dynamic, for_all, _ = layers
    return entries + _set_besides({**for_all, **dynamic}, layers, with_default=True)


def describe_all_brokers(layers: Layers) -> list[ConfigEntry]:
    """The dynamic configs that hold for every broker, and nothing else."""
    for_all = layers[1]
    alone: Layers = ({}, for_all, {})
    known = [
        _entry(key, for_all[name], _broker_synonyms(name, alone, with_default=False), read_only=False)
        for name, key in sorted(BROKER_CONFIGS.items())
        if name in for_all and name in DYNAMIC_BROKER_CONFIGS
    ]
    return known + _set_besides(for_all, alone, with_default=False)


def _static_value(key: ConfigKey, static: Mapping[str, str]) -> str | None:
    if key.name in static:
        try:
            return format_value(key.parse(static[key.name]))
        except ConfigValueError:
            pass
    return format_value(key.default)


def _set_besides(dynamic: Mapping[str, str], layers: Layers, *, with_default: bool) -> list[ConfigEntry]:
    """Dynamic configs that no table has a default for: rates that are only ever dynamic, and names that nobody knows,
    which may be secrets."""
    entries: list[ConfigEntry] = []
    for name, text in dynamic.items():
        if name in BROKER_CONFIGS or name in OTHER_CONFIGS:
            continue
        synonyms = _broker_synonyms(name, layers, with_default=with_default)
        key = DYNAMIC_ONLY_CONFIGS.get(name)
        if key is not None:
            entries.append(_entry(key, text, synonyms, read_only=False))
            continue
        entries.append(
            ConfigEntry(
                name=name,
                value=None,
                source=synonyms[0].source,
                read_only=True,
                sensitive=True,
                type=ConfigType.UNKNOWN,
                documentation="",
                synonyms=tuple(synonyms),
            )
        )
    return entries


def describe_group(overrides: Mapping[str, str], values: Mapping[str, Any], layers: Layers) -> list[ConfigEntry]:
    """All configs of a group, whether it exists or not."""
    entries = []
    for key in GROUP_CONFIGS.values():
        value = format_value(group_default(key, values))
        if key.synonym in BROKER_CONFIGS:
            synonyms = _broker_synonyms(key.synonym, layers)
        else:
            synonyms = [ConfigSynonym(key.name, format_value(key.default), ConfigSource.DEFAULT)]
        if key.name in overrides:
            value = overrides[key.name]
            synonyms.insert(0, ConfigSynonym(key.name, value, ConfigSource.DYNAMIC_GROUP))
        entries.append(_entry(key, value, synonyms, read_only=False))
    return entries


def describe_client_metrics(overrides: Mapping[str, str]) -> list[ConfigEntry]:
    """All configs of a client metrics subscription, whether it exists or not."""
    return [
        _entry(
            key,
            overrides.get(name, format_value(key.default)),
            [ConfigSynonym(name, overrides[name], ConfigSource.DYNAMIC_CLIENT_METRICS)] if name in overrides else [],
            read_only=False,
        )
        for name, key in CLIENT_METRICS_CONFIGS.items()
    ]


def describe_loggers() -> list[ConfigEntry]:
    """Every logger of this broker with its level."""
    return [
        ConfigEntry(
            name=name,
            value=level,
            source=ConfigSource.DYNAMIC_BROKER_LOGGER,
            read_only=False,
            sensitive=False,
            type=ConfigType.UNKNOWN,
            documentation=logger_key(name).doc,
            synonyms=(),
        )
        for name, level in log_levels().items()
    ]

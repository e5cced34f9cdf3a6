"""Configs as DescribeConfigs shows them, and the dynamic configs of brokers.

Dynamic broker configs are kept in the metadata under the broker's id, or "" for all brokers; the former win. Those
that topics inherit take effect at once; the others are read-only here, whatever Apache Kafka allows, because nothing
would act on a change.

Source: kafka.server.ConfigHelper, org.apache.kafka.server.config.DynamicBrokerConfig (KIP-226), KIP-569 (types and
documentation).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

from pykafka_core._dataclass import dataclass
from pykafka_core.broker.config_keys import BROKER_CONFIGS
from pykafka_core.broker.config_values import ConfigKey, ConfigType, ConfigValueError, UpdateMode, format_value
from pykafka_core.broker.topic_configs import (
    TOPIC_CONFIGS,
    AlterOperation,
    ConfigConflictError,
    ConfigRequestError,
    inherited_value,
)

__all__ = [
    "DYNAMIC_BROKER_CONFIGS",
    "ConfigEntry",
    "ConfigSource",
    "ConfigSynonym",
    "alter_broker_configs",
    "broker_values",
    "describe_broker",
    "describe_topic",
]

# Broker configs by layer: broker id's own, all brokers', the file's.
Layers = tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]

DYNAMIC_BROKER_CONFIGS: Final = frozenset(
    synonym
    for key in TOPIC_CONFIGS.values()
    for synonym, _ in key.synonyms
    if BROKER_CONFIGS[synonym].mode is not UpdateMode.READ_ONLY
)
"""Broker configs that can be changed while the broker runs."""


class ConfigSource(IntEnum):
    """`config_source` of DescribeConfigs."""

    DYNAMIC_TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5


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


def broker_values(
    values: Mapping[str, Any], dynamic: Mapping[str, str], dynamic_default: Mapping[str, str]
) -> Mapping[str, Any]:
    """Typed broker configs with the dynamic ones laid over those of the file. One that does not parse is left out."""
    if not dynamic and not dynamic_default:
        return values
    merged = dict(values)
    for layer in (dynamic_default, dynamic):
        for name, text in layer.items():
            if name in DYNAMIC_BROKER_CONFIGS:
                try:
                    merged[name] = BROKER_CONFIGS[name].parse(text)
                except ConfigValueError:
                    pass
    return merged


def _broker_synonyms(names: Sequence[str], layers: Layers) -> list[ConfigSynonym]:
    """The values of broker configs of one meaning, the strongest first. Of defaults the first name's alone is shown."""
    found = [
        ConfigSynonym(name, None if BROKER_CONFIGS[name].sensitive else layer[name], source)
        for layer, source in zip(layers, _LAYER_SOURCES, strict=True)
        for name in names
        if name in layer and (source is ConfigSource.STATIC_BROKER or name in DYNAMIC_BROKER_CONFIGS)
    ]
    default = format_value(BROKER_CONFIGS[names[0]].default) if names else None
    if default is not None:
        found.append(ConfigSynonym(names[0], default, ConfigSource.DEFAULT))
    return found


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
        synonyms += _broker_synonyms([name for name, _ in key.synonyms], layers)
        entries.append(_entry(key, value, synonyms, read_only=False))
    return entries


def describe_broker(values: Mapping[str, Any], layers: Layers) -> list[ConfigEntry]:
    """All configs of this broker that the table has."""
    return [
        _entry(
            key,
            format_value(values[name]),
            _broker_synonyms([name], layers),
            read_only=name not in DYNAMIC_BROKER_CONFIGS,
        )
        for name, key in sorted(BROKER_CONFIGS.items())
    ]


def alter_broker_configs(
    current: Mapping[str, str], operations: Iterable[tuple[str, int, str | None]], values: Mapping[str, Any]
) -> dict[str, str | None]:
    """What these operations (name, AlterOperation, value) change in the dynamic configs of a broker, or of all brokers.

    Raises ConfigRequestError, with Kafka's sentences: INVALID_REQUEST; ConfigConflictError: INVALID_CONFIG. A name
    that Kafka does not know is kept, as Kafka keeps it for plug-ins.
    """
    changes: dict[str, str | None] = {}
    for name, operation, value in operations:
        if name in changes:
            raise ConfigRequestError(f"Error due to duplicate config keys : {name}")
        key = BROKER_CONFIGS.get(name)
        if key is not None and name not in DYNAMIC_BROKER_CONFIGS and operation != AlterOperation.DELETE:
            raise ConfigRequestError(f"Cannot update these configs dynamically: [{name}]")
        changes[name] = _altered(current, key, name, operation, value, values)
    return {name: text for name, text in changes.items() if current.get(name) != text}


def _altered(
    current: Mapping[str, str],
    key: ConfigKey | None,
    name: str,
    operation: int,
    value: str | None,
    values: Mapping[str, Any],
) -> str | None:
    if operation == AlterOperation.DELETE:
        return None
    if value is None:
        raise ConfigRequestError(f"Null value not supported for : {name}")
    if operation in (AlterOperation.APPEND, AlterOperation.SUBTRACT):
        if key is None or key.type is not ConfigType.LIST:
            raise ConfigConflictError(
                f"Can't {AlterOperation(operation).name} to key {name} because its type is not LIST."
            )
        before = current.get(name)
        items = (
            [part.strip() for part in before.split(",") if part.strip()] if before is not None else list(values[name])
        )
        for item in filter(None, (part.strip() for part in value.split(","))):
            if operation == AlterOperation.APPEND and item not in items:
                items.append(item)
            elif operation == AlterOperation.SUBTRACT and item in items:
                items.remove(item)
        value = ",".join(items)
    elif operation != AlterOperation.SET:
        raise ConfigRequestError(f"Unknown alter operation {operation} for config {name}")
    if key is not None:
        try:
            key.parse(value)
        except ConfigValueError as error:
            raise ConfigRequestError(str(error)) from error
    return value

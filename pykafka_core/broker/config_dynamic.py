"""The dynamic configs of brokers: which there are, what is in effect with them, and the rules for changing them.

They are kept in the metadata under the broker's id, or "" for all brokers; the former win. Those that act on something
here take effect at once; the others are refused, whatever Apache Kafka allows, because nothing would act on a change.

The sentences are Kafka's. Source: org.apache.kafka.server.config.DynamicBrokerConfig (KIP-226),
kafka.server.ConfigAdminManager; answers recorded from Apache Kafka 4.3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from pykafka_core.broker.config_keys import BROKER_CONFIGS, is_kafka_config
from pykafka_core.broker.config_values import LONG_MAX, ConfigKey, ConfigType, ConfigValueError, Range, UpdateMode
from pykafka_core.broker.topic_configs import (
    TOPIC_CONFIGS,
    AlterOperation,
    ConfigConflictError,
    ConfigRequestError,
)

__all__ = ["DYNAMIC_BROKER_CONFIGS", "DYNAMIC_ONLY_CONFIGS", "Layers", "alter_broker_configs", "broker_values"]

Layers = tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]
"""Broker configs by layer: the broker's own dynamic ones, all brokers', the file's."""

DYNAMIC_BROKER_CONFIGS: Final = frozenset(
    synonym
    for key in TOPIC_CONFIGS.values()
    for synonym, _ in key.synonyms
    if BROKER_CONFIGS[synonym].mode is not UpdateMode.READ_ONLY
) | {
    "group.consumer.assignment.interval.ms",
    "log.cleaner.backoff.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.cleaner.io.buffer.load.factor",
    "log.cleaner.io.max.bytes.per.second",
    "log.cleaner.threads",
    "producer.id.expiration.ms",
}
"""Broker configs that can be changed while the broker runs: what topics inherit, and what is read anew whenever it is
used."""


def _rate(name: str, doc: str) -> ConfigKey:
    return ConfigKey(
        name=name, type=ConfigType.LONG, default=LONG_MAX, doc=doc, check=Range(0), mode=UpdateMode.PER_BROKER
    )


DYNAMIC_ONLY_CONFIGS: Final[Mapping[str, ConfigKey]] = MappingProxyType(
    {
        key.name: key
        for key in (
            _rate(
                "leader.replication.throttled.rate",
                "Bytes a second that this broker sends to followers of throttled replicas; alone it has none.",
            ),
            _rate(
                "follower.replication.throttled.rate",
                "Bytes a second that this broker fetches for throttled replicas; alone it fetches none.",
            ),
            _rate(
                "replica.alter.log.dirs.io.max.bytes.per.second",
                "Bytes a second that moves between log directories copy.",
            ),
        )
    }
)
"""Configs that Kafka has as dynamic ones alone: no file takes them, and they are shown only where they are set."""


def broker_values(
    values: Mapping[str, Any], dynamic: Mapping[str, str], dynamic_default: Mapping[str, str]
) -> Mapping[str, Any]:
    """Typed broker configs with the dynamic ones laid over those of the file. One that does not parse is left out."""
    if not dynamic and not dynamic_default:
        return values
    merged = dict(values)
    for layer in (dynamic_default, dynamic):
        for name, text in layer.items():
            key = BROKER_CONFIGS[name] if name in DYNAMIC_BROKER_CONFIGS else DYNAMIC_ONLY_CONFIGS.get(name)
            if key is not None:
                try:
                    merged[name] = key.parse(text)
                except ConfigValueError:
                    pass
    return merged


def alter_broker_configs(
    current: Mapping[str, str],
    operations: Iterable[tuple[str, int, str | None]],
    values: Mapping[str, Any],
    *,
    for_all: bool = False,
    values_with: Callable[[Mapping[str, str | None]], Mapping[str, Any]] | None = None,
) -> dict[str, str | None]:
    """What these operations (name, AlterOperation, value) change in the dynamic configs of a broker, or of all brokers.

    `values`: what is in effect; `values_with`: what will be with these changes, None: what they say.

    Raises ConfigRequestError (INVALID_REQUEST) and ConfigConflictError (INVALID_CONFIG). A name that Kafka does not
    know is kept, as Kafka keeps it for plug-ins.
    """
    changes: dict[str, str | None] = {}
    for name, operation, value in operations:
        if name in changes:
            raise ConfigRequestError("Error due to duplicate config keys")
        changes[name] = _altered(current, name, operation, value, values)
    taken = {name: text for name, text in changes.items() if text is not None}
    if for_all:
        _refuse(
            [name for name in taken if name in BROKER_CONFIGS and BROKER_CONFIGS[name].mode is UpdateMode.PER_BROKER],
            "Cannot update these configs at default cluster level, broker id must be specified",
        )
    _refuse([name for name in taken if not _may_change(name)], "Cannot update these configs dynamically")
    typed: dict[str, Any] = {}
    for name, text in taken.items():
        key = BROKER_CONFIGS.get(name) or DYNAMIC_ONLY_CONFIGS.get(name)
        if key is not None:
            try:
                typed[name] = key.parse(text)
            except ConfigValueError as error:
                raise ConfigRequestError(str(error)) from error
    _check(typed)
    _check_cleaner(values, values_with(changes) if values_with else {**values, **typed})
    return {name: text for name, text in changes.items() if current.get(name) != text}


def _may_change(name: str) -> bool:
    if name in DYNAMIC_BROKER_CONFIGS or name in DYNAMIC_ONLY_CONFIGS:
        return True
    return name not in BROKER_CONFIGS and not is_kafka_config(name)


def _refuse(names: list[str], sentence: str) -> None:
    if names:
        raise ConfigRequestError(f"{sentence}: [{', '.join(names)}]")


def _check(typed: Mapping[str, Any]) -> None:
    """What Kafka checks beyond the ranges of its table."""
    if typed.get("log.retention.ms") == 0:
        raise ConfigRequestError(
            "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"
        )
    if typed.get("log.roll.ms", 1) < 1:
        raise ConfigRequestError("requirement failed: log.roll.ms must be greater than or equal to 1")


def _check_cleaner(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Threads of the cleaner change step by step. Source: LogCleaner.validateReconfiguration."""
    names = ("log.cleaner.threads", "log.cleaner.dedupe.buffer.size")
    (current, _), (threads, buffer) = ([values[name] for name in names] for values in (before, after))
    if [before[name] for name in names] == [threads, buffer]:
        return
    if buffer < 1024 * 1024 * max(1, threads):
        raise ConfigRequestError(
            "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."
        )
    sentence = ""
    if threads < 1:
        sentence = "should be at least 1"
    elif threads < current // 2:
        sentence = f"cannot be reduced to less than half the current value {current}"
    elif threads > current * 2:
        sentence = f"cannot be increased to more than double the current value {current}"
    if sentence:
        raise ConfigRequestError(
            f"Invalid value org.apache.kafka.common.config.ConfigException: Log cleaner threads {sentence} "
            "for configuration Invalid dynamic configuration"
        )


def _altered(
    current: Mapping[str, str], name: str, operation: int, value: str | None, values: Mapping[str, Any]
) -> str | None:
    if operation == AlterOperation.DELETE:
        return None
    if value is None:
        raise ConfigRequestError(f"Null value not supported for : {name}")
    if operation == AlterOperation.SET:
        return value
    if operation not in (AlterOperation.APPEND, AlterOperation.SUBTRACT):
        raise ConfigRequestError(f"Unknown operations type {operation}")
    key = BROKER_CONFIGS.get(name)
    if key is None:
        raise ConfigConflictError(f"Unknown config name: {name}")
    if key.type is not ConfigType.LIST:
        verb = AlterOperation(operation).name.lower()
        raise ConfigConflictError(f"Config value {verb} is not allowed for config key: {name}")
    before = current.get(name)
    items = [part.strip() for part in before.split(",") if part.strip()] if before is not None else list(values[name])
    for item in filter(None, (part.strip() for part in value.split(","))):
        if operation == AlterOperation.APPEND and item not in items:
            items.append(item)
        elif operation == AlterOperation.SUBTRACT and item in items:
            items.remove(item)
    return ",".join(items)

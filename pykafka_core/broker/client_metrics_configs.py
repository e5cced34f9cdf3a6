"""Configs of client metrics subscriptions (KIP-714): which clients shall push which metrics, and how often.

They are kept and shown. No client is asked for metrics yet: the telemetry APIs are not served.

The sentences are Kafka's. Source: org.apache.kafka.server.metrics.ClientMetricsConfigs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from pykafka_core.broker.config_values import ConfigKey, ConfigType
from pykafka_core.broker.topic_configs import ConfigConflictError, ConfigRequestError, set_or_deleted

__all__ = ["CLIENT_METRICS_CONFIGS", "alter_client_metrics_configs"]

INTERVAL_MS_MIN: Final = 100
INTERVAL_MS_MAX: Final = 3_600_000
MATCH_KEYS: Final = frozenset(
    {
        "client_instance_id",
        "client_id",
        "client_software_name",
        "client_software_version",
        "client_source_address",
        "client_source_port",
    }
)

_ROWS: Final = (
    ConfigKey(
        name="interval.ms",
        type=ConfigType.INT,
        default=300000,
        doc="How often the clients push their metrics.",
    ),
    ConfigKey(
        name="match",
        type=ConfigType.LIST,
        default=(),
        doc="The clients that are meant, as name=regular expression pairs that must all match; empty: all clients.",
    ),
    ConfigKey(
        name="metrics",
        type=ConfigType.LIST,
        default=(),
        doc="The beginnings of the names of the metrics that are wanted; *: all of them; empty: none.",
    ),
)

CLIENT_METRICS_CONFIGS: Final[Mapping[str, ConfigKey]] = MappingProxyType({key.name: key for key in _ROWS})


def alter_client_metrics_configs(
    current: Mapping[str, str], operations: Iterable[tuple[str, int, str | None]]
) -> dict[str, str | None]:
    """What these operations (name, AlterOperation, value) change: the new text by name, None where one goes.

    Raises ConfigRequestError (INVALID_REQUEST), ConfigValueError or ConfigConflictError (INVALID_CONFIG).
    """
    changes = set_or_deleted(operations)
    for name, text in changes.items():
        if text is not None:
            _check(name, text)
    return {name: text for name, text in changes.items() if current.get(name) != text}


def _check(name: str, text: str) -> None:
    key = CLIENT_METRICS_CONFIGS.get(name)
    if key is None:
        raise ConfigRequestError(f"Unknown client metrics configuration: {name}")
    value = key.parse(text)
    if name == "interval.ms" and not INTERVAL_MS_MIN <= value <= INTERVAL_MS_MAX:
        raise ConfigRequestError(
            f"Invalid value {value} for interval.ms, interval must be between "
            f"{INTERVAL_MS_MIN} and {INTERVAL_MS_MAX} (1 hour)"
        )
    if name == "match":
        for pattern in value:
            _check_pattern(pattern)


def _check_pattern(pattern: str) -> None:
    parts = [part.strip() for part in pattern.split("=")]
    try:
        if len(parts) == 2 and parts[0] in MATCH_KEYS:
            re.compile(parts[1])
            return
    except re.error:
        pass
    raise ConfigConflictError(f"Illegal client matching pattern: {pattern}")

"""The levels of this broker's loggers, as configs of the resource type BROKER_LOGGER (KIP-412).

A level holds until the broker stops; it is not kept in the metadata. The loggers are those that exist at the moment:
Kafka's names (`kafka.log.LogCleaner`) and our own (`pykafka_core.metadata`), and `root`, from which they inherit.

Thread: asyncio. Source: kafka.server.ConfigAdminManager, org.apache.kafka.server.logger.LoggingController.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from pykafka_core._later_log import logger_names
from pykafka_core.broker.config_values import ConfigKey, ConfigType
from pykafka_core.broker.topic_configs import AlterOperation, ConfigConflictError, ConfigRequestError

__all__ = ["ROOT", "alter_log_levels", "log_levels", "logger_key"]

ROOT: Final = "root"
LEVELS: Final = {
    "DEBUG": logging.DEBUG,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
    "INFO": logging.INFO,
    "TRACE": 5,
    "WARN": logging.WARNING,
}


def logger_key(name: str) -> ConfigKey:
    """A logger as a config. Its type is Kafka's UNKNOWN."""
    return ConfigKey(name=name, type=ConfigType.UNKNOWN, default=None, doc=f"The level of the logger {name}.")


def log_levels() -> dict[str, str]:
    """The level in effect of every logger, by name."""
    found = {ROOT: _shown(logging.getLogger().getEffectiveLevel())}
    for name in logger_names():
        logging.getLogger(name)
    for name, logger in sorted(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.split(".", 1)[0] in ("kafka", "org", "pykafka_core"):
            found[name] = _shown(logger.getEffectiveLevel())
    return found


def _shown(level: int) -> str:
    """The word for the highest of the six levels that lets through what this one lets through."""
    return min((each for each in LEVELS.items() if each[1] >= level), key=lambda each: each[1], default=("FATAL", 0))[0]


def alter_log_levels(operations: Sequence[tuple[str, int, str | None]], *, validate_only: bool) -> None:
    """Set levels, or let loggers inherit theirs again (DELETE), all or none.

    Raises ConfigRequestError (INVALID_REQUEST), ConfigConflictError (INVALID_CONFIG).
    """
    known = log_levels()
    wanted: dict[str, int] = {}
    for name, operation, value in operations:
        if name in wanted:
            raise ConfigRequestError("Error due to duplicate config keys")
        if operation in (AlterOperation.APPEND, AlterOperation.SUBTRACT):
            raise ConfigRequestError(
                f"{AlterOperation(operation).name} operation is not allowed for the BROKER_LOGGER resource"
            )
        if operation == AlterOperation.SET and value is None:
            raise ConfigRequestError(f"Null value not supported for : {name}")
        if operation not in (AlterOperation.SET, AlterOperation.DELETE):
            raise ConfigRequestError(f"Unknown operations type {operation}")
        if name not in known:
            raise ConfigConflictError(f"Logger {name} does not exist!")
        if operation == AlterOperation.DELETE:
            if name == ROOT:
                raise ConfigRequestError("Removing the log level of the root logger is not allowed")
            wanted[name] = logging.NOTSET
            continue
        level = LEVELS.get(value or "")
        if level is None:
            raise ConfigConflictError(
                f"Cannot set the log level of {name} to {value} as it is not a supported log level. "
                f"Valid log levels are {', '.join(sorted(LEVELS))}"
            )
        wanted[name] = level
    if not validate_only:
        for name, level in wanted.items():
            logging.getLogger(None if name == ROOT else name).setLevel(level)

"""The broker's configuration: `server.properties`, overrides, and the typed values that the broker works with.

    config = load_config(path, overrides=["num.partitions=4"])
    config.num_partitions, config.listeners, config["log.retention.ms"], config.warnings

Names, types, defaults and ranges are Apache Kafka's; `config_keys.py` holds the table. A wrong value is an error that
names the key, the value and what is allowed. A key that is unknown, or known and without effect, is a warning.
"""

from __future__ import annotations

from types import MappingProxyType

from pykafka_core._dataclass import dataclass, fields
from pykafka_core._path import Path
from pykafka_core.broker.config_keys import BROKER_CONFIGS, is_kafka_config
from pykafka_core.broker.config_listeners import (
    ControllerEndpoint,
    Listener,
    ListenerError,
    parse_controller_endpoint,
    parse_listeners,
)
from pykafka_core.broker.config_values import ConfigValueError
from pykafka_core.metadata.properties_file import PropertiesError, parse_properties

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Final

__all__ = [
    "BrokerConfig",
    "ConfigError",
    "ControllerEndpoint",
    "Listener",
    "default_log_dir",
    "load_config",
    "make_config",
]


class ConfigError(Exception):
    """A configuration that the broker will not start with: one sentence that names key, value and what is allowed."""


@dataclass(slots=True, frozen=True, kw_only=True)
class BrokerConfig:
    """Every setting, typed. Field names are Kafka's with `_` for `.`; `config["any.key"]` reads by Kafka's name."""

    values: Mapping[str, Any]
    """Typed value of every key of the table, defaults filled in."""
    static: Mapping[str, str]
    """What file and overrides said, as text: the static broker configs of DescribeConfigs."""
    warnings: tuple[str, ...]
    """One sentence each, for the log: unknown keys, keys without effect."""
    notes: tuple[str, ...]
    """One sentence each, for the log: what was understood and set aside."""

    # identity and directories
    node_id: int | None
    """None: whatever the log directories say, else 1."""
    broker_rack: str | None
    log_dirs: tuple[Path, ...]
    metadata_log_dir: Path
    controller_endpoint: ControllerEndpoint
    # sockets
    listeners: tuple[Listener, ...]
    num_network_threads: int
    socket_send_buffer_bytes: int
    socket_receive_buffer_bytes: int
    socket_request_max_bytes: int
    socket_listen_backlog_size: int
    queued_max_requests: int
    queued_max_request_bytes: int
    connections_max_idle_ms: int
    max_connections: int
    max_connections_per_ip: int
    # topics
    num_partitions: int
    default_replication_factor: int
    auto_create_topics_enable: bool
    delete_topic_enable: bool
    # fetch, care of logs, producers
    fetch_max_bytes: int
    max_incremental_fetch_session_cache_slots: int
    max_request_partition_size_limit: int
    log_retention_check_interval_ms: int
    log_initial_task_delay_ms: int
    log_flush_offset_checkpoint_interval_ms: int
    log_flush_start_offset_checkpoint_interval_ms: int
    replica_high_watermark_checkpoint_interval_ms: int
    log_segment_delete_delay_ms: int
    num_recovery_threads_per_data_dir: int
    producer_id_expiration_ms: int
    transactional_id_expiration_ms: int
    # metadata log
    metadata_log_max_record_bytes_between_snapshots: int
    metadata_log_max_snapshot_interval_ms: int

    def __getitem__(self, key: str) -> Any:
        """The typed value of a key by Kafka's name. Raises KeyError for a key that the table does not have."""
        return self.values[key]


_OWN_FIELDS: Final = frozenset(
    {
        "values",
        "static",
        "warnings",
        "notes",
        "node_id",
        "log_dirs",
        "metadata_log_dir",
        "controller_endpoint",
        "listeners",
    }
)


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> BrokerConfig:
    """Read a properties file (None: none) and overrides of the form key=value, which win. Raises ConfigError."""
    properties: dict[str, str] = {}
    if path is not None:
        try:
            properties = parse_properties(Path(path).read_bytes())
        except OSError as error:
            raise ConfigError(f"Cannot read the configuration file {path}: {error.strerror or error}") from error
        except PropertiesError as error:
            raise ConfigError(f"{path}, {error}") from error
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"Invalid override {override!r}: the form is key=value")
        properties[key.strip()] = value.strip()
    return make_config(properties)


def make_config(properties: Mapping[str, str]) -> BrokerConfig:
    """The configuration that these texts make. Raises ConfigError."""
    values, warnings = _parse(properties)
    for key in ("log.retention.ms", "log.retention.minutes", "log.retention.hours"):
        if values[key] == 0:
            raise ConfigError(f"Invalid value 0 for configuration {key}: Value must be -1 (unlimited) or at least 1")
    if "process.roles" in properties and "broker" not in values["process.roles"]:
        raise ConfigError(
            f"Invalid value {properties['process.roles']} for configuration process.roles: it must name the role broker"
        )
    notes: list[str] = []
    log_dirs = _log_dirs(values)
    try:
        listeners, set_aside = parse_listeners(
            values["listeners"],
            values["advertised.listeners"],
            values["listener.security.protocol.map"],
            controller_names=values["controller.listener.names"],
        )
        controller_endpoint = parse_controller_endpoint(
            values["listeners"],
            values["advertised.listeners"],
            values["controller.listener.names"],
            values["controller.quorum.voters"],
            values["controller.quorum.bootstrap.servers"],
        )
    except ListenerError as error:
        raise ConfigError(str(error)) from error
    if set_aside:
        notes.append(
            f"Listener {', '.join(set_aside)} is for KRaft controllers and is not opened: "
            "this broker keeps its metadata itself."
        )
    metadata_log_dir = values["metadata.log.dir"]
    taken = {
        field.name: values[field.name.replace("_", ".")]
        for field in fields(BrokerConfig)
        if field.name not in _OWN_FIELDS
    }
    return BrokerConfig(
        values=MappingProxyType(values),
        static=MappingProxyType(dict(properties)),
        warnings=tuple(warnings),
        notes=tuple(notes),
        node_id=_node_id(values),
        log_dirs=log_dirs,
        metadata_log_dir=Path(metadata_log_dir) if metadata_log_dir else log_dirs[0],
        controller_endpoint=controller_endpoint,
        listeners=listeners,
        **taken,
    )


def _parse(properties: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Typed values of all keys of the table, and a warning for each key beside it."""
    values: dict[str, Any] = {name: key.default for name, key in BROKER_CONFIGS.items()}
    warnings: list[str] = []
    for name, text in properties.items():
        key = BROKER_CONFIGS.get(name)
        if key is None:
            if is_kafka_config(name):
                warnings.append(f"Configuration {name} of Apache Kafka has no effect in this version.")
            else:
                warnings.append(f"Unknown configuration {name} is ignored.")
            continue
        if key.inert:
            warnings.append(f"Configuration {name} of Apache Kafka has no effect in this version.")
        try:
            values[name] = key.parse(text)
        except ConfigValueError as error:
            allowed = key.allowed
            raise ConfigError(f"{error}; allowed: {allowed}" if allowed else str(error)) from error
        if key.check is None and text.strip() == "" and key.default is None:
            values[name] = None
    return values, warnings


def _node_id(values: Mapping[str, Any]) -> int | None:
    node_id, broker_id = values["node.id"], values["broker.id"]
    if broker_id < -1:
        raise ConfigError(f"Invalid value {broker_id} for configuration broker.id: Value must be at least -1")
    if node_id is not None and broker_id not in (-1, node_id):
        raise ConfigError(
            f"Invalid value {broker_id} for configuration broker.id: node.id is {node_id}, and they must be the same"
        )
    if node_id is None and broker_id >= 0:
        found: int = broker_id
        return found
    return None if node_id is None else int(node_id)


def default_log_dir() -> str:
    """Where the data goes when the configuration does not say."""
    # Imported late: it costs more than all the rest of a start's configuration, and is seldom needed.
    import tempfile

    return str(Path(tempfile.gettempdir()) / "kafka-logs")


def _log_dirs(values: dict[str, Any]) -> tuple[Path, ...]:
    texts = values["log.dirs"] or values["log.dir"] or (default_log_dir(),)
    directories = tuple(Path(text) for text in texts if text)
    if not directories:
        raise ConfigError("Invalid value for configuration log.dirs: at least one directory must be named")
    seen: set[str] = set()
    for directory in directories:
        real = str(directory.absolute())
        if real in seen:
            raise ConfigError(f"Invalid value {','.join(texts)} for configuration log.dirs: {directory} comes twice")
        seen.add(real)
    values["log.dirs"] = tuple(map(str, directories))
    return directories

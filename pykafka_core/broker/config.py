"""The broker's configuration: `server.properties`, overrides, and the typed values that the broker works with.

    config = load_config(path, overrides=["num.partitions=4"])
    config.num_partitions, config.listeners, config["log.retention.ms"], config.warnings

Names, types, defaults and ranges are Apache Kafka's; `config_keys.py` holds the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["BrokerConfig", "ConfigError", "Listener"]


class ConfigError(Exception):
    """A configuration that the broker will not start with: one sentence that names key, value and what is allowed."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Listener:
    """One entry of `listeners`, with what it advertises."""

    name: str
    security_protocol: str
    host: str | None
    """None: all interfaces."""
    port: int
    """0: any free port."""
    advertised_host: str | None
    """None: a client is told the address that it connected to."""
    advertised_port: int | None


@dataclass(slots=True, frozen=True, kw_only=True)
class BrokerConfig:
    """Every setting, typed. Field names are Kafka's with `_` for `.`; `config["any.key"]` reads by Kafka's name."""

    values: Mapping[str, Any]
    """Typed value of every known key, defaults filled in."""
    static: Mapping[str, str]
    """What file and overrides said, as text: the static broker configs of DescribeConfigs."""
    warnings: tuple[str, ...]
    """One sentence each, for the log: unknown keys, keys without effect."""

    # identity and directories
    node_id: int | None
    """None: whatever the log directories say, else 1."""
    broker_rack: str | None
    log_dirs: tuple[Path, ...]
    metadata_log_dir: Path
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
    # fetch, log care, producers
    fetch_max_bytes: int
    max_incremental_fetch_session_cache_slots: int
    log_retention_check_interval_ms: int
    log_flush_offset_checkpoint_interval_ms: int
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

"""The group coordinator's settings, from the broker's. What a group has of its own comes from `Configs.group_settings`.

Source: org.apache.kafka.coordinator.group.GroupCoordinatorConfig; KIP-848, KIP-1263.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pykafka_core.coordinator.consumer_events import ConsumerGroupConfig, MigrationPolicy
from pykafka_core.coordinator.events import GroupConfig

__all__ = ["consumer_group_config", "group_config"]


def group_config(values: Mapping[str, Any]) -> GroupConfig:
    """Classic groups and offsets. `values`: the broker's typed values by Kafka's names."""
    return GroupConfig(
        min_session_timeout_ms=values["group.min.session.timeout.ms"],
        max_session_timeout_ms=values["group.max.session.timeout.ms"],
        initial_rebalance_delay_ms=values["group.initial.rebalance.delay.ms"],
        max_size=values["group.max.size"],
        offset_metadata_max_bytes=values["offset.metadata.max.bytes"],
        offsets_retention_ms=values["offsets.retention.minutes"] * 60_000,
    )


def consumer_group_config(values: Mapping[str, Any]) -> ConsumerGroupConfig:
    return ConsumerGroupConfig(
        session_timeout_ms=values["group.consumer.session.timeout.ms"],
        heartbeat_interval_ms=values["group.consumer.heartbeat.interval.ms"],
        assignment_interval_ms=values["group.consumer.assignment.interval.ms"],
        max_size=values["group.consumer.max.size"],
        assignors=tuple(values["group.consumer.assignors"]),
        migration=MigrationPolicy.of_name(values["group.consumer.migration.policy"]),
        regex_refresh_interval_ms=values["group.consumer.regex.refresh.interval.ms"],
    )

"""The group coordinator's settings, from the broker's. What a group has of its own comes from `Configs.group_settings`.

Source: org.apache.kafka.coordinator.group.GroupCoordinatorConfig; KIP-848, KIP-1263.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pykafka_core.coordinator.assignor import ASSIGNORS
from pykafka_core.coordinator.consumer_events import ConsumerGroupConfig, MigrationPolicy
from pykafka_core.coordinator.events import GroupConfig

__all__ = ["assignors", "consumer_group_config", "group_config"]

log = logging.getLogger("kafka.coordinator.group.GroupCoordinatorConfig")

CLASSES: Final = {
    f"org.apache.kafka.coordinator.group.assignor.{name.capitalize()}Assignor": name for name in ASSIGNORS
}


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


def assignors(configured: Sequence[str]) -> tuple[str, ...]:
    """The assignors of these names, or of these Java classes. Those of others' making are left out, with a warning."""
    found = []
    for each in configured:
        name = CLASSES.get(each, each)
        if name in ASSIGNORS:
            found.append(name)
        else:
            log.warning("Assignor %s of group.consumer.assignors is not known here and is left out", each)
    return tuple(dict.fromkeys(found)) or ASSIGNORS


def consumer_group_config(values: Mapping[str, Any]) -> ConsumerGroupConfig:
    return ConsumerGroupConfig(
        session_timeout_ms=values["group.consumer.session.timeout.ms"],
        heartbeat_interval_ms=values["group.consumer.heartbeat.interval.ms"],
        assignment_interval_ms=values["group.consumer.assignment.interval.ms"],
        max_size=values["group.consumer.max.size"],
        assignors=assignors(values["group.consumer.assignors"]),
        migration=MigrationPolicy.of_name(values["group.consumer.migration.policy"]),
        regex_refresh_interval_ms=values["group.consumer.regex.refresh.interval.ms"],
    )

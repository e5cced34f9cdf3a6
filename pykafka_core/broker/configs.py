"""What is configured at this moment, from all sources together: Kafka's defaults, the file, dynamic configs in the
metadata.

    broker value    dynamic for this broker > dynamic for all brokers > file > default
    topic value     the topic's own > broker value of the same meaning > default
    group value     the group's own, within the broker's limits > broker value of the same meaning > default

Thread: asyncio. The rules are in config_describe.py and topic_configs.py, which are imported when a topic is opened or
somebody asks; this is where they meet the metadata image.
"""

from __future__ import annotations

from pykafka_core.metadata.image import ConfigResourceType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from pykafka_core.broker.config import BrokerConfig
    from pykafka_core.broker.config_describe import ConfigEntry
    from pykafka_core.broker.config_dynamic import Layers
    from pykafka_core.broker.group_configs import GroupSettings
    from pykafka_core.broker.topic_configs import TopicSettings
    from pykafka_core.metadata.store import MetadataStore

__all__ = ["ALL_BROKERS", "Configs"]

ALL_BROKERS: Final = ""
"""Resource name of the dynamic configs that hold for every broker."""


class Configs:
    def __init__(self, *, config: BrokerConfig, store: MetadataStore, node_id: int) -> None:
        self.config: Final = config
        self._store: Final = store
        self._node_id: Final = node_id
        self._groups: Final[dict[str, GroupSettings]] = {}
        self._groups_revision = -2

    def broker_values(self) -> Mapping[str, Any]:
        """The typed value of every broker config, dynamic ones included."""
        dynamic, dynamic_default, _ = self._layers()
        if not dynamic and not dynamic_default:
            return self.config.values
        from pykafka_core.broker.config_dynamic import broker_values

        return broker_values(self.config.values, dynamic, dynamic_default)

    def broker_values_with(self, changes: Mapping[str, str | None], *, for_all: bool) -> Mapping[str, Any]:
        """The same as it would be with these changes of this broker's dynamic configs, or of all brokers'."""
        from pykafka_core.broker.config_dynamic import broker_values

        own, of_all, _ = (dict(layer) for layer in self._layers())
        changed = of_all if for_all else own
        for name, text in changes.items():
            if text is None:
                changed.pop(name, None)
            else:
                changed[name] = text
        return broker_values(self.config.values, own, of_all)

    def topic_settings(self, overrides: Mapping[str, str]) -> TopicSettings:
        """What is in effect for a topic with these configs of its own."""
        from pykafka_core.broker.topic_configs import topic_settings

        return topic_settings(self.broker_values(), overrides)

    def topic_entries(self, overrides: Mapping[str, str]) -> list[ConfigEntry]:
        """Every config of a topic that has these of its own."""
        from pykafka_core.broker.config_describe import describe_topic

        return describe_topic(overrides, self.broker_values(), self._layers())

    def broker_entries(self) -> list[ConfigEntry]:
        """Every config of this broker."""
        from pykafka_core.broker.config_describe import describe_broker

        return describe_broker(self.broker_values(), self._layers())

    def all_brokers_entries(self) -> list[ConfigEntry]:
        """The dynamic configs that hold for every broker, and nothing else."""
        from pykafka_core.broker.config_describe import describe_all_brokers

        return describe_all_brokers(self._layers())

    def group_settings(self, group_id: str) -> GroupSettings:
        """What is in effect for a group, at this moment: to be asked for whenever it is used.

        Cheap enough for every heartbeat: it is worked out once per group for each revision of the metadata, and groups
        without configs of their own share one answer."""
        from pykafka_core.broker.group_configs import group_settings

        image = self._store.image
        if image.revision != self._groups_revision:
            self._groups.clear()
            self._groups_revision = image.revision
        overrides = image.config(ConfigResourceType.GROUP, group_id)
        known = group_id if overrides else ""
        settings = self._groups.get(known)
        if settings is None:
            settings = self._groups[known] = group_settings(overrides, self.broker_values())
        return settings

    def group_entries(self, group_id: str) -> list[ConfigEntry]:
        """Every config of a group."""
        from pykafka_core.broker.config_describe import describe_group

        overrides = self._store.image.config(ConfigResourceType.GROUP, group_id)
        return describe_group(overrides, self.broker_values(), self._layers())

    def client_metrics_entries(self, name: str) -> list[ConfigEntry]:
        """Every config of a client metrics subscription."""
        from pykafka_core.broker.config_describe import describe_client_metrics

        return describe_client_metrics(self._store.image.config(ConfigResourceType.CLIENT_METRICS, name))

    def _layers(self) -> Layers:
        image = self._store.image
        return (
            image.config(ConfigResourceType.BROKER, str(self._node_id)),
            image.config(ConfigResourceType.BROKER, ALL_BROKERS),
            self.config.static,
        )

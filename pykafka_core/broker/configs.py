"""What is configured at this moment, from all sources together: Kafka's defaults, the file, dynamic configs in the
metadata.

    broker value    dynamic for this broker > dynamic for all brokers > file > default
    topic value     the topic's own > broker value of the same meaning > default

Thread: asyncio. The rules are in config_describe.py and topic_configs.py, which are imported when a topic is opened or
somebody asks; this is where they meet the metadata image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pykafka_core.metadata.image import ConfigResourceType

if TYPE_CHECKING:
    from pykafka_core.broker.config import BrokerConfig
    from pykafka_core.broker.config_describe import ConfigEntry, Layers
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

    def broker_values(self) -> Mapping[str, Any]:
        """The typed value of every broker config, dynamic ones included."""
        dynamic, dynamic_default, _ = self._layers()
        if not dynamic and not dynamic_default:
            return self.config.values
        from pykafka_core.broker.config_describe import broker_values

        return broker_values(self.config.values, dynamic, dynamic_default)

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
        from pykafka_core.broker.config_describe import describe_broker

        _, for_all, _ = self._layers()
        layers: Layers = ({}, for_all, {})
        return [entry for entry in describe_broker(self.broker_values(), layers) if entry.name in for_all]

    def _layers(self) -> Layers:
        image = self._store.image
        return (
            image.config(ConfigResourceType.BROKER, str(self._node_id)),
            image.config(ConfigResourceType.BROKER, ALL_BROKERS),
            self.config.static,
        )

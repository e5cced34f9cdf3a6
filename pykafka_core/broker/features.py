"""Features of the cluster and the levels of them that this broker knows (KIP-584).

Only what is built is listed: a client switches to implicit transactions or to the new group protocol by what it reads
here.
"""

from __future__ import annotations

from pykafka_core.broker.cluster import Feature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from pykafka_core.metadata.image import MetadataImage

__all__ = ["KAFKA_FEATURES", "METADATA_LEVELS_WITH_CHANGES", "features_of", "supported_levels"]

# Levels of Apache Kafka 4.4: 3.3-IV3 to 4.4-IV2.
SUPPORTED: Final = {"metadata.version": (7, 33), "group.version": (0, 1), "transaction.version": (0, 2)}

KAFKA_FEATURES: Final = frozenset(
    {
        "metadata.version",
        "kraft.version",
        "transaction.version",
        "group.version",
        "eligible.leader.replicas.version",
        "share.version",
        "streams.version",
    }
)
"""The features that Apache Kafka 4.3 has. One of them that is in force and not built here can be taken away."""

METADATA_LEVELS_WITH_CHANGES: Final = frozenset({7, 8, 11, 13, 14, 15, 17, 23, 30, 32, 33})
"""Levels of metadata.version that brought records or fields of their own: below them metadata could be lost.

Source: org.apache.kafka.server.common.MetadataVersion (4.3.1), didMetadataChange; 32 and 33 are taken for such.
"""


def supported_levels() -> Mapping[str, tuple[int, int]]:
    return SUPPORTED


def features_of(image: MetadataImage) -> tuple[Feature, ...]:
    """The features that this broker knows, with the level that is in force."""
    return tuple(
        Feature(name=name, level_min=low, level_max=high, level=image.features.get(name, 0))
        for name, (low, high) in SUPPORTED.items()
    )

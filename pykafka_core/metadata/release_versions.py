"""Release versions by name, and the levels of the other features that belong to each.

Source: org.apache.kafka.server.common.{MetadataVersion,Feature,TransactionVersion,...} of Apache Kafka 4.3.1.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "DEFAULT_RELEASE",
    "FEATURES",
    "UNSTABLE_FROM",
    "FeatureVersions",
    "dependencies_of",
    "level_of_release",
    "release_of_level",
    "supported_releases",
]

_RELEASES: Final = (
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0", "3.7-IV1",
    "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0",
    "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0", "4.4-IV0",
)  # fmt: skip
_LEVEL_MIN: Final = 7
DEFAULT_RELEASE: Final = "4.3-IV0"
UNSTABLE_FROM: Final = 31
"""Levels from here on need unstable.feature.versions.enable."""


class FeatureVersions:
    """One feature besides metadata.version. `defaults`: (from this metadata.version on, this level), newest first."""

    def __init__(self, name: str, level_max: int, stable_max: int, defaults: tuple[tuple[int, int], ...]) -> None:
        self.name = name
        self.level_max = level_max
        self.stable_max = stable_max
        self.defaults = defaults

    def default_level(self, metadata_version: int) -> int:
        return next((level for start, level in self.defaults if metadata_version >= start), 0)


FEATURES: Final = (
    FeatureVersions("kraft.version", 1, 1, ((21, 1),)),
    FeatureVersions("transaction.version", 2, 2, ((24, 2),)),
    FeatureVersions("group.version", 1, 1, ((22, 1),)),
    FeatureVersions("eligible.leader.replicas.version", 1, 1, ((26, 1),)),
    FeatureVersions("share.version", 1, 1, ((28, 1),)),
    FeatureVersions("streams.version", 1, 1, ((29, 1),)),
)
"""In Kafka's order."""

_DEPENDENCIES: Final = {("eligible.leader.replicas.version", 1): (("metadata.version", 23),)}


def dependencies_of(name: str, level: int) -> tuple[tuple[str, int], ...]:
    """The features, with their levels, that a level of a feature needs."""
    return _DEPENDENCIES.get((name, level), ())


def supported_releases(*, unstable: bool) -> tuple[str, ...]:
    return _RELEASES if unstable else _RELEASES[: UNSTABLE_FROM - _LEVEL_MIN]


def level_of_release(text: str) -> int | None:
    """The level of 4.3-IV0, or the newest of 4.3; anything behind that, as in 4.3.1, is left away. None: not known."""
    if text in _RELEASES:
        return _RELEASES.index(text) + _LEVEL_MIN
    short = ".".join(text.split(".")[:2])
    found = [level for level, name in enumerate(_RELEASES, _LEVEL_MIN) if name.partition("-")[0] == short]
    return found[-1] if found and "-" not in text else None


def release_of_level(level: int) -> str | None:
    at = level - _LEVEL_MIN
    return _RELEASES[at] if 0 <= at < len(_RELEASES) else None

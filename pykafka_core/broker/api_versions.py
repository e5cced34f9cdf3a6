"""What this broker says it can do: the answer to an ApiVersions request that asks for nothing unusual.

The reactors are given it in all versions, encoded, and send it by themselves (csrc/hot/api_versions.h); what they hand
up handlers/api_versions.py answers, with the same. It follows the metadata: levels of features, and its revision.

Thread: any.
"""

from __future__ import annotations

from pykafka_core.broker.handlers import SERVED
from pykafka_core.protocol._codec import encode
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.api_versions_response import (
    ApiVersion,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

    from pykafka_core.broker.cluster import Cluster, Feature

__all__ = ["api_versions_answer", "api_versions_bodies"]

PRODUCE_VERSION_MIN_ADVERTISED: Final = 0


def api_versions_answer(
    cluster: Cluster, version: int, features: Sequence[Feature] | None = None
) -> ApiVersionsResponse:
    features = cluster.features() if features is None else features
    return ApiVersionsResponse(
        api_keys=[
            ApiVersion(
                api_key=key,
                min_version=PRODUCE_VERSION_MIN_ADVERTISED if key == ApiKey.PRODUCE else version_min,
                max_version=version_max,
            )
            for key, (version_min, version_max) in sorted(SERVED.items())
        ],
        supported_features=[
            SupportedFeatureKey(name=feature.name, min_version=feature.level_min, max_version=feature.level_max)
            for feature in features
            if feature.level_min > 0 or version >= 4
        ],
        finalized_features_epoch=cluster.features_epoch(),
        finalized_features=[
            FinalizedFeatureKey(name=feature.name, max_version_level=feature.level, min_version_level=feature.level)
            for feature in features
            if feature.level > 0
        ],
    )


def api_versions_bodies(cluster: Cluster) -> list[bytes]:
    """One for each version that is served, without the response header."""
    _, version_max = SERVED[ApiKey.API_VERSIONS]
    features = cluster.features()
    return [encode(api_versions_answer(cluster, version, features), version) for version in range(version_max + 1)]

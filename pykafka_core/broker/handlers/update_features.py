"""UpdateFeatures (57), versions 0-2: bring features of the cluster to other levels.

- All or nothing; the first feature with an error is named in the answer, with INVALID_UPDATE_VERSION.
- Version 0 has a flag for downgrades, version 1 types of upgrade and `validate_only`; versions 0 and 1 list the
  features again, version 2 does not (KIP-1022).
- A level above the one in force is an upgrade. One below needs a downgrade type; metadata.version goes down only as
  long as no metadata could be lost, whatever the type, as in Apache Kafka. Level 0 takes a feature away.

The change is durable when it is answered.
Source: KIP-584, KIP-778; org.apache.kafka.controller.FeatureControlManager.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.commits import commit_or_refuse
from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.features import KAFKA_FEATURES, METADATA_LEVELS_WITH_CHANGES, supported_levels
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.metadata.changes_admin import set_feature_levels
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.update_features_request import FeatureUpdateKey, UpdateFeaturesRequest
from pykafka_core.protocol.messages.update_features_response import UpdatableFeatureResult, UpdateFeaturesResponse

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster
    from pykafka_core.metadata.image import MetadataImage
    from pykafka_core.metadata.store import MetadataStore

UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE = 1, 2, 3


@serves(ApiKey.UPDATE_FEATURES, 0, 2)
async def update_features(
    request: UpdateFeaturesRequest, context: RequestContext, *, store: MetadataStore, cluster: Cluster
) -> UpdateFeaturesResponse:
    try:
        for update in request.feature_updates:
            how = update.upgrade_type
            if context.api_version == 0:
                how = SAFE_DOWNGRADE if update.allow_downgrade else UPGRADE
            problem = why_refused(store.image, update, how, cluster.node_id)
            if problem is not None:
                raise RequestError(
                    ErrorCode.INVALID_UPDATE_VERSION,
                    f"The update failed for all features since the following feature had an error: {problem}",
                )
        if not request.validate_only:
            levels = {update.feature: update.max_version_level for update in request.feature_updates}
            await commit_or_refuse(store, set_feature_levels(store.image, levels))
    except RequestError as error:
        return UpdateFeaturesResponse(error_code=error.code, error_message=str(error))
    return UpdateFeaturesResponse(
        error_message=None,
        results=[
            UpdatableFeatureResult(feature=update.feature, error_message="NONE") for update in request.feature_updates
        ]
        if context.api_version <= 1
        else [],
    )


def why_refused(image: MetadataImage, update: FeatureUpdateKey, how: int, node_id: int) -> str | None:
    """Why a feature cannot be brought to a level; None if it can. The sentences are Kafka's."""
    name, level = update.feature, update.max_version_level
    invalid = f"Invalid update version {level} for feature {name}."
    if how not in (UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE):
        return f"{invalid} The controller does not support the given upgrade type."
    if level < 0:
        return f"{invalid} A feature version cannot be less than 0."
    supported = supported_levels().get(name)
    if supported is None and level > 0:
        return f"{invalid} Local controller {node_id} does not support this feature."
    if supported is not None and not supported[0] <= level <= supported[1]:
        return f"{invalid} Local controller {node_id} only supports versions {supported[0]}-{supported[1]}"
    current = image.features.get(name, 0)
    if level < current and how == UPGRADE:
        return (
            f"{invalid} Can't downgrade the version of this feature without setting the upgrade type to either "
            "safe or unsafe downgrade."
        )
    if level > current and how != UPGRADE:
        return f"{invalid} Can't downgrade to a newer version."
    if name not in KAFKA_FEATURES:
        return f"{invalid} Feature {name} not found."
    if name == "metadata.version" and any(level < each <= current for each in METADATA_LEVELS_WITH_CHANGES):
        reason = (
            "Unsafe metadata downgrade is not supported in this version."
            if how == UNSAFE_DOWNGRADE
            else "Refusing to perform the requested downgrade because it might delete metadata information."
        )
        return f"Unsupported metadata.version downgrade from {current} to {level}. {reason}"
    return None

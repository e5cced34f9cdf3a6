"""What an administrator asks about the cluster as a whole: features, the quorum of controllers, brokers, and which
resources have configs.

Source: KIP-584, KIP-595, KIP-853, KIP-1142.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from pykafka_core._dataclass import dataclass
from pykafka_core.client.cluster import Client
from pykafka_core.client.errors import KafkaError, UnsupportedError, check
from pykafka_core.protocol.api_keys import ApiKey

__all__ = [
    "FeatureLevels",
    "UpgradeType",
    "describe_features",
    "describe_quorum",
    "list_config_resources",
    "unregister_broker",
    "update_features",
]

METADATA_TOPIC = "__cluster_metadata"


@dataclass(slots=True, frozen=True, kw_only=True)
class FeatureLevels:
    """The features of a cluster, as one broker sees them."""

    supported: Mapping[str, tuple[int, int]]
    finalized: Mapping[str, int]
    finalized_epoch: int
    """-1: the broker does not tell."""


async def describe_features(client: Client, node_id: int | None = None) -> FeatureLevels:
    """Which levels of which features the broker (this one, or any) supports, and which are in force.

    Features whose lowest level is 0 are told from version 4 of ApiVersions on.
    """
    from pykafka_core.protocol.messages.api_versions_request import ApiVersionsRequest

    answer = await client.call(
        ApiVersionsRequest(client_software_name="pykafka-core", client_software_version="0"),
        node_id=node_id,
        version_max=4,
        what="describeFeatures",
    )
    check(answer.error_code)
    return FeatureLevels(
        supported={each.name: (each.min_version, each.max_version) for each in answer.supported_features},
        finalized={each.name: each.max_version_level for each in answer.finalized_features},
        finalized_epoch=answer.finalized_features_epoch,
    )


class UpgradeType(IntEnum):
    """What a change of a feature's level may be. A level of 0 disables the feature."""

    UPGRADE = 1
    SAFE_DOWNGRADE = 2
    UNSAFE_DOWNGRADE = 3


async def update_features(
    client: Client, updates: Mapping[str, tuple[int, UpgradeType]], *, validate_only: bool = False
) -> dict[str, KafkaError | None]:
    """Bring features to a level. From version 2 on the answer is one for all of them. Raises KafkaError for an error
    of the whole request."""
    from pykafka_core.protocol.messages import update_features_request as m

    answer = await client.call(
        m.UpdateFeaturesRequest(
            timeout_ms=client.settings.request_timeout_ms,
            feature_updates=[
                m.FeatureUpdateKey(feature=name, max_version_level=level, upgrade_type=int(how))
                for name, (level, how) in updates.items()
            ],
            validate_only=validate_only,
        ),
        what="updateFeatures",
        again=False,
    )
    check(answer.error_code, answer.error_message)
    outcomes: dict[str, KafkaError | None] = dict.fromkeys(updates)
    for each in answer.results:
        if each.error_code:
            outcomes[each.feature] = KafkaError(each.error_code, each.error_message)
    return outcomes


async def describe_quorum(client: Client) -> tuple[Any, list[Any]]:
    """The partition of the metadata log (leader_id, leader_epoch, high_watermark, current_voters, observers) and the
    nodes of the quorum (node_id, listeners; none below version 2). Raises KafkaError."""
    from pykafka_core.protocol.messages import describe_quorum_request as m

    answer = await client.call(
        m.DescribeQuorumRequest(
            topics=[m.TopicData(topic_name=METADATA_TOPIC, partitions=[m.PartitionData(partition_index=0)])]
        ),
        what="describeMetadataQuorum",
    )
    check(answer.error_code, answer.error_message or None)
    partition = answer.topics[0].partitions[0]
    check(partition.error_code, partition.error_message or None)
    return partition, answer.nodes


async def unregister_broker(client: Client, broker_id: int) -> None:
    """Take a broker that is gone out of the cluster's metadata. Raises KafkaError."""
    from pykafka_core.protocol.messages.unregister_broker_request import UnregisterBrokerRequest

    answer = await client.call(UnregisterBrokerRequest(broker_id=broker_id), what="unregisterBroker", again=False)
    check(answer.error_code, answer.error_message)


async def list_config_resources(client: Client, types: Sequence[int] = ()) -> list[tuple[int, str]]:
    """(resource type, name) of what can be described: topics 2, brokers 4, broker loggers 8, client metrics 16,
    groups 32; of these types or, with none, of all. Raises KafkaError, UnsupportedError where the broker only knows
    client metrics and others were asked for."""
    from pykafka_core.protocol.messages.list_config_resources_request import ListConfigResourcesRequest

    connection = await client.connect(what="listConfigResources")
    if connection.version_of(ApiKey.LIST_CONFIG_RESOURCES) < 1 and list(types) != [16]:
        raise UnsupportedError("The v0 ListConfigResources only supports CLIENT_METRICS")
    answer = await client.call(ListConfigResourcesRequest(resource_types=list(types)), what="listConfigResources")
    check(answer.error_code)
    return [(each.resource_type, each.resource_name) for each in answer.config_resources]

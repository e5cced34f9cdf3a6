"""ListConfigResources (74), versions 0-1: the names of what has configs.

- Groups and client metrics: those for which a config was set. Topics, brokers and their loggers: all of them.
- Version 0 lists client metrics alone (it was ListClientMetricsResources, KIP-1000); version 1 lists the types that are
  asked for, or all. A type that cannot be listed: UNSUPPORTED_VERSION.

Source: KIP-1142; kafka.server.KafkaApis.handleListConfigResources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.metadata.image import ConfigResourceType
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.list_config_resources_request import ListConfigResourcesRequest
from pykafka_core.protocol.messages.list_config_resources_response import (
    ConfigResource,
    ListConfigResourcesResponse,
)

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster
    from pykafka_core.metadata.store import MetadataStore

LISTED: Final = (
    ConfigResourceType.GROUP,
    ConfigResourceType.CLIENT_METRICS,
    ConfigResourceType.BROKER_LOGGER,
    ConfigResourceType.BROKER,
    ConfigResourceType.TOPIC,
)


@serves(ApiKey.LIST_CONFIG_RESOURCES, 0, 1)
def list_config_resources(
    request: ListConfigResourcesRequest, context: RequestContext, *, store: MetadataStore, cluster: Cluster
) -> ListConfigResourcesResponse:
    if context.api_version == 0:
        wanted = {int(ConfigResourceType.CLIENT_METRICS)}
    else:
        wanted = set(request.resource_types) or set(map(int, LISTED))
    if not wanted <= set(map(int, LISTED)):
        return ListConfigResourcesResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    image = store.image
    brokers = [str(broker_id) for broker_id in cluster.broker_ids]
    names = {
        ConfigResourceType.BROKER_LOGGER: brokers,
        ConfigResourceType.BROKER: brokers,
        ConfigResourceType.TOPIC: list(image.topics),
    }
    return ListConfigResourcesResponse(
        config_resources=[
            ConfigResource(resource_name=name, resource_type=int(kind))
            for kind in LISTED
            if kind in wanted
            for name in names.get(kind, [name for type_, name in image.configs if type_ == kind])
        ]
    )

"""IncrementalAlterConfigs (44), versions 0-1: set, delete, append to and subtract from configs of topics, brokers,
groups, client metrics and loggers.

- Operations: 0 SET, 1 DELETE (back to what is inherited), 2 APPEND and 3 SUBTRACT for lists. Each config at most once
  per resource.
- A resource changes as a whole or not at all; a resource named twice does not change.
- A value that the config does not take: INVALID_CONFIG. A broker config that cannot change while the broker runs:
  INVALID_REQUEST.

The change is durable and in effect when it is answered; a logger's level holds until the broker stops.
Source: KIP-339; org.apache.kafka.controller.ConfigurationControlManager.incrementalAlterConfigs.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.metadata.image import ConfigResourceType
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.incremental_alter_configs_request import IncrementalAlterConfigsRequest
from pykafka_core.protocol.messages.incremental_alter_configs_response import (
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsResponse,
)

if TYPE_CHECKING:
    from pykafka_core.broker.config_admin import ConfigAdmin


@serves(ApiKey.INCREMENTAL_ALTER_CONFIGS, 0, 1)
async def incremental_alter_configs(
    request: IncrementalAlterConfigsRequest, context: RequestContext, *, config_admin: ConfigAdmin
) -> IncrementalAlterConfigsResponse:
    counts = Counter((resource.resource_type, resource.resource_name) for resource in request.resources)
    responses = []
    for resource in request.resources:
        response = AlterConfigsResourceResponse(
            error_message=None, resource_type=resource.resource_type, resource_name=resource.resource_name
        )
        responses.append(response)
        try:
            if counts[resource.resource_type, resource.resource_name] > 1:
                raise RequestError(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
            name = resource.resource_name
            operations = [(item.name, item.config_operation, item.value) for item in resource.configs]
            if resource.resource_type == ConfigResourceType.BROKER_LOGGER:
                config_admin.alter_log_levels(name, operations, validate_only=request.validate_only)
            else:
                await config_admin.alter(resource.resource_type, name, operations, validate_only=request.validate_only)
        except RequestError as error:
            response.error_code, response.error_message = error.code, str(error)
    return IncrementalAlterConfigsResponse(responses=responses)

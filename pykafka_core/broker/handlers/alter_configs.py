"""AlterConfigs (33), versions 0-2: give a topic, broker, group or client metrics subscription exactly these dynamic
configs; those not named go back to what is inherited.

The older sibling of IncrementalAlterConfigs, with the same checks; a null value is refused.
Source: KIP-133; org.apache.kafka.controller.ConfigurationControlManager.legacyAlterConfigs.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.alter_configs_request import AlterConfigsRequest
from pykafka_core.protocol.messages.alter_configs_response import AlterConfigsResourceResponse, AlterConfigsResponse

if TYPE_CHECKING:
    from pykafka_core.broker.config_admin import ConfigAdmin


@serves(ApiKey.ALTER_CONFIGS, 0, 2)
async def alter_configs(
    request: AlterConfigsRequest, context: RequestContext, *, config_admin: ConfigAdmin
) -> AlterConfigsResponse:
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
            await config_admin.replace(
                resource.resource_type,
                resource.resource_name,
                [(item.name, item.value) for item in resource.configs],
                validate_only=request.validate_only,
            )
        except RequestError as error:
            response.error_code, response.error_message = error.code, str(error)
    return AlterConfigsResponse(responses=responses)

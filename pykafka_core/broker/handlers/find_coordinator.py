"""FindCoordinator (10), versions 0-6: which broker coordinates a group or a transactional id.

This broker coordinates neither yet, so every key is answered with COORDINATOR_NOT_AVAILABLE, as Kafka does while it has
no coordinator to name. It is served all the same, because librdkafka takes its presence for the sign of a broker that
knows lz4: without it, lz4 is silently left out of what producers compress (its feature map, since 0.9).

- Version 1 adds the key's type: 0 group, 1 transactional id; 2, share group, only from version 6 (KIP-932).
- Version 4 asks for several keys at a time (KIP-699).
- An unknown type is INVALID_REQUEST.

Source: kafka.server.KafkaApis.handleFindCoordinatorRequest.
"""

from __future__ import annotations

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.find_coordinator_response import Coordinator, FindCoordinatorResponse

SHARE = 2
SHARE_VERSION = 6
BATCHED_VERSION = 4


@serves(ApiKey.FIND_COORDINATOR, 0, 6)
def find_coordinator(request: FindCoordinatorRequest, context: RequestContext) -> FindCoordinatorResponse:
    if not 0 <= request.key_type <= SHARE or (request.key_type == SHARE and context.api_version < SHARE_VERSION):
        code, message = ErrorCode.INVALID_REQUEST, f"Unknown coordinator type {request.key_type}."
    else:
        code, message = (
            ErrorCode.COORDINATOR_NOT_AVAILABLE,
            "This broker coordinates no groups and no transactions yet.",
        )
    if context.api_version < BATCHED_VERSION:
        return FindCoordinatorResponse(error_code=code, error_message=message, node_id=-1, host="", port=-1)
    return FindCoordinatorResponse(
        coordinators=[
            Coordinator(key=key, node_id=-1, host="", port=-1, error_code=code, error_message=message)
            for key in request.coordinator_keys
        ]
    )

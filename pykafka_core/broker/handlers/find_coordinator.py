"""FindCoordinator (10), versions 0-6: which broker coordinates a group or a transactional id.

One broker coordinates all groups and transactional ids. Asked for the first of them it creates __consumer_offsets, or
__transaction_state, and answers when the topic is there; Kafka answers COORDINATOR_NOT_AVAILABLE and lets the client
come back, but one broker has nothing to wait for. Share groups it does not coordinate yet: COORDINATOR_NOT_AVAILABLE.

It must be served whatever else is, because librdkafka takes its presence for the sign of a broker that knows lz4:
without it, lz4 is silently left out of what producers compress (its feature map, since 0.9).

- Version 1 adds the key's type: 0 group, 1 transactional id; 2, share group, only from version 6 (KIP-932).
- Version 4 asks for several keys at a time (KIP-699).
- Up to version 3 an error has a message.
- An unknown type is INVALID_REQUEST.

Source: kafka.server.KafkaApis.handleFindCoordinatorRequest.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from pykafka_core.broker.answers import later
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.find_coordinator_response import Coordinator, FindCoordinatorResponse

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster
    from pykafka_core.broker.groups import Groups
    from pykafka_core.broker.transactions import Transactions

GROUP = 0
TRANSACTION = 1
SHARE = 2
SHARE_VERSION = 6
BATCHED_VERSION = 4


@serves(ApiKey.FIND_COORDINATOR, 0, 6)
def find_coordinator(
    request: FindCoordinatorRequest,
    context: RequestContext,
    *,
    cluster: Cluster,
    groups: Groups,
    transactions: Transactions,
) -> FindCoordinatorResponse | Awaitable[FindCoordinatorResponse]:
    # What Kafka says when all is well.
    message = "NONE" if context.api_version < BATCHED_VERSION else ""
    if not 0 <= request.key_type <= SHARE or (request.key_type == SHARE and context.api_version < SHARE_VERSION):
        said = f"Unknown coordinator type {request.key_type}."
        return respond(request, context, cluster, ErrorCode.INVALID_REQUEST, said)
    if request.key_type == SHARE:
        said = "This broker does not coordinate share groups."
        return respond(request, context, cluster, ErrorCode.COORDINATOR_NOT_AVAILABLE, said)
    coordinator, topic = (groups, "committed offsets") if request.key_type == GROUP else (transactions, "transactions")

    def answer(code: ErrorCode) -> FindCoordinatorResponse:
        said = f"The topic of {topic} could not be created." if code else message
        return respond(request, context, cluster, code, said)

    found = coordinator.coordinator_error()
    return answer(found) if isinstance(found, ErrorCode) else later(found, answer)


def respond(
    request: FindCoordinatorRequest, context: RequestContext, cluster: Cluster, code: ErrorCode, message: str
) -> FindCoordinatorResponse:
    node_id, host, port = -1, "", -1
    if not code:
        (node,) = cluster.nodes(context)
        node_id, host, port = node.node_id, node.host, node.port
    if context.api_version < BATCHED_VERSION:
        return FindCoordinatorResponse(error_code=code, error_message=message, node_id=node_id, host=host, port=port)
    return FindCoordinatorResponse(
        coordinators=[
            Coordinator(key=key, node_id=node_id, host=host, port=port, error_code=code)
            for key in request.coordinator_keys
        ]
    )

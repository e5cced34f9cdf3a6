"""Heartbeat (12), versions 0-4: a member of a classic group is alive, and learns whether its group rebalances.

- REBALANCE_IN_PROGRESS while members are to join again; it counts as a sign of life all the same.
- Version 3 brings instance ids (KIP-345).

Source: kafka.server.KafkaApis.handleHeartbeatRequest.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from pykafka_core.broker.answers import answered
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.coordinator.events import Heartbeat
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.heartbeat_request import HeartbeatRequest
from pykafka_core.protocol.messages.heartbeat_response import HeartbeatResponse

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups


@serves(ApiKey.HEARTBEAT, 0, 4)
def heartbeat(
    request: HeartbeatRequest, context: RequestContext, *, groups: Groups
) -> HeartbeatResponse | Awaitable[HeartbeatResponse]:
    error = groups.refusal(request.group_id)
    if error == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
        # The member is as alive as anybody can tell; its session begins when its group is there (as in Kafka).
        return HeartbeatResponse()
    if not error:
        error = groups.ask(
            Heartbeat(
                group_id=request.group_id,
                request=groups.request(),
                member_id=request.member_id,
                instance_id=request.group_instance_id,
                generation=request.generation_id,
            )
        )
    return answered(error, lambda error: HeartbeatResponse(error_code=error))

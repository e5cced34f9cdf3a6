"""LeaveGroup (13), versions 0-5: members leave a classic group, or are taken out of it.

- Version 3 on, several at a time, each with an error of its own; an instance id alone names a static member that an
  administrator removes (KIP-345). Before, the one member's error is the answer's.
- Version 5 brings the reason (KIP-800).

Source: kafka.server.KafkaApis.handleLeaveGroupRequest.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from pykafka_core.broker.answers import answered
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.coordinator.events import LeaveGroup, Leaver
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.leave_group_request import LeaveGroupRequest
from pykafka_core.protocol.messages.leave_group_response import LeaveGroupResponse, MemberResponse

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups

BATCHED_VERSION = 3


@serves(ApiKey.LEAVE_GROUP, 0, 5)
def leave_group(
    request: LeaveGroupRequest, context: RequestContext, *, groups: Groups
) -> LeaveGroupResponse | Awaitable[LeaveGroupResponse]:
    error = groups.refusal(request.group_id)
    if error:
        return LeaveGroupResponse(error_code=error)
    batched = context.api_version >= BATCHED_VERSION
    leavers = (
        [Leaver(member_id=each.member_id, instance_id=each.group_instance_id) for each in request.members]
        if batched
        else [Leaver(member_id=request.member_id, instance_id=None)]
    )

    def respond(answer: Any) -> LeaveGroupResponse:
        if isinstance(answer, ErrorCode):
            return LeaveGroupResponse(error_code=answer)
        if answer.error or not batched:
            return LeaveGroupResponse(error_code=answer.error or answer.leavers[0][1])
        return LeaveGroupResponse(
            members=[
                MemberResponse(member_id=leaver.member_id, group_instance_id=leaver.instance_id, error_code=error)
                for leaver, error in answer.leavers
            ]
        )

    return answered(
        groups.ask(LeaveGroup(group_id=request.group_id, request=groups.request(), leavers=leavers)), respond
    )

"""SyncGroup (14), versions 0-5: the leader hands in what it has assigned, every member gets its part.

- The answer waits for the leader, and for the log.
- Version 3 brings instance ids (KIP-345), version 5 the protocol's type and name, both ways; those that are not the
  group's: INCONSISTENT_GROUP_PROTOCOL (KIP-559). Kafka requires them from version 5 on.

Source: kafka.server.KafkaApis.handleSyncGroupRequest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.coordinator.events import SyncGroup
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.sync_group_request import SyncGroupRequest
from pykafka_core.protocol.messages.sync_group_response import SyncGroupResponse

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups

PROTOCOL_REQUIRED_VERSION = 5


@serves(ApiKey.SYNC_GROUP, 0, 5)
async def sync_group(request: SyncGroupRequest, context: RequestContext, *, groups: Groups) -> SyncGroupResponse:
    if context.api_version >= PROTOCOL_REQUIRED_VERSION and (
        request.protocol_type is None or request.protocol_name is None
    ):
        return SyncGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    error = groups.refusal(request.group_id)
    if error:
        return SyncGroupResponse(error_code=error)
    answer = await groups.wait(
        SyncGroup(
            group_id=request.group_id,
            request=groups.request(),
            member_id=request.member_id,
            instance_id=request.group_instance_id,
            generation=request.generation_id,
            protocol_type=request.protocol_type,
            protocol_name=request.protocol_name,
            assignments={each.member_id: each.assignment for each in request.assignments},
        )
    )
    if isinstance(answer, ErrorCode):
        return SyncGroupResponse(error_code=answer)
    return SyncGroupResponse(
        error_code=answer.error,
        protocol_type=answer.protocol_type,
        protocol_name=answer.protocol_name,
        assignment=answer.assignment,
    )

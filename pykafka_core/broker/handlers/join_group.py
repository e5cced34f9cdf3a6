"""JoinGroup (11), versions 0-9: become a member of a classic group, or stay one into its next generation.

- The answer waits until all members have joined, or the rebalance timeout is over.
- Version 1 brings the rebalance timeout; before, the session timeout stands for both.
- Version 4 on, a dynamic member without an id is given one and must come back with it (KIP-394): MEMBER_ID_REQUIRED.
- Version 5 brings instance ids of static members (KIP-345), version 7 the protocol's type in the answer (KIP-559),
  version 8 the member's reason, version 9 a leader that need not assign (KIP-814).
- Below version 7 the protocol's name is never null: "" stands for none.

Source: kafka.server.KafkaApis.handleJoinGroupRequest.
"""

from __future__ import annotations

import logging
from ipaddress import IPv6Address
from typing import TYPE_CHECKING
from uuid import uuid4

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.coordinator.events import JoinAnswer, JoinGroup
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.join_group_request import JoinGroupRequest
from pykafka_core.protocol.messages.join_group_response import JoinGroupResponse, JoinGroupResponseMember

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups

log = logging.getLogger("kafka.coordinator.group.GroupCoordinatorService")

MEMBER_ID_REQUIRED_VERSION = 4
NULLABLE_PROTOCOL_VERSION = 7
SKIP_ASSIGNMENT_VERSION = 9


@serves(ApiKey.JOIN_GROUP, 0, 9)
async def join_group(request: JoinGroupRequest, context: RequestContext, *, groups: Groups) -> JoinGroupResponse:
    error = groups.refusal(request.group_id)
    if error:
        return response(JoinAnswer(error=error, member_id=request.member_id), context.api_version)
    answer = await groups.wait(
        JoinGroup(
            group_id=request.group_id,
            request=groups.request(),
            member_id=request.member_id,
            instance_id=request.group_instance_id,
            fresh_id=f"{request.group_instance_id or context.client_id or ''}-{uuid4()}",
            client_id=context.client_id or "",
            client_host=java_address(context.peer.rpartition(":")[0].strip("[]")),
            protocol_type=request.protocol_type,
            protocols=[(protocol.name, protocol.metadata) for protocol in request.protocols],
            session_timeout_ms=request.session_timeout_ms,
            rebalance_timeout_ms=request.rebalance_timeout_ms if context.api_version else request.session_timeout_ms,
            require_known_member_id=context.api_version >= MEMBER_ID_REQUIRED_VERSION,
            supports_skipping_assignment=context.api_version >= SKIP_ASSIGNMENT_VERSION,
        )
    )
    if isinstance(answer, ErrorCode):
        answer = JoinAnswer(error=answer, member_id=request.member_id)
    if answer.error == ErrorCode.UNKNOWN_SERVER_ERROR:
        # Whoever is told this cannot say what was wrong.
        log.error(
            "Member %r of client %r cannot join group %r: what it says of its protocols cannot be read: %r",
            request.member_id,
            context.client_id,
            request.group_id,
            [(protocol.name, bytes(protocol.metadata)) for protocol in request.protocols],
        )
    return response(answer, context.api_version)


def java_address(host: str) -> str:
    """As InetAddress.toString writes an address without a name: "/127.0.0.1", "/0:0:0:0:0:0:0:1"."""
    if ":" not in host:
        return "/" + host
    address, scope, zone = host.partition("%")
    groups = IPv6Address(address).exploded.split(":")
    return "/" + ":".join(f"{int(group, 16):x}" for group in groups) + scope + zone


def response(answer: JoinAnswer, version: int) -> JoinGroupResponse:
    return JoinGroupResponse(
        error_code=answer.error,
        generation_id=answer.generation,
        protocol_type=answer.protocol_type,
        protocol_name=answer.protocol_name if version >= NULLABLE_PROTOCOL_VERSION else answer.protocol_name or "",
        leader=answer.leader,
        skip_assignment=answer.skip_assignment,
        member_id=answer.member_id,
        members=[
            JoinGroupResponseMember(member_id=member_id, group_instance_id=instance_id, metadata=metadata)
            for member_id, instance_id, metadata in answer.members
        ],
    )

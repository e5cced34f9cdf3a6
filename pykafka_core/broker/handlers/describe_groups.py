"""DescribeGroups (15), versions 0-6: state, protocol and members of classic groups.

- What members said is told while the group is stable only; what they were assigned last is told always.
- A group that does not exist, or is no classic one, is Dead; from version 6 on it is GROUP_ID_NOT_FOUND, with a message
  (KIP-1043).
- Version 3 brings authorized operations where asked for, version 4 instance ids.

Source: kafka.server.KafkaApis.handleDescribeGroupsRequest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.answers import result
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.operations import GROUP_OPERATIONS, NOT_ASKED
from pykafka_core.coordinator.events import DescribeGroup
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.describe_groups_request import DescribeGroupsRequest
from pykafka_core.protocol.messages.describe_groups_response import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsResponse,
)

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups

NOT_FOUND_VERSION = 6
DEAD = "Dead"


@serves(ApiKey.DESCRIBE_GROUPS, 0, 6)
async def describe_groups(
    request: DescribeGroupsRequest, context: RequestContext, *, groups: Groups
) -> DescribeGroupsResponse:
    described = [await describe(group_id, context.api_version, groups) for group_id in request.groups]
    for group in described:
        asked = request.include_authorized_operations and group.error_code == ErrorCode.NONE
        group.authorized_operations = GROUP_OPERATIONS if asked else NOT_ASKED
    return DescribeGroupsResponse(groups=described)


async def describe(group_id: str, version: int, groups: Groups) -> DescribedGroup:
    error = groups.refusal(group_id)
    if error:
        return DescribedGroup(group_id=group_id, error_code=error)
    found = await result(groups.ask(DescribeGroup(group_id=group_id, request=groups.request())))
    if isinstance(found, ErrorCode):
        return DescribedGroup(group_id=group_id, error_code=found)
    if isinstance(found, str):
        if version < NOT_FOUND_VERSION:
            return DescribedGroup(group_id=group_id, group_state=DEAD)
        return DescribedGroup(
            group_id=group_id,
            group_state=DEAD,
            error_code=ErrorCode.GROUP_ID_NOT_FOUND,
            error_message=found,
        )
    return DescribedGroup(
        group_id=group_id,
        group_state=found.state,
        protocol_type=found.protocol_type,
        protocol_data=found.protocol_name,
        members=[
            DescribedGroupMember(
                member_id=member.member_id,
                group_instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                member_metadata=member.metadata,
                member_assignment=member.assignment,
            )
            for member in found.members
        ],
    )

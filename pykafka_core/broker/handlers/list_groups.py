"""ListGroups (16), versions 0-5: the groups that this broker coordinates.

- Version 4 tells states and filters by them (KIP-518), version 5 types (KIP-848). Filters do not mind the case; a name
  that no state or type has matches nothing.
- While any partition of __consumer_offsets is being loaded the list would be wrong: COORDINATOR_LOAD_IN_PROGRESS.

Source: kafka.server.KafkaApis.handleListGroupsRequest, org.apache.kafka.coordinator.group.GroupCoordinatorService.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.list_groups_request import ListGroupsRequest
from pykafka_core.protocol.messages.list_groups_response import ListedGroup, ListGroupsResponse

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups


@serves(ApiKey.LIST_GROUPS, 0, 5)
def list_groups(request: ListGroupsRequest, context: RequestContext, *, groups: Groups) -> ListGroupsResponse:
    if groups.is_loading:
        return ListGroupsResponse(error_code=ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    states = {state.lower() for state in request.states_filter}
    types = {each.lower() for each in request.types_filter}
    return ListGroupsResponse(
        groups=[
            ListedGroup(
                group_id=group_id,
                protocol_type=group.kind.protocol_type or "",
                group_state=group.kind.state,
                group_type=group.type,
            )
            for group_id, group in groups.all()
            if (not states or group.kind.state.lower() in states) and (not types or group.type in types)
        ]
    )

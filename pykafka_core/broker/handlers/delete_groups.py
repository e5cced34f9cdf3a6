"""DeleteGroups (42), versions 0-3: forget groups and their offsets.

- A group with members: NON_EMPTY_GROUP; one that does not exist: GROUP_ID_NOT_FOUND.
- Version 3 adds a message.

Source: kafka.server.KafkaApis.handleDeleteGroupsRequest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.answers import result
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.coordinator.events import DeleteGroup
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.delete_groups_request import DeleteGroupsRequest
from pykafka_core.protocol.messages.delete_groups_response import DeletableGroupResult, DeleteGroupsResponse

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups


@serves(ApiKey.DELETE_GROUPS, 0, 3)
async def delete_groups(
    request: DeleteGroupsRequest, context: RequestContext, *, groups: Groups
) -> DeleteGroupsResponse:
    results = []
    for group_id in dict.fromkeys(request.groups_names):
        error: ErrorCode = groups.refusal(group_id)
        if not error:
            error = await result(groups.ask(DeleteGroup(group_id=group_id, request=groups.request())))
        results.append(DeletableGroupResult(group_id=group_id, error_code=error))
    return DeleteGroupsResponse(results=results)

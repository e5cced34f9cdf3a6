"""ConsumerGroupHeartbeat (68), versions 0-1: a member of a consumer group joins, stays, leaves (KIP-848).

- The answer comes at once: with the member's epoch, and with its partitions where they have changed. Nobody waits for
  other members.
- An epoch of 0 joins, -1 leaves, -2 leaves for a while (static members).
- Version 1 brings regular expressions, and members make their ids themselves (KIP-1082).
- UNSUPPORTED_VERSION where `group.version` is not finalized at 1, or `consumer` is not among
  `group.coordinator.rebalance.protocols`.

Source: kafka.server.KafkaApis.handleConsumerGroupHeartbeat.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING
from uuid import uuid4

from pykafka_core.broker.answers import answered
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.coordinator.consumer_events import ConsumerHeartbeat, ConsumerHeartbeatAnswer
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.consumer_group_heartbeat_request import ConsumerGroupHeartbeatRequest
from pykafka_core.protocol.messages.consumer_group_heartbeat_response import (
    Assignment,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups

OWN_ID_VERSION = 1


@serves(ApiKey.CONSUMER_GROUP_HEARTBEAT, 0, 1)
def consumer_group_heartbeat(
    request: ConsumerGroupHeartbeatRequest, context: RequestContext, *, groups: Groups
) -> ConsumerGroupHeartbeatResponse | Awaitable[ConsumerGroupHeartbeatResponse]:
    error = groups.consumer_refusal() or groups.refusal(request.group_id)
    if error:
        return ConsumerGroupHeartbeatResponse(error_code=error)
    owned: dict[bytes, frozenset[int]] | None = None
    if request.topic_partitions is not None:
        owned = {}
        for each in request.topic_partitions:
            owned[each.topic_id] = owned.get(each.topic_id, frozenset()).union(each.partitions)
    answer = groups.ask(
        ConsumerHeartbeat(
            group_id=request.group_id,
            request=groups.request(),
            member_id=request.member_id,
            member_epoch=request.member_epoch,
            client_id=context.client_id or "",
            client_host="/" + context.peer.rpartition(":")[0].strip("[]"),
            fresh_id="" if request.member_id else str(uuid4()),
            instance_id=request.instance_id,
            rack_id=request.rack_id,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            topic_names=request.subscribed_topic_names,
            topic_regex=request.subscribed_topic_regex,
            server_assignor=request.server_assignor,
            owned=owned,
            makes_own_id=context.api_version >= OWN_ID_VERSION,
        )
    )
    return answered(answer, respond)


def respond(answer: ConsumerHeartbeatAnswer | ErrorCode) -> ConsumerGroupHeartbeatResponse:
    if isinstance(answer, ErrorCode):
        return ConsumerGroupHeartbeatResponse(error_code=answer)
    return ConsumerGroupHeartbeatResponse(
        error_code=answer.error,
        error_message=answer.message
        if answer.message is not None or answer.error == ErrorCode.NONE
        else answer.error.meaning,
        member_id=answer.member_id,
        member_epoch=answer.member_epoch,
        heartbeat_interval_ms=answer.heartbeat_interval_ms,
        assignment=None
        if answer.assignment is None
        else Assignment(
            topic_partitions=[
                TopicPartitions(topic_id=topic_id, partitions=sorted(partitions))
                for topic_id, partitions in answer.assignment.items()
            ]
        ),
    )

"""Which node coordinates a group, and calls that follow it there.

A coordinator moves, loads its groups after a start, and may not have been made yet (its topic comes with the first
question). All of that passes; so a call is made again until `default.api.timeout.ms` is over.

Source: org.apache.kafka.clients.admin.internals.CoordinatorStrategy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pykafka_core.client.cluster import Client, Node
from pykafka_core.client.errors import DisconnectedError, KafkaError, KafkaTimeoutError
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.message import Message

__all__ = ["GROUP", "TRANSACTION", "call_coordinator", "find_coordinator"]

GROUP, TRANSACTION = 0, 1

MOVED = (ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR)
PASSING = (*MOVED, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)


async def find_coordinator(client: Client, key: str, *, key_type: int = GROUP, what: str = "findCoordinator") -> Node:
    """The node that coordinates this group or transactional id. Raises KafkaError."""
    from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest

    deadline = asyncio.get_running_loop().time() + client.settings.default_api_timeout_ms / 1000
    while True:
        connection = await client.connect(what=what)
        if connection.version_of(ApiKey.FIND_COORDINATOR) >= 4:
            body = FindCoordinatorRequest(key_type=key_type, coordinator_keys=[key])
            found = (await client.call(body, what=what)).coordinators[0]
        else:
            found = await client.call(FindCoordinatorRequest(key_type=key_type, key=key), what=what)
        if not found.error_code:
            node = Node(node_id=found.node_id, host=found.host, port=found.port)
            client.nodes[node.node_id] = node
            return node
        error = KafkaError(found.error_code, found.error_message or None)
        if error.code not in PASSING:
            raise error
        await pause(client, deadline, what)


async def call_coordinator(
    client: Client,
    group_id: str,
    body: Message,
    code_of: Callable[[Any], int],
    *,
    what: str,
    timeout_ms: int | None = None,
    version_max: int | None = None,
) -> tuple[Any, Node]:
    """Send a request to a group's coordinator, wherever that is, until `code_of` its answer is no passing error.

    Raises KafkaError where there is no answer; errors in the answer are the caller's.
    """
    deadline = asyncio.get_running_loop().time() + client.settings.default_api_timeout_ms / 1000
    while True:
        node = await find_coordinator(client, group_id, what=what)
        try:
            answer = await client.call(
                body, node_id=node.node_id, what=what, timeout_ms=timeout_ms, version_max=version_max
            )
        except DisconnectedError:
            if asyncio.get_running_loop().time() > deadline:
                raise
        else:
            if code_of(answer) not in PASSING:
                return answer, node
        await pause(client, deadline, what)


async def pause(client: Client, deadline: float, what: str) -> None:
    if asyncio.get_running_loop().time() > deadline:
        raise KafkaTimeoutError(f"Timed out waiting for a node assignment. Call: {what}")
    await asyncio.sleep(client.settings.retry_backoff_ms / 1000)

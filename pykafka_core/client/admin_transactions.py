"""What an administrator asks about transactions, and how one that hangs is ended.

Source: KIP-664, KIP-994.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pykafka_core.client.cluster import Client
from pykafka_core.client.coordinators import PASSING, TRANSACTION, find_coordinator
from pykafka_core.client.errors import KafkaError, check

__all__ = ["describe_transactions", "list_transactions", "write_abort_marker"]

TopicPartition = tuple[str, int]


async def until_settled(client: Client, body: Any, node_id: int, code_of: Callable[[Any], int], what: str) -> Any:
    """The answer of a coordinator that does not move or load any more, or its last one when it does for too long."""
    deadline = asyncio.get_running_loop().time() + client.settings.default_api_timeout_ms / 1000
    while True:
        answer = await client.call(body, node_id=node_id, what=what)
        if code_of(answer) not in PASSING or asyncio.get_running_loop().time() > deadline:
            return answer
        await asyncio.sleep(client.settings.retry_backoff_ms / 1000)


def state_code(answer: Any) -> int:
    code: int = answer.transaction_states[0].error_code
    return code


async def list_transactions(
    client: Client,
    *,
    producer_ids: Sequence[int] = (),
    duration_ms: int = -1,
    pattern: str | None = None,
) -> dict[int, list[Any]]:
    """The transactions of each coordinator: transactional_id, producer_id, transaction_state. Raises KafkaError."""
    from pykafka_core.protocol.messages.list_transactions_request import ListTransactionsRequest

    await client.metadata([], what="listNodes")
    found: dict[int, list[Any]] = {}
    for node_id in sorted(client.nodes):
        body = ListTransactionsRequest(
            producer_id_filters=list(producer_ids), duration_filter=duration_ms, transactional_id_pattern=pattern
        )
        answer = await until_settled(client, body, node_id, lambda answer: int(answer.error_code), "listTransactions")
        if answer.error_code:
            raise KafkaError(
                answer.error_code,
                f"ListTransactions request sent to broker {node_id} failed with an unexpected exception",
            )
        found[node_id] = list(answer.transaction_states)
    return found


async def describe_transactions(client: Client, transactional_ids: Iterable[str]) -> dict[str, tuple[int, Any]]:
    """The coordinator and the state of each transactional id; those that are not known are left out. Raises
    KafkaError."""
    from pykafka_core.protocol.errors import ErrorCode
    from pykafka_core.protocol.messages.describe_transactions_request import DescribeTransactionsRequest

    found: dict[str, tuple[int, Any]] = {}
    for each in transactional_ids:
        body = DescribeTransactionsRequest(transactional_ids=[each])
        node = await find_coordinator(client, each, key_type=TRANSACTION, what="describeTransactions")
        answer = await until_settled(client, body, node.node_id, state_code, "describeTransactions")
        state = answer.transaction_states[0]
        if state.error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
            continue
        check(state.error_code)
        found[each] = node.node_id, state
    return found


async def write_abort_marker(
    client: Client, place: TopicPartition, *, producer_id: int, producer_epoch: int, coordinator_epoch: int
) -> None:
    """End a transaction of one partition that its coordinator does not know of any more. Raises KafkaError."""
    from pykafka_core.protocol.messages import write_txn_markers_request as m

    node_id, _ = await client.leader(*place)
    answer = await client.call(
        m.WriteTxnMarkersRequest(
            markers=[
                m.WritableTxnMarker(
                    producer_id=producer_id,
                    producer_epoch=producer_epoch,
                    transaction_result=False,
                    topics=[m.WritableTxnMarkerTopic(name=place[0], partition_indexes=[place[1]])],
                    coordinator_epoch=coordinator_epoch,
                )
            ]
        ),
        node_id=node_id,
        version_max=1,
        what="abortTransaction",
        again=False,
    )
    check(answer.markers[0].topics[0].partitions[0].error_code)

"""DescribeTransactions (65), version 0: the state of transactional ids (KIP-664).

- While a transaction is being ended, its topics are those of the partitions that have not taken their marker.
- An id that is not known: TRANSACTIONAL_ID_NOT_FOUND; an empty one: INVALID_REQUEST.

Source: kafka.server.KafkaApis.handleDescribeTransactionsRequest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.describe_transactions_request import DescribeTransactionsRequest
from pykafka_core.protocol.messages.describe_transactions_response import (
    DescribeTransactionsResponse,
    TopicData,
    TransactionState,
)

if TYPE_CHECKING:
    from pykafka_core.broker.transactions import Transactions


@serves(ApiKey.DESCRIBE_TRANSACTIONS, 0, 0)
def describe_transactions(
    request: DescribeTransactionsRequest, context: RequestContext, *, transactions: Transactions
) -> DescribeTransactionsResponse:
    return DescribeTransactionsResponse(
        transaction_states=[describe(each, transactions) for each in request.transactional_ids]
    )


def describe(transactional_id: str, transactions: Transactions) -> TransactionState:
    error = transactions.refusal(transactional_id) if transactional_id else ErrorCode.INVALID_REQUEST
    if error:
        return TransactionState(transactional_id=transactional_id, error_code=error)
    found = transactions.coordinator.ids.get(transactional_id)
    if found is None:
        return TransactionState(transactional_id=transactional_id, error_code=ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)
    state = found.state
    topics: dict[str, list[int]] = {}
    for topic, partition in sorted(found.unmarked if state.is_ending else state.partitions):
        topics.setdefault(topic, []).append(partition)
    return TransactionState(
        transactional_id=transactional_id,
        transaction_state=state.status.title,
        transaction_timeout_ms=state.timeout_ms,
        transaction_start_time_ms=state.start_ms,
        producer_id=state.producer_id,
        producer_epoch=state.epoch,
        topics=[TopicData(topic=topic, partitions=partitions) for topic, partitions in topics.items()],
    )

"""ListTransactions (66), versions 0-2: the transactional ids that this broker coordinates (KIP-664).

- Filters hold together: states, producer ids, from version 1 on how long a transaction has been running at least
  (KIP-994), from version 2 on a regular expression for the whole id (KIP-1152). States that do not exist are named.
- While any partition of __transaction_state is being loaded the list would be wrong: COORDINATOR_LOAD_IN_PROGRESS.

Source: kafka.coordinator.transaction.TransactionStateManager.listTransactionStates.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.coordinator.regex import RegexError, compile_regex
from pykafka_core.coordinator.transaction import Status
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.list_transactions_request import ListTransactionsRequest
from pykafka_core.protocol.messages.list_transactions_response import ListTransactionsResponse, TransactionState

if TYPE_CHECKING:
    from pykafka_core.broker.transactions import Transactions

BY_TITLE = {status.title: status for status in Status}


@serves(ApiKey.LIST_TRANSACTIONS, 0, 2)
def list_transactions(
    request: ListTransactionsRequest, context: RequestContext, *, transactions: Transactions
) -> ListTransactionsResponse:
    if transactions.is_loading:
        return ListTransactionsResponse(error_code=ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    try:
        matches = compile_regex(request.transactional_id_pattern) if request.transactional_id_pattern else None
    except RegexError:
        return ListTransactionsResponse(error_code=ErrorCode.INVALID_REGULAR_EXPRESSION)
    states = {BY_TITLE[title] for title in request.state_filters if title in BY_TITLE}
    producer_ids = set(request.producer_id_filters)
    now_ms = time.time_ns() // 1_000_000
    duration_ms = request.duration_filter
    return ListTransactionsResponse(
        unknown_state_filters=[title for title in request.state_filters if title not in BY_TITLE],
        transaction_states=[
            TransactionState(
                transactional_id=transactional_id,
                producer_id=found.state.producer_id,
                transaction_state=found.state.status.title,
            )
            for transactional_id, found in transactions.coordinator.ids.items()
            if (not request.state_filters or found.state.status in states)
            and (not producer_ids or found.state.producer_id in producer_ids)
            and (duration_ms < 0 or now_ms - found.state.start_ms > duration_ms)
            and (matches is None or matches(transactional_id))
        ],
    )

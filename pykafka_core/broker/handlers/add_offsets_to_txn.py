"""AddOffsetsToTxn (25), versions 0-4: the transaction will send offsets to this group.

What is added is the group's partition of __consumer_offsets. Errors as in AddPartitionsToTxn. Producers of transaction
version 2 leave it to TxnOffsetCommit (KIP-890).

Source: KIP-98; kafka.server.KafkaApis.handleAddOffsetsToTxnRequest.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from pykafka_core.broker.answers import answered
from pykafka_core.broker.groups import OFFSETS_TOPIC
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.coordinator.transaction_events import AddPartitions
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.add_offsets_to_txn_request import AddOffsetsToTxnRequest
from pykafka_core.protocol.messages.add_offsets_to_txn_response import AddOffsetsToTxnResponse

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups
    from pykafka_core.broker.transactions import Transactions

FENCED_VERSION = 2


@serves(ApiKey.ADD_OFFSETS_TO_TXN, 0, 4)
def add_offsets_to_txn(
    request: AddOffsetsToTxnRequest, context: RequestContext, *, transactions: Transactions, groups: Groups
) -> AddOffsetsToTxnResponse | Awaitable[AddOffsetsToTxnResponse]:
    transactional_id = request.transactional_id
    error = transactions.refusal(transactional_id) if transactional_id else ErrorCode.NONE
    if not error:
        error = transactions.ask(
            AddPartitions(
                transactional_id,
                transactions.request(),
                request.producer_id,
                request.producer_epoch,
                frozenset([(OFFSETS_TOPIC, groups.partition_of(request.group_id))]),
            )
        )

    def respond(error: ErrorCode) -> AddOffsetsToTxnResponse:
        if error == ErrorCode.PRODUCER_FENCED and context.api_version < FENCED_VERSION:
            error = ErrorCode.INVALID_PRODUCER_EPOCH
        return AddOffsetsToTxnResponse(error_code=error)

    return answered(error, respond)

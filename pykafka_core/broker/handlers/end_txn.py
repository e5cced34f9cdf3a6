"""EndTxn (26), versions 0-5: commit or abort the transaction.

- Answered when the decision is in the log; the markers follow. Until they are all written the next transaction is told
  CONCURRENT_TRANSACTIONS.
- From version 5 on (transaction version 2, KIP-890) the epoch moves with each end, and the answer says with what
  producer id and epoch to go on. The same request again, with the epoch from before, gets the same answer.
- Another epoch: PRODUCER_FENCED, below version 2 INVALID_PRODUCER_EPOCH. Nothing to end, or ended the other way:
  INVALID_TXN_STATE. An unknown transactional id, or another producer id: INVALID_PRODUCER_ID_MAPPING.

Source: KIP-98, KIP-890; kafka.server.KafkaApis.handleEndTxnRequest.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from pykafka_core.broker.answers import answered
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.coordinator.transaction_events import NO_PRODUCER, EndTransaction, ProducerAnswer
from pykafka_core.metadata.errors import MetadataError
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.end_txn_request import EndTxnRequest
from pykafka_core.protocol.messages.end_txn_response import EndTxnResponse

if TYPE_CHECKING:
    from pykafka_core.broker.transactions import Transactions

FENCED_VERSION = 2
EPOCH_BUMP_VERSION = 5


@serves(ApiKey.END_TXN, 0, 5)
def end_txn(
    request: EndTxnRequest, context: RequestContext, *, transactions: Transactions
) -> EndTxnResponse | Awaitable[EndTxnResponse]:
    transactional_id = request.transactional_id
    error = transactions.refusal(transactional_id) if transactional_id else ErrorCode.NONE
    if error:
        return respond(ProducerAnswer(error), context.api_version)
    if context.api_version >= EPOCH_BUMP_VERSION and transactions.coordinator.needs_spare_id(transactional_id):
        return end_with_spare_id(request, context, transactions)
    return end(request, context, transactions, NO_PRODUCER)


async def end_with_spare_id(
    request: EndTxnRequest, context: RequestContext, transactions: Transactions
) -> EndTxnResponse:
    """The epochs of the producer id are used up: another one may be given out."""
    try:
        spare_id = await transactions.spare_id()
    except MetadataError:
        return respond(ProducerAnswer(ErrorCode.COORDINATOR_NOT_AVAILABLE), context.api_version)
    response = end(request, context, transactions, spare_id)
    return response if isinstance(response, EndTxnResponse) else await response


def end(
    request: EndTxnRequest, context: RequestContext, transactions: Transactions, spare_id: int
) -> EndTxnResponse | Awaitable[EndTxnResponse]:
    version = context.api_version
    answer = transactions.ask(
        EndTransaction(
            request.transactional_id,
            transactions.request(),
            request.producer_id,
            request.producer_epoch,
            request.committed,
            2 if version >= EPOCH_BUMP_VERSION else 0,
            spare_id,
        )
    )
    return answered(answer, lambda answer: respond(answer, version))


def respond(answer: ProducerAnswer, version: int) -> EndTxnResponse:
    error = answer.error
    if error == ErrorCode.PRODUCER_FENCED and version < FENCED_VERSION:
        error = ErrorCode.INVALID_PRODUCER_EPOCH
    return EndTxnResponse(error_code=error, producer_id=answer.producer_id, producer_epoch=answer.epoch)

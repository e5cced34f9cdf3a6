"""InitProducerId (22), versions 0-5: a producer id and epoch.

- Without a transactional id (idempotent producer): a new id with epoch 0, each time, whatever id the client had before.
- With one: the next epoch, which fences the producer before; a transaction that it has open is aborted, and the answer
  is CONCURRENT_TRANSACTIONS until that is done. From version 3 on a producer may say what it has and go on with the
  next epoch (KIP-360), unless another has come meanwhile: PRODUCER_FENCED, below version 4 INVALID_PRODUCER_EPOCH.
- An empty transactional id, or only one of producer id and epoch (version 3 on): INVALID_REQUEST. A timeout above
  transaction.max.timeout.ms, or not above zero: INVALID_TRANSACTION_TIMEOUT.

Ids come from blocks of 1,000 whose ends are in the metadata log, so that no id is given out twice, not even after a
crash.
Source: KIP-98, KIP-360; org.apache.kafka.coordinator.transaction.TransactionCoordinator.handleInitProducerId.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.metadata.errors import MetadataError
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest
from pykafka_core.protocol.messages.init_producer_id_response import InitProducerIdResponse

if TYPE_CHECKING:
    from pykafka_core.broker.producer_ids import ProducerIds
    from pykafka_core.broker.transactions import Transactions

NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
FENCED_VERSION = 4


@serves(ApiKey.INIT_PRODUCER_ID, 0, 5)
async def init_producer_id(
    request: InitProducerIdRequest,
    context: RequestContext,
    *,
    producer_ids: ProducerIds,
    transactions: Transactions,
) -> InitProducerIdResponse:
    if (request.producer_id == NO_PRODUCER_ID) != (request.producer_epoch == NO_PRODUCER_EPOCH):
        return refusal(ErrorCode.INVALID_REQUEST)
    if request.transactional_id is None:
        return InitProducerIdResponse(producer_id=await producer_ids.next(), producer_epoch=0)
    try:
        answer = await transactions.init(
            request.transactional_id, request.transaction_timeout_ms, request.producer_id, request.producer_epoch
        )
    except MetadataError:
        return refusal(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    code = answer.error
    if code == ErrorCode.PRODUCER_FENCED and context.api_version < FENCED_VERSION:
        code = ErrorCode.INVALID_PRODUCER_EPOCH
    return InitProducerIdResponse(error_code=code, producer_id=answer.producer_id, producer_epoch=answer.epoch)


def refusal(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=NO_PRODUCER_ID, producer_epoch=NO_PRODUCER_EPOCH)

"""InitProducerId (22), versions 0-5: a producer id and epoch.

- Without a transactional id (idempotent producer): a new id with epoch 0, each time, whatever id the client had before.
- With one, this broker would have to be the coordinator of the transaction. It coordinates none: NOT_COORDINATOR.
- An empty transactional id, or only one of producer id and epoch (version 3 on): INVALID_REQUEST.

Ids come from blocks of 1,000 whose ends are in the metadata log, so that no id is given out twice, not even after a
crash.
Source: KIP-98, KIP-360; org.apache.kafka.coordinator.transaction.TransactionCoordinator.handleInitProducerId.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest
from pykafka_core.protocol.messages.init_producer_id_response import InitProducerIdResponse

if TYPE_CHECKING:
    from pykafka_core.broker.producer_ids import ProducerIds

NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1


@serves(ApiKey.INIT_PRODUCER_ID, 0, 5)
async def init_producer_id(
    request: InitProducerIdRequest, context: RequestContext, *, producer_ids: ProducerIds
) -> InitProducerIdResponse:
    if (request.producer_id == NO_PRODUCER_ID) != (request.producer_epoch == NO_PRODUCER_EPOCH):
        return refusal(ErrorCode.INVALID_REQUEST)
    if request.transactional_id is None:
        return InitProducerIdResponse(producer_id=await producer_ids.next(), producer_epoch=0)
    if not request.transactional_id:
        return refusal(ErrorCode.INVALID_REQUEST)
    return refusal(ErrorCode.NOT_COORDINATOR)


def refusal(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=NO_PRODUCER_ID, producer_epoch=NO_PRODUCER_EPOCH)

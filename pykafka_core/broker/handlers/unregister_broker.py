"""UnregisterBroker (64), version 0: take a broker that is gone out of the metadata.

- One that is not registered: BROKER_ID_NOT_REGISTERED.
- This broker itself is refused while it runs. Apache Kafka carries that out and has no broker left that leads anything
  until it is started anew; nobody can want that of a broker that is alone.

Source: KIP-631; org.apache.kafka.controller.ReplicationControlManager.unregisterBroker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.commits import commit_or_refuse
from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.metadata.changes_admin import unregister_broker as unregistration
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.unregister_broker_request import UnregisterBrokerRequest
from pykafka_core.protocol.messages.unregister_broker_response import UnregisterBrokerResponse

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster
    from pykafka_core.metadata.store import MetadataStore


@serves(ApiKey.UNREGISTER_BROKER, 0, 0)
async def unregister_broker(
    request: UnregisterBrokerRequest, context: RequestContext, *, store: MetadataStore, cluster: Cluster
) -> UnregisterBrokerResponse:
    broker_id = request.broker_id
    try:
        if broker_id not in store.image.brokers:
            raise RequestError(ErrorCode.BROKER_ID_NOT_REGISTERED, f"Broker ID {broker_id} is not currently registered")
        if cluster.is_alive(broker_id):
            raise RequestError(
                ErrorCode.INVALID_REQUEST, f"Broker ID {broker_id} is running; only a broker that is gone can go"
            )
        await commit_or_refuse(store, unregistration(store.image, broker_id))
    except RequestError as error:
        return UnregisterBrokerResponse(error_code=error.code, error_message=str(error))
    return UnregisterBrokerResponse(error_message="")

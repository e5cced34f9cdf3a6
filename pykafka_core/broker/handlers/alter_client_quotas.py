"""AlterClientQuotas (49), versions 0-1: set and take away quotas of users, client ids and addresses.

- An entity changes as a whole or not at all; one that is named twice does not change.
- A null name is the default of its type. An address stands alone; a host name must resolve.
- Quotas are kept in the metadata and not enforced yet.

The change is durable when it is answered.
Source: KIP-546; org.apache.kafka.controller.ClientQuotaControlManager.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pykafka_core.broker.commits import commit_or_refuse
from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.metadata.changes_admin import alter_client_quotas as quota_records
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.alter_client_quotas_request import AlterClientQuotasRequest
from pykafka_core.protocol.messages.alter_client_quotas_response import (
    AlterClientQuotasResponse,
    EntityData,
    EntryData,
)

if TYPE_CHECKING:
    from pykafka_core.metadata.store import MetadataStore
    from pykafka_core.protocol.message import Record

Entity = tuple[tuple[str, str | None], ...]

# The type of each quota: it bounds the value, and none but DOUBLE takes a fraction.
USER_QUOTAS: Final = {
    "producer_byte_rate": "LONG",
    "consumer_byte_rate": "LONG",
    "request_percentage": "DOUBLE",
    "controller_mutation_rate": "DOUBLE",
}
IP_QUOTAS: Final = {"connection_creation_rate": "INT"}
LARGEST: Final = {"INT": 2.0**31 - 1, "LONG": 2.0**63}
FRACTION_MAX: Final = 1e-6
RESOLVE_TIMEOUT_S: Final = 5.0


@serves(ApiKey.ALTER_CLIENT_QUOTAS, 0, 1)
async def alter_client_quotas(
    request: AlterClientQuotasRequest, context: RequestContext, *, store: MetadataStore
) -> AlterClientQuotasResponse:
    wanted: dict[Entity, Mapping[str, float | None] | None] = {}
    for entry in request.entries:
        entity: Entity = tuple({part.entity_type: part.entity_name for part in entry.entity}.items())
        ops = {op.key: None if op.remove else op.value for op in entry.ops}
        # None: something is named twice, and nothing says which of them is meant.
        wanted[entity] = ops if entity not in wanted and len(ops) == len(entry.ops) else None
    outcomes: dict[Entity, RequestError | None] = {}
    for entity, changes in wanted.items():
        try:
            if changes is None:
                raise RequestError(ErrorCode.INVALID_REQUEST, f"Ignoring duplicate entity {shown(entity)}")
            await check(entity, changes)
            records: Sequence[Record] = quota_records(store.image, entity, changes)
            if not request.validate_only:
                await commit_or_refuse(store, records)
            outcomes[entity] = None
        except RequestError as error:
            outcomes[entity] = error
    return AlterClientQuotasResponse(
        entries=[
            EntryData(
                error_code=0 if error is None else error.code,
                error_message=None if error is None else str(error),
                entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity],
            )
            for entity, error in outcomes.items()
        ]
    )


def shown(entity: Entity) -> str:
    pairs = ", ".join(f"{kind}={'null' if name is None else name}" for kind, name in entity)
    return f"ClientQuotaEntity(entries={{{pairs}}})"


async def check(entity: Entity, changes: Mapping[str, float | None]) -> None:
    if not entity:
        raise RequestError(ErrorCode.INVALID_REQUEST, "Invalid empty client quota entity")
    for kind, name in entity:
        if kind not in ("user", "client-id", "ip"):
            raise RequestError(ErrorCode.INVALID_REQUEST, f"Unhandled client quota entity type: {kind}")
        if name == "":
            raise RequestError(ErrorCode.INVALID_REQUEST, f"Empty {kind} not supported")
    names = dict(entity)
    keys = USER_QUOTAS
    if "ip" in names:
        if len(names) > 1:
            raise RequestError(
                ErrorCode.INVALID_REQUEST,
                "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
            )
        if names["ip"] is not None and not await is_address(names["ip"]):
            raise RequestError(ErrorCode.INVALID_REQUEST, f"{names['ip']} is not a valid IP or resolvable host.")
        keys = IP_QUOTAS
    for key, value in changes.items():
        if value is not None:
            check_value(keys, key, value)


def check_value(keys: Mapping[str, str], key: str, value: float) -> None:
    kind = keys.get(key)
    if kind is None:
        raise RequestError(ErrorCode.INVALID_REQUEST, f"Invalid configuration key {key}")
    if value <= 0:
        raise RequestError(ErrorCode.INVALID_REQUEST, f"Quota {key} must be greater than 0")
    if kind == "DOUBLE":
        return
    if value > LARGEST[kind]:
        raise RequestError(ErrorCode.INVALID_REQUEST, f"Proposed value for {key} is too large for a {kind}.")
    if abs(value % 1.0) > FRACTION_MAX:
        raise RequestError(ErrorCode.INVALID_REQUEST, f"{key} cannot be a fractional value.")


async def is_address(name: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name)
        except (OSError, ValueError):
            continue
        return True
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            return bool(await asyncio.get_running_loop().getaddrinfo(name, None))
    except (OSError, ValueError, TimeoutError):
        return False

"""DescribeClientQuotas (48), versions 0-1: the quotas of the entities that a filter matches.

- A component names an entity type and what its name must be: this one (0), the default's (1) or any (2). All must
  match. `strict`: entities with further types are left out.
- No component matches everything.
- Quotas are kept and not enforced yet.

Source: KIP-546; org.apache.kafka.image.ClientQuotasImage.describe.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.describe_client_quotas_request import ComponentData, DescribeClientQuotasRequest
from pykafka_core.protocol.messages.describe_client_quotas_response import (
    DescribeClientQuotasResponse,
    EntityData,
    EntryData,
    ValueData,
)

if TYPE_CHECKING:
    from pykafka_core.metadata.store import MetadataStore

EXACT, DEFAULT, ANY = range(3)
TYPES: Final = ("user", "client-id", "ip")
ANY_NAME: Final = object()


@serves(ApiKey.DESCRIBE_CLIENT_QUOTAS, 0, 1)
def describe_client_quotas(
    request: DescribeClientQuotasRequest, context: RequestContext, *, store: MetadataStore
) -> DescribeClientQuotasResponse:
    wanted: dict[str, object] = {}
    try:
        for component in request.components:
            add_component(wanted, component)
        if "ip" in wanted and len(wanted) > 1:
            raise RequestError(
                ErrorCode.INVALID_REQUEST,
                "Invalid entity filter component combination. "
                "IP filter component should not be used with user or clientId filter component.",
            )
    except RequestError as error:
        return DescribeClientQuotasResponse(error_code=error.code, error_message=str(error), entries=None)
    return DescribeClientQuotasResponse(
        error_message=None,
        entries=[
            EntryData(
                entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity],
                values=[ValueData(key=key, value=value) for key, value in values.items()],
            )
            for entity, values in store.image.client_quotas.items()
            if matches(dict(entity), wanted, strict=request.strict)
        ],
    )


def add_component(wanted: dict[str, object], component: ComponentData) -> None:
    kind, match = component.entity_type, component.match
    if not kind:
        raise RequestError(ErrorCode.INVALID_REQUEST, "Invalid empty entity type.")
    if kind in wanted:
        raise RequestError(ErrorCode.INVALID_REQUEST, f"Entity type {kind} cannot appear more than once in the filter.")
    if kind not in TYPES:
        raise RequestError(ErrorCode.UNSUPPORTED_VERSION, f"Unsupported entity type {kind}")
    if component.match_type not in (EXACT, DEFAULT, ANY):
        raise RequestError(ErrorCode.INVALID_REQUEST, f"Unknown match type {component.match_type}")
    if component.match_type == EXACT:
        if match is None:
            raise RequestError(
                ErrorCode.INVALID_REQUEST, "Request specified MATCH_TYPE_EXACT, but set match string to null."
            )
        wanted[kind] = match
        return
    if match is not None:
        name = "DEFAULT" if component.match_type == DEFAULT else "SPECIFIED"
        raise RequestError(
            ErrorCode.INVALID_REQUEST, f"Request specified MATCH_TYPE_{name}, but also specified a match string."
        )
    wanted[kind] = None if component.match_type == DEFAULT else ANY_NAME


def matches(entity: Mapping[str, str | None], wanted: Mapping[str, object], *, strict: bool) -> bool:
    if strict and len(entity) != len(wanted):
        return False
    return all(kind in entity and name in (entity[kind], ANY_NAME) for kind, name in wanted.items())

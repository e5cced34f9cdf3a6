"""kafka-configs --alter of users, clients and addresses: their quotas, and the credentials of users."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pykafka_core.tools.command import ToolError
from pykafka_core.tools.configs import CLIENTS, IPS, USERS, Entities
from pykafka_core.tools.configs_describe import QUOTA_TYPES, find_quotas

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pykafka_core.client.admin_quotas import QuotaEntity
    from pykafka_core.client.cluster import Client

__all__ = ["alter_quotas_or_credentials"]

CLIENT_QUOTAS = ("producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate")
IP_QUOTAS = ("connection_creation_rate",)
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
ITERATIONS_DEFAULT = ITERATIONS_MIN = 4096
BY_SERVER = "using --bootstrap-server."


async def alter_quotas_or_credentials(
    client: Client, entities: Entities, to_add: dict[str, str], to_delete: list[str]
) -> None:
    """Raises ToolError, KafkaError."""
    kind = entities.types[0]
    if kind == IPS:
        unknown = [name for name in (*to_add, *to_delete) if name not in IP_QUOTAS]
        if unknown:
            raise ToolError(
                f"Only connection quota configs can be added for '{IPS}' {BY_SERVER} Unexpected config names: "
                f"{','.join(unknown)}"
            )
        await alter_quotas(client, entities, to_add, to_delete)
        return
    quotas = any(name in CLIENT_QUOTAS for name in (*to_add, *to_delete))
    credentials = any(name in MECHANISMS for name in (*to_add, *to_delete))
    if kind == CLIENTS or len(entities.types) == 2:
        refuse_unknown(f"Only quota configs can be %s for '{CLIENTS}'", CLIENT_QUOTAS, to_add, to_delete)
    else:
        refuse_unknown(
            f"Only quota and SCRAM credential configs can be %s for '{USERS}'",
            (*CLIENT_QUOTAS, *MECHANISMS),
            to_add,
            to_delete,
        )
        if credentials and "" in entities.names:
            raise ToolError(
                "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials " + BY_SERVER
            )
        if credentials and quotas:
            raise ToolError(
                f"Cannot alter both quota and SCRAM credential configs simultaneously for '{USERS}' {BY_SERVER}"
            )
    if quotas:
        await alter_quotas(client, entities, to_add, to_delete)
    else:
        await alter_credentials(client, entities.names[0], to_add, to_delete)


def refuse_unknown(sentence: str, known: Iterable[str], to_add: dict[str, str], to_delete: list[str]) -> None:
    """Raises ToolError, with the names as Scala prints its collections."""
    for names, what, collection in ((to_add, "added", "Set"), (to_delete, "deleted", "ArrayBuffer")):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ToolError(
                f"{sentence % what} {BY_SERVER} Unexpected config names: {collection}({', '.join(unknown)})"
            )


async def alter_quotas(client: Client, entities: Entities, to_add: dict[str, str], to_delete: list[str]) -> None:
    """Raises ToolError, KafkaError."""
    from pykafka_core.client.admin_quotas import alter_client_quotas

    if len(entities.types) != len(entities.names):
        raise ToolError("Exactly one entity name must be specified for every entity type")
    stored = next(iter((await find_quotas(client, entities)).values()), {})
    missing = [name for name in to_delete if name not in stored]
    if missing:
        raise ToolError(f"Invalid config(s): {','.join(missing)}")
    entity: QuotaEntity = tuple(
        (QUOTA_TYPES[kind], name or None) for kind, name in zip(entities.types, entities.names, strict=True)
    )
    changes: dict[str, float | None] = {name: quota(name, value) for name, value in to_add.items()}
    changes |= dict.fromkeys(to_delete)
    for outcome in (await alter_client_quotas(client, {entity: changes})).values():
        if outcome is not None:
            raise outcome


def quota(name: str, value: str) -> float:
    """Raises ToolError."""
    try:
        return float(value)
    except ValueError:
        raise ToolError(f"Cannot parse quota configuration value for {name}: {value}") from None


async def alter_credentials(client: Client, user: str, to_add: dict[str, str], to_delete: list[str]) -> None:
    """Raises ToolError, KafkaError."""
    from pykafka_core.client.admin_quotas import ScramMechanism, alter_user_scram_credentials

    upsertions: list[tuple[str, ScramMechanism, str, int]] = []
    for name, value in to_add.items():
        mechanism = ScramMechanism[name.replace("-", "_")]
        found = re.fullmatch(r"(?:iterations=(-?\d*),)?password=(.*)", value)
        if found is None:
            raise ToolError(f"Invalid credential property {mechanism.name}={value}")
        iterations = ITERATIONS_DEFAULT if found[1] in (None, "-1") else int(found[1] or "0")
        if iterations < ITERATIONS_MIN:
            raise ToolError(
                f"Iterations {iterations} is less than the minimum {ITERATIONS_MIN} required for {mechanism.text}"
            )
        upsertions.append((user, mechanism, found[2], iterations))
    deletions = [(user, ScramMechanism[name.replace("-", "_")]) for name in to_delete]
    outcomes = await alter_user_scram_credentials(client, set_=upsertions, delete=deletions)
    for outcome in outcomes.values():
        if outcome is not None:
            raise outcome

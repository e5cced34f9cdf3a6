"""Client quotas and SCRAM credentials, as an administrator asks for them and changes them.

An entity is the pairs (entity type, name) that a quota is for, `None` standing for the default of that type:
`(("user", "alice"), ("client-id", None))`. Types: "user", "client-id", "ip".

What belongs to one entity or user alone comes back as a KafkaError in the place of its result; an error of the whole
request is raised.

Source: KIP-546, KIP-554.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

from pykafka_core.client.cluster import Client
from pykafka_core.client.errors import KafkaError, check

__all__ = [
    "QuotaEntity",
    "QuotaMatch",
    "ScramMechanism",
    "alter_client_quotas",
    "alter_user_scram_credentials",
    "describe_client_quotas",
    "describe_user_scram_credentials",
]

QuotaEntity = tuple[tuple[str, str | None], ...]

SCRAM_SALT_SIZE: Final = 16


class QuotaMatch(IntEnum):
    """How one component of a filter is matched."""

    EXACT = 0
    DEFAULT = 1
    ANY = 2


class ScramMechanism(IntEnum):
    SCRAM_SHA_256 = 1
    SCRAM_SHA_512 = 2

    @property
    def text(self) -> str:
        """Kafka's name of it: SCRAM-SHA-256."""
        return self.name.replace("_", "-")


async def describe_client_quotas(
    client: Client, components: Sequence[tuple[str, QuotaMatch, str | None]] = (), *, strict: bool = False
) -> dict[QuotaEntity, dict[str, float]]:
    """Quotas by entity, in the order of the answer, of the entities that match every component (entity type, match,
    name for EXACT). `strict`: and have no other type besides. Raises KafkaError."""
    from pykafka_core.protocol.messages import describe_client_quotas_request as m

    answer = await client.call(
        m.DescribeClientQuotasRequest(
            components=[
                m.ComponentData(entity_type=kind, match_type=int(how), match=name) for kind, how, name in components
            ],
            strict=strict,
        ),
        what="describeClientQuotas",
    )
    check(answer.error_code, answer.error_message)
    return {
        tuple((part.entity_type, part.entity_name) for part in entry.entity): {
            value.key: value.value for value in entry.values
        }
        for entry in answer.entries or ()
    }


async def alter_client_quotas(
    client: Client, changes: Mapping[QuotaEntity, Mapping[str, float | None]], *, validate_only: bool = False
) -> dict[QuotaEntity, KafkaError | None]:
    """Set quotas of entities by key; None takes one away."""
    from pykafka_core.protocol.messages import alter_client_quotas_request as m

    answer = await client.call(
        m.AlterClientQuotasRequest(
            entries=[
                m.EntryData(
                    entity=[m.EntityData(entity_type=kind, entity_name=name) for kind, name in entity],
                    ops=[
                        m.OpData(key=key, value=0.0 if value is None else value, remove=value is None)
                        for key, value in values.items()
                    ],
                )
                for entity, values in changes.items()
            ],
            validate_only=validate_only,
        ),
        what="alterClientQuotas",
        again=False,
    )
    return {
        tuple((part.entity_type, part.entity_name) for part in entry.entity): KafkaError(
            entry.error_code, entry.error_message
        )
        if entry.error_code
        else None
        for entry in answer.entries
    }


async def describe_user_scram_credentials(
    client: Client, users: Sequence[str] | None = None
) -> dict[str, list[tuple[ScramMechanism, int]] | KafkaError]:
    """(mechanism, iterations) of each credential of these users, or of all. Raises KafkaError."""
    from pykafka_core.protocol.messages import describe_user_scram_credentials_request as m

    answer = await client.call(
        m.DescribeUserScramCredentialsRequest(
            users=None if users is None else [m.UserName(name=name) for name in users]
        ),
        what="describeUserScramCredentials",
    )
    check(answer.error_code, answer.error_message)
    return {
        each.user: KafkaError(each.error_code, each.error_message)
        if each.error_code
        else [(ScramMechanism(info.mechanism), info.iterations) for info in each.credential_infos]
        for each in answer.results
    }


async def alter_user_scram_credentials(
    client: Client,
    *,
    set_: Sequence[tuple[str, ScramMechanism, str, int]] = (),
    delete: Sequence[tuple[str, ScramMechanism]] = (),
) -> dict[str, KafkaError | None]:
    """Give users credentials (user, mechanism, password, iterations) and take others away. The password stays here:
    what is sent is its salted hash."""
    from pykafka_core.protocol.messages import alter_user_scram_credentials_request as m

    upsertions = []
    for user, mechanism, password, iterations in set_:
        salt = os.urandom(SCRAM_SALT_SIZE)
        digest = "sha256" if mechanism is ScramMechanism.SCRAM_SHA_256 else "sha512"
        upsertions.append(
            m.ScramCredentialUpsertion(
                name=user,
                mechanism=int(mechanism),
                iterations=iterations,
                salt=salt,
                salted_password=hashlib.pbkdf2_hmac(digest, password.encode(), salt, max(1, iterations)),
            )
        )
    answer = await client.call(
        m.AlterUserScramCredentialsRequest(
            deletions=[m.ScramCredentialDeletion(name=user, mechanism=int(mechanism)) for user, mechanism in delete],
            upsertions=upsertions,
        ),
        what="alterUserScramCredentials",
        again=False,
    )
    return {
        each.user: KafkaError(each.error_code, each.error_message) if each.error_code else None
        for each in answer.results
    }

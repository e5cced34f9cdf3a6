"""AlterUserScramCredentials (51), version 0: give users SCRAM credentials and take them away.

- A client sends the salted password, never the password; of that only the two keys are kept which the exchange needs
  (RFC 5802), so that what is stored does not log anybody in.
- One change of one user at a time: a user named twice is refused, whatever the mechanisms.

The change is durable when it is answered. SCRAM logins come with the security part.
Source: KIP-554; org.apache.kafka.controller.ScramControlManager.
"""

from __future__ import annotations

import hmac
from hashlib import new as hash_of
from typing import TYPE_CHECKING, Final

from pykafka_core.broker.commits import commit_or_refuse
from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.metadata.changes_admin import remove_scram_credential, set_scram_credential
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.alter_user_scram_credentials_request import (
    AlterUserScramCredentialsRequest,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from pykafka_core.protocol.messages.alter_user_scram_credentials_response import (
    AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult,
)

if TYPE_CHECKING:
    from pykafka_core.metadata.image import MetadataImage
    from pykafka_core.metadata.store import MetadataStore
    from pykafka_core.protocol.message import Record

HASHES: Final = {1: "sha256", 2: "sha512"}
ITERATIONS_MIN: Final = 4096
ITERATIONS_MAX: Final = 16384


@serves(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, 0, 0)
async def alter_user_scram_credentials(
    request: AlterUserScramCredentialsRequest, context: RequestContext, *, store: MetadataStore
) -> AlterUserScramCredentialsResponse:
    outcomes: dict[str, RequestError | list[Record]] = {}
    changes: list[ScramCredentialDeletion | ScramCredentialUpsertion] = [*request.deletions, *request.upsertions]
    for change in changes:
        user = change.name
        try:
            if isinstance(outcomes.get(user), list):
                raise RequestError(
                    ErrorCode.DUPLICATE_RESOURCE, "A user credential cannot be altered twice in the same request"
                )
            if user not in outcomes:
                outcomes[user] = records_of(store.image, change)
        except RequestError as error:
            outcomes[user] = error
    records = [record for outcome in outcomes.values() if isinstance(outcome, list) for record in outcome]
    try:
        await commit_or_refuse(store, records)
    except RequestError as error:
        outcomes = {user: error if isinstance(outcome, list) else outcome for user, outcome in outcomes.items()}
    return AlterUserScramCredentialsResponse(
        results=[
            AlterUserScramCredentialsResult(user=user, error_code=outcome.code, error_message=str(outcome))
            if isinstance(outcome, RequestError)
            else AlterUserScramCredentialsResult(user=user, error_message=None)
            for user, outcome in outcomes.items()
        ]
    )


def records_of(image: MetadataImage, change: ScramCredentialDeletion | ScramCredentialUpsertion) -> list[Record]:
    if not change.name:
        raise RequestError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Username must not be empty")
    if change.mechanism not in HASHES:
        raise RequestError(ErrorCode.UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism")
    if isinstance(change, ScramCredentialDeletion):
        if (change.name, change.mechanism) not in image.scram_credentials:
            raise RequestError(ErrorCode.RESOURCE_NOT_FOUND, "Attempt to delete a user credential that does not exist")
        return remove_scram_credential(change.name, change.mechanism)
    if change.iterations < ITERATIONS_MIN:
        raise RequestError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Too few iterations")
    if change.iterations > ITERATIONS_MAX:
        raise RequestError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Too many iterations")
    if not change.salted_password:
        raise RequestError(ErrorCode.UNACCEPTABLE_CREDENTIAL, "The salted password must not be empty")
    digest = HASHES[change.mechanism]
    client_key = hmac.digest(change.salted_password, b"Client Key", digest)
    return set_scram_credential(
        change.name,
        change.mechanism,
        salt=bytes(change.salt),
        stored_key=hash_of(digest, client_key).digest(),
        server_key=hmac.digest(change.salted_password, b"Server Key", digest),
        iterations=change.iterations,
    )

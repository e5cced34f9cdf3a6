"""DescribeUserScramCredentials (50), version 0: which SCRAM mechanisms users have credentials for, and their
iterations. Never what they were made from.

- No users (null or empty): all. A user named twice, or without a credential, gets an error of its own.

Source: KIP-554; org.apache.kafka.image.ScramImage.describe.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.describe_user_scram_credentials_request import DescribeUserScramCredentialsRequest
from pykafka_core.protocol.messages.describe_user_scram_credentials_response import (
    CredentialInfo,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)

if TYPE_CHECKING:
    from pykafka_core.metadata.store import MetadataStore


@serves(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, 0, 0)
def describe_user_scram_credentials(
    request: DescribeUserScramCredentialsRequest, context: RequestContext, *, store: MetadataStore
) -> DescribeUserScramCredentialsResponse:
    found: dict[str, list[CredentialInfo]] = {}
    for (user, mechanism), record in sorted(store.image.scram_credentials.items(), key=lambda item: item[0]):
        iterations: int = getattr(record, "iterations", 0)
        found.setdefault(user, []).append(CredentialInfo(mechanism=mechanism, iterations=iterations))
    asked = Counter(user.name for user in request.users or ()) or dict.fromkeys(found, 1)
    results = []
    for user, count in asked.items():
        result = DescribeUserScramCredentialsResult(user=user, error_message=None)
        results.append(result)
        if count > 1:
            result.error_code = ErrorCode.DUPLICATE_RESOURCE
            result.error_message = (
                f"Cannot describe SCRAM credentials for the same user twice in a single request: {user}"
            )
        elif user not in found:
            result.error_code = ErrorCode.RESOURCE_NOT_FOUND
            result.error_message = f"Attempt to describe a user credential that does not exist: {user}"
        else:
            result.credential_infos = found[user]
    return DescribeUserScramCredentialsResponse(error_message=None, results=results)

"""A SCRAM credential as it is given on a command line: SCRAM-SHA-256=[name=alice,password=secret].

Source: org.apache.kafka.metadata.storage.ScramParser, RFC 5802.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

from pykafka_core.metadata.errors import FormatError
from pykafka_core.protocol.records.metadata.user_scram_credential_record import UserScramCredentialRecord

__all__ = ["parse_scram_argument"]

_MECHANISMS: Final = {"SCRAM-SHA-256": (1, "sha256"), "SCRAM-SHA-512": (2, "sha512")}
ITERATIONS_MIN, ITERATIONS_MAX, ITERATIONS_DEFAULT = 4096, 16384, 4096


def parse_scram_argument(text: str) -> UserScramCredentialRecord:
    """Raises FormatError, in Kafka's words."""
    mechanism, equals, settings = text.strip().partition("=")
    if not equals:
        raise FormatError(f"Failed to find equals sign in SCRAM argument '{text.strip()}'")
    if mechanism not in _MECHANISMS:
        raise FormatError(f"The add-scram mechanism {mechanism} is not supported.")
    if not settings.startswith("["):
        raise FormatError("Expected configuration string to start with [")
    if not settings.endswith("]"):
        raise FormatError("Expected configuration string to end with ]")
    kind, digest = _MECHANISMS[mechanism]
    given: dict[str, str] = {}
    for part in settings[1:-1].split(","):
        key, equals, value = part.partition("=")
        if not equals:
            raise FormatError(f"No equals sign found in SCRAM component: {part}")
        given[key] = value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value
    if "name" not in given:
        raise FormatError("You must supply 'name' to add-scram")
    name = given.pop("name")
    salt = _decoded("salt", given.pop("salt", None))
    iterations_text = given.pop("iterations", str(ITERATIONS_DEFAULT))
    try:
        iterations = int(iterations_text)
    except ValueError:
        raise FormatError(f"Failed to parse iterations count: {iterations_text}") from None
    password, salted_text = given.pop("password", None), given.pop("saltedpassword", None)
    salted = None
    if password is None:
        if salted_text is None:
            raise FormatError("You must supply one of 'password' or 'saltedpassword' to add-scram")
        if salt is None:
            raise FormatError("You must supply 'salt' with 'saltedpassword' to add-scram")
        salted = _decoded("saltedPassword", salted_text)
    if given:
        raise FormatError(f"Unknown SCRAM configurations: {', '.join(sorted(given))}")
    shown = mechanism.replace("-", "_")
    if iterations < ITERATIONS_MIN:
        raise FormatError(f"The 'iterations' value must be >= {ITERATIONS_MIN} for add-scram using {shown}")
    if iterations > ITERATIONS_MAX:
        raise FormatError(f"The 'iterations' value must be <= {ITERATIONS_MAX} for add-scram using {shown}")
    if salt is None:
        salt = secrets.token_hex(12).encode()
    if salted is None:
        salted = hashlib.pbkdf2_hmac(digest, (password or "").encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", digest)
    return UserScramCredentialRecord(
        name=name,
        mechanism=kind,
        salt=salt,
        stored_key=hashlib.new(digest, client_key).digest(),
        server_key=hmac.digest(salted, b"Server Key", digest),
        iterations=iterations,
    )


def _decoded(what: str, text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FormatError(f"Failed to decode given {what}: {text}") from None

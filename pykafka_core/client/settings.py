"""Client settings: those of Kafka's clients that have a meaning here, with Kafka's names and defaults.

A setting that is not known is no error: property files are shared between programs. One that asks for what cannot be
done yet (TLS, SASL) is, because to ignore it would be to talk in clear where a secret was meant.
"""

from __future__ import annotations

from collections.abc import Mapping

from pykafka_core._dataclass import dataclass

__all__ = ["Address", "ClientSettings", "SettingsError", "parse_addresses"]

Address = tuple[str, int]


class SettingsError(ValueError):
    """A setting cannot be used; the text says which and why."""


@dataclass(slots=True, frozen=True, kw_only=True)
class ClientSettings:
    client_id: str = "pykafka-core"
    request_timeout_ms: int = 30_000
    default_api_timeout_ms: int = 60_000
    connection_setup_timeout_ms: int = 10_000
    retry_backoff_ms: int = 100
    retry_backoff_max_ms: int = 1_000

    @classmethod
    def load(cls, properties: Mapping[str, str], *, client_id: str = "pykafka-core") -> ClientSettings:
        """Raises SettingsError."""
        protocol = properties.get("security.protocol", "PLAINTEXT")
        if protocol.upper() != "PLAINTEXT":
            raise SettingsError(f"security.protocol={protocol} is not supported: only PLAINTEXT is")
        for name in properties:
            if name.startswith(("ssl.", "sasl.")):
                raise SettingsError(f"{name} is set, but only connections without TLS and SASL are supported")
        return cls(
            client_id=properties.get("client.id", client_id),
            request_timeout_ms=number(properties, "request.timeout.ms", 30_000),
            default_api_timeout_ms=number(properties, "default.api.timeout.ms", 60_000),
            connection_setup_timeout_ms=number(properties, "socket.connection.setup.timeout.ms", 10_000),
            retry_backoff_ms=number(properties, "retry.backoff.ms", 100),
            retry_backoff_max_ms=number(properties, "retry.backoff.max.ms", 1_000),
        )


def number(properties: Mapping[str, str], name: str, default: int, low: int = 0) -> int:
    """A whole number from the settings. Raises SettingsError, in Kafka's words."""
    text = properties.get(name)
    if text is None:
        return default
    try:
        value = int(text.strip())
    except ValueError:
        raise SettingsError(f"Invalid value {text} for configuration {name}: Not a number of type INT") from None
    if value < low:
        raise SettingsError(f"Invalid value {value} for configuration {name}: Value must be at least {low}")
    return value


def parse_addresses(text: str) -> list[Address]:
    """Read host:port,host:port. An IPv6 address stands in brackets. Raises SettingsError, in Kafka's words."""
    addresses: list[Address] = []
    for part in text.split(","):
        part = part.strip()
        if not part:
            continue
        host, colon, port = part.rpartition(":")
        if "://" in host:
            host = host.partition("://")[2]
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise SettingsError(f"Invalid url in bootstrap.servers: {part}")
        addresses.append((host, int(port)))
    if not addresses:
        raise SettingsError("No resolvable bootstrap urls given in bootstrap.servers")
    return addresses

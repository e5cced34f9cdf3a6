"""`listeners`, `advertised.listeners` and the names around them, as values.

Only PLAINTEXT is served. Listeners of KRaft controllers are recognised and set aside, so that Kafka's own
server.properties works.

Source: org.apache.kafka.server.config.AbstractKafkaConfig, org.apache.kafka.common.utils.Utils, KIP-103.
"""

from __future__ import annotations

from pykafka_core._dataclass import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

__all__ = ["ControllerEndpoint", "Listener", "ListenerError", "parse_controller_endpoint", "parse_listeners"]

SECURITY_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")

_HOST: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-%._:")
_FORM: Final = "name://host:port"


class ListenerError(ValueError):
    """A setting that no listener can be made of: the key, the value, and one clause that says why."""

    def __init__(self, key: str, value: str, reason: str) -> None:
        super().__init__(f"Invalid value {value} for configuration {key}: {reason}")


@dataclass(slots=True, frozen=True, kw_only=True)
class Listener:
    """One entry of `listeners`, with what it advertises."""

    name: str
    security_protocol: str
    host: str | None
    """None: all interfaces."""
    port: int
    """0: any free port."""
    advertised_host: str | None
    """None: a client is told the address that it connected to."""
    advertised_port: int | None


@dataclass(slots=True, frozen=True, kw_only=True)
class ControllerEndpoint:
    """Where Apache Kafka would look for the controller of this directory. It goes into the metadata log; nobody
    listens there."""

    name: str
    host: str
    port: int


def _parse_entry(value: str) -> tuple[str, str, int] | None:
    """Name, host and port of name://host:port; the host may be empty, or in brackets. None if it has another form."""
    name, _, address = value.partition("://")
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    digits = port.removeprefix("-")
    if not name or ":" in name or "/" in name or name.split() != [name]:
        return None
    if not _HOST.issuperset(host) or not (digits.isascii() and digits.isdecimal()):
        return None
    return name, host, int(port)


def _entries(key: str, values: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Host and port by listener name. Raises ListenerError for an entry out of form, a name or a port that comes
    twice."""
    found: dict[str, tuple[str, int]] = {}
    shown = ",".join(values)
    for value in values:
        parsed = _parse_entry(value)
        if parsed is None:
            raise ListenerError(key, value, f"a listener has the form {_FORM}")
        name, host, port = parsed[0].upper(), *parsed[1:]
        if not 0 <= port <= 65535:
            raise ListenerError(key, value, "a port is a number from 0 to 65535")
        if name in found:
            raise ListenerError(key, shown, f"each listener must have a different name, and {name} comes twice")
        found[name] = (host, port)
    return found


def _protocols(value: str) -> dict[str, str]:
    key = "listener.security.protocol.map"
    found: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in value.split(","))):
        name, colon, protocol = item.partition(":")
        protocol = protocol.strip().upper()
        if not colon or protocol not in SECURITY_PROTOCOLS:
            raise ListenerError(key, item, f"each item is name:protocol, with one of {', '.join(SECURITY_PROTOCOLS)}")
        found[name.strip().upper()] = protocol
    return found


def parse_listeners(
    listeners: Sequence[str],
    advertised: Sequence[str] | None,
    protocol_map: str,
    *,
    controller_names: Sequence[str] = (),
) -> tuple[tuple[Listener, ...], tuple[str, ...]]:
    """The listeners to open, and the names of those that are left to KRaft controllers. Raises ListenerError."""
    protocols = _protocols(protocol_map)
    controllers = {name.upper() for name in controller_names}
    told = _entries("advertised.listeners", advertised or ())
    asked = _entries("listeners", listeners)
    for name in told:
        if name not in asked and name not in controllers:
            raise ListenerError("advertised.listeners", name, "it is not the name of one of the listeners")
        if told[name][0] == "0.0.0.0":
            raise ListenerError("advertised.listeners", f"{name}://0.0.0.0", "no client can connect to that address")
        if told[name][0] == "":
            raise ListenerError("advertised.listeners", f"{name}://", "a host must be given")
    opened: list[Listener] = []
    taken: dict[tuple[str, int], str] = {}
    for name, (host, port) in asked.items():
        if name in controllers:
            continue
        protocol = protocols.get(name)
        if protocol is None:
            raise ListenerError("listeners", name, "listener.security.protocol.map has no security protocol for it")
        if protocol != "PLAINTEXT":
            raise ListenerError(
                "listeners",
                name,
                f"its security protocol {protocol} is not there yet; this version serves PLAINTEXT only",
            )
        other = taken.setdefault((host, port), name)
        if port != 0 and other != name:
            raise ListenerError("listeners", ",".join(listeners), f"{other} and {name} ask for the same port {port}")
        advertised_host, advertised_port = told.get(name, (None, None))
        opened.append(
            Listener(
                name=name,
                security_protocol=protocol,
                host=host or None,
                port=port,
                advertised_host=advertised_host,
                advertised_port=advertised_port,
            )
        )
    if not opened:
        raise ListenerError("listeners", ",".join(listeners), "there must be one that is not a controller's")
    return tuple(opened), tuple(name for name in asked if name in controllers)


def parse_controller_endpoint(
    listeners: Sequence[str],
    advertised: Sequence[str] | None,
    controller_names: Sequence[str],
    voters: Sequence[str],
    bootstrap_servers: Sequence[str],
) -> ControllerEndpoint:
    """The address under which Apache Kafka would run this directory's controller; where nothing says, its sample's
    localhost:9093.

    Raises ListenerError where several controllers are named: metadata of one broker has one.
    """
    if len(voters) > 1:
        raise ListenerError("controller.quorum.voters", ",".join(voters), "several controllers are not there yet")
    if len(bootstrap_servers) > 1:
        raise ListenerError(
            "controller.quorum.bootstrap.servers", ",".join(bootstrap_servers), "several controllers are not there yet"
        )
    name = controller_names[0].upper() if controller_names else "CONTROLLER"
    for key, values in (("advertised.listeners", advertised or ()), ("listeners", listeners)):
        host, port = _entries(key, values).get(name, ("", 0))
        if host and host != "0.0.0.0" and port:
            return ControllerEndpoint(name=name, host=host, port=port)
    for address in (*(voter.partition("@")[2] for voter in voters), *bootstrap_servers):
        host, _, port_text = address.rpartition(":")
        if host and port_text.isdecimal() and 0 < int(port_text) <= 65535:
            return ControllerEndpoint(name=name, host=host.strip("[]"), port=int(port_text))
    return ControllerEndpoint(name=name, host="localhost", port=9093)

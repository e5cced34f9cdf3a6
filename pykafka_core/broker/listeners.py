"""The sockets that clients connect to, and the address that each client is told.

Where no address is advertised for a listener, a client is told the one it connected to: whatever name or forwarding
brought it here will bring it here again. That needs no setting and works for localhost, a container's published port
on the same number and each of several network cards at once.

Source: KIP-103 (listeners and advertised.listeners).
"""

from __future__ import annotations

# The compiled half of `socket`: what the other half adds, above all enums, costs more than binding.
import _socket
import errno
import os

from pykafka_core._dataclass import dataclass
from pykafka_core.broker.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, Self

    from pykafka_core.broker.config import Listener

__all__ = ["Address", "OpenListener", "bind_listener", "split_address", "start_listening"]

Address = tuple[str, int]

IPV4_IN_IPV6: Final = "::ffff:"


@dataclass(slots=True, kw_only=True)
class OpenListener:
    """One entry of `listeners`, with its entry of `advertised.listeners` if there is one."""

    name: str
    host: str
    """Empty: all interfaces."""
    port: int
    """0: any free one; the one that was given by the system once bound."""
    advertised_host: str | None = None
    advertised_port: int | None = None

    @classmethod
    def of(cls, configured: Listener) -> Self:
        return cls(
            name=configured.name,
            host=configured.host or "",
            port=configured.port,
            advertised_host=configured.advertised_host,
            advertised_port=configured.advertised_port,
        )

    def address_for(self, local: str) -> Address:
        """Return what a client is told that connected to `local` ("host:port")."""
        if self.advertised_host:
            return self.advertised_host, self.advertised_port or self.port
        return split_address(local)

    def shown(self) -> str:
        """The address as somebody on this machine would type it."""
        if self.advertised_host:
            return f"{self.advertised_host}:{self.advertised_port or self.port}"
        host = self.host if self.host not in ("", "0.0.0.0", "::") else "localhost"
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def split_address(text: str) -> Address:
    """Split "host:port"; an IPv6 host may have brackets or not. An IPv4 address inside IPv6 becomes plain IPv4."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if host.startswith(IPV4_IN_IPV6):
        host = host.removeprefix(IPV4_IN_IPV6)
    return host, int(port)


def bind_listener(listener: OpenListener) -> _socket.socket:
    """Bind a socket, to listen later; fill in the port if it was 0. Raises StartError, one sentence that names the
    address."""
    wanted = shown_as_configured(listener)
    try:
        # A name in ASCII goes down as it is; only others need a codec.
        host = listener.host.encode("ascii" if listener.host.isascii() else "idna")
        found = _socket.getaddrinfo(
            host or None,
            listener.port,
            type=_socket.SOCK_STREAM,
            flags=_socket.AI_PASSIVE | _socket.AI_NUMERICSERV,
        )
    except (_socket.gaierror, UnicodeError) as error:
        raise StartError(
            f"Cannot listen on {wanted}: the host name {listener.host!r} cannot be resolved ({error})"
        ) from None
    # For all interfaces, one IPv6 socket takes IPv4 clients too. A name such as localhost means its IPv4 address
    # first, as with Java.
    first = _socket.AF_INET if listener.host else _socket.AF_INET6
    found.sort(key=lambda entry: entry[0] != first)
    refusal: OSError | None = None
    for family, kind, protocol, _, address in found:
        try:
            sock = _socket.socket(family, kind, protocol)
        except OSError as error:
            refusal = refusal or error
            continue
        try:
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            if family == _socket.AF_INET6:
                sock.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, int(bool(listener.host)))
            sock.bind(address)
            sock.setblocking(False)
        except OSError as error:
            sock.close()
            # "Taken" says more than what another address family may have to say.
            refusal = error if refusal is None or error.errno == errno.EADDRINUSE else refusal
            if error.errno == errno.EADDRINUSE:
                break
            continue
        listener.port = sock.getsockname()[1]
        return sock
    raise StartError(f"Cannot listen on {wanted}: {explain(refusal, listener)}") from None


def start_listening(listener: OpenListener, sock: _socket.socket, *, backlog: int) -> None:
    """Raises StartError: another program may have bound the same address and been quicker to listen."""
    try:
        sock.listen(backlog)
    except OSError as error:
        raise StartError(f"Cannot listen on {shown_as_configured(listener)}: {explain(error, listener)}") from None


def shown_as_configured(listener: OpenListener) -> str:
    return f"{listener.name}://{listener.host}:{listener.port}"


def explain(refusal: OSError | None, listener: OpenListener) -> str:
    match refusal.errno if refusal is not None else None:
        case errno.EADDRINUSE:
            return f"port {listener.port} is in use by another program; stop it or choose another port in listeners"
        case errno.EADDRNOTAVAIL:
            return f"{listener.host} is not an address of this machine"
        case errno.EACCES:
            return f"user {os.getuid()} may not use port {listener.port}"
        case _:
            return str(refusal or "no usable address")

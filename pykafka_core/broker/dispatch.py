"""A request that a reactor handed up, from its bytes to the bytes of its answer.

Three ends are possible: an answer; no answer, because the client expects none (acks=0); or the connection is closed,
because the API or version is not served or the bytes are no such request. Only ApiVersions answers a version that it
does not know (KIP-511).

Runs on the asyncio thread. A handler is a plain function, which must not wait, or a coroutine function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final

from pykafka_core.broker.errors import CloseConnection
from pykafka_core.broker.handlers import SERVED, RequestContext, find_handler
from pykafka_core.protocol._codec import decode
from pykafka_core.protocol.api import request_class
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.exceptions import ProtocolError
from pykafka_core.protocol.framing import Header, decode_header, encode_response
from pykafka_core.protocol.message import Message

__all__ = ["Dispatcher"]

HEADER_SIZE_MIN: Final = 8
"""API key, version, correlation id."""


class Dispatcher:
    """Finds the handler of a request, gives it the ports it names, and encodes what it returns."""

    def __init__(self, ports: Mapping[str, Any]) -> None:
        self._ports: Final = ports

    async def answer(self, frame: bytes, *, listener: int = 0, peer: str = "", local: str = "") -> bytes | None:
        """Return the response frame, or None where none is expected. Raises CloseConnection."""
        step = self.begin(frame, listener=listener, peer=peer, local=local)
        return step if step is None or isinstance(step, bytes) else await step

    def begin(
        self, frame: bytes, *, listener: int = 0, peer: str = "", local: str = ""
    ) -> bytes | Awaitable[bytes | None] | None:
        """Like `answer`, but without a task: what is awaitable has something to wait for, anything else is the
        answer."""
        try:
            header = decode_header(frame)
        except ProtocolError as error:
            # The two bytes at the start say more than that the rest is odd.
            key = int.from_bytes(frame[:2], "big", signed=True)
            if len(frame) >= HEADER_SIZE_MIN and key not in SERVED:
                raise CloseConnection(f"it asked for API key {key}, which this broker does not serve") from None
            raise CloseConnection(f"it sent bytes that are no Kafka request: {error}") from None
        versions = SERVED.get(header.api_key)
        if versions is None:
            raise CloseConnection(f"it asked for API key {int(header.api_key)}, which this broker does not serve")
        if header.body_offset is None or not versions[0] <= header.api_version <= versions[1]:
            if header.api_key == ApiKey.API_VERSIONS:
                from pykafka_core.broker.handlers.api_versions import unsupported_version

                return encode_response(ApiKey.API_VERSIONS, 0, header.correlation_id, unsupported_version())
            raise CloseConnection(
                f"it sent {ApiKey(header.api_key).name} version {header.api_version}; "
                f"this broker serves versions {versions[0]} to {versions[1]}"
            )
        handler = find_handler(header.api_key)
        if handler is None:
            raise CloseConnection(f"it sent {ApiKey(header.api_key).name}, which only the reactors answer")
        try:
            body, _ = decode(request_class(header.api_key), header.api_version, frame, header.body_offset)
        except ProtocolError as error:
            raise CloseConnection(f"it sent a malformed {ApiKey(header.api_key).name} request: {error}") from None
        context = RequestContext(
            api_key=header.api_key,
            api_version=header.api_version,
            client_id=header.client_id,
            listener=listener,
            peer=peer,
            local=local,
        )
        ports = self._ports
        result = handler.handle(body, context, **{name: ports[name] for name in handler.ports})
        if result is None or isinstance(result, Message):
            return _encode(header, result)
        return _finish(header, result)


async def _finish(header: Header, result: Awaitable[Message | None]) -> bytes | None:
    return _encode(header, await result)


def _encode(header: Header, response: Message | None) -> bytes | None:
    if response is None:
        return None
    return encode_response(header.api_key, header.api_version, header.correlation_id, response)

"""One connection to a broker: requests go out at once, answers come back in the same order.

Invariants:
1. The oldest request without an answer is the one that the next frame answers; its correlation id must say so.
2. A frame is 1 to FRAME_SIZE_MAX bytes. Memory grows with the bytes that arrive, not with the length that was declared.
3. After a timeout, a wrong frame or a lost connection nothing more is read: every waiting request fails, and the
   connection is closed. An answer that comes late can so never be taken for another.
4. The versions are those that the broker has named in its answer to ApiVersions, which is the first request.

Source: KIP-511 for the fall back of ApiVersions to version 0.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from pykafka_core.client.errors import ConnectionProtocolError, DisconnectedError, KafkaTimeoutError, UnsupportedError
from pykafka_core.client.settings import Address, ClientSettings
from pykafka_core.protocol.api import api_of
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.exceptions import ProtocolError
from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.message import Message

__all__ = ["FRAME_SIZE_MAX", "Connection", "Sent"]

FRAME_SIZE_MAX = 128 * 1024 * 1024
"""The largest answer that is taken. A fetch may exceed what was asked for by one batch, which is at most a request."""

API_VERSIONS = 18
SOFTWARE_NAME = "pykafka-core"
_WRITE_BUFFER_SIZE = 1 << 20


class Sent:
    """A request that is on its way: what its answer must be read as."""

    __slots__ = ("api_key", "correlation_id", "future", "version")

    def __init__(self, api_key: int, version: int, correlation_id: int, future: asyncio.Future[bytes]) -> None:
        self.api_key = api_key
        self.version = version
        self.correlation_id = correlation_id
        self.future = future


class Connection:
    """Made by `open`. Belongs to the event loop that runs it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: Address, settings: ClientSettings
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._settings = settings
        self._waiting: deque[Sent] = deque()
        self._correlation_id = 0
        self._failure: DisconnectedError | None = None
        self.address = address
        self.versions: dict[int, tuple[int, int]] = {API_VERSIONS: (0, api_of(API_VERSIONS).version_max_stable)}
        self.api_versions: Any = None
        """The broker's answer to ApiVersions."""
        self._task = asyncio.create_task(self._read_answers())

    @classmethod
    async def open(cls, address: Address, settings: ClientSettings) -> Connection:
        """Connect and learn the broker's versions. Raises DisconnectedError, KafkaTimeoutError."""
        host, port = address
        try:
            async with asyncio.timeout(settings.connection_setup_timeout_ms / 1000):
                reader, writer = await asyncio.open_connection(host, port, limit=1 << 18)
        except TimeoutError:
            raise KafkaTimeoutError(f"Connection to {host}:{port} timed out") from None
        except OSError as error:
            raise DisconnectedError(f"Connection to {host}:{port} could not be established: {error}") from error
        writer.transport.set_write_buffer_limits(high=_WRITE_BUFFER_SIZE)
        connection = cls(reader, writer, address, settings)
        try:
            await connection._negotiate()
        except BaseException:
            await connection.close()
            raise
        return connection

    @property
    def is_open(self) -> bool:
        return self._failure is None

    def version_of(self, api_key: int, version_max: int | None = None) -> int:
        """The newest version of an API that both sides know. Raises UnsupportedError."""
        api = api_of(api_key)
        low, high = self.versions.get(api_key, (0, -1))
        version = min(high, api.version_max_stable if version_max is None else version_max)
        if version < max(low, api.version_min):
            raise UnsupportedError(
                f"The node does not support {api.key.name}"
                if high < 0
                else f"The node supports {api.key.name} in versions {low} to {high}, none of which is known here"
            )
        return version

    async def send(
        self, body: Message, *, version: int | None = None, version_max: int | None = None, answered: bool = True
    ) -> Sent:
        """Send a request and return while its answer is on the way. `answered`: False for a Produce without
        acknowledgement."""
        api_key = body.API_KEY
        if version is None:
            version = self.version_of(api_key, version_max)
        if self._failure is not None:
            raise self._failure
        self._correlation_id = (self._correlation_id + 1) & 0x7FFFFFFF
        frame = encode_request(api_key, version, self._correlation_id, self._settings.client_id, body, with_length=True)
        sent = Sent(api_key, version, self._correlation_id, asyncio.get_running_loop().create_future())
        if answered:
            self._waiting.append(sent)
        self._writer.write(frame)
        if self._writer.transport.get_write_buffer_size() > _WRITE_BUFFER_SIZE:
            try:
                await self._writer.drain()
            except OSError as error:
                self._fail(DisconnectedError(f"Connection to {self._shown()} was lost: {error}"))
        return sent

    async def answer(self, sent: Sent, timeout_ms: int | None = None) -> Any:
        """Wait for the answer to a request. Raises KafkaTimeoutError, which closes the connection, and
        DisconnectedError."""
        limit = self._settings.request_timeout_ms if timeout_ms is None else timeout_ms
        try:
            async with asyncio.timeout(limit / 1000):
                frame = await sent.future
        except TimeoutError:
            name = api_of(sent.api_key).key.name
            self._fail(DisconnectedError(f"Connection to {self._shown()} was closed after a timeout"))
            raise KafkaTimeoutError(f"{self._shown()} did not answer {name} within {limit} ms") from None
        return self._decode(sent, frame)

    async def call(
        self,
        body: Message,
        *,
        version: int | None = None,
        version_max: int | None = None,
        timeout_ms: int | None = None,
    ) -> Any:
        """Send a request and return its answer."""
        return await self.answer(await self.send(body, version=version, version_max=version_max), timeout_ms)

    async def close(self) -> None:
        self._fail(DisconnectedError(f"Connection to {self._shown()} was closed"))
        self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            pass

    def _shown(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    async def _negotiate(self) -> None:
        from pykafka_core._version import __version__
        from pykafka_core.protocol.messages.api_versions_request import ApiVersionsRequest

        body = ApiVersionsRequest(
            client_software_name=SOFTWARE_NAME, client_software_version=__version__.replace("+", "-")
        )
        # Version 5 wants to know which cluster and node are meant, which the first connection cannot tell.
        answer = await self.call(body, version=min(4, api_of(API_VERSIONS).version_max_stable))
        if answer.error_code == ErrorCode.UNSUPPORTED_VERSION:
            known = [each.max_version for each in answer.api_keys if each.api_key == API_VERSIONS]
            answer = await self.call(body, version=min([*known, 3]) if known else 0)
        if answer.error_code:
            raise ConnectionProtocolError(
                f"{self._shown()} does not tell its versions: {ErrorCode(answer.error_code).name}"
            )
        self.api_versions = answer
        self.versions = {each.api_key: (each.min_version, each.max_version) for each in answer.api_keys}

    def _decode(self, sent: Sent, frame: bytes) -> Any:
        version = sent.version
        if sent.api_key == API_VERSIONS and int.from_bytes(frame[4:6], "big", signed=True) != 0:
            # A broker that does not know the version cannot answer in it.
            version = 0
        try:
            _, body = decode_response(sent.api_key, version, frame)
        except ProtocolError as error:
            failure = ConnectionProtocolError(f"{self._shown()} sent an answer that cannot be read: {error}")
            self._fail(failure)
            raise failure from error
        return body

    async def _read_answers(self) -> None:
        reader = self._reader
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big", signed=True)
                if not 4 <= size <= FRAME_SIZE_MAX:
                    raise ConnectionProtocolError(
                        f"{self._shown()} announces an answer of {size} bytes; is this a Kafka broker's port?"
                    )
                frame = await reader.readexactly(size)
                if not self._waiting:
                    raise ConnectionProtocolError(f"{self._shown()} sent an answer to no request")
                sent = self._waiting.popleft()
                if int.from_bytes(frame[:4], "big", signed=True) != sent.correlation_id:
                    self._waiting.appendleft(sent)
                    raise ConnectionProtocolError(f"{self._shown()} sent answers out of order")
                if not sent.future.done():
                    sent.future.set_result(frame)
        except asyncio.IncompleteReadError:
            self._fail(DisconnectedError(f"{self._shown()} closed the connection"))
        except OSError as error:
            self._fail(DisconnectedError(f"Connection to {self._shown()} was lost: {error}"))
        except DisconnectedError as error:
            self._fail(error)

    def _fail(self, failure: DisconnectedError) -> None:
        if self._failure is None:
            self._failure = failure
            self._writer.transport.abort() if self._waiting else self._writer.close()
        while self._waiting:
            future = self._waiting.popleft().future
            if not future.done():
                future.set_exception(failure)
                future.exception()  # seen: whoever waits is told, and nobody waiting is no error

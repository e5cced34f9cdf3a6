"""A connection against a peer that misbehaves: every kind of nonsense ends as an error, in bounded time and memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pykafka_core.client.cluster import Client
from pykafka_core.client.connection import FRAME_SIZE_MAX, Connection
from pykafka_core.client.errors import (
    ConnectionProtocolError,
    DisconnectedError,
    KafkaError,
    KafkaTimeoutError,
    UnsupportedError,
)
from pykafka_core.client.settings import ClientSettings
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.framing import decode_request, encode_response
from pykafka_core.protocol.messages import api_versions_response as v
from pykafka_core.protocol.messages.metadata_request import MetadataRequest
from pykafka_core.protocol.messages.metadata_response import MetadataResponse

QUICK = ClientSettings(request_timeout_ms=300, default_api_timeout_ms=600, connection_setup_timeout_ms=300)
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def request(reader: asyncio.StreamReader) -> object:
    size = int.from_bytes(await reader.readexactly(4), "big")
    return decode_request(await reader.readexactly(size))


def versions(asked: object, ranges: dict[int, tuple[int, int]]) -> bytes:
    body = v.ApiVersionsResponse(
        api_keys=[v.ApiVersion(api_key=key, min_version=low, max_version=high) for key, (low, high) in ranges.items()]
    )
    return encode_response(18, asked.api_version, asked.correlation_id, body, with_length=True)


NORMAL = {int(ApiKey.API_VERSIONS): (0, 4), int(ApiKey.METADATA): (0, 12)}


@contextlib.asynccontextmanager
async def peer(behave: Answer, ranges: dict[int, tuple[int, int]] = NORMAL) -> AsyncIterator[tuple[str, int]]:
    """A server that tells these versions and then behaves as it is told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(versions(await request(reader), ranges))
            await behave(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()


async def call(behave: Answer, settings: ClientSettings = QUICK) -> object:
    async with peer(behave) as address:
        connection = await Connection.open(address, settings)
        try:
            return await connection.call(MetadataRequest(topics=[]))
        finally:
            assert not connection.is_open or connection.versions
            await connection.close()


async def test_answers_come_back_in_order_however_many_are_on_the_way() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = [await request(reader) for _ in range(20)]
        for each in asked:
            body = MetadataResponse(cluster_id=str(each.body.topics[0].name))
            writer.write(encode_response(3, each.api_version, each.correlation_id, body, with_length=True))
        await reader.read()

    from pykafka_core.protocol.messages.metadata_request import MetadataRequestTopic

    async with peer(behave) as address:
        connection = await Connection.open(address, QUICK)
        answers = await asyncio.gather(
            *(connection.call(MetadataRequest(topics=[MetadataRequestTopic(name=str(n))])) for n in range(20))
        )
        assert [each.cluster_id for each in answers] == [str(number) for number in range(20)]
        await connection.close()


@pytest.mark.parametrize("size", [-1, 0, 3, FRAME_SIZE_MAX + 1, 0x48545450])
async def test_an_impossible_size_ends_the_connection(size: int) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(size.to_bytes(4, "big", signed=True))
        await reader.read()

    with pytest.raises(ConnectionProtocolError, match="Kafka broker's port"):
        await call(behave)


async def test_a_wrong_correlation_id_ends_the_connection() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await request(reader)
        writer.write(
            encode_response(3, asked.api_version, asked.correlation_id + 1, MetadataResponse(), with_length=True)
        )
        await reader.read()

    with pytest.raises(ConnectionProtocolError, match="out of order"):
        await call(behave)


async def test_bytes_that_are_no_answer_end_the_connection() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await request(reader)
        writer.write((8).to_bytes(4, "big") + asked.correlation_id.to_bytes(4, "big") + b"\xff\xff\xff\xff")
        await reader.read()

    with pytest.raises(ConnectionProtocolError, match="cannot be read"):
        await call(behave)


async def test_silence_ends_in_a_timeout_and_a_late_answer_is_for_nobody() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with peer(behave) as address:
        connection = await Connection.open(address, QUICK)
        with pytest.raises(KafkaTimeoutError, match="did not answer METADATA within 300 ms"):
            await connection.call(MetadataRequest(topics=[]))
        with pytest.raises(DisconnectedError):
            await connection.call(MetadataRequest(topics=[]))
        await connection.close()


async def test_half_an_answer_is_a_timeout_too() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write((100_000_000).to_bytes(4, "big") + b"x" * 10)
        await reader.read()

    with pytest.raises(KafkaTimeoutError):
        await call(behave)


async def test_a_closed_connection_is_told() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)

    with pytest.raises(DisconnectedError, match="closed the connection"):
        await call(behave)


async def test_an_api_that_the_broker_lacks() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    for ranges in ({18: (0, 4)}, {18: (0, 4), 3: (100, 101)}):
        async with peer(behave, ranges) as address:
            connection = await Connection.open(address, QUICK)
            with pytest.raises(UnsupportedError, match="METADATA"):
                await connection.call(MetadataRequest(topics=[]))
            await connection.close()


async def test_an_old_broker_answers_version_0_and_is_asked_again() -> None:
    asked_versions = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            size = int.from_bytes(await reader.readexactly(4), "big")
            asked = decode_request(await reader.readexactly(size))
            asked_versions.append(asked.api_version)
            code = 35 if asked.api_version > 2 else 0
            body = v.ApiVersionsResponse(
                error_code=code, api_keys=[v.ApiVersion(api_key=18, min_version=0, max_version=2)]
            )
            version = 0 if code else asked.api_version
            writer.write(encode_response(18, version, asked.correlation_id, body, with_length=True))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    connection = await Connection.open(server.sockets[0].getsockname()[:2], QUICK)
    assert asked_versions == [4, 2]
    assert connection.versions == {18: (0, 2)}
    await connection.close()
    server.close()


async def test_nobody_at_the_address() -> None:
    seen: list[str] = []
    async with Client([("127.0.0.1", 1)], QUICK, on_trouble=seen.append) as client:
        with pytest.raises(KafkaError, match=r"Timed out waiting for a node assignment\. Call: listTopics"):
            await client.call(MetadataRequest(topics=[]), what="listTopics")
    assert len(seen) == 1

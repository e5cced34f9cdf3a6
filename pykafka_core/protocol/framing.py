"""Whole requests and responses: header and body. A frame here is what follows the four bytes of its length.

Request header v1: int16 api key, int16 api version, int32 correlation id, nullable string client id. v2 adds a tag
block; the client id stays a classic string, so everything up to it can be read whatever the API key and version are.
Response header v0: int32 correlation id; v1 adds a tag block. v2 and v1 come with the first flexible version of an API,
except that the answer to ApiVersions always has header v0 (KIP-511).
"""

from __future__ import annotations

from struct import Struct as Layout

from pykafka_core.protocol._codec import decode, encode
from pykafka_core.protocol.api import APIS, ApiKey, api_of, request_class, response_class
from pykafka_core.protocol.exceptions import ProtocolError, UnsupportedVersionError
from pykafka_core.protocol.message import Message
from pykafka_core.protocol.messages.request_header import RequestHeader
from pykafka_core.protocol.messages.response_header import ResponseHeader

TYPE_CHECKING = False  # as type checkers read it; importing typing costs more than all of this package
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "Header",
    "Request",
    "decode_header",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
]

Frame = bytes | bytearray | memoryview

_API_KEY_AND_VERSION = Layout(">hh")
_CORRELATION_ID = Layout(">i")
_NO_TAGS = b"\x00"


class Header:
    """The header of a request. `api_key` is a plain int where there is no such API.

    `body_offset` is where the body starts in the frame. It is None where the API key or version has no definition:
    nobody can tell then which header version was used, but the fields before the tag block are right.
    """

    __slots__ = ("api_key", "api_version", "body_offset", "client_id", "correlation_id")

    def __init__(
        self, api_key: int, api_version: int, correlation_id: int, client_id: str | None, body_offset: int | None
    ) -> None:
        self.api_key = api_key
        self.api_version = api_version
        self.correlation_id = correlation_id
        self.client_id = client_id
        self.body_offset = body_offset

    def __repr__(self) -> str:
        return (
            f"Header(api_key={self.api_key!r}, api_version={self.api_version}, correlation_id={self.correlation_id}, "
            f"client_id={self.client_id!r}, body_offset={self.body_offset})"
        )


class Request:
    """A request that was read: the fields of its header, and the body as a message object."""

    __slots__ = ("api_key", "api_version", "body", "client_id", "correlation_id")

    def __init__(
        self, api_key: ApiKey, api_version: int, correlation_id: int, client_id: str | None, body: Message
    ) -> None:
        self.api_key = api_key
        self.api_version = api_version
        self.correlation_id = correlation_id
        self.client_id = client_id
        self.body: Any = body

    def __repr__(self) -> str:
        return (
            f"Request(api_key={self.api_key!r}, api_version={self.api_version}, correlation_id={self.correlation_id}, "
            f"client_id={self.client_id!r}, body={self.body!r})"
        )


def decode_header(frame: Frame) -> Header:
    """Read the header of a request, of any API key and version. Raises ProtocolError if the frame is too short."""
    if len(frame) < _API_KEY_AND_VERSION.size:
        raise ProtocolError(f"a request of {len(frame)} bytes has no header", value=len(frame), limit=8)
    key, version = _API_KEY_AND_VERSION.unpack_from(frame)
    api = APIS.get(key)
    if api is None or not api.version_min <= version <= api.version_max:
        header, _ = decode(RequestHeader, 1, frame)
        return Header(key if api is None else api.key, version, header.correlation_id, header.client_id, None)
    header, offset = decode(RequestHeader, api.request_header_version(version), frame)
    return Header(api.key, version, header.correlation_id, header.client_id, offset)


def decode_request(frame: Frame) -> Request:
    """Read a request. Bytes behind the body are ignored, as Kafka does.

    Raises UnsupportedVersionError, with the header, if the API key or version has no definition (for ApiVersions that
    is no reason to close the connection: answer version 0 with error 35), and ProtocolError if the bytes do not parse.
    """
    header = decode_header(frame)
    api = APIS.get(header.api_key)
    if api is None:
        raise UnsupportedVersionError(
            f"there is no API with the key {header.api_key}", header=header, value=header.api_key
        )
    if header.body_offset is None:
        raise UnsupportedVersionError(
            f"{api.name} has no version {header.api_version}, only {api.version_min} to {api.version_max}",
            header=header,
            value=header.api_version,
            limit=(api.version_min, api.version_max),
        )
    body, _ = decode(request_class(header.api_key), header.api_version, frame, header.body_offset)
    return Request(api.key, header.api_version, header.correlation_id, header.client_id, body)


def encode_response(
    api_key: int, api_version: int, correlation_id: int, body: Message, *, with_length: bool = False
) -> bytes:
    """Write a response: header and body, after the four bytes of their length if `with_length`."""
    prefix = _CORRELATION_ID.pack(correlation_id)
    if api_of(api_key).response_header_version(api_version):
        prefix += _NO_TAGS
    return encode(body, api_version, prefix, with_length)


def encode_request(
    api_key: int,
    api_version: int,
    correlation_id: int,
    client_id: str | None,
    body: Message,
    *,
    with_length: bool = False,
) -> bytes:
    """Write a request: header and body, after the four bytes of their length if `with_length`."""
    header = RequestHeader(
        request_api_key=api_key,
        request_api_version=api_version,
        correlation_id=correlation_id,
        client_id=client_id,
    )
    prefix = encode(header, api_of(api_key).request_header_version(api_version))
    return encode(body, api_version, prefix, with_length)


def decode_response(api_key: int, api_version: int, frame: Frame) -> tuple[int, Any]:
    """Read a response to a request of this API and version; return its correlation id and body."""
    header, offset = decode(ResponseHeader, api_of(api_key).response_header_version(api_version), frame)
    body, _ = decode(response_class(api_key), api_version, frame, offset)
    return header.correlation_id, body

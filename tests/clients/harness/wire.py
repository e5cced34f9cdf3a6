"""A raw-socket Kafka client, small enough to send what no well-behaved client would send.

`Writer` and `Reader` know the protocol's primitive types in both encodings (classic and flexible); `Connection` frames
requests and answers. Nothing here retries, negotiates or interprets an error: a test says which bytes leave and sees
which bytes come back. Blocking sockets, one thread, every wait is bounded by `timeout`.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Self, TypeVar

T = TypeVar("T")
CLIENT_ID = "wire-test"

# First version of each API that uses the flexible encoding (request header 2, response header 1).
FLEXIBLE_FROM = {
    0: 9,
    1: 12,
    2: 6,
    3: 9,
    10: 3,
    18: 3,
    19: 5,
    20: 4,
    21: 2,
    22: 2,
    23: 4,
    32: 4,
    33: 2,
    35: 2,
    37: 2,
    44: 1,
    60: 0,
    75: 0,
}


class ConnectionClosedError(Exception):
    """The broker ended the connection where a test expected an answer."""


class Writer:
    """Builds bytes; every method returns the writer so that calls can be chained."""

    def __init__(self, *, flexible: bool = False) -> None:
        self.flexible = flexible
        self.data = bytearray()

    def raw(self, data: bytes) -> Self:
        self.data += data
        return self

    def pack(self, form: str, *values: int) -> Self:
        self.data += struct.pack(">" + form, *values)
        return self

    def i8(self, value: int) -> Self:
        return self.pack("b", value)

    def i16(self, value: int) -> Self:
        return self.pack("h", value)

    def i32(self, value: int) -> Self:
        return self.pack("i", value)

    def i64(self, value: int) -> Self:
        return self.pack("q", value)

    def boolean(self, value: bool) -> Self:
        return self.i8(int(value))

    def uvarint(self, value: int) -> Self:
        while value > 0x7F:
            self.data.append(value & 0x7F | 0x80)
            value >>= 7
        self.data.append(value)
        return self

    def varint(self, value: int) -> Self:
        return self.uvarint(value << 1 if value >= 0 else (-value << 1) - 1)

    def string(self, value: str | None) -> Self:
        data = None if value is None else value.encode()
        if self.flexible:
            return self.uvarint(0) if data is None else self.uvarint(len(data) + 1).raw(data)
        return self.i16(-1) if data is None else self.i16(len(data)).raw(data)

    def blob(self, value: bytes | None) -> Self:
        if self.flexible:
            return self.uvarint(0) if value is None else self.uvarint(len(value) + 1).raw(value)
        return self.i32(-1) if value is None else self.i32(len(value)).raw(value)

    def count(self, value: int) -> Self:
        """Length of an array; -1 is the null array."""
        return self.uvarint(value + 1) if self.flexible else self.i32(value)

    def tags(self) -> Self:
        """An empty tagged-field section, which only the flexible encoding has."""
        return self.uvarint(0) if self.flexible else self


class Reader:
    """Reads primitives in order; running off the end raises struct.error or IndexError."""

    def __init__(self, data: bytes, *, flexible: bool = False) -> None:
        self.data, self.at, self.flexible = data, 0, flexible

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise IndexError(f"{size} bytes wanted, {self.left} left")
        self.at += size
        return self.data[self.at - size : self.at]

    def unpack(self, form: str) -> int:
        value: int = struct.unpack(">" + form, self.take(struct.calcsize(">" + form)))[0]
        return value

    def i8(self) -> int:
        return self.unpack("b")

    def i16(self) -> int:
        return self.unpack("h")

    def i32(self) -> int:
        return self.unpack("i")

    def u32(self) -> int:
        return self.unpack("I")

    def i64(self) -> int:
        return self.unpack("q")

    def boolean(self) -> bool:
        return self.i8() != 0

    def uvarint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def varint(self) -> int:
        value = self.uvarint()
        return (value >> 1) ^ -(value & 1)

    def string(self) -> str | None:
        size = self.uvarint() - 1 if self.flexible else self.i16()
        return None if size < 0 else self.take(size).decode()

    def blob(self) -> bytes | None:
        size = self.uvarint() - 1 if self.flexible else self.i32()
        return None if size < 0 else self.take(size)

    def count(self) -> int:
        return self.uvarint() - 1 if self.flexible else self.i32()

    def array(self, item: Callable[[], T]) -> list[T]:
        return [item() for _ in range(self.count())]

    def tags(self) -> dict[int, bytes]:
        if not self.flexible:
            return {}
        found = {}
        for _ in range(self.uvarint()):
            tag = self.uvarint()
            found[tag] = self.take(self.uvarint())
        return found


def request_frame(key: int, version: int, body: bytes, *, correlation_id: int = 1, header: int | None = None) -> bytes:
    """A whole request with its length. `header` overrides the header version that the table above gives."""
    flexible = version >= FLEXIBLE_FROM.get(key, 99) if header is None else header >= 2
    out = Writer().i16(key).i16(version).i32(correlation_id).string(CLIENT_ID)
    if flexible:
        out.uvarint(0)
    out.raw(body)
    return struct.pack(">i", len(out.data)) + bytes(out.data)


class Connection:
    """One TCP connection. `call` is one request and its answer; `send` and `receive` are the two halves."""

    def __init__(self, address: tuple[str, int], timeout: float = 60.0) -> None:
        self.socket = socket.create_connection(address, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send_raw(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise ConnectionClosedError("closed while sending") from error

    def send(self, key: int, version: int, body: bytes, *, header: int | None = None) -> int:
        self.correlation_id += 1
        self.send_raw(request_frame(key, version, body, correlation_id=self.correlation_id, header=header))
        return self.correlation_id

    def receive_frame(self) -> bytes:
        (size,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)

    def receive(self, key: int, version: int, correlation_id: int) -> Reader:
        """The next answer, positioned after its header. ApiVersions answers always carry header 0."""
        flexible = version >= FLEXIBLE_FROM.get(key, 99)
        reader = Reader(self.receive_frame(), flexible=flexible)
        got = reader.i32()
        assert got == correlation_id, f"answer {got} came where {correlation_id} was due"
        if flexible and key != 18:
            reader.tags()
        return reader

    def call(self, key: int, version: int, body: bytes, *, header: int | None = None) -> Reader:
        return self.receive(key, version, self.send(key, version, body, header=header))

    def is_closed(self, seconds: float = 60.0) -> bool:
        """True if the broker ends the connection within `seconds`; False if it stays silent; fails on an answer."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        assert not data, f"an answer of {len(data)} bytes came: {data[:64].hex()}"
        return True

    def _exactly(self, size: int) -> bytes:
        parts, left = [], size
        while left:
            try:
                data = self.socket.recv(min(left, 1 << 20))
            except ConnectionResetError as error:
                raise ConnectionClosedError("connection reset") from error
            if not data:
                raise ConnectionClosedError(f"closed with {left} of {size} bytes missing")
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

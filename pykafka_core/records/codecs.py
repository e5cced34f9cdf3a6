"""Compression of records sections, bounded against hostile bytes.

Decompression runs in steps and stops as soon as more than `size_max` bytes have come out: a size that the compressed
bytes declare is never trusted and never allocated at once (checking after inflating is too late).  Which framing each
codec has on Kafka's wire:

    gzip    RFC 1952; concatenated members are accepted
    snappy  snappy-java's stream of blocks, which Java writes and so do we; librdkafka's one raw block is accepted
    lz4     one frame, with independent blocks and no dictionary: Java reads no other
    zstd    RFC 8878; concatenated and skippable frames are accepted

The libraries are imported when they are first needed; isal takes zlib's place where it is installed.
"""

from __future__ import annotations

from enum import IntEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pykafka_core.native import CorruptRecordError, LimitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

__all__ = ["DECOMPRESSED_SIZE_MAX", "Codec", "compress", "decompress"]

DECOMPRESSED_SIZE_MAX = 128 * 1024 * 1024
"""What `decompress` produces at most unless told otherwise."""

_STEP_SIZE = 64 * 1024
_XERIAL_MAGIC = b"\x82SNAPPY\0"
_XERIAL_HEADER = _XERIAL_MAGIC + (1).to_bytes(4, "big") * 2
_XERIAL_BLOCK_SIZE = 32 * 1024


class Codec(IntEnum):
    """The codec in a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class _Output:
    """Collects what comes out and watches the bound."""

    def __init__(self, size_max: int) -> None:
        self._chunks: list[Any] = []
        self.size_left = size_max
        self._size_max = size_max

    def add(self, chunk: Buffer, size: int) -> None:
        if size > self.size_left:
            raise LimitError(f"the records decompress to more than {self._size_max} bytes")
        self.size_left -= size
        if size:
            self._chunks.append(chunk)

    def join(self) -> bytes:
        return bytes(self._chunks[0]) if len(self._chunks) == 1 else b"".join(self._chunks)


def _zlib() -> Any:
    try:
        return import_module("isal.isal_zlib")
    except ImportError:
        return import_module("zlib")


def _gunzip(data: memoryview, out: _Output) -> None:
    zlib = _zlib()
    inflate = zlib.decompressobj(31)
    for start in range(0, len(data), _STEP_SIZE):
        piece: Any = data[start : start + _STEP_SIZE]
        while True:
            if inflate.eof:
                inflate = zlib.decompressobj(31)
            try:
                chunk = inflate.decompress(piece, _STEP_SIZE)
            except zlib.error as error:
                raise CorruptRecordError(f"gzip: {error}") from error
            out.add(chunk, len(chunk))
            piece = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            # A full chunk may have left more inside, without input of its own.
            if not piece and (inflate.eof or len(chunk) < _STEP_SIZE):
                break
    if not inflate.eof:
        raise CorruptRecordError("gzip: the stream ends early")


def _snappy_block(block: memoryview, out: _Output) -> None:
    import cramjam

    try:
        size = cramjam.snappy.decompress_raw_len(block)
        # No element of a block gives more than 64 bytes for 3: a larger promise is a lie, and is not allocated.
        if size * 3 > len(block) * 64:
            raise CorruptRecordError(f"snappy: {len(block)} bytes cannot hold the {size} that they promise")
        if size > out.size_left:
            out.add(b"", size)
        buffer = bytearray(size)
        written = cramjam.snappy.decompress_raw_into(block, buffer)
    except cramjam.DecompressionError as error:
        raise CorruptRecordError(f"snappy: {error}") from error
    if written != size:
        raise CorruptRecordError(f"snappy: a block gave {written} bytes and promised {size}")
    out.add(buffer, size)


def _unsnappy(data: memoryview, out: _Output) -> None:
    if bytes(data[:8]) != _XERIAL_MAGIC:
        _snappy_block(data, out)
        return
    at = 0
    while at < len(data):
        if bytes(data[at : at + 8]) == _XERIAL_MAGIC:  # also between blocks, where streams were concatenated
            if at + 16 > len(data):
                raise CorruptRecordError("snappy: the stream ends inside its header")
            compatible = int.from_bytes(data[at + 12 : at + 16], "big")
            if compatible > 1:
                raise CorruptRecordError(f"snappy: the stream asks for version {compatible} of the framing")
            at += 16
            continue
        size = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if at > len(data) or size > len(data) - at:
            raise CorruptRecordError("snappy: a block ends after the stream")
        if size:
            _snappy_block(data[at : at + size], out)
        at += size


def _unlz4(data: memoryview, out: _Output) -> None:
    import lz4.frame

    if len(data) < 7 or bytes(data[:4]) != b"\x04\x22\x4d\x18":
        raise CorruptRecordError("lz4: not a frame")
    flags = data[4]
    if flags >> 6 != 1 or not flags & 0x20 or flags & 0x01:
        raise CorruptRecordError("lz4: Kafka's frames have version 1, independent blocks and no dictionary")
    inflate = lz4.frame.LZ4FrameDecompressor()
    for start in range(0, len(data), _STEP_SIZE):
        piece: memoryview | bytes = data[start : start + _STEP_SIZE]
        if inflate.eof:
            break
        while True:
            try:
                chunk = inflate.decompress(piece, max_length=_STEP_SIZE)
            except RuntimeError as error:
                raise CorruptRecordError(f"lz4: {error}") from error
            out.add(chunk, len(chunk))
            piece = b""
            if inflate.eof or inflate.needs_input:
                break
        if inflate.eof and (inflate.unused_data or start + _STEP_SIZE < len(data)):
            raise CorruptRecordError("lz4: bytes follow the frame")
    if not inflate.eof:
        raise CorruptRecordError("lz4: the frame ends early")


def _unzstd(data: memoryview, out: _Output) -> None:
    import zstandard

    decompressor = zstandard.ZstdDecompressor()
    inflate = decompressor.decompressobj()
    at = 0
    piece: memoryview | bytes = b""
    while piece or at < len(data):
        if not piece:
            # The library gives all that a piece holds, and four bytes can stand for 128 KiB: small pieces keep the
            # overshoot small.
            size = min(max(out.size_left >> 15, 64), _STEP_SIZE)
            piece = data[at : at + size]
            at += size
        if inflate.eof:
            inflate = decompressor.decompressobj()
        try:
            chunk = inflate.decompress(piece)
        except zstandard.ZstdError as error:
            raise CorruptRecordError(f"zstd: {error}") from error
        out.add(chunk, len(chunk))
        piece = inflate.unused_data if inflate.eof else b""
    if not inflate.eof:
        raise CorruptRecordError("zstd: the frame ends early")


def decompress(codec: int, data: Buffer, *, size_max: int = DECOMPRESSED_SIZE_MAX) -> bytes:
    """The bytes that `data` holds in this codec (0..4).

    Raises LimitError where they are more than `size_max`, CorruptRecordError where `data` is not what the codec writes,
    ends early or goes on behind its end, ValueError for an unknown codec.
    """
    view = memoryview(data).cast("B")
    out = _Output(size_max)
    known: dict[int, Callable[[memoryview, _Output], None]] = {
        Codec.GZIP: _gunzip,
        Codec.SNAPPY: _unsnappy,
        Codec.LZ4: _unlz4,
        Codec.ZSTD: _unzstd,
    }
    if codec == Codec.NONE:
        out.add(view, len(view))
    elif codec not in known:
        raise ValueError(f"unknown codec {codec}")
    elif not view:
        raise CorruptRecordError(f"{Codec(codec).name.lower()}: nothing to decompress")
    else:
        known[codec](view, out)
    return out.join()


def compress(codec: int, data: Buffer, *, level: int | None = None) -> bytes:
    """`data` in this codec (0..4), framed as Java clients frame it.

    `level` means what the codec's library takes it for; None is its default.  snappy has none.  Raises ValueError for
    an unknown codec or a level out of range.
    """
    view = memoryview(data).cast("B")
    if codec == Codec.NONE:
        return bytes(view)
    if codec == Codec.GZIP:
        import zlib

        deflate = zlib.compressobj(-1 if level is None else level, zlib.DEFLATED, 31)
        return deflate.compress(view) + deflate.flush()
    if codec == Codec.SNAPPY:
        import cramjam

        parts = [_XERIAL_HEADER]
        for start in range(0, len(view), _XERIAL_BLOCK_SIZE):
            block = bytes(cramjam.snappy.compress_raw(view[start : start + _XERIAL_BLOCK_SIZE]))
            parts += [len(block).to_bytes(4, "big"), block]
        return b"".join(parts)
    if codec == Codec.LZ4:
        import lz4.frame

        framed: bytes = lz4.frame.compress(
            view,
            compression_level=0 if level is None else level,
            block_size=lz4.frame.BLOCKSIZE_MAX64KB,
            block_linked=False,
            store_size=False,
        )
        return framed
    if codec == Codec.ZSTD:
        import zstandard

        return zstandard.ZstdCompressor(level=3 if level is None else level).compress(view)
    raise ValueError(f"unknown codec {codec}")

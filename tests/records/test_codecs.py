"""Goal: each codec reads what Kafka's clients write, and hostile bytes cost no more than the bound.

Method: round trips, streams made by other writers, every truncation, bombs whose memory is measured.
"""

from __future__ import annotations

import gzip
import importlib.util
import random
import tracemalloc
import zlib

import cramjam
import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pykafka_core.records import Codec, CorruptRecordError, LimitError, compress, decompress

COMPRESSED = [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]
TEXT = b"".join(b"line %d of some text that compresses\n" % i for i in range(20_000))
NOISE = random.Random(1).randbytes(300_000)


@pytest.mark.parametrize("codec", Codec)
@given(data=st.binary(max_size=500), repeat=st.integers(1, 400))
def test_what_is_compressed_comes_back(codec: Codec, data: bytes, repeat: int) -> None:
    whole = data * repeat
    assert decompress(codec, compress(codec, whole), size_max=len(whole)) == whole


@pytest.mark.parametrize("codec", COMPRESSED)
@pytest.mark.parametrize(
    "data", [TEXT, NOISE, b"x" * (64 * 1024), b"x" * (64 * 1024 + 1)], ids=["text", "noise", "64k", "64k+1"]
)
def test_large_inputs_pass_through_all_steps_and_the_bound_is_exact(codec: Codec, data: bytes) -> None:
    packed = compress(codec, data)
    assert decompress(codec, packed, size_max=len(data)) == data
    assert decompress(codec, memoryview(packed)) == data
    with pytest.raises(LimitError, match=f"more than {len(data) - 1} bytes"):
        decompress(codec, packed, size_max=len(data) - 1)


@pytest.mark.parametrize("codec", COMPRESSED)
def test_every_truncation_is_corrupt(codec: Codec) -> None:
    packed = compress(codec, TEXT[:3000])
    for size in range(len(packed)):
        if codec is Codec.SNAPPY and size == 16:
            continue  # the framing's header alone is a stream of no blocks
        with pytest.raises(CorruptRecordError, match=codec.name.lower()):
            decompress(codec, packed[:size])


@pytest.mark.parametrize("codec", COMPRESSED)
@given(data=st.data())
def test_damage_is_refused_or_stays_within_the_bound(codec: Codec, data: st.DataObject) -> None:
    packed = bytearray(compress(codec, TEXT[:2000]))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert len(decompress(codec, packed, size_max=5000)) <= 5000
    except (CorruptRecordError, LimitError):
        pass


@pytest.mark.parametrize("codec", COMPRESSED)
@given(junk=st.binary(max_size=100))
def test_junk_is_refused(codec: Codec, junk: bytes) -> None:
    try:
        decompress(codec, junk, size_max=10_000)
    except (CorruptRecordError, LimitError):
        pass


def test_levels_reach_the_library_and_are_checked_there() -> None:
    for codec, fast, small in ((Codec.GZIP, 1, 9), (Codec.LZ4, 0, 12), (Codec.ZSTD, 1, 19)):
        assert len(compress(codec, TEXT, level=small)) < len(compress(codec, TEXT, level=fast))
    with pytest.raises(ValueError):
        compress(Codec.ZSTD, TEXT, level=1000)
    with pytest.raises(ValueError):
        compress(Codec.GZIP, TEXT, level=1000)


def test_an_unknown_codec_is_named() -> None:
    for codec in (-1, 5, 7):
        with pytest.raises(ValueError, match=f"unknown codec {codec}"):
            decompress(codec, b"data")
        with pytest.raises(ValueError, match=f"unknown codec {codec}"):
            compress(codec, b"data")


def test_concatenated_gzip_members_are_one_stream() -> None:
    data = gzip.compress(TEXT) + gzip.compress(b"") + gzip.compress(NOISE)
    assert decompress(Codec.GZIP, data) == TEXT + NOISE
    with pytest.raises(CorruptRecordError, match="gzip"):
        decompress(Codec.GZIP, data + b"rubbish")
    with pytest.raises(CorruptRecordError, match="gzip"):
        decompress(Codec.GZIP, zlib.compress(TEXT))  # zlib's framing, not gzip's


def test_isal_takes_zlibs_place_where_it_is_installed() -> None:
    if importlib.util.find_spec("isal") is None:
        pytest.skip("isal is not installed")
    from pykafka_core.records import codecs

    assert codecs._zlib().__name__ == "isal.isal_zlib"
    assert decompress(Codec.GZIP, gzip.compress(TEXT)) == TEXT


def test_concatenated_and_skippable_zstd_frames_are_one_stream() -> None:
    writer = zstandard.ZstdCompressor(write_content_size=False, write_checksum=True)
    skippable = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
    data = skippable + writer.compress(TEXT) + skippable + writer.compress(NOISE)
    assert decompress(Codec.ZSTD, data) == TEXT + NOISE
    with pytest.raises(CorruptRecordError, match="zstd"):
        decompress(Codec.ZSTD, data + b"rubbish")


def test_snappy_is_read_raw_and_in_the_framing_of_java() -> None:
    assert decompress(Codec.SNAPPY, bytes(cramjam.snappy.compress_raw(TEXT))) == TEXT
    framed = compress(Codec.SNAPPY, TEXT)
    assert framed[:16] == b"\x82SNAPPY\0\0\0\0\1\0\0\0\1"
    assert decompress(Codec.SNAPPY, framed + framed) == TEXT + TEXT
    with pytest.raises(CorruptRecordError, match="version 2"):
        decompress(Codec.SNAPPY, framed[:12] + b"\0\0\0\2" + framed[16:])


def test_snappy_that_promises_more_than_it_can_hold_is_not_believed() -> None:
    with pytest.raises(CorruptRecordError, match="cannot hold the 4294967295"):
        decompress(Codec.SNAPPY, b"\xff\xff\xff\xff\x0f\x00a")


def test_lz4_frames_that_java_cannot_read_are_refused() -> None:
    good = compress(Codec.LZ4, TEXT)
    assert good[4] & 0x20
    with pytest.raises(CorruptRecordError, match="independent blocks"):
        decompress(Codec.LZ4, lz4.frame.compress(TEXT, block_linked=True))
    with pytest.raises(CorruptRecordError, match="bytes follow"):
        decompress(Codec.LZ4, good + good)
    large_blocks = lz4.frame.compress(
        TEXT, block_size=lz4.frame.BLOCKSIZE_MAX4MB, block_linked=False, content_checksum=True, store_size=True
    )
    assert decompress(Codec.LZ4, large_blocks) == TEXT


def bombs() -> list[tuple[Codec, bytes]]:
    zeros = bytes(200_000_000)
    return [(codec, compress(codec, zeros)) for codec in (Codec.GZIP, Codec.LZ4, Codec.ZSTD)] + [
        (Codec.SNAPPY, compress(Codec.SNAPPY, zeros[:50_000_000]))
    ]


def test_a_bomb_costs_no_more_memory_than_the_bound() -> None:
    for codec, bomb in bombs():
        tracemalloc.start()
        try:
            with pytest.raises(LimitError):
                decompress(codec, bomb, size_max=1_000_000)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # A zstd piece of 64 bytes can hold 2 MiB; the others give 64 KiB at a time.
        assert peak < 8_000_000, codec


def test_a_zstd_frame_may_ask_for_a_large_window() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        3, window_log=27, enable_ldm=True, write_content_size=False
    )
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packer.compress(TEXT) + packer.flush()
    assert decompress(Codec.ZSTD, packed, size_max=len(TEXT)) == TEXT

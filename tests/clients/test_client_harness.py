"""Goal: the yardstick is straight: what the client tests compute by themselves agrees with published values.

Method: known answers of the hashes and of CRC-32C (RFC 3720, Kafka's UtilsTest), and a round trip of the text form.
"""

from __future__ import annotations

import pytest

from harness.batch import build, crc32c, parse
from harness.records import from_lines, java_partition, librdkafka_partition, murmur2, sample, to_lines
from harness.wire import Reader, Writer


@pytest.mark.parametrize(
    ("key", "signed"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536),
     (b"a-little-bit-longer-string", -1486304829), (b"abc", 479470107)],
)  # fmt: skip
def test_murmur2_known_answers(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF
    assert java_partition(key, 1000) == (signed & 0x7FFFFFFF) % 1000


def test_null_keys_and_librdkafkas_empty_keys_go_anywhere() -> None:
    assert java_partition(None, 3) == librdkafka_partition(None, 3) == librdkafka_partition(b"", 3) == -1
    assert java_partition(b"", 3) >= 0
    assert librdkafka_partition(b"123456789", 1 << 32) == 0xCBF43926


@pytest.mark.parametrize(
    ("data", "crc"),
    [(bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E), (b"123456789", 0xE3069283)],
)
def test_crc32c_known_answers(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


def test_records_survive_their_text_form() -> None:
    records = sample(1, count=200, partitions=3)
    assert from_lines(to_lines(records)) == records
    assert len({(r.key, r.value) for r in records}) == len(records)
    assert {r.key for r in records} >= {None, b""}
    assert {r.value for r in records} >= {None, b""}


def test_batches_are_read_as_written() -> None:
    data = build([b"a", None, b"c"], base_offset=7, producer_id=3) + build([b"d"])
    (first, second), cut = parse(data + data[:50])
    assert (first.base_offset, first.values(), first.producer_id, cut) == (7, [b"a", None, b"c"], 3, 50)
    assert second.values() == [b"d"]
    with pytest.raises(AssertionError, match="CRC"):
        parse(data[:-1] + b"\x7f")


def test_varints_are_read_as_written() -> None:
    for number in (0, -1, 1, -64, 64, 2**31 - 1, -(2**31), 2**62):
        assert Reader(bytes(Writer().varint(number).data)).varint() == number

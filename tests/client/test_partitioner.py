"""The hash is Kafka's: the vectors of its own test (org.apache.kafka.common.utils.UtilsTest.testMurmur2)."""

from __future__ import annotations

import pytest

from pykafka_core.client.partitioner import murmur2, partition_for_key


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_vectors(data: bytes, code: int) -> None:
    assert murmur2(data) == code & 0xFFFFFFFF


def test_partitions_stay_in_range() -> None:
    chosen = {partition_for_key(str(number).encode(), 7) for number in range(500)}
    assert chosen == set(range(7))

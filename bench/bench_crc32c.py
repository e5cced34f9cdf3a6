"""CRC-32C: every kernel of this processor, and the dispatcher, from one batch header to a megabyte.

Bytes per call are in extra_info["bytes"]; the call itself costs about 100 ns of Python, which the smallest sizes show.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from pykafka_core import crc32c

SIZES = [61, 200, 1024, 16 * 1024, 64 * 1024, 1024 * 1024]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", [*crc32c.kernels(), "dispatched"])
def test_crc32c(benchmark: Any, kernel: str, size: int) -> None:
    data = random.Random(size).randbytes(size)
    benchmark.group = f"crc32c of {size} bytes"
    benchmark.extra_info["bytes"] = size
    if kernel == "dispatched":
        benchmark(crc32c.value, data)
    else:
        benchmark(crc32c.value_by, kernel, data)

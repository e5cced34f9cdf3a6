"""CRC-32C (Castagnoli), the checksum of Kafka's record batches, computed by the fastest kernel of this processor.

    >>> from pykafka_core import crc32c
    >>> hex(crc32c.value(b"123456789"))
    '0xe3069283'

Source: RFC 3720, appendix B.4; KIP-98.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.native import crc32c, crc32c_by, crc32c_kernels

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["kernels", "value", "value_by"]


def value(data: Buffer, crc: int = 0) -> int:
    """The CRC of everything that `crc` covers already, followed by `data`; drops the GIL for large buffers."""
    return crc32c(data, crc)


def kernels() -> list[str]:
    """The names of the kernels that run on this processor, slowest first; "portable" is always among them."""
    return crc32c_kernels()


def value_by(kernel: str, data: Buffer, crc: int = 0) -> int:
    """As `value`, by one named kernel; for tests and benchmarks.  Raises ValueError for a name not in `kernels()`."""
    return crc32c_by(kernel, data, crc)

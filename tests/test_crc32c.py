"""Goal: pykafka_core.crc32c is CRC-32C by every kernel.  Method: the crc32c package as the oracle, over random
inputs."""

import subprocess
import sys

import crc32c as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykafka_core import crc32c


@pytest.mark.parametrize("kernel", crc32c.kernels())
@given(data=st.binary(max_size=3000), repeat=st.integers(1, 20), crc=st.integers(0, 2**32 - 1))
def test_every_kernel_agrees_with_the_oracle(kernel: str, data: bytes, repeat: int, crc: int) -> None:
    whole = data * repeat
    assert crc32c.value_by(kernel, whole, crc) == oracle.crc32c(whole, crc) == crc32c.value(whole, crc)


def test_pieces_give_the_crc_of_the_whole() -> None:
    assert crc32c.value(memoryview(bytearray(b"456789")), crc32c.value(b"123")) == 0xE3069283


def test_the_portable_kernel_is_always_there() -> None:
    assert crc32c.kernels()[0] == "portable"


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"no kernel 'vax'.*portable"):
        crc32c.value_by("vax", b"")
    with pytest.raises(TypeError):
        crc32c.value("text")  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        crc32c.value(b"", -1)
    with pytest.raises(BufferError):
        crc32c.value(memoryview(b"123456")[::2])


def test_importing_native_loads_neither_numpy_nor_asyncio_nor_an_extension() -> None:
    script = (
        "import sys, pykafka_core.native as n; from pykafka_core import crc32c; crc32c.value(b'1');"
        "print([m for m in ('numpy', 'asyncio', 'pykafka_core.native._records') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    import pykafka_core.native as native

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        native.nothing  # noqa: B018
    assert set(native.__all__) <= set(dir(native))

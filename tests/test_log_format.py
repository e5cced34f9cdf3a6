"""The example of csrc/log/FORMAT.md is what the engine writes.

Goal: the page cannot say one thing and the code do another.
Method: append what the page says, stop cleanly, and compare each file with the bytes that stand there.
"""

import re
from pathlib import Path

from pykafka_core import records
from pykafka_core.log import Log, LogConfig

PAGE = Path(__file__).resolve().parents[1] / "csrc" / "log" / "FORMAT.md"
FIRST_TIMESTAMP = 1_700_000_000_000


def example() -> dict[str, bytes]:
    """File name -> bytes: lines at the margin are names, indented ones begin with bytes in hexadecimal."""
    text = PAGE.read_text().split("## Example", 1)[1].split("```")[1]
    files: dict[str, bytes] = {}
    name = ""
    for line in text.strip("\n").split("\n"):
        if not line.startswith(" "):
            name = line
            files[name] = b""
        else:
            found = re.match(r" +((?:[0-9a-f]{2} +)*[0-9a-f]{2})(?: {2,}|$)", line)
            assert found, line
            files[name] += bytes.fromhex(found[1])
    return files


def test_the_example_of_the_page_is_what_the_engine_writes(tmp_path):
    log = Log(tmp_path / "t-0", config=LogConfig(index_interval_bytes=64))
    log.append(
        records.encode(
            [(0, FIRST_TIMESTAMP, b"k", b"one"), (1, FIRST_TIMESTAMP + 5, None, b"two")],
            producer_id=7, producer_epoch=0, base_sequence=0,
        )
    )  # fmt: skip
    log.append(
        records.encode([(0, FIRST_TIMESTAMP + 1000, b"k", b"three")], producer_id=7, producer_epoch=0, base_sequence=2)
    )
    log.close()
    written = {path.name: path.read_bytes() for path in (tmp_path / "t-0").iterdir()}
    assert {name: data.hex(" ") for name, data in written.items()} == {
        name: data.hex(" ") for name, data in example().items()
    }

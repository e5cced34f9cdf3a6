"""Real text in any quantity: files of installed packages and of the system, in the same order each time."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

LINE_MAX = 500_000  # a record must fit into max.message.bytes


def sources() -> Iterator[Path]:
    """Python's own library and what is installed beside it, then the system's shared text, each in sorted order."""
    roots = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib")), Path(sys.base_prefix)]
    for root in dict.fromkeys(roots):
        for form in ("*.py", "*.pyi", "*.txt", "*.h"):
            yield from sorted(path for path in root.rglob(form) if path.is_file() and not path.is_symlink())
    for root in (Path("/usr/include"), Path("/usr/share")):
        if root.exists():
            yield from sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def write(target: Path, size_bytes: int) -> int:
    """Fill `target` with whole lines of real text until it holds `size_bytes`. Returns the number of lines.

    Lines that kcat cannot carry are left out: empty ones, which it drops, and those too long for a record. Every line
    ends with a newline. If the machine has less text than wanted, the text is used again, each round marked.
    """
    written = lines = rounds = 0
    with target.open("wb") as out:
        while written < size_bytes:
            rounds += 1
            before = written
            for path in sources():
                try:
                    data = path.read_bytes()
                except OSError:
                    continue
                if b"\0" in data[:8192]:
                    continue  # not text
                for line in data.split(b"\n"):
                    if not line or len(line) > LINE_MAX:
                        continue
                    out.write(line + b"\n")
                    written += len(line) + 1
                    lines += 1
                    if written >= size_bytes:
                        return lines
            mark = f"# round {rounds}\n".encode()
            out.write(mark)
            written, lines = written + len(mark), lines + 1
            assert written > before + len(mark), "no text on this machine"
    return lines

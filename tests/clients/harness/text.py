"""Real text in any quantity: files of installed packages and of the system, in the same order each time."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from harness.jars import BUILD

LINE_MAX = 500_000  # a record must fit into max.message.bytes
SOURCE = {".py", ".pyi", ".txt", ".h", ".js", ".ts", ".json", ".pl", ".pm", ".md", ".rst", ".xml", ".html", ".c"}


def sources() -> Iterator[Path]:
    """Each file once: Python's library, what is installed beside it, then the system's, each root in sorted order."""
    paths = sysconfig.get_paths()
    roots = [
        paths["stdlib"],
        paths["purelib"],
        sys.base_prefix,
        BUILD / "node",
        "/usr/include",
        "/usr/lib",
        "/usr/share",
    ]
    seen: set[Path] = set()
    for root in map(Path, roots):
        shared = root == Path("/usr/share")  # holds text under any name
        for path in sorted(root.rglob("*")):
            if (shared or path.suffix in SOURCE) and path not in seen and path.is_file() and not path.is_symlink():
                seen.add(path)
                yield path


def lines_of(path: Path) -> list[bytes]:
    """The lines that kcat can carry: not the empty ones, which it drops, nor those too long for a record."""
    try:
        data = path.read_bytes()
    except OSError:
        return []
    if b"\0" in data[:8192]:
        return []  # not text
    return [line for line in data.split(b"\n") if 0 < len(line) <= LINE_MAX]


def write(target: Path, size_bytes: int) -> int:
    """Fill `target` with whole lines of real text until it holds `size_bytes` or a little more. Returns their number.

    If the machine has less text than wanted, the text is used again, each round marked by a line.
    """
    written = count = rounds = 0
    with target.open("wb") as out:
        while True:
            rounds += 1
            before = written
            for path in sources():
                lines = lines_of(path)
                if not lines:
                    continue
                written += out.write(b"\n".join(lines) + b"\n")
                count += len(lines)
                if written >= size_bytes:
                    return count
            assert written > before, "no text on this machine"
            written += out.write(f"# round {rounds}\n".encode())
            count += 1

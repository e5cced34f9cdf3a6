"""Fails when an archive built from csrc/ holds mutable data.

The archive is linked into several extension modules, and each would get a copy of its own: a global would silently be
several. So there are none, not even static or thread-local ones. Constant tables with pointers in them are fine: the
loader fills them (.data.rel.ro) and then takes the right to write away.

    ci/archive_symbols.py [ARCHIVE...]    (default: each build/*/libkc.a)
"""

import re
import subprocess
import sys
from pathlib import Path

MUTABLE = re.compile(r"^(\*COM\*|\.t?(data|bss)(?!\.rel\.ro)|__(DATA|THREAD)\b)")
SYMBOL = re.compile(r"^[0-9a-f]+ (?P<flags>.{7}) (?P<section>\S+)\t[0-9a-f]+ +(?:\.\w+ )?(?P<name>\S+)$")


def mutable_symbols(objdump_output: str) -> list[str]:
    """Symbols in writable sections, as `member: name (section)`, from what `objdump -t` prints for an ELF archive."""
    found = []
    member = "?"
    for line in objdump_output.splitlines():
        if (header := re.match(r"^(\S+):\s+file format", line)) is not None:
            member = header[1]
            continue
        symbol = SYMBOL.match(line)
        # Flag d marks the symbol of the section itself, which every object has.
        if symbol is None or "d" in symbol["flags"] or not MUTABLE.match(symbol["section"]):
            continue
        found.append(f"{member}: {symbol['name']} ({symbol['section']})")
    return found


def main() -> int:
    archives = [Path(name) for name in sys.argv[1:]] or sorted(Path("build").glob("*/libkc.a"))
    if sys.platform != "linux":
        print("skipped: reads ELF archives, as Linux has them")
        return 0
    found = []
    for archive in archives:
        done = subprocess.run(["objdump", "-t", archive], capture_output=True, text=True, check=True)
        found += mutable_symbols(done.stdout)
    print("\n".join(found) or f"{len(archives)} archive(s): none")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Dependencies point one way: checks every #include of csrc/ and every import of pykafka_core/.

Method: the rules are the two tables below; the checkers take a file's path and text and return one sentence for each
violation. They are run over the tree, and over planted violations to show that they see them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A folder of csrc/ may include itself and those before it.
C_LAYERS = ["base", "crc32c", "io", "wire", "record", "log", "net", "hot", "server", "client"]

# What a package or public module of pykafka_core may import, besides itself and the version.
MAY_IMPORT: dict[str, set[str]] = {
    "native": set(),
    "protocol": set(),
    "coordinator": {"protocol"},
    "crc32c": {"native"},
    "records": {"native", "crc32c"},
    "log": {"native", "records"},
    "client": {"protocol", "records", "crc32c"},
    "metadata": {"protocol", "records"},
    "broker": {"native", "protocol", "coordinator", "metadata", "records", "log", "crc32c", "client"},
    "tools": {"protocol", "metadata", "broker", "client", "records", "log", "crc32c", "testing"},
    "testing": {"native", "protocol", "metadata", "broker", "client", "records", "log", "crc32c"},
}
# By how the module's name begins: the one place in metadata that writes a log of its own.
MODULE_MAY_ALSO_IMPORT: dict[str, set[str]] = {
    "pykafka_core.metadata.local": {"native", "log"},
    "pykafka_core.client.load": {"native"},
}

# Modules that belong to no package and that every package may import.
PRIVATE = {"_dataclass", "_enum", "_later_log", "_namedtuple", "_path", "_plain_asyncio", "_undo", "_version"}

# The event loop belongs to those who run one.
ASYNCIO_PACKAGES = {"client", "broker", "tools", "testing"}
# A coordinator is `step(event, now) -> effects`: anything else it could learn or do is an event or an effect.
IMPURE = {"asyncio", "logging", "os", "random", "socket", "subprocess", "threading", "time"}


def c_violations(path: str, text: str) -> Iterator[str]:
    """`path` is relative to csrc/."""
    layer = path.split("/")[0]
    if layer not in C_LAYERS or "/" not in path:
        yield f"csrc/{path}: not in one of the folders {', '.join(C_LAYERS)}"
        return
    for number, line in enumerate(text.splitlines(), 1):
        include = re.match(r"\s*#\s*include(?:_next)?\s*([<\"]?)([^>\"\s]+)", line)
        if include is None:
            continue
        where, quote, name = f"csrc/{path}:{number}", include[1], include[2]
        if name == "Python.h" or name.startswith(("cpython/", "numpy/")):
            yield f"{where}: csrc knows no Python, but includes {name}"
        elif quote == '"':
            target = name.split("/")[0]
            if target not in C_LAYERS or ".." in name or "/" not in name:
                yield f'{where}: includes are written from csrc/ on, as in "base/status.h", not {name}'
            elif C_LAYERS.index(target) > C_LAYERS.index(layer):
                yield f"{where}: {layer} comes before {target} and may not include {name}"
        elif quote == "<" and name.split("/")[0] in C_LAYERS and "/" in name:
            yield f"{where}: our own headers are included in quotes: {name}"
        elif not quote:
            yield f"{where}: an include by macro cannot be checked"


def imported_names(module: str, is_package: bool, path: str, text: str) -> Iterator[tuple[int, str]]:
    """Each (line, dotted name) that is imported or cimported; `from a import b` gives a.b, also where a is relative."""
    if path.endswith(".py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = resolve(module, is_package, "." * node.level + (node.module or ""))
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        return
    # Cython is not Python's grammar; its import statements are simple enough for a pattern.
    for match in re.finditer(r"^[ \t]*from[ \t]+([.\w]+)[ \t]+c?import[ \t]+(\([^)]*\)|[^\n#]+)", text, re.MULTILINE):
        base = resolve(module, is_package, match[1])
        for name in re.findall(r"(?:^|,)\s*(\w+|\*)", match[2].strip("()")):
            yield text.count("\n", 0, match.start()) + 1, f"{base}.{name}"
    for match in re.finditer(r"^[ \t]*c?import[ \t]+([^\n#(]+)", text, re.MULTILINE):
        for name in match[1].split(","):
            yield text.count("\n", 0, match.start()) + 1, name.split()[0]


def resolve(module: str, is_package: bool, name: str) -> str:
    level = len(name) - len(name.lstrip("."))
    if level == 0:
        return name
    parts = module.split(".")
    kept = parts[: len(parts) - (level - 1 if is_package else level)]
    return ".".join([*kept, *filter(None, [name.lstrip(".")])])


def python_violations(path: str, text: str) -> Iterator[str]:
    """`path` is relative to the repository: pykafka_core/…/*.py, *.pyx or *.pxd."""
    parts = Path(path).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    module = ".".join(parts[:-1] if is_package else parts)
    own = module.split(".")[1] if "." in module else None
    if own is not None and own not in MAY_IMPORT and own not in PRIVATE:
        yield f"{path}: {own} has no place in the table of tests/test_layers.py"
        return
    allowed = MAY_IMPORT.get(own or "", set()) | {
        name for place, more in MODULE_MAY_ALSO_IMPORT.items() if module.startswith(place) for name in more
    }
    for number, name in imported_names(module, is_package, path, text):
        where = f"{path}:{number}"
        top, *rest = name.split(".")
        if top != "pykafka_core":
            if top == "asyncio" and own not in ASYNCIO_PACKAGES:
                yield f"{where}: asyncio belongs to {', '.join(sorted(ASYNCIO_PACKAGES))}"
            elif own == "coordinator" and top in IMPURE:
                yield f"{where}: a coordinator is pure, but imports {top}"
            continue
        target = rest[0] if rest else None
        if target is None or target in {own, "__version__", *PRIVATE}:
            continue
        if target not in MAY_IMPORT:
            yield f"{where}: imports {name}, which is no package of the table in tests/test_layers.py"
        elif target not in allowed:
            yield f"{where}: {own or 'pykafka_core/__init__.py'} may not import {target}"
        elif target == "native" and len(rest) > 1 and (rest[1].startswith("_") or len(rest) > 2):
            yield f"{where}: imports the compiled module {name}; take it from pykafka_core.native"


def test_c_folders_include_only_themselves_and_those_before() -> None:
    csrc = ROOT / "csrc"
    files = sorted([*csrc.rglob("*.c"), *csrc.rglob("*.h")])
    assert files
    found = [v for path in files for v in c_violations(path.relative_to(csrc).as_posix(), path.read_text())]
    assert not found, "\n".join(found)


def test_python_imports_point_downwards() -> None:
    package = ROOT / "pykafka_core"
    files = sorted(path for suffix in ("py", "pyx", "pxd") for path in package.rglob(f"*.{suffix}"))
    assert files
    found = [v for path in files for v in python_violations(path.relative_to(ROOT).as_posix(), path.read_text())]
    assert not found, "\n".join(found)


def test_the_import_table_has_no_cycle() -> None:
    def reachable(package: str) -> set[str]:
        seen: set[str] = set()
        waiting = set(MAY_IMPORT[package])
        while waiting:
            seen.add(name := waiting.pop())
            waiting |= MAY_IMPORT[name] - seen
        return seen

    assert [package for package in MAY_IMPORT if package in reachable(package)] == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("base/list.c", '#include "record/batch.h"'),
        ("net/reactor.c", '#include "hot/produce.h"'),
        ("log/segment.c", "#include <Python.h>"),
        ("log/segment.c", '#  include "Python.h"'),
        ("log/segment.c", '#include "index.h"'),
        ("log/segment.c", '#include "../base/status.h"'),
        ("log/segment.c", "#include <base/status.h>"),
        ("log/segment.c", "#include HEADER"),
        ("extra/thing.c", '#include "base/status.h"'),
        ("thing.c", ""),
    ],
)
def test_planted_c_violation_is_seen(path: str, line: str) -> None:
    assert len(list(c_violations(path, f"/* header */\n{line}\n"))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("coordinator/group.py", "import pykafka_core.native"),
        ("coordinator/group.py", "from pykafka_core import native"),
        ("coordinator/group.py", "from ..broker.config import Config"),
        ("coordinator/classic/group.py", "from ...broker import config"),
        ("coordinator/__init__.py", "from ..native import Log"),
        ("coordinator/group.py", "import time"),
        ("coordinator/group.py", "def f():\n    from asyncio import sleep"),
        ("protocol/codec.py", "from pykafka_core.native import Log"),
        ("protocol/_codec.pyx", "from pykafka_core.native cimport kc"),
        ("protocol/_codec.pyx", "cimport pykafka_core.native.kc as kc"),
        ("protocol/_codec.pyx", "from ..native cimport (\n    kc,\n)"),
        ("protocol/codec.py", "import pykafka_core.broker.config"),
        ("native/_log.pyx", "from pykafka_core.protocol import errors"),
        ("metadata/image.py", "from pykafka_core.native import Log"),
        ("metadata/local.py", "from pykafka_core.broker import config"),
        ("tools/server_start.py", "from pykafka_core.native import Server"),
        ("broker/shell.py", "from pykafka_core.native._server import Server"),
        ("broker/shell.py", "from pykafka_core.native import _server"),
        ("broker/shell.py", "import pykafka_core.native._server"),
        ("broker/shell.py", "from pykafka_core.tools import server_start"),
        ("broker/shell.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..testing import Broker"),
        ("log.py", "import asyncio"),
        ("log.py", "from .broker import config"),
        ("misc/helpers.py", ""),
        ("__init__.py", "from .broker import Broker"),
    ],
)
def test_planted_python_violation_is_seen(path: str, text: str) -> None:
    assert len(list(python_violations(f"pykafka_core/{path}", text))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("broker/shell.py", "import asyncio\nfrom pykafka_core.native import Server\nfrom ..coordinator import group"),
        (
            "broker/handlers/fetch.py",
            "from ..registry import handler\nfrom ...protocol import errors",
        ),
        ("coordinator/group.py", "import dataclasses\nfrom pykafka_core.protocol.errors import ErrorCode"),
        ("metadata/local.py", "from ..native import Log\nfrom .image import Image"),
        ("native/__init__.py", "from ._log import Log"),
        ("native/_log.pyx", "from pykafka_core.native cimport kc\nfrom libc.stdint cimport int64_t, uint8_t"),
        ("log/__init__.py", "from pykafka_core.native import Log"),
        (
            "tools/server_start.py",
            "from pykafka_core import __version__\nimport pykafka_core._version",
        ),
        ("__init__.py", "from ._version import __version__"),
    ],
)
def test_what_is_allowed_is_left_alone(path: str, text: str) -> None:
    assert list(python_violations(f"pykafka_core/{path}", text)) == []


def test_allowed_includes_are_left_alone() -> None:
    text = '#include <stdint.h>\n#include <sys/uio.h>\n#include "log/index.h"\n#include "base/status.h"\n'
    assert list(c_violations("log/segment.c", text)) == []

"""setup.py builds what changed and only that, and refuses what it should.

Method: a small tree beside a copy of setup.py, built again and again; the verbose output names what was compiled.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FILES = {
    "pyproject.toml": '[project]\nname = "pykafka-core"\nversion = "0"\n[tool.setuptools.packages.find]\n'
    'include = ["pykafka_core*"]\n',
    "csrc/base/add.h": "#pragma once\nint kc_add(int a, int b);\nvoid kc_touch(void);\n",
    "csrc/base/add.c": '#include "base/add.h"\nint kc_add(int a, int b) { return a + b; }\nvoid kc_touch(void) {}\n',
    "csrc/base/alone.c": "int kc_alone(void);\nint kc_alone(void) { return 1; }\n",
    "pykafka_core/__init__.py": "",
    "pykafka_core/native/__init__.py": "",
    "pykafka_core/native/kc.pxd": 'cdef extern from "base/add.h" nogil:\n    int kc_add(int a, int b)\n'
    "    void kc_touch() noexcept\n",
    "pykafka_core/native/_add.pyx": "from pykafka_core.native cimport kc\n\n"
    "def add(int a, int b):\n    return kc.kc_add(a, b)\n",
    "pykafka_core/native/_other.pyx": 'include "_part.pxi"\n',
    "pykafka_core/native/_part.pxi": "def one():\n    return 1\n",
}


class Tree:
    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copy(ROOT / "setup.py", root)
        for path, text in FILES.items():
            self.write(path, text)

    def write(self, path: str, text: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def touch(self, path: str) -> None:
        (self.root / path).touch()

    def build(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "setup.py", "-v", "build_ext", "--inplace"],
            cwd=self.root,
            env={**os.environ, "PYKAFKA_CORE_WERROR": "1", "PYKAFKA_CORE_OPTIMISE": "-O0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def compiled(self) -> list[str]:
        """Builds, and returns the names of the C files that the compiler was given."""
        done = self.build()
        assert done.returncode == 0, done.stdout
        return sorted(Path(name).name for name in re.findall(r" -c (\S+)", done.stdout))

    def call(self, expression: str) -> str:
        code = f"from pykafka_core.native import _add, _other; print({expression})"
        return subprocess.run(
            [sys.executable, "-c", code], cwd=self.root, capture_output=True, text=True, check=True
        ).stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    tree = Tree(tmp_path_factory.mktemp("tree"))
    assert tree.compiled() == ["_add.c", "_other.c", "add.c", "alone.c"]
    assert tree.call("_add.add(2, 3), _other.one()") == "5 1\n"
    return tree


def test_nothing_is_compiled_when_nothing_changed(built: Tree) -> None:
    assert built.compiled() == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("csrc/base/alone.c", ["alone.c"]),
        ("csrc/base/add.h", ["_add.c", "add.c"]),
        ("pykafka_core/native/kc.pxd", ["_add.c"]),
        ("pykafka_core/native/_part.pxi", ["_other.c"]),
    ],
)
def test_a_change_rebuilds_what_reads_it(built: Tree, path: str, expected: list[str]) -> None:
    built.touch(path)
    assert built.compiled() == expected
    assert built.compiled() == []


def test_changed_c_code_reaches_the_extension_module(built: Tree) -> None:
    text = FILES["csrc/base/add.c"]
    built.write("csrc/base/add.c", text.replace("a + b", "a + b + 100"))
    assert built.compiled() == ["add.c"]
    assert built.call("_add.add(2, 3)") == "105\n"
    built.write("csrc/base/add.c", text)
    built.compiled()


def test_a_deleted_source_leaves_the_archive_and_a_deleted_module_the_tree(built: Tree) -> None:
    built.write("csrc/base/gone.c", "int kc_gone(void);\nint kc_gone(void) { return 1; }\n")
    built.write("pykafka_core/native/_gone.pyx", "def two():\n    return 2\n")
    assert built.compiled() == ["_gone.c", "gone.c"]
    (archive,) = built.root.glob("build/*/libkc.a")
    assert b"kc_gone" in archive.read_bytes()
    assert list(built.root.glob("pykafka_core/native/_gone*.so"))
    (built.root / "csrc/base/gone.c").unlink()
    (built.root / "pykafka_core/native/_gone.pyx").unlink()
    assert built.compiled() == []
    assert b"kc_gone" not in archive.read_bytes()
    assert not list(built.root.glob("pykafka_core/native/_gone*.so"))


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("csrc/base/bad.c", "int kc_bad(int unused);\nint kc_bad(int unused) { return 1; }\n", "unused"),
        ("csrc/base/bad.c", "#include <Python.h>\n", "Python.h"),
        (
            "pykafka_core/native/_bad.pyx",
            "cdef void f() nogil:\n    pass\n\ndef g():\n    with nogil:\n        f()\n",
            "takes the GIL back",
        ),
        ("pykafka_core/native/_bad.pyx", "def g(:\n", "cython failed"),
    ],
)
def test_what_is_refused(built: Tree, path: str, text: str, complaint: str) -> None:
    built.write(path, text)
    try:
        for _ in range(2):  # A refused file must not pass as built the next time.
            done = built.build()
            assert done.returncode != 0
            assert complaint in done.stdout
    finally:
        (built.root / path).unlink()
    assert built.compiled() == []

"""ci/archive_symbols.py finds mutable data in an archive and leaves constant tables alone.

Method: compile a few lines as setup.py would, archive them, and look at what it names.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "ci" / "archive_symbols.py"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF archives, as Linux has them")


def mutable_symbols(folder: Path, code: str) -> list[str]:
    (folder / "unit.c").write_text(code)
    subprocess.run(
        ["cc", "-O3", "-fPIC", "-fvisibility=hidden", "-c", "unit.c", "-o", "unit.o"], cwd=folder, check=True
    )
    subprocess.run(["ar", "rcs", "libunit.a", "unit.o"], cwd=folder, check=True)
    text = subprocess.run(["objdump", "-t", "libunit.a"], cwd=folder, capture_output=True, text=True, check=True).stdout
    spec = importlib.util.spec_from_file_location("archive_symbols", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: list[str] = module.mutable_symbols(text)
    return found


@pytest.mark.parametrize(
    "declaration",
    ["int count;", "int count = 3;", "static int count;", "static int count = 1;", "_Thread_local int count;"],
)
def test_a_mutable_variable_is_named(tmp_path: Path, declaration: str) -> None:
    (found,) = mutable_symbols(tmp_path, f"{declaration}\nint next(void);\nint next(void) {{ return ++count; }}\n")
    assert found.startswith("unit.o: count (")


def test_a_variable_inside_a_function_is_named(tmp_path: Path) -> None:
    (found,) = mutable_symbols(tmp_path, "int next(void);\nint next(void) { static int count; return ++count; }\n")
    assert "count" in found


def test_constant_tables_are_left_alone(tmp_path: Path) -> None:
    code = """
    extern int read_one(int), write_one(int);
    typedef int verb(int);
    struct table { verb *read, *write; const char *name; };
    const struct table table = {read_one, write_one, "disk"};
    static const unsigned int crc[4] = {1, 2, 3, 4};
    static const char *const names[] = {"none", "gzip"};
    unsigned int look(int i);
    unsigned int look(int i) { return crc[i] + (unsigned int)names[i & 1][0]; }
    """
    assert mutable_symbols(tmp_path, code) == []

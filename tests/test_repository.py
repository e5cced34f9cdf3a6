"""What every tracked file keeps to, whoever wrote it. Each rule is a function over (path, text) and is shown to bite.

The patterns are written in pieces, so that this file does not find itself.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINES_MAX = 700

# Written by a program or by somebody else, so not meant to be read from top to bottom.
GENERATED = re.compile(r"^(pykafka_core/protocol/messages/|tests/.*golden/)|_(tables|generated)\.\w+$")
SOURCE = re.compile(r"\.(py|pyx|pxd|pyi|c|h|sh|js|java|toml)$|^ci/[\w-]+$")

MACHINE_PATH = re.compile(r"(?<![\w.}$~-])/(work|root|farm|opt/wheels|(home|Users)/\w+)/")
LEFT_OPEN = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
BUILT = re.compile(
    r"\.(so|o|a|d|pyc|pyo|class|jar|whl|dylib|log)$|(^|/)(build|dist|wheelhouse|data|\.venv|node_modules|__pycache__)/"
    r"|\.egg-info/"
)


def machine_path(path: str, text: str) -> str | None:
    match = MACHINE_PATH.search(text)
    return f"names a path of one machine: {match[0]}" if match else None


def left_open(path: str, text: str) -> str | None:
    match = LEFT_OPEN.search(text) if SOURCE.search(path) else None
    return f"leaves something open: {match[0]}" if match else None


def too_long(path: str, text: str) -> str | None:
    count = text.count("\n")
    if not SOURCE.search(path) or GENERATED.search(path) or count <= LINES_MAX:
        return None
    return f"has {count} lines, more than {LINES_MAX}: where is its second idea?"


def built_file(path: str, text: str) -> str | None:
    return "is the output of a build" if BUILT.search(path) else None


def careless_script(path: str, text: str) -> str | None:
    """A script that goes on after a failed command, or that uses an unset name as if it were empty."""
    if not re.match(r"#!.*\bbash\b", text) or path == ".ci/run":
        return None
    return None if "\nset -euo pipefail\n" in text else "is a script without set -euo pipefail"


def stray_whitespace(path: str, text: str) -> str | None:
    if not SOURCE.search(path):
        return None
    if text and not text.endswith("\n"):
        return "does not end with a newline"
    match = re.search(r"[ \t]+$", text, re.MULTILINE)
    return f"has white space at the end of line {text.count(chr(10), 0, match.start()) + 1}" if match else None


Rule = Callable[[str, str], str | None]
RULES: list[Rule] = [machine_path, left_open, too_long, built_file, careless_script, stray_whitespace]


@cache
def tracked_files() -> dict[str, str]:
    """Path and text of each file git knows, or would take up. Binary files have no text."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [path for path in done.stdout.decode().split("\0") if path and (ROOT / path).is_file()]
    contents = {path: (ROOT / path).read_bytes() for path in paths}
    return {path: "" if b"\0" in content else content.decode() for path, content in contents.items()}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_to(rule: Rule) -> None:
    found = [f"{path} {complaint}" for path, text in tracked_files().items() if (complaint := rule(path, text))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (machine_path, "README.md", "see /wo" + "rk/shared"),
        (machine_path, "ci/run", "cd /home" + "/somebody/code"),
        (left_open, "csrc/log/log.c", "/* TO" + "DO: later */"),
        (left_open, "pykafka_core/log.py", "# FIX" + "ME"),
        (too_long, "csrc/log/log.c", "\n" * (LINES_MAX + 1)),
        (built_file, "pykafka_core/native/_log.cpython-311-x86_64-linux-gnu.so", ""),
        (built_file, "build/x.txt", ""),
        (careless_script, "ci/test", "#!/usr/bin/env bash\ncd x\n"),
        (stray_whitespace, "csrc/log/log.c", "int x; \n"),
        (stray_whitespace, "csrc/log/log.c", "int x;"),
    ],
)
def test_planted_violation_is_seen(rule: Rule, path: str, text: str) -> None:
    assert rule(path, text)


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (machine_path, "README.md", "log.dirs=/tmp/kafka-logs, $HOME/work/x, https://example.org/work/"),
        (too_long, "pykafka_core/protocol/messages/produce.py", "\n" * (LINES_MAX + 1)),
        (too_long, "csrc/log/log.c", "\n" * LINES_MAX),
        (careless_script, "ci/test", "#!/usr/bin/env bash\nset -euo pipefail\n"),
        (built_file, "csrc/base/build.h", ""),
    ],
)
def test_what_is_allowed_is_left_alone(rule: Rule, path: str, text: str) -> None:
    assert rule(path, text) is None


def test_scripts_of_ci_can_be_executed() -> None:
    scripts = [path for path, text in tracked_files().items() if path.startswith("ci/") and text.startswith("#!")]
    assert scripts
    assert [path for path in scripts if not (ROOT / path).stat().st_mode & 0o100] == []


def test_the_version_is_stated_once() -> None:
    version = re.search(r'__version__ = "(.+)"', (ROOT / "pykafka_core/_version.py").read_text())
    assert version is not None
    assert "version = {" in (ROOT / "pyproject.toml").read_text()
    stating = [
        path
        for path, text in tracked_files().items()
        if SOURCE.search(path) and re.search(rf"version[^\n]{{0,10}}[=:] ?[\"']{re.escape(version[1])}[\"']", text)
    ]
    assert stating == ["pykafka_core/_version.py"]

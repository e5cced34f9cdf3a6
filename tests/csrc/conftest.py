"""Collects each tests/csrc/**/test_*.c as one pytest item: built with sanitizers, run, passed if it ends with status 0.

- `asan`: every test, under AddressSanitizer, LeakSanitizer (Linux) and UndefinedBehaviorSanitizer.
- `tsan`: files named test_*_threads.c once more, under ThreadSanitizer.

Objects, archives and programs live in build/csan/<flavour>/. An object is made again when its source, a header it read
(the compiler's depfile) or the command changed, so a second run only compiles what was edited. No make, no cmake.

A line `link: FLAGS` in a test's first comment adds to its link command, Linux only (the `--wrap` of GNU-style linkers).

A test program's arguments and seed: see check.h. `pytest tests/csrc -k "segment and asan"` picks items.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path("build/csan")
CC = shlex.split(os.environ.get("CC", "cc"))
RUN_TIMEOUT_S = 120
JOBS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)

FLAGS = [
    "-std=gnu11", "-O1", "-g", "-fno-omit-frame-pointer", "-pthread", "-DKC_DEBUG=1",
    "-Wall", "-Wextra", "-Werror", "-Icsrc",
]  # fmt: skip
SANITIZERS = {
    "asan": ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    "tsan": ["-fsanitize=thread"],
}
OPTIONS = {
    # LeakSanitizer exists on Linux only, and elsewhere asking for it is an error.
    "ASAN_OPTIONS": f"strict_string_checks=1:detect_leaks={int(sys.platform == 'linux')}",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


class Failed(Exception):
    """The test, or its compilation, failed; the message is what the reader needs."""


def run(
    command: list[str], env: dict[str, str] | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        timeout=timeout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def is_current(output: Path, command: str, inputs: list[Path]) -> bool:
    try:
        made = (ROOT / output).stat().st_mtime_ns
        if (ROOT / f"{output}.cmd").read_text() != command:
            return False
        return all((ROOT / path).stat().st_mtime_ns < made for path in inputs)
    except OSError:
        return False


def make(output: Path, command: list[str], inputs: list[Path]) -> None:
    """Runs `command`, which writes `output`, unless the output is current."""
    line = shlex.join(command)
    if is_current(output, line, inputs):
        return
    (ROOT / output).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / output).unlink(missing_ok=True)
    done = run(command)
    if done.returncode != 0:
        raise Failed(f"$ {line}\n{done.stdout}")
    (ROOT / f"{output}.cmd").write_text(line)


def make_object(flavour: str, source: Path) -> Path:
    obj = BUILD / flavour / source.with_suffix(".o")
    depfile = obj.with_suffix(".d")
    try:
        text = (ROOT / depfile).read_text().replace("\\\n", " ")
        inputs = [Path(name) for name in text.split(": ", 1)[1].split()]
    except (OSError, IndexError):
        inputs = [Path("/nonexistent")]
    flags = [*FLAGS, *SANITIZERS[flavour], "-MMD", "-MF", str(depfile)]
    make(obj, [*CC, *flags, "-c", str(source), "-o", str(obj)], inputs)
    return obj


@cache
def make_archive(flavour: str) -> Path | Failed:
    """csrc/**/*.c as one archive; once per session. A failure is remembered, not repeated for each test."""
    sources = sorted(path.relative_to(ROOT) for path in (ROOT / "csrc").rglob("*.c"))
    archive = BUILD / flavour / "libkc.a"
    try:
        with ThreadPoolExecutor(JOBS) as pool:
            objects = list(pool.map(lambda source: make_object(flavour, source), sources))
        make(archive, ["ar", "rcs", str(archive), *map(str, objects)], objects)
    except Failed as failure:
        return failure
    return archive


@contextmanager
def build_lock(flavour: str) -> Iterator[None]:
    """Two pytest processes in one checkout take turns at building."""
    folder = ROOT / BUILD / flavour
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def link_flags(source: Path) -> list[str]:
    """What the `link:` lines of the opening comment ask for."""
    if sys.platform != "linux":
        return []
    comment = (ROOT / source).read_text().split("*/", 1)[0]
    return [flag for line in re.findall(r"^ \* link: (.*)$", comment, re.MULTILINE) for flag in shlex.split(line)]


def build_test(flavour: str, source: Path) -> Path:
    with build_lock(flavour):
        archive = make_archive(flavour)
        if isinstance(archive, Failed):
            raise archive
        obj = make_object(flavour, source)
        program = BUILD / flavour / source.with_suffix("")
        flags = [*FLAGS, *SANITIZERS[flavour]]
        link = [*CC, *flags, str(obj), str(archive), "-lm", *link_flags(source), "-o", str(program)]
        make(program, link, [obj, archive])
    return ROOT / program


@cache
def why_unusable(flavour: str) -> str | None:
    """None if a program built with this sanitizer runs here, otherwise the reason in words."""
    probe = BUILD / flavour / "probe"
    (ROOT / probe).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / f"{probe}.c").write_text("int main(void) { return 0; }\n")
    built = run([*CC, *SANITIZERS[flavour], "-pthread", f"{probe}.c", "-o", str(probe)])
    if built.returncode != 0:
        return f"{shlex.join(CC)} cannot link {flavour}: is the sanitizer's library installed?\n{built.stdout}"
    started = run([*launcher(flavour), str(ROOT / probe)])
    return None if started.returncode == 0 else f"a program under {flavour} does not start here:\n{started.stdout}"


@cache
def launcher(flavour: str) -> list[str]:
    """`setarch -R` for tsan: with older compilers it refuses the address layouts that newer kernels draw at random."""
    setarch = shutil.which("setarch")
    if flavour != "tsan" or sys.platform != "linux" or setarch is None:
        return []
    prefix = [setarch, os.uname().machine, "-R"]
    return prefix if run([*prefix, "true"]).returncode == 0 else []


@dataclass(frozen=True)
class Flavoured:
    source: Path
    flavour: str


class CProgram(pytest.Item):
    def __init__(self, *, test: Flavoured, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.test = test
        # Longer than RUN_TIMEOUT_S: the first item also compiles the archive.
        self.add_marker(pytest.mark.timeout(900))

    def runtest(self) -> None:
        reason = why_unusable(self.test.flavour)
        if reason is not None:
            if os.environ.get("CI") == "true":
                raise Failed(reason)
            pytest.skip(reason)
        program = build_test(self.test.flavour, self.test.source)
        env = {**os.environ, **OPTIONS}
        command = [*launcher(self.test.flavour), str(program)]
        try:
            done = run(command, env=env, timeout=RUN_TIMEOUT_S)
        except subprocess.TimeoutExpired as expired:
            output = expired.stdout.decode(errors="replace") if isinstance(expired.stdout, bytes) else expired.stdout
            raise Failed(f"{program} did not end within {RUN_TIMEOUT_S} s; its output:\n{output or ''}") from None
        if done.returncode != 0:
            raise Failed(f"{program} ended with status {done.returncode}\n{done.stdout}")
        if not re.search(r"^\d+ passed$", done.stdout, re.MULTILINE):
            raise Failed(f"{program} ended with status 0 but without a summary: does it use RUN_ALL()?\n{done.stdout}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        if isinstance(excinfo.value, Failed):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.test.source} [{self.test.flavour}]"


class CFile(pytest.File):
    def collect(self) -> Iterator[CProgram]:
        source = self.path.relative_to(ROOT)
        for flavour in ["asan", "tsan"] if self.path.stem.endswith("_threads") else ["asan"]:
            yield CProgram.from_parent(self, name=f"{self.path.stem}[{flavour}]", test=Flavoured(source, flavour))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CFile | None:
    if file_path.suffix == ".c" and file_path.name.startswith("test_"):
        return CFile.from_parent(parent, path=file_path)
    return None

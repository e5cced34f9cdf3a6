"""Builds csrc/ into one static library and every .pyx of the package into an extension module linked with it.

What is declared lives in pyproject.toml; here is only what setuptools cannot express. A new .c or .pyx file needs no
change here.

Nothing is built twice. Beside each object lie the command that made it (`.cmd`) and the headers it read (`.d`, written
by the compiler); an output is made again when one of those changed, Cython's also when a .pxd it cimports did.
Everything goes below build/, whichever command asked for it, so that an editable install and `build_ext --inplace`
share their work.

csrc/ is compiled without Python's include path: the engine knows no Python.

From the environment: PYKAFKA_CORE_WERROR=1 (ci/build sets it) makes a C warning an error, and also a hint from Cython
that a call takes the GIL back; off by default so that a compiler newer than this file can still install the sdist.
PYKAFKA_CORE_OPTIMISE replaces -O3 (ci/sanitize).
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ROOT = Path(__file__).resolve().parent
os.chdir(ROOT)

OPTIMISE = os.environ.get("PYKAFKA_CORE_OPTIMISE", "-O3")
WERROR = os.environ.get("PYKAFKA_CORE_WERROR") == "1"
JOBS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)

SHARED_FLAGS = ["-std=gnu11", OPTIMISE, "-fvisibility=hidden", "-pthread"]
C_FLAGS = [*SHARED_FLAGS, "-Wall", "-Wextra", *(["-Werror"] if WERROR else [])]
# Cython's output is not ours to keep free of warnings.
CYTHON_C_FLAGS = [*SHARED_FLAGS, "-Wno-unused-function", "-Wno-unused-variable"]

# One build tree per platform and interpreter: switching Python must not mix objects.
BUILD = Path("build") / f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
CYTHON_OUT = Path("build") / "cython"


def sources(top: str, suffix: str) -> list[str]:
    return sorted(path.as_posix() for path in Path(top).rglob(f"*{suffix}"))


def is_current(output: str, recorded: str, command: str, inputs: list[str]) -> bool:
    """True when `output` came from this very command and is newer than each of its inputs."""
    try:
        made = os.stat(output).st_mtime_ns
        if Path(recorded).read_text() != command:
            return False
        return all(os.stat(path).st_mtime_ns < made for path in inputs)
    except OSError:
        return False


def read_depfile(path: str) -> list[str]:
    """The inputs named by a make-style dependency file; a header that is gone is named all the same. Raises OSError."""
    text = Path(path).read_text().replace("\\\n", " ")
    return [name.replace("\\ ", " ") for name in re.findall(r"(?:\\.|\S)+", text.split(": ", 1)[1])]


def compile_only_what_changed(compiler: Any) -> None:
    """Makes this compiler object skip each source whose object file is current."""
    compile_one = compiler._compile

    def compile_if_stale(obj: str, src: str, ext: str, cc_args: Any, extra_postargs: Any, pp_opts: Any) -> None:
        command = shlex.join([*compiler.compiler_so, *cc_args, *pp_opts, src, *extra_postargs])
        depfile, recorded = f"{obj}.d", f"{obj}.cmd"
        try:
            if is_current(obj, recorded, command, read_depfile(depfile)):
                return
        except OSError:
            pass
        compile_one(obj, src, ext, cc_args, [*extra_postargs, "-MMD", "-MF", depfile], pp_opts)
        Path(recorded).write_text(command)

    compiler._compile = compile_if_stale


class BuildEngine(build_clib):
    """csrc/**/*.c into libkc.a, several files at a time."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.build_clib = self.build_temp = str(BUILD)

    def build_libraries(self, libraries: list[tuple[str, dict[str, Any]]]) -> None:
        compile_only_what_changed(self.compiler)
        for name, info in libraries:
            archive = self.compiler.library_filename(name, output_dir=self.build_clib)

            def build_one(source: str) -> str:
                (obj,) = self.compiler.compile(
                    [source],
                    output_dir=self.build_temp,
                    include_dirs=["csrc"],
                    debug=self.debug,
                    extra_postargs=C_FLAGS,
                )
                return str(obj)

            with ThreadPoolExecutor(JOBS) as pool:
                objects = list(pool.map(build_one, info["sources"]))
            members = "\n".join(objects)
            if not is_current(archive, f"{archive}.cmd", members, objects):
                # `ar` only ever adds: without this, the object of a deleted source would stay in the archive.
                Path(archive).unlink(missing_ok=True)
                self.compiler.create_static_lib(objects, name, output_dir=self.build_clib, debug=self.debug)
                Path(f"{archive}.cmd").write_text(members)


class BuildBridges(build_ext):
    """Each .pyx through Cython and the C compiler, linked with libkc.a."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.build_temp = str(BUILD)
        self.parallel = JOBS

    def run(self) -> None:
        if self.distribution.has_c_libraries():
            self.run_command("build_clib")
        super().run()
        self.remove_orphans()

    def build_extensions(self) -> None:
        compile_only_what_changed(self.compiler)
        super().build_extensions()

    def build_extension(self, ext: Extension) -> None:
        (c_file,) = ext.sources
        run_cython(ext.name, f"{ext.name.replace('.', '/')}.pyx", c_file)
        (obj,) = self.compiler.object_filenames([c_file], output_dir=self.build_temp)
        try:
            headers = read_depfile(f"{obj}.d")
        except OSError:
            headers = []
        # A header that no longer exists must lead to the compiler, not to a complaint here.
        ext.depends = [path for path in headers if os.path.exists(path)] + ext.extra_objects
        super().build_extension(ext)

    def remove_orphans(self) -> None:
        """An extension in the source tree whose .pyx is gone would still be imported."""
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        for built in Path("pykafka_core").rglob(f"*{suffix}"):
            if not built.with_name(built.name.removesuffix(suffix) + ".pyx").exists():
                built.unlink()


# A whole cimport or include statement, also one that goes on over several lines in parentheses.
USES = re.compile(r"^[^#\n]*\b(?:cimport|include)\b(?:[^(\n]*\([^)]*\)|[^\n]*)", re.MULTILINE)


def cython_inputs(source: str) -> list[str]:
    """A .pyx and each .pxd and .pxi it uses: of its own name, or named in a cimport or include, also at second hand."""
    found: dict[str, None] = {}
    waiting = [source]
    candidates = sources("pykafka_core", ".pxd") + sources("pykafka_core", ".pxi")
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = None
        statements = USES.findall(Path(path).read_text())
        names = {Path(path).stem, *re.findall(r"\w+", " ".join(statements))}
        waiting.extend(candidate for candidate in candidates if Path(candidate).stem in names)
    return list(found)


def run_cython(module: str, pyx: str, c_file: str) -> None:
    """Translates one .pyx. A process of its own, because hints only ever reach standard error."""
    # Without autotestdict there is no `__test__` in the module, which no stub would name.
    command = [sys.executable, "-m", "cython", "-3", "-X", "autotestdict=False"]
    command += ["--module-name", module, "-o", c_file, pyx]
    recorded = f"{c_file}.cmd"
    line = f"{shlex.join(command)} werror={WERROR}"
    if is_current(c_file, recorded, line, cython_inputs(pyx)):
        return
    os.makedirs(os.path.dirname(c_file), exist_ok=True)
    Path(recorded).unlink(missing_ok=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    sys.stderr.write(done.stdout)
    if done.returncode != 0:
        raise CompileError(f"cython failed on {pyx}")
    if WERROR and re.search(r"performance hint: .*\bGIL\b", done.stdout):
        raise CompileError(f"{pyx}: a call takes the GIL back; declare it noexcept, or let it return a status")
    Path(recorded).write_text(line)


c_sources = sources("csrc", ".c")
archive = [(BUILD / "libkc.a").as_posix()] if c_sources else []

setup(
    libraries=[("kc", {"sources": c_sources})] if c_sources else [],
    ext_modules=[
        Extension(
            pyx.removesuffix(".pyx").replace("/", "."),
            [(CYTHON_OUT / pyx).with_suffix(".c").as_posix()],
            include_dirs=["csrc"],
            extra_objects=archive,
            extra_compile_args=CYTHON_C_FLAGS,
            extra_link_args=["-pthread"],
        )
        for pyx in sources("pykafka_core", ".pyx")
    ],
    cmdclass={"build_clib": BuildEngine, "build_ext": BuildBridges},
)

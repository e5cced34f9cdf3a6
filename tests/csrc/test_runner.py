"""The runner of the C tests sees what it is there for.

Method: a tree with the real conftest.py and check.h, one sound C file and planted tests, each with one fault; pytest
runs in it as a process of its own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

CSRC = {
    "base/add.h": "int kc_add(int a, int b);\n",
    "base/add.c": '#include "base/add.h"\nint kc_add(int a, int b) { return a + b; }\n',
}
START = '#include "../check.h"\n#include "base/add.h"\n#include <pthread.h>\n'
THREADS = """
static int shared;
static void *count(void *unused) { (void)unused; COUNT; return NULL; }
TEST(two_threads) {
    pthread_t thread;
    EXPECT_EQ(pthread_create(&thread, NULL, count, NULL), 0);
    COUNT;
    pthread_join(thread, NULL);
    EXPECT_EQ(shared, 2);
}
"""
# Name of the test file -> its code, and what the report has to say; None where the test is sound.
PLANTED: dict[str, tuple[str, str | None]] = {
    "sound": ('TEST(adds) { EXPECT_EQ(kc_add(1, 2), 3); EXPECT_MEM("ab", "ab", 2); EXPECT_STR("a", "a"); }', None),
    "sound_threads": (THREADS.replace("COUNT", "__atomic_fetch_add(&shared, 1, __ATOMIC_RELAXED)"), None),
    "wrong": ("TEST(adds) { EXPECT_EQ(kc_add(1, 2), 4); }", r"expected kc_add\(1, 2\) == 4\n  left:  3 .*\n  right: 4"),
    "false": ("TEST(adds) { EXPECT(kc_add(1, 2) == 4); }", "FAILED adds at .*test_false.c:4"),
    "bytes": ('TEST(same) { EXPECT_MEM("abc", "abd", 3); }', "differ at byte 2"),
    "overrun": (
        "TEST(reads) { volatile int at = 5; char *p = calloc(1, 5); EXPECT(p[at] != 1); free(p); }",
        "insufficient space|heap-buffer-overflow",
    ),
    "freed": (
        "TEST(reads) { char *volatile p = calloc(1, 5); free((char *)p); EXPECT(p[0] == 0); }",
        "heap-use-after-free",
    ),
    "leak": ("TEST(keeps) { char *volatile p = malloc(5); p = NULL; EXPECT(p == NULL); }", "LeakSanitizer"),
    "undefined": (
        "TEST(adds) { volatile int big = 2147483647; EXPECT(kc_add(big, 1) != 0); }",
        "signed integer overflow",
    ),
    "warning": ("TEST(adds) { int unused; }", "unused variable"),
    "race_threads": (THREADS.replace("COUNT", "shared++"), "data race"),
    "empty": ("", "0 passed"),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("tree")
    tests = root / "tests" / "csrc"
    for name, text in CSRC.items():
        path = root / "csrc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tests / "base").mkdir(parents=True)
    shutil.copy(HERE / "conftest.py", tests)
    shutil.copy(HERE / "check.h", tests)
    for name, (code, _) in PLANTED.items():
        (tests / "base" / f"test_{name}.c").write_text(f"{START}{code}\nRUN_ALL()\n")
    (tests / "base" / "test_no_main.c").write_text("int main(void) { return 0; }\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "--rootdir", str(root), "tests/csrc"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def outcome(report: str, name: str, flavour: str) -> str:
    match = re.search(rf"^(PASSED|FAILED|SKIPPED|ERROR) \S*::test_{name}\[{flavour}\]", report, re.MULTILINE)
    assert match is not None, report
    return match[1]


@pytest.mark.parametrize("name", [name for name, (_, complaint) in PLANTED.items() if complaint is None])
def test_a_sound_test_passes(report: str, name: str) -> None:
    assert outcome(report, name, "asan") == "PASSED"


@pytest.mark.parametrize("name", [name for name, (_, complaint) in PLANTED.items() if complaint is not None])
def test_a_planted_fault_is_reported(report: str, name: str) -> None:
    if name == "leak" and sys.platform != "linux":
        pytest.skip("LeakSanitizer exists on Linux only")
    complaint = PLANTED[name][1]
    assert complaint is not None
    assert outcome(report, name, "tsan" if name.endswith("_threads") else "asan") == "FAILED"
    # pytest heads each failure with the file's name.
    (section,) = re.findall(
        rf"^_+ \S*test_{name}\.c .*?(?=^_+ \S*test_|^=+ (?:PASSES|short test summary))",
        report,
        re.MULTILINE | re.DOTALL,
    )
    assert re.search(complaint, section), section


def test_files_named_threads_also_run_under_thread_sanitizer(report: str) -> None:
    assert outcome(report, "sound_threads", "tsan") == "PASSED"


def test_a_program_that_ran_no_test_does_not_pass(report: str) -> None:
    assert outcome(report, "no_main", "asan") == "FAILED"
    assert "does it use RUN_ALL()?" in report

"""Sessions with Kafka's own commands, recorded once and replayed with ours: golden/*.session.

A session file holds, in order,

    # a remark
    % shell command                 run in the session's directory, on both sides; GOLDEN is the folder of sessions
    $ kafka-command words           what is typed; DIR stands for that directory, HOST:9092 for the broker
      out| <line>                   standard output
      err| <line>                   standard error, without Java's stack frames
      rc=<status>

`python tests/tools/recorded.py golden/NAME.session [HOST:PORT]` runs each command with Apache Kafka's jars and writes
the answers anew, so that a session is made by writing its `%` and `$` lines.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "clients"), str(Path(__file__).resolve().parent)]

from running import Ran, run_kafkas, run_ours

# What has the length of an id and is none: words in any of the ways in which they are joined.
WORD = re.compile(r"[A-Z]?[a-z]+([A-Z][a-z]+)*|[a-z_-]+|[A-Z_-]+")
HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden"


class Step:
    def __init__(self, number: int, line: str) -> None:
        self.number = number
        self.line = line
        self.out: list[str] = []
        self.err: list[str] = []
        self.status = 0

    @property
    def is_command(self) -> bool:
        return self.line.startswith("$ ")

    def words(self, directory: Path, bootstrap: str) -> list[str]:
        return shlex.split(self.line[2:].replace("DIR", str(directory)).replace("HOST:9092", bootstrap))


def read(name: str) -> list[Step]:
    steps: list[Step] = []
    for number, line in enumerate((GOLDEN / f"{name}.session").read_text().splitlines(), 1):
        if line.startswith(("$ ", "% ", "#")):
            steps.append(Step(number, line))
        elif line.startswith("  rc="):
            steps[-1].status = int(line[5:])
        elif line:
            {"out": steps[-1].out, "err": steps[-1].err}[line[2:5]].append(line[7:])
    return steps


def shell(line: str, directory: Path) -> None:
    subprocess.run(
        line.replace("GOLDEN", str(GOLDEN)).replace("DIR", str(directory)), shell=True, check=True, cwd=directory
    )


def normal(line: str, directory: Path, bootstrap: str) -> str:
    """Without what differs from one run to the next."""
    line = line.replace(str(directory), "DIR").replace(bootstrap, "HOST:9092")
    line = re.sub(r'"/[^"]*"', '"LOGDIR"', line)
    line = re.sub(
        r"(?<![\w./-])[\w-]{22}(?![\w.-])", lambda match: "ID" if not WORD.fullmatch(match[0]) else match[0], line
    )
    return re.sub(r"\b1[78]\d{11}\b", "TIME", line)


def replay(
    name: str,
    directory: Path,
    bootstrap: str = "HOST:9092",
    *,
    run: Callable[..., Ran] = run_ours,
    leave_out: Iterable[str] = (),
) -> Iterator[tuple[Step, Ran]]:
    """Each command of a session with what ours has answered to it, but those that end in one of `leave_out`."""
    for step in read(name):
        if step.line.startswith("% "):
            shell(step.line[2:], directory)
        elif step.is_command and not step.line.endswith(tuple(leave_out)):
            command, *words = step.words(directory, bootstrap)
            yield step, run(command, *words, cwd=directory)


def record(path: Path, bootstrap: str) -> None:
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as text:
        directory = Path(text)
        for step in read(path.stem):
            lines.append(step.line)
            if step.line.startswith("% "):
                shell(step.line[2:], directory)
            if not step.is_command:
                continue
            command, *words = step.words(directory, bootstrap)
            ran = run_kafkas(command, *words, cwd=directory)
            for what, said in (("out", ran.out), ("err", ran.err)):
                lines += [f"  {what}| {normal(each, directory, bootstrap)}" for each in said]
            lines.append(f"  rc={ran.status}")
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    record(GOLDEN / Path(sys.argv[1]).name, sys.argv[2] if len(sys.argv) > 2 else "HOST:9092")

"""kafka-server-stop [server.properties] [--node-id N]: sends SIGTERM to the broker and returns.

With a configuration file, the broker that holds the lock of its first log directory is meant. Without one, every
broker that this user runs on this machine, as with Kafka's script. The broker goes on to finish what it has in hand;
this command does not wait.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from pykafka_core.tools.options import UsageError, parse_options

START_COMMANDS = ("kafka-server-start", "kafka-server-start.sh")
USAGE = "USAGE: kafka-server-stop [server.properties] [--override property=value]* [--node-id N]"


def main(words: list[str] | None = None) -> int:
    try:
        options = parse_options(
            sys.argv[1:] if words is None else words,
            {"override": True, "node-id": True, "process-role": True, "help": False, "version": False},
        )
        if "help" in options:
            print(USAGE)
            return 0
        if "version" in options:
            from pykafka_core import __version__

            print(__version__)
            return 0
        if len(options.arguments) > 1:
            raise UsageError("one server.properties at most")
        wanted_node = options.last("node-id")
        if wanted_node is not None and not wanted_node.isdecimal():
            raise UsageError(f"--node-id is a number, not {wanted_node}")
        role = options.last("process-role")
        if role not in (None, "broker", "controller"):
            raise UsageError("--process-role is broker or controller")
    except UsageError as error:
        print(f"{error}\n{USAGE}", file=sys.stderr)
        return 1
    if role == "controller":
        # Every process of ours is both, and the way to stop it is to ask for the broker.
        print("No kafka server to stop")
        return 1
    if options.arguments or options.all("override"):
        return stop_configured(options.arguments[0] if options.arguments else None, options.all("override"))
    brokers = running_brokers(Path("/proc") if Path("/proc/self/cmdline").exists() else None)
    stopped = [
        pid
        for pid, words_of_it, cwd in list(brokers)
        if pid != os.getpid() and wanted_node in (None, node_id_of(words_of_it, cwd)) and terminate(pid)
    ]
    if not stopped:
        print("No kafka server to stop")
    return 0 if stopped else 1


def stop_configured(path: str | None, overrides: list[str]) -> int:
    """Stop the broker that holds the lock of the configured log directory."""
    from pykafka_core.broker.config import ConfigError, load_config
    from pykafka_core.metadata.directories import lock_holder

    try:
        config = load_config(path, overrides)
    except ConfigError as error:
        print(f"kafka-server-stop: {error}", file=sys.stderr)
        return 1
    pid = lock_holder(config.log_dirs[0])
    if pid is None or not terminate(pid):
        print("No kafka server to stop")
        return 1
    return 0


def terminate(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    except PermissionError:
        print(f"Process {pid} belongs to another user", file=sys.stderr)
        return False
    return True


def running_brokers(proc: Path | None) -> Iterator[tuple[int, list[str], Path | None]]:
    """The brokers that this user runs: process id, command line and working directory. `proc`: where the kernel lists
    processes; None where it does not (macOS), then `ps` is asked."""
    if proc is None:
        import subprocess

        listed = subprocess.run(["ps", "-xo", "pid=,command="], capture_output=True, text=True, check=False).stdout
        for line in listed.splitlines():
            pid, _, command = line.strip().partition(" ")
            if is_broker(command.split()):
                yield int(pid), command.split(), None
        return
    for entry in proc.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if entry.stat().st_uid != os.getuid():
                continue
            words = (entry / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
            if is_broker(words):
                yield int(entry.name), words, Path(os.readlink(entry / "cwd"))
        except OSError:
            continue


def is_broker(words: list[str]) -> bool:
    """Whether a command line is that of a broker: one of the commands itself, or a Python that runs it."""
    waiting = list(words)
    if waiting and os.path.basename(waiting[0]).startswith(("python", "pypy")):
        del waiting[0]
        while waiting and waiting[0].startswith("-"):
            # Of Python's options, these have their value in a word of its own.
            del waiting[: 2 if waiting[0] in ("-X", "-W") else 1]
    if not waiting:
        return False
    name = os.path.basename(waiting[0])
    return name in START_COMMANDS or (name == "pykafka-core" and waiting[1:2] == ["start"])


def node_id_of(words: list[str], cwd: Path | None) -> str | None:
    """The node.id that a broker's command line gives it: by --override, or in the configuration file that it names."""
    for word in reversed(words):
        if word.startswith("node.id="):
            return word.removeprefix("node.id=")
    for word in words:
        if word.endswith(".properties"):
            try:
                text = (cwd / word if cwd else Path(word)).read_text(errors="replace")
            except OSError:
                continue
            for line in reversed(text.splitlines()):
                key, equals, value = line.partition("=")
                if equals and key.strip() == "node.id":
                    return value.strip()
    return None

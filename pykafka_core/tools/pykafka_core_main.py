"""pykafka-core: start a broker.

pykafka-core start [--config server.properties] [--override key=value]... [--memory] [--topic
name[:partitions[:replicas[:policy]]]]... pykafka-core --version | --help
"""

from __future__ import annotations

import gc
import sys

from pykafka_core import __version__
from pykafka_core.tools.options import Options, UsageError, parse_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pykafka_core.broker.config import BrokerConfig
    from pykafka_core.broker.shell import Broker, StartTopic

USAGE = """\
usage: pykafka-core start [options]
       pykafka-core --version

Starts a Kafka broker in this process. Without options it listens on port 9092 and keeps its data where log.dirs says.

options:
  --config FILE         settings as in Apache Kafka's server.properties
  --override KEY=VALUE  one setting, stronger than the file; may be repeated
  --memory              keep the data in a throw-away directory that is removed at the end
  --topic SPEC          make sure that a topic exists; SPEC is name[:partitions[:replicas[:cleanup.policy]]]; may be
  repeated --help                this text"""

START_OPTIONS = {"config": True, "override": True, "memory": False, "topic": True, "help": False}


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        match words:
            case ["--version" | "-V" | "version"]:
                print(f"pykafka-core {__version__}")
                return 0
            case ["--help" | "-h" | "help"] | ["start", "--help" | "-h"]:
                print(USAGE)
                return 0
            case ["start", *rest]:
                return start(parse_options(rest, START_OPTIONS))
            case []:
                raise UsageError("a command is missing")
            case [word, *_]:
                raise UsageError(f"{word} is no command")
    except UsageError as error:
        print(f"pykafka-core: {error}\n{USAGE}", file=sys.stderr)
        return 1
    raise AssertionError("no case")


def start(options: Options) -> int:
    if "help" in options:
        print(USAGE)
        return 0
    if options.arguments:
        raise UsageError(f"{options.arguments[0]} is no option; a configuration file is given as --config FILE")
    topics = [parse_topic(text) for text in options.all("topic")]
    # What is imported stays; looking through it again and again only takes time. `run_broker` switches it on when
    # clients can connect.
    gc.disable()
    from pykafka_core.broker.config import ConfigError, load_config
    from pykafka_core.broker.main import run_broker

    scratch = make_scratch_directory() if "memory" in options else None
    try:
        overrides = options.all("override")
        if scratch is not None:
            overrides = [*overrides, f"log.dirs={scratch}"]
        config = load_config(options.last("config"), overrides)
        return run_broker(config, topics=topics, on_started=lambda broker: print_banner(broker, config, scratch))
    except ConfigError as error:
        print(f"pykafka-core: {error}", file=sys.stderr)
        return 1
    finally:
        gc.enable()
        if scratch is not None:
            import shutil

            shutil.rmtree(scratch, ignore_errors=True)


def make_scratch_directory() -> str:
    """A directory in memory where the system has one, else in its temporary directory."""
    import os
    import tempfile

    shm = "/dev/shm"
    return tempfile.mkdtemp(prefix="pykafka-core-", dir=shm if os.access(shm, os.W_OK) else None)


def parse_topic(text: str) -> StartTopic:
    """Read name[:partitions[:replicas[:cleanup.policy]]], as containers take it in KAFKA_CREATE_TOPICS."""
    name, *rest = text.split(":")
    numbers = [-1, -1]
    for position, word in enumerate(rest[:2]):
        if word:
            if not word.isdecimal() or int(word) == 0:
                raise UsageError(f"--topic {text}: {word} is no number of {('partitions', 'replicas')[position]}")
            numbers[position] = int(word)
    if len(rest) > 3:
        raise UsageError(f"--topic {text}: the form is name[:partitions[:replicas[:cleanup.policy]]]")
    configs = {"cleanup.policy": rest[2]} if len(rest) == 3 and rest[2] else {}
    return name, numbers[0], numbers[1], configs


def print_banner(broker: Broker, config: BrokerConfig, scratch: str | None) -> None:
    listeners = ", ".join(listener.shown() for listener in broker.listeners)
    places = ", ".join(str(path.absolute()) for path in config.log_dirs)
    print(f"pykafka-core {__version__}")
    print(f"  data       {places}{' (removed at the end)' if scratch else ''}")
    print(f"  listeners  {listeners}")
    print(f"  clients    bootstrap.servers={broker.listeners[0].shown()}")
    print("  stop       Ctrl-C, or kafka-server-stop", flush=True)


if __name__ == "__main__":
    sys.exit(main())

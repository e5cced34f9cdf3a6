"""kafka-server-start [-daemon] server.properties [--override property=value]*

Starts a broker in the foreground; with -daemon in the background, its output in kafkaServer.out below $LOG_DIR, or
./logs, as with Kafka's own script.
"""

from __future__ import annotations

import gc
import sys

from pykafka_core.tools.options import UsageError, parse_options

USAGE = "USAGE: kafka-server-start [-daemon] server.properties [--override property=value]*"
OPTIONS = {"daemon": False, "override": True, "name": True, "loggc": False, "help": False, "version": False}


def main(words: list[str] | None = None) -> int:
    words = sys.argv[1:] if words is None else words
    try:
        options = parse_options(words, OPTIONS)
        if "version" in options:
            from pykafka_core import __version__

            print(__version__)
            return 0
        if "help" in options:
            print(USAGE)
            return 0
        if len(options.arguments) != 1:
            raise UsageError("one server.properties must be named")
    except UsageError as error:
        print(f"{error}\n{USAGE}", file=sys.stderr)
        return 1
    # As in pykafka_core_main.
    gc.disable()
    from pykafka_core.broker.config import ConfigError, load_config

    try:
        config = load_config(options.arguments[0], options.all("override"))
    except ConfigError as error:
        print(f"kafka-server-start: {error}", file=sys.stderr)
        gc.enable()
        return 1
    if "daemon" in options and go_to_background():
        return 0
    from pykafka_core.broker.main import run_broker

    return run_broker(config)


def go_to_background() -> bool:
    """Leave a child behind in a session of its own. Returns whether this is still the process that was started."""
    import os
    from pathlib import Path

    folder = Path(os.environ.get("LOG_DIR", "logs"))
    folder.mkdir(parents=True, exist_ok=True)
    output = os.open(folder / "kafkaServer.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    if os.fork() != 0:
        os.close(output)
        return True
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    return False


if __name__ == "__main__":
    sys.exit(main())

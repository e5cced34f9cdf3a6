"""A process that is a broker: signals, log lines on standard output, one sentence on standard error where it cannot
start.

exit status   0: stopped as asked; 1: could not start, or no log directory was left
"""

from __future__ import annotations

import gc
import os
import sys

from pykafka_core._later_log import hold_lines, release_lines
from pykafka_core._plain_asyncio import load_plain_asyncio
from pykafka_core.broker.config import BrokerConfig
from pykafka_core.broker.errors import HaltError, StartError
from pykafka_core.broker.limits import raise_file_limit
from pykafka_core.broker.shell import Broker, StartTopic

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence
else:
    # What `signal` is made of. That module takes three milliseconds to import, for enumerations that nobody needs here.
    import _signal as signal

__all__ = ["run_broker"]


def run_broker(
    config: BrokerConfig,
    *,
    topics: Sequence[StartTopic] = (),
    on_started: Callable[[Broker], None] = lambda _: None,
) -> int:
    """Run a broker until SIGTERM or SIGINT, and return the exit status. A second signal hastens the stop."""
    hold_lines(log_to_console)
    raise_file_limit()
    broker = Broker(config, topics=topics, on_started=on_started)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: broker.stop_soon())
    try:
        if broker.start():
            # From here on clients can connect; what comes with the event loop is imported meanwhile.
            release_lines()
            gc.freeze()
            gc.enable()
            load_plain_asyncio()
            import asyncio

            asyncio.run(broker.serve())
    except StartError as error:
        print(f"pykafka-core: {error}", file=sys.stderr)
        return 1
    except HaltError:
        # At once, as Kafka halts: threads may hang in calls to a disk that does not answer.
        import logging

        logging.shutdown()
        sys.stdout.flush()
        os._exit(1)
    finally:
        release_lines()
    return 0


def log_to_console() -> None:
    from pykafka_core.broker.console import log_to_console

    log_to_console()

"""Ports for brokers that are to be stopped and started on the same one.

Not from the range out of which the kernel serves outgoing connections: between two lives of a broker, a client that
tries to connect to it may be given that very port, connects to itself, and the broker cannot have its port back.
"""

from __future__ import annotations

import contextlib
import random
import socket

FIRST, LAST = 10_000, 32_000  # Linux gives out 32768 to 60999, others more


def free_ports(count: int) -> list[int]:
    """Taken at random, so that test runs beside each other do not want the same ones."""
    chance = random.SystemRandom()
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            probe = stack.enter_context(socket.socket())
            port = chance.randrange(FIRST, LAST)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
        return found


def free_port() -> int:
    return free_ports(1)[0]

"""A broker from its first import to its first answer, and no further; its last line names the modules that this took.

    python start_to_answer.py DIRECTORY

It is the command `pykafka-core start` but for its last step: instead of going on to serve, it asks itself for
ApiVersions.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # as type checkers read it; typing would hide that the broker imports it
if TYPE_CHECKING:
    from pykafka_core.broker.start import BrokerParts
    from pykafka_core.tools.options import Options

AT_FIRST = set(sys.modules)

from pykafka_core.tools import pykafka_core_main as command  # noqa: E402

start_for_good = command.start


def start(options: Options) -> int:
    """The command's own, with another end to it."""
    # As the command does before it imports the same.
    gc.disable()
    from pykafka_core.broker.start import BrokerParts

    listen_for_good = BrokerParts.listen

    def listen(parts: BrokerParts) -> None:
        listen_for_good(parts)
        modules = sorted(set(sys.modules) - AT_FIRST)
        ask_for_versions(parts.listeners[0].port)
        print("modules", *modules, flush=True)
        os._exit(0)

    BrokerParts.listen = listen  # type: ignore[method-assign]
    return start_for_good(options)


def ask_for_versions(port: int) -> None:
    import _socket

    client = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    client.connect(("127.0.0.1", port))
    # Size, API key 18, version 0, correlation id 7, no client id.
    client.send(bytes.fromhex("0000000a 0012 0000 00000007 ffff"))
    answer = client.recv(4096)
    assert answer[4:10] == bytes.fromhex("00000007 0000"), answer


command.start = start
sys.exit(
    command.main(["start", "--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override", f"log.dirs={sys.argv[1]}"])
)

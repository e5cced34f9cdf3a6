"""Whether the addresses that clients are told can be reached from here: most trouble with listeners begins there.

Thread: asyncio.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pykafka_core.broker.listeners import OpenListener

__all__ = ["check_advertised"]

log = logging.getLogger("kafka.network.SocketServer")

CHECK_S_MAX: Final = 5.0


async def check_advertised(listeners: Iterable[OpenListener]) -> None:
    """Try the addresses that clients are told and say what came of it."""
    for listener in listeners:
        if not listener.advertised_host:
            continue
        address = listener.shown()
        try:
            async with asyncio.timeout(CHECK_S_MAX):
                _, writer = await asyncio.open_connection(listener.advertised_host, listener.advertised_port)
                writer.close()
        except OSError as error:
            reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
            log.warning(
                "Clients of listener %s are told to connect to %s, which cannot be reached from here (%s); "
                "see advertised.listeners",
                listener.name,
                address,
                reason,
            )
        else:
            log.info("Clients of listener %s are told to connect to %s, which can be reached", listener.name, address)

"""asyncio without TLS, for a process of our own that speaks none through it.

OpenSSL is a fifth of the memory of an idle broker, and of the time that asyncio takes to import; nothing in a broker or
a tool uses it. Python may be built without it, so asyncio copes. Only commands do this, never a library: what they run
may import `ssl` as anybody else, only asyncio's own TLS is not there.
"""

from __future__ import annotations

import sys

__all__ = ["load_plain_asyncio"]


def load_plain_asyncio() -> None:
    """To be called before the first `import asyncio` of a process; later it does nothing."""
    if "asyncio" in sys.modules or "ssl" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        __import__("asyncio")
    finally:
        del sys.modules["ssl"]

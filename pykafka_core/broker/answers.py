"""An answer that is there, or a future of one, made into a response.

A handler that is a plain function costs no task; most answers of coordinators are there at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

__all__ = ["answered", "result"]

R = TypeVar("R")


def answered(answer: Any, respond: Callable[[Any], R]) -> R | Awaitable[R]:
    """`respond` of the answer, now or once it is there."""
    return later(answer, respond) if isinstance(answer, asyncio.Future) else respond(answer)


async def result(answer: Any) -> Any:
    """The answer, waited for if need be."""
    return await answer if isinstance(answer, asyncio.Future) else answer


async def later(answer: Awaitable[Any], respond: Callable[[Any], R]) -> R:
    return respond(await answer)

"""An answer that is there, or a future of one, made into a response.

A handler that is a plain function costs no task; most answers of coordinators are there at once.

`Answers` brings a coordinator's replies, which bear the number of a request, to those who asked.

Thread: asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

__all__ = ["Answers", "all_answered", "answered", "result"]

R = TypeVar("R")


def answered(answer: Any, respond: Callable[[Any], R]) -> R | Awaitable[R]:
    """`respond` of the answer, now or once it is there."""
    return later(answer, respond) if isinstance(answer, asyncio.Future) else respond(answer)


def all_answered(answers: Sequence[Any], respond: Callable[[Sequence[Any]], R]) -> R | Awaitable[R]:
    """`respond` of these answers, now or once they are all there."""
    if any(isinstance(answer, asyncio.Future) for answer in answers):
        return later(results(answers), respond)
    return respond(answers)


async def results(answers: Sequence[Any]) -> Sequence[Any]:
    return [await result(answer) for answer in answers]


async def result(answer: Any) -> Any:
    """The answer, waited for if need be."""
    return await answer if isinstance(answer, asyncio.Future) else answer


async def later(answer: Awaitable[Any], respond: Callable[[Any], R]) -> R:
    return respond(await answer)


class Answers:
    def __init__(self) -> None:
        self._number = 0
        self._there: Final[dict[int, Any]] = {}
        self._waiting: Final[dict[int, asyncio.Future[Any]]] = {}

    def request(self) -> int:
        """A number for a request's event."""
        self._number += 1
        return self._number

    def reply(self, request: int, answer: Any) -> None:
        waiting = self._waiting.pop(request, None)
        if waiting is None:
            self._there[request] = answer
        elif not waiting.done():
            waiting.set_result(answer)

    def take(self, request: int) -> Any:
        """The answer, or a future where it has not come yet."""
        if request in self._there:
            return self._there.pop(request)
        waiting = self._waiting[request] = asyncio.get_running_loop().create_future()
        return waiting

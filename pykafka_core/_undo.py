"""What is to be done, in the opposite order, when something ends: `contextlib.ExitStack` as far as a start needs it,
whose module takes a millisecond to import."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Undo"]


class Undo:
    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []

    def callback(self, step: Callable[[], object]) -> None:
        self._steps.append(step)

    def close(self) -> None:
        """Do it all, whatever fails, once; raises the last error."""
        failed: BaseException | None = None
        while self._steps:
            try:
                self._steps.pop()()
            except BaseException as error:
                failed = error
        if failed is not None:
            raise failed

    def __enter__(self) -> Undo:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

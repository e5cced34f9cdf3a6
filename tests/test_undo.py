"""pykafka_core._undo: steps are done in the opposite order, once, whatever fails."""

from __future__ import annotations

import pytest

from pykafka_core._undo import Undo


def test_steps_are_done_in_the_opposite_order_once() -> None:
    done: list[int] = []
    with Undo() as undo:
        undo.callback(lambda: done.append(1))
        undo.callback(lambda: done.append(2))
    undo.close()
    assert done == [2, 1]


def test_a_failure_keeps_no_other_step_from_being_done() -> None:
    done: list[int] = []
    undo = Undo()
    undo.callback(lambda: done.append(1))
    undo.callback(lambda: 1 // 0)
    undo.callback(lambda: done.append(3))
    with pytest.raises(ZeroDivisionError):
        undo.close()
    assert done == [3, 1]

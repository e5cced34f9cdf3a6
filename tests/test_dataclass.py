"""The cheap data classes behave like those of the standard library, as far as this package uses them.

Method: the same class is made by both decorators, and both are asked the same questions.
"""

from __future__ import annotations

import copy
import dataclasses
import pickle
import time
from typing import Any

import pytest

from pykafka_core import _dataclass


def make(dataclass: Any, field: Any) -> tuple[type, type, type]:
    @dataclass(slots=True, frozen=True, kw_only=True)
    class Frozen:
        a: int
        b: str = "x"
        c: list[int] = field(default_factory=list)

        @property
        def doubled(self) -> int:
            return self.a * 2

    @dataclass(slots=True, frozen=True, kw_only=True)
    class Child(Frozen):
        d: int = 4

    @dataclass(slots=True)
    class Plain:
        low: int | None = None
        high: int | None = None

    return Frozen, Child, Plain


OURS = make(_dataclass.dataclass, _dataclass.field)
THEIRS = make(dataclasses.dataclass, dataclasses.field)


@dataclasses.dataclass
class Names:
    frozen: type
    child: type
    plain: type


@pytest.fixture(params=[OURS, THEIRS], ids=["ours", "theirs"])
def made(request: pytest.FixtureRequest) -> Names:
    return Names(*request.param)


def test_defaults_and_factories(made: Names) -> None:
    one, two = made.frozen(a=1), made.frozen(a=1)
    assert (one.a, one.b, one.c, one.doubled) == (1, "x", [], 2)
    assert one.c is not two.c
    assert (made.child(a=1).d, made.child(a=1, d=5).d) == (4, 5)
    assert (made.plain(1).low, made.plain(1, 2).high, made.plain(high=3).low) == (1, 2, None)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1,), {}), ((), {"a": 1, "z": 2}), ((), {"b": "x"}), ((), {"a": 1, "b": 2, "c": 3, "d": 4})],
)
def test_wrong_arguments(made: Names, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        made.frozen(*args, **kwargs)


@pytest.mark.parametrize(("args", "kwargs"), [((1, 2, 3), {}), ((1,), {"low": 2}), ((), {"other": 2})])
def test_wrong_positional_arguments(made: Names, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        made.plain(*args, **kwargs)


def test_frozen_means_frozen(made: Names) -> None:
    one = made.child(a=1)
    for name in ("a", "d", "other"):
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
            setattr(one, name, 2)
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
        del one.a
    assert one == made.child(a=1)


def test_slots_mean_slots(made: Names) -> None:
    with pytest.raises(AttributeError):
        made.plain().other = 1
    assert not hasattr(made.plain(), "__dict__")
    assert not hasattr(made.child(a=1), "__dict__")


def test_equality_and_hash(made: Names) -> None:
    assert made.frozen(a=1, b="y") == made.frozen(a=1, b="y")
    assert made.frozen(a=1) != made.frozen(a=2)
    assert made.frozen(a=1) != made.child(a=1)
    assert hash(made.child(a=1, c=())) == hash(made.child(a=1, c=()))
    with pytest.raises(TypeError):
        hash(made.plain())


def test_fields_and_replace_of_the_standard_module(made: Names) -> None:
    assert [one.name for one in dataclasses.fields(made.child)] == ["a", "b", "c", "d"]
    assert dataclasses.replace(made.child(a=1, d=2), a=9) == made.child(a=9, d=2)
    assert dataclasses.is_dataclass(made.plain)


def test_repr(made: Names) -> None:
    assert repr(made.child(a=1)).endswith("Child(a=1, b='x', c=[], d=4)")


def test_match(made: Names) -> None:
    match made.plain(1, 2):
        case made.plain(low, high):
            assert (low, high) == (1, 2)
        case _:
            raise AssertionError("no match")


@_dataclass.dataclass(slots=True, frozen=True, kw_only=True)
class Shipped:
    a: int
    b: str = "x"


def test_copy_and_pickle() -> None:
    one = Shipped(a=1)
    assert pickle.loads(pickle.dumps(one)) == copy.copy(one) == copy.deepcopy(one) == one


def test_it_costs_less_which_is_all_it_is_for() -> None:
    def cost(dataclass: Any, field: Any) -> float:
        best = 1.0
        for _ in range(10):
            begun = time.process_time()
            make(dataclass, field)
            best = min(best, time.process_time() - begun)
        return best

    assert cost(_dataclass.dataclass, _dataclass.field) < cost(dataclasses.dataclass, dataclasses.field) / 2

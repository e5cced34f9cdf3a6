"""pykafka_core._enum: the same questions to its enumerations and to the standard module's."""

from __future__ import annotations

import copy
import enum
import json
import pickle
from typing import Any

import pytest

from pykafka_core import _enum
from pykafka_core.broker.config_values import ConfigType


def numbers(module: Any) -> Any:
    class Number(module.IntEnum):
        """Some numbers."""

        ONE = 1
        UNO = 1
        MINUS = -1

        @property
        def twice(self) -> int:
            return 2 * self.value

    return Number


def words(module: Any) -> Any:
    class Word(module.StrEnum):
        LIVE = "live"
        DEAD = "dead"

    return Word


@pytest.mark.parametrize("module", [enum, _enum])
def test_numbers(module: Any) -> None:
    Number = numbers(module)
    one = Number.ONE
    assert (one, one.name, one.value, one.twice) == (1, "ONE", 1, 2)
    assert isinstance(one, int)
    assert isinstance(one, Number)
    assert Number(1) is Number["UNO"] is Number.UNO is one
    assert list(Number) == [1, -1]
    assert len(Number) == 2
    assert list(Number.__members__) == ["ONE", "UNO", "MINUS"]
    assert Number.MINUS in Number
    assert (str(one), f"{one}", repr(one), json.dumps(one)) == ("1", "1", "<Number.ONE: 1>", "1")
    assert {one: "x"}[1] == "x"
    assert copy.deepcopy(one) is copy.copy(one) is one
    assert Number.__doc__ == "Some numbers."
    with pytest.raises(ValueError, match=r"7 is not a valid .*Number"):
        Number(7)
    with pytest.raises(KeyError):
        Number["TWO"]


@pytest.mark.parametrize("module", [enum, _enum])
def test_words(module: Any) -> None:
    Word = words(module)
    live = Word.LIVE
    assert (live, live.name, live.value) == ("live", "LIVE", "live")
    assert Word("live") is live
    assert (str(live), f"{live}", repr(live), json.dumps(live)) == ("live", "live", "<Word.LIVE: 'live'>", '"live"')
    assert type(str(live)) is str
    with pytest.raises(ValueError, match=r"'other' is not a valid .*Word"):
        Word("other")


def test_members_survive_pickling() -> None:
    assert pickle.loads(pickle.dumps(ConfigType.LONG)) is ConfigType.LONG

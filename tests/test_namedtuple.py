"""pykafka_core._namedtuple: the same questions to its named tuples and to the standard module's."""

from __future__ import annotations

import collections
import copy
import pickle
from typing import Any

import pytest

from pykafka_core import _namedtuple
from pykafka_core.log import SegmentInfo


@pytest.mark.parametrize("module", [collections, _namedtuple])
def test_named_tuple(module: Any) -> None:
    Point = module.namedtuple("Point", "x y", module="somewhere.else")
    point = Point(1, y=2)
    x, y = point
    assert (x, y) == (point.x, point.y) == (point[0], point[1]) == point == (1, 2)
    assert repr(point) == "Point(x=1, y=2)"
    assert point._asdict() == {"x": 1, "y": 2}
    assert point._replace(y=3) == Point(1, 3) == Point._make([1, 3])
    assert isinstance(point._replace(y=3), Point)
    assert Point._fields == Point.__match_args__ == ("x", "y")
    assert Point.__module__ == "somewhere.else"
    assert hash(point) == hash((1, 2))
    assert copy.deepcopy(point) == point
    match point:
        case Point(x=a, y=b):
            assert (a, b) == (1, 2)
    with pytest.raises(AttributeError):
        point.x = 2
    with pytest.raises(AttributeError):
        point.z = 2
    with pytest.raises(ValueError, match="unexpected field names"):
        point._replace(z=1)
    for given in ({"x": 1}, {"x": 1, "y": 2, "z": 3}):
        with pytest.raises(TypeError):
            Point(**given)
    for values in ((1,), (1, 2, 3)):
        with pytest.raises(TypeError):
            Point(*values)


def test_survives_pickling() -> None:
    info = SegmentInfo(1, 2, 3)
    again = pickle.loads(pickle.dumps(info))
    assert again == info
    assert type(again) is SegmentInfo

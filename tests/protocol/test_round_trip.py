"""Goal: what is written is read back the same, for every message, in every version.

Method: one deterministic pass over all versions of all classes, and hypothesis over the same builder.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pykafka_core.protocol._codec import decode, encode
from pykafka_core.protocol.message import Message
from tests.protocol.builders import Builder, in_groups, message_classes, versions_of

CLASSES = message_classes()
in_turn = pytest.mark.parametrize("classes", in_groups(CLASSES))


def check(message: Message, version: int) -> None:
    written = encode(message, version)
    assert decode(type(message), version, written) == (message, len(written))


def test_there_is_a_class_for_each_definition() -> None:
    # 286 definitions, of which the requests and responses of four APIs have been removed from Kafka.
    assert len(CLASSES) == 278


@in_turn
def test_defaults_and_filled_messages_round_trip_in_every_version(classes: list[type[Message]]) -> None:
    for cls in classes:
        for version in versions_of(cls):
            check(cls(), version)
            builder = Builder(Random(f"{cls.__name__} {version}"))
            for _ in range(4):
                check(builder.message(cls, version), version)


@in_turn
def test_offset_and_buffer_type_do_not_matter(classes: list[type[Message]]) -> None:
    for cls in classes:
        version = cls.VERSION_MAX
        message = Builder(Random(cls.__name__)).message(cls, version)
        written = encode(message, version)
        framed = b"xyz" + written + b"behind"
        for data in (framed, bytearray(framed), memoryview(framed)):
            assert decode(cls, version, data, 3) == (message, 3 + len(written))
        assert encode(message, version, b"head") == b"head" + written
        assert encode(message, version, b"head", True) == (len(written) + 4).to_bytes(4, "big") + b"head" + written


@in_turn
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_message_round_trips(classes: list[type[Message]], data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from(classes))
    version = data.draw(st.sampled_from(versions_of(cls)))
    check(Builder(data.draw(st.randoms(use_true_random=False))).message(cls, version), version)

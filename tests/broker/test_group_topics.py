"""What groups are told of the cluster's topics, and what the settings of their coordinator are made of."""

from __future__ import annotations

import pytest

from pykafka_core.broker.group_settings import assignors
from pykafka_core.broker.group_topics import TopicViews, topics_changed
from pykafka_core.metadata.changes import create_partitions, create_topic, delete_topic
from pykafka_core.metadata.image import MetadataImage
from pykafka_core.metadata.replay import ImageBuilder
from pykafka_core.metadata.store import MetadataChange
from pykafka_core.protocol.message import Record

A, B = bytes([1]) * 16, bytes([2]) * 16


def after(image: MetadataImage, records: list[Record]) -> MetadataImage:
    builder = ImageBuilder(image)
    for record in records:
        builder.replay(record)
    return builder.build(revision=image.revision + len(records), leader_epoch=1, timestamp_ms=0)


def topic(name: str, topic_id: bytes, partitions: int) -> list[Record]:
    return create_topic(name, topic_id, [[1]] * partitions, directories=[[bytes(16)]] * partitions)


@pytest.mark.parametrize("are_records_known", [True, False])
def test_names_of_what_has_changed(are_records_known: bool) -> None:
    first = after(MetadataImage(), [*topic("a", A, 1), *topic("b", B, 1)])
    steps: list[tuple[list[Record], set[str]]] = [
        (topic("c", bytes([3]) * 16, 1), {"c"}),
        (create_partitions(first.topics["a"], [[1]], directories=[[bytes(16)]]), {"a"}),
        (delete_topic(first.topics["b"]), {"b"}),
        ([*delete_topic(first.topics["b"]), *topic("b", bytes([4]) * 16, 1)], {"b"}),
        ([], set()),
    ]
    for records, names in steps:
        image = after(first, records)
        known = tuple(records) if are_records_known else None
        assert topics_changed(MetadataChange(previous=first, image=image, records=known)) == names


def test_a_view_shows_its_revision_and_keeps_what_is_the_same() -> None:
    views = TopicViews()
    first = after(MetadataImage(), [*topic("a", A, 1), *topic("b", B, 2)])
    second = after(first, create_partitions(first.topics["a"], [[1]], directories=[[bytes(16)]]))
    old, new = views.of(first), views.of(second)
    assert [each.partition_count for view in (old, new) if (each := view.by_name("a"))] == [1, 2]
    assert old.by_name("b") is new.by_id(B)
    assert new.by_name("c") is None
    assert new.version > old.version


def test_assignors_by_name_and_by_class(caplog: pytest.LogCaptureFixture) -> None:
    java = "org.apache.kafka.coordinator.group.assignor.RangeAssignor"
    assert assignors([java, "uniform", "com.example.Mine"]) == ("range", "uniform")
    assert "com.example.Mine" in caplog.text
    assert assignors(["com.example.Mine"]) == ("uniform", "range")

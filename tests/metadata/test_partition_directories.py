"""Goal: partition directories bear Kafka's names, and only those the metadata knows are served. Method: names and
images."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pykafka_core.metadata.errors import CorruptMetadataError
from pykafka_core.metadata.partition_directories import (
    DirectoryKind,
    create_partition_directory,
    deleted_directory_name,
    list_partition_directories,
    read_topic_id,
    stray_directory_name,
    why_stray,
)
from tests.metadata.images import DIRECTORY, image_of, topic, topic_id

TOPICS = st.from_regex(r"[a-zA-Z0-9._-]{1,249}", fullmatch=True)


@given(TOPICS, st.integers(0, 99_999))
def test_names_fit_and_are_kafkas(name: str, partition: int) -> None:
    deleted = deleted_directory_name(name, partition)
    assert len(deleted) <= 255
    assert re.fullmatch(rf"(.*)-{partition}\.[0-9a-f]{{32}}-delete", deleted)
    assert name.startswith(deleted[: -len(f"-{partition}.") - 39])
    assert deleted != deleted_directory_name(name, partition)
    assert stray_directory_name(name, partition).endswith("-stray")


def test_a_new_partition_has_its_topic_id(tmp_path: Path) -> None:
    path = create_partition_directory(tmp_path, "a.b-c", 12, topic_id(7))
    assert path == tmp_path / "a.b-c-12"
    assert (path / "partition.metadata").read_text() == "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABw"
    assert read_topic_id(path) == topic_id(7)


def test_a_topic_id_that_cannot_be_read(tmp_path: Path) -> None:
    assert read_topic_id(tmp_path) is None
    for text in ("version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAABw", "version: 0", "version: 0\ntopic_id: x", "", "\xff"):
        (tmp_path / "partition.metadata").write_bytes(text.encode("latin-1"))
        with pytest.raises(CorruptMetadataError, match="metadata has no"):
            read_topic_id(tmp_path)


def test_directories_are_told_apart(tmp_path: Path) -> None:
    deleted = deleted_directory_name("a", 1)
    for name in (
        "a-b-0",
        deleted,
        f"a-2.{'0' * 32}-future",
        f"a-3.{'0' * 32}-stray",
        "odd",
        ".hid",
        "__cluster_metadata-0",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / "file-0").touch()
    found, others = list_partition_directories(tmp_path)
    assert sorted((each.topic, each.partition_id, each.kind) for each in found) == [
        ("a", 1, DirectoryKind.DELETED),
        ("a", 2, DirectoryKind.FUTURE),
        ("a", 3, DirectoryKind.STRAY),
        ("a-b", 0, DirectoryKind.LIVE),
    ]
    assert others == [tmp_path / "odd"]


@pytest.mark.parametrize(
    ("name", "partition", "found_id", "node", "directory", "reason"),
    [
        ("a", 0, topic_id(7), 1, DIRECTORY, None),
        ("a", 0, None, 1, DIRECTORY, None),
        ("b", 0, topic_id(7), 1, DIRECTORY, "there is no topic b"),
        ("a", 0, topic_id(8), 1, DIRECTORY, "topic a has the id AAAAAAAAAAAAAAAAAAAABw, not AAAAAAAAAAAAAAAAAAAACA"),
        ("a", 2, topic_id(7), 1, DIRECTORY, "topic a has 2 partitions"),
        ("a", 0, topic_id(7), 2, DIRECTORY, "node 2 holds no replica of it"),
        ("a", 0, topic_id(7), 1, topic_id(500), "its replica is in the directory ZGVmZ2hpamtsbW5vcHFycw"),
    ],
)
def test_strays(
    name: str, partition: int, found_id: bytes | None, node: int, directory: bytes, reason: str | None
) -> None:
    image = image_of(topic("a", 7, 2))
    assert why_stray(image, node, directory, name, partition, found_id) == reason

"""Goal: a directory is formatted only if it is empty, used only by whom it belongs to, and only once at a time.

Method: directories as people bring them; every refusal is one sentence and leaves all as it was; locks are tried from
another process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pykafka_core.metadata.directories import LogDirectories, open_directories
from pykafka_core.metadata.errors import DirectoryError
from pykafka_core.metadata.local_snapshot import read_snapshot
from pykafka_core.metadata.properties_file import parse_properties
from pykafka_core.metadata.uuids import uuid_from_string, uuid_to_string
from tests.metadata.stores import kafka_directory


def opened_once(*paths: Path, **wanted: object) -> LogDirectories:
    directories = open_directories(list(paths), **wanted)  # type: ignore[arg-type]
    directories.close()
    return directories


def files(path: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name != ".lock"}


def refused(tmp_path: Path, sentence: str, *paths: Path, **wanted: object) -> None:
    before = files(tmp_path)
    with pytest.raises(DirectoryError, match=sentence) as caught:
        opened_once(*paths, **wanted)
    assert "\n" not in str(caught.value)
    assert files(tmp_path) == before
    # Nothing is left locked.
    assert all(_can_lock(path) for path in paths if path.is_dir() and os.access(path, os.W_OK))


def _can_lock(path: Path) -> bool:
    code = "import fcntl,sys; fcntl.lockf(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    return (
        subprocess.run([sys.executable, "-c", code, str(path / ".lock")], check=False, capture_output=True).returncode
        == 0
    )


def test_empty_directories_are_formatted(tmp_path: Path) -> None:
    a, b = tmp_path / "deep" / "a", tmp_path / "b"
    found = opened_once(a, b, node_id=3, controller_endpoint=("CTRL", "h", 9))
    assert [each.path for each in found.directories] == [a, b]
    assert found.metadata.path == a
    assert all(each.formatted for each in found.directories)
    for each in found.directories:
        assert found.by_id(each.directory_id) is each
        assert parse_properties((each.path / "meta.properties").read_bytes()) == {
            "version": "1",
            "cluster.id": found.cluster_id,
            "node.id": "3",
            "directory.id": uuid_to_string(each.directory_id),
        }
        features = [r.name for r in read_snapshot(each.path / "bootstrap.checkpoint").records]  # type: ignore[attr-defined]
        assert features == ["metadata.version", "group.version", "transaction.version"]
    assert found.by_id(bytes(16)) is None
    assert len(uuid_from_string(found.cluster_id)) == 16
    voters = read_snapshot(a / "__cluster_metadata-0" / "00000000000000000000-0000000000.checkpoint").voter_set
    assert voters.kraft_version == 1
    assert (voters.voters[0].voter_id, voters.voters[0].endpoints) == (3, (("CTRL", "h", 9),))
    assert voters.voters[0].directory_id == found.metadata.directory_id
    assert not (b / "__cluster_metadata-0").exists()


def test_what_was_formatted_is_found_again(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    first = opened_once(a, b, node_id=3, cluster_id="my-cluster")
    again = opened_once(a, b)
    assert (again.cluster_id, again.node_id) == ("my-cluster", 3)
    assert [each.directory_id for each in again.directories] == [each.directory_id for each in first.directories]
    assert not any(each.formatted for each in again.directories)
    third = opened_once(a, b, tmp_path / "c")
    assert [each.formatted for each in third.directories] == [False, False, True]
    assert parse_properties((tmp_path / "c" / "meta.properties").read_bytes())["cluster.id"] == "my-cluster"


def test_a_directory_of_its_own_for_metadata(tmp_path: Path) -> None:
    found = opened_once(tmp_path / "a", metadata_path=tmp_path / "m")
    assert [each.path for each in found.directories] == [tmp_path / "a"]
    assert found.metadata.path == tmp_path / "m"
    assert found.node_id == 1


def test_kafkas_directory_is_ours(tmp_path: Path) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    found = opened_once(path, node_id=1)
    assert found.cluster_id == "MkU3OEVBNTcwNTJENDM2Qg"
    assert not found.metadata.formatted


def test_a_directory_older_than_directory_ids_gets_one(tmp_path: Path) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    (path / "meta.properties").write_text("cluster.id=c\nversion=1\nnode.id=1\nkept=yes\n")
    found = opened_once(path)
    properties = parse_properties((path / "meta.properties").read_bytes())
    assert properties["directory.id"] == uuid_to_string(found.metadata.directory_id)
    assert properties["kept"] == "yes"


def test_another_cluster_or_node_is_refused(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    opened_once(a, node_id=1, cluster_id="one")
    opened_once(b, node_id=2, cluster_id="one")
    refused(
        tmp_path,
        f"^Log directory {a} belongs to cluster one, not to two as the configuration says.$",
        a,
        cluster_id="two",
    )
    refused(tmp_path, f"^Log directory {a} belongs to node 1, not to 7 as the configuration says.$", a, node_id=7)
    refused(tmp_path, f"^Log directory {b} belongs to node 2, not to 1 like {a}.$", a, b)
    opened_once(tmp_path / "c", node_id=1, cluster_id="other")
    refused(tmp_path, f"^Log directory {tmp_path}/c belongs to cluster other, not to one like {a}.$", a, tmp_path / "c")


def test_a_copy_of_a_directory_is_refused(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    opened_once(a)
    shutil.copytree(a, b)
    refused(tmp_path, "one is a copy of the other", a, b)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("version=0\nbroker.id=1\n", "a Kafka that used ZooKeeper"),
        ("version=2\n", "has version 2, and only 1 is known"),
        ("", "has version nothing"),
        ("version=1\nnode.id=1\n", "has no cluster.id"),
        ("version=1\ncluster.id=c\n", "has the node.id ''"),
        ("version=1\ncluster.id=c\nnode.id=-4\n", "has the node.id '-4'"),
        ("version=1\ncluster.id=c\nnode.id=1\ndirectory.id=x\n", "has a directory.id that is no uuid: 'x'"),
        ("version=\\u12\n", "cannot be read: line 1: malformed"),
    ],
)
def test_wrong_meta_properties_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "a"
    path.mkdir()
    (path / "meta.properties").write_text(text)
    refused(tmp_path, sentence, path)


def test_a_directory_that_holds_something_is_not_formatted(tmp_path: Path) -> None:
    (tmp_path / "a" / "orders-0").mkdir(parents=True)
    refused(tmp_path, r"holds partitions \(orders-0\) but no meta\.properties; it is left as it is", tmp_path / "a")
    (tmp_path / "b" / "holiday").mkdir(parents=True)
    refused(tmp_path, r"holds other directories \(holiday\)", tmp_path / "b")
    (tmp_path / "c" / "lost+found").mkdir(parents=True)
    (tmp_path / "c" / ".hidden").mkdir()
    assert opened_once(tmp_path / "c").metadata.formatted


def test_a_format_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    opened_once(tmp_path / "a", node_id=4)
    (tmp_path / "a" / "meta.properties").unlink()
    found = opened_once(tmp_path / "a", node_id=4)
    voters = read_snapshot(
        tmp_path / "a" / "__cluster_metadata-0" / "00000000000000000000-0000000000.checkpoint"
    ).voter_set
    assert voters.voters[0].directory_id == found.metadata.directory_id


def test_the_metadata_log_is_not_begun_twice(tmp_path: Path) -> None:
    old = kafka_directory("stopped", tmp_path / "old")
    refused(tmp_path, f"The metadata log lies in {old}, but .* is {tmp_path}/new", tmp_path / "new", old)
    shutil.rmtree(old / "__cluster_metadata-0")
    refused(
        tmp_path,
        f"{tmp_path}/new should hold the metadata log and is empty, while {old} belongs",
        tmp_path / "new",
        old,
    )


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    refused(tmp_path, f"^Log directory {tmp_path}/a is not a directory.$", tmp_path / "a")
    refused(tmp_path, f"^Log directory {tmp_path}/a/b is not a directory.$", tmp_path / "a" / "b")


def test_a_second_broker_in_this_process_is_refused(tmp_path: Path) -> None:
    first = open_directories([tmp_path / "a"])
    for _ in range(2):
        with pytest.raises(
            DirectoryError, match=f"^Log directory {tmp_path}/a is in use by another broker in this process.$"
        ):
            open_directories([tmp_path / "a"])
    # The attempts did not take the lock away.
    assert not _can_lock(tmp_path / "a")
    first.close()
    opened_once(tmp_path / "a")


def test_a_second_process_is_refused_by_name(tmp_path: Path) -> None:
    opened_once(tmp_path / "a")
    code = (
        "import sys; from pathlib import Path; from pykafka_core.metadata.directories import open_directories\n"
        "d = open_directories([Path(sys.argv[1])]); print('open', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "a")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(DirectoryError, match=f"^Log directory {tmp_path}/a is in use by process {other.pid}.$"):
            open_directories([tmp_path / "a"])
    finally:
        other.communicate()
    opened_once(tmp_path / "a")

"""Goal: what the local store answered is there after a stop, a kill or a failing disk, and it is Kafka's log.

Method: stores on the real engine in temporary directories; a log that fails when told; the states between any two
calls of the operating system, copied away and opened.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from pykafka_core.metadata.changes import allocate_producer_ids, delete_topic
from pykafka_core.metadata.errors import (
    CorruptMetadataError,
    MetadataError,
    RevisionConflictError,
    UnsupportedMetadataError,
)
from pykafka_core.metadata.image import MetadataImage
from pykafka_core.metadata.local import LocalMetadataStore, LocalSettings
from pykafka_core.metadata.local_batches import encode_batch, iterate_batches
from pykafka_core.metadata.local_log import QuorumState, read_quorum_state, write_quorum_state
from pykafka_core.metadata.local_records import Voter, VoterSet, encode_record, kraft_version_record, voters_record
from pykafka_core.metadata.local_snapshot import list_snapshots
from pykafka_core.metadata.store import MetadataChange
from pykafka_core.protocol.message import Record
from pykafka_core.protocol.records.metadata.begin_transaction_record import BeginTransactionRecord
from pykafka_core.protocol.records.metadata.feature_level_record import FeatureLevelRecord
from tests.metadata.images import histories, registration, topic, topic_id
from tests.metadata.plain_log import PlainLog
from tests.metadata.stores import LOG, Clock, append, commit, content, kafka_directory, opened

# ---- commits
# ------------------------------------------------------------------------------------------------------------


def test_a_new_directory_begins_with_its_features(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert dict(store.image.features) == {"metadata.version": 30, "group.version": 1, "transaction.version": 2}
        assert store.image.revision == 5
        assert store.leader_epoch == 1
        assert store.lease_deadline == float("inf")


@given(histories())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_everything_committed_is_there_again(tmp_path: Path, changes: list[list[Record]]) -> None:
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
    killed = len(changes) % 2 == 0
    with opened(tmp_path / "data", stop=not killed) as store:
        for change in changes:
            commit(store, change)
        before = store.image
    with opened(tmp_path / "data") as store:
        assert content(store.image) == content(before)
        assert store.image.revision == before.revision + 1
        assert store.leader_epoch == 2


def test_a_commit_with_a_revision_that_passed_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        revision = store.image.revision
        image = commit(store, topic("a", 7), revision)
        assert image is store.image
        with pytest.raises(RevisionConflictError) as caught:
            commit(store, topic("b", 8), revision)
        assert (caught.value.expected, caught.value.actual) == (revision, image.revision)
        assert store.image is image


def test_records_that_do_not_fit_write_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        commit(store, topic("a", 7))
        size = (tmp_path / LOG).stat().st_size
        with pytest.raises(ValueError, match="topic 'a' exists already"):
            commit(store, [*topic("b", 8), *topic("a", 9)])
        with pytest.raises(ValueError, match="may not leave a transaction open"):
            commit(store, [BeginTransactionRecord()])
        assert (tmp_path / LOG).stat().st_size == size
        assert list(commit(store, topic("b", 8)).topics) == ["a", "b"]


def test_no_records_are_no_change(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert commit(store, []) is store.image


def test_watchers_see_each_change_once_in_order(tmp_path: Path) -> None:
    seen: list[MetadataChange] = []
    with opened(tmp_path) as store:
        unwatch = store.watch(seen.append)
        first = commit(store, topic("a", 7))
        second = commit(store, topic("b", 8))
        unwatch()
        commit(store, topic("c", 9))
        assert [change.image for change in seen] == [first, second]
        assert seen[1].previous is first
        assert seen[0].records is not None
        assert len(seen[0].records) == 2


def test_a_watcher_from_a_revision_that_passed_sees_the_whole_image(tmp_path: Path) -> None:
    seen: list[MetadataChange] = []
    with opened(tmp_path) as store:
        revision = store.image.revision
        store.watch(seen.append, since_revision=revision)
        assert seen == []
        commit(store, topic("a", 7))
        store.watch(seen.append, since_revision=revision)
        assert len(seen) == 2
        assert (seen[1].previous, seen[1].records) == (None, None)
        assert list(seen[1].image.topics) == ["a"]


def test_a_large_change_is_a_transaction_of_several_batches(tmp_path: Path) -> None:
    with opened(tmp_path, stop=False) as store:
        image = commit(store, topic("big", 7, 20_000))
        assert len(image.topics["big"].partitions) == 20_000
    batches = list(iterate_batches((tmp_path / LOG).read_bytes()))
    assert max(batch.size for batch in batches) < 2 * 1024 * 1024
    assert len(batches) > 4
    with opened(tmp_path) as store:
        assert len(store.image.topics["big"].partitions) == 20_000


def test_a_transaction_that_was_cut_short_is_aborted(tmp_path: Path) -> None:
    with opened(tmp_path, stop=False) as store:
        commit(store, topic("a", 7))
    append(tmp_path / LOG, [BeginTransactionRecord(), *topic("b", 8)])
    with opened(tmp_path, stop=False) as store:
        assert list(store.image.topics) == ["a"]
        commit(store, topic("c", 9))
    with opened(tmp_path) as store:
        assert list(store.image.topics) == ["a", "c"]


@pytest.mark.parametrize("failure", ["append", "flush"])
def test_after_a_failed_write_nothing_more_is_committed(tmp_path: Path, failure: str) -> None:
    logs: list[PlainLog] = []

    def open_log(directory: Path, *, segment_size_bytes: int) -> PlainLog:
        logs.append(PlainLog(directory, segment_size_bytes=segment_size_bytes))
        return logs[-1]

    with opened(tmp_path, open_log=open_log) as store:
        image = commit(store, topic("a", 7))
        logs[0].fail = failure
        with pytest.raises(MetadataError, match=r"cannot be written: planted\."):
            commit(store, topic("b", 8))
        logs[0].fail = None
        with pytest.raises(MetadataError, match="it takes no more changes"):
            commit(store, topic("c", 9))
        assert store.image is image


def test_a_closed_store_takes_no_changes(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        asyncio.run(store.close())
        with pytest.raises(MetadataError, match="it takes no more changes"):
            commit(store, topic("a", 7))


# ---- the log on disk
# ------------------------------------------------------------------------------------------------------


def test_each_start_is_an_epoch_that_begins_with_a_leader_change(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        with opened(tmp_path, stop=False) as store:
            assert store.leader_epoch == epoch
            state = read_quorum_state(tmp_path / "__cluster_metadata-0")
            assert state is not None
            assert (state.leader_id, state.leader_epoch, state.version) == (1, epoch, 1)
    batches = list(iterate_batches((tmp_path / LOG).read_bytes()))
    assert [(b.leader_epoch, b.control) for b in batches] == [(1, True), (1, False), (2, True), (3, True)]
    assert [key for key, _ in batches[0].records] == [b"\0\0\0\2", b"\0\0\0\5", b"\0\0\0\6"]
    assert [key for key, _ in batches[1].records] == [None, None, None]


def test_the_epoch_never_goes_back(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    quorum = tmp_path / "__cluster_metadata-0" / "quorum-state"
    quorum.write_text(quorum.read_text().replace('"leaderEpoch":1', '"leaderEpoch":41'))
    with opened(tmp_path) as store:
        assert store.leader_epoch == 42
    quorum.unlink()
    with opened(tmp_path) as store:
        assert store.leader_epoch == 43


def test_a_torn_tail_is_cut(tmp_path: Path) -> None:
    with opened(tmp_path, stop=False) as store:
        commit(store, topic("a", 7))
        whole = (tmp_path / LOG).stat().st_size
        commit(store, topic("b", 8))
    for size in (whole, whole + 1, whole + 60, whole + 70):
        copy = tmp_path / f"cut-{size}"
        copy.mkdir()
        for name in ("meta.properties", "bootstrap.checkpoint"):
            shutil.copy(tmp_path / name, copy)
        shutil.copytree(tmp_path / "__cluster_metadata-0", copy / "__cluster_metadata-0")
        os.truncate(copy / LOG, size)
        with opened(copy) as store:
            assert list(store.image.topics) == ["a"]
            commit(store, topic("c", 9))


# ---- snapshots
# --------------------------------------------------------------------------------------------------------------


def test_a_clean_stop_leaves_a_snapshot_that_says_it_all(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        commit(store, registration(store.image))
        before = commit(store, topic("a", 7, 3, x="1"))
    metadata = tmp_path / "__cluster_metadata-0"
    (newest, *_) = list_snapshots(metadata)
    assert (newest.end_offset, newest.leader_epoch) == (before.revision + 1, 1)
    for path in metadata.glob("*.log"):
        path.unlink()
    with opened(tmp_path) as store:
        assert content(store.image) == content(before)


def test_snapshots_are_taken_by_size_and_old_ones_go(tmp_path: Path) -> None:
    with opened(tmp_path, settings=LocalSettings(snapshot_after_bytes=1000), stop=False) as store:
        for number in range(40):
            commit(store, topic(f"t{number}", 100 + number))
        before = store.image
        snapshots = list_snapshots(tmp_path / "__cluster_metadata-0")
        assert len(snapshots) == 2
        assert snapshots[1].end_offset > 20
    with opened(tmp_path) as store:
        assert content(store.image) == content(before)


def test_snapshots_are_taken_by_time(tmp_path: Path) -> None:
    clock = Clock()
    with opened(tmp_path, settings=LocalSettings(snapshot_after_ms=1000), clock=clock, stop=False) as store:
        commit(store, topic("a", 7))
        assert [s.end_offset for s in list_snapshots(tmp_path / "__cluster_metadata-0")] == [0]
        clock.now_ms += 1000
        image = commit(store, topic("b", 8))
        assert list_snapshots(tmp_path / "__cluster_metadata-0")[0].end_offset == image.revision + 1


def test_the_log_is_given_up_below_the_older_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pykafka_core.metadata.local.SEGMENT_SIZE_KEPT_BYTES", 2000)
    with opened(tmp_path, settings=LocalSettings(snapshot_after_bytes=3000), stop=False) as store:
        for number in range(150):
            commit(store, topic(f"t{number}", 100 + number))
        before = store.image
    segments = sorted((tmp_path / "__cluster_metadata-0").glob("*.log"))
    oldest = list_snapshots(tmp_path / "__cluster_metadata-0")[-1]
    assert 0 < int(segments[0].stem) <= oldest.end_offset
    assert not list((tmp_path / "__cluster_metadata-0").glob("*.deleted"))
    with opened(tmp_path) as store:
        assert content(store.image) == content(before)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_snapshot_is_passed_over(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path) as store:
        before = commit(store, topic("a", 7))
    path = tmp_path / "__cluster_metadata-0" / list_snapshots(tmp_path / "__cluster_metadata-0")[0].file_name
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes({"cut": data[:-10], "flip": data, "empty": b""}[damage])
    with opened(tmp_path) as store:
        assert content(store.image) == content(before)
    assert "An older state and the log are used." in caplog.text


def test_a_gap_between_snapshot_and_log_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path, stop=False) as store:
        commit(store, topic("a", 7))
    log = tmp_path / LOG
    log.rename(log.with_name(f"{3:020d}.log"))
    with pytest.raises(CorruptMetadataError, match="begins at offset 3, and no snapshot covers"), opened(tmp_path):
        pass


def test_a_log_that_lost_its_tail_gives_way_to_the_snapshot(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        before = commit(store, topic("a", 7))
    os.truncate(tmp_path / LOG, 300)
    for _ in range(2):
        with opened(tmp_path) as store:
            assert content(store.image) == content(before)
            assert store.image.revision > before.revision
            before = commit(store, allocate_producer_ids(store.image, 1))


def test_what_is_left_of_an_interrupted_snapshot_goes(tmp_path: Path) -> None:
    metadata = tmp_path / "__cluster_metadata-0"
    with opened(tmp_path):
        pass
    for name in (
        "00000000000000000009-0000000001.checkpoint.part",
        "00000000000000000001-0000000001.checkpoint.deleted",
    ):
        (metadata / name).write_bytes(b"half")
    with opened(tmp_path) as store:
        commit(store, topic("a", 7))
    assert not [path.name for path in metadata.iterdir() if path.suffix in (".part", ".deleted")]


def test_every_moment_of_a_life_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Format, commits, snapshots and stop; the directory is copied before each sync, rename and removal, and each
    copy opened."""
    data, copies = tmp_path / "data", tmp_path / "copies"
    answered: list[tuple[Path, MetadataImage | None]] = []
    last: list[MetadataImage | None] = [None]

    def watched(name: str) -> None:
        real: Callable[..., Any] = getattr(os, name)

        def call(*arguments: Any, **keywords: Any) -> Any:
            copy = copies / str(len(answered))
            shutil.copytree(data, copy, ignore=shutil.ignore_patterns(".lock"))
            answered.append((copy, last[0]))
            return real(*arguments, **keywords)

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "replace", "unlink"):
        watched(name)
    data.mkdir()
    for life in range(2):
        with opened(data, settings=LocalSettings(snapshot_after_bytes=500)) as store:
            for number in range(6):
                last[0] = commit(store, topic(f"t{life}-{number}", 100 * life + number + 10, 1, x="1"))
            last[0] = commit(store, delete_topic(store.image.topics[f"t{life}-0"]))
    monkeypatch.undo()
    assert len(answered) > 30
    for copy, image in answered:
        with opened(copy) as store:
            if image is not None:
                # What was answered is there; the change that was under way may be too.
                missing = set(image.topics) - set(store.image.topics)
                assert len(missing) <= 1, copy
                assert len(store.image.topics) >= len(image.topics) - 1
                if not missing:
                    assert all(store.image.topics[name] == image.topics[name] for name in image.topics)


# ---- what Kafka left
# ----------------------------------------------------------------------------------------------------------


def test_a_directory_that_kafka_stopped_on(tmp_path: Path) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    with opened(path) as store:
        image = store.image
        assert dict(image.features) == {
            "metadata.version": 30,
            "eligible.leader.replicas.version": 1,
            "group.version": 1,
            "share.version": 1,
            "streams.version": 1,
            "transaction.version": 2,
        }
        assert {name: len(found.partitions) for name, found in image.topics.items()} == {"alpha": 3, "beta": 4}
        assert image.topic_config("alpha") == {"cleanup.policy": "compact,delete", "retention.ms": "1000000"}
        assert image.topic_config("beta") == {"max.message.bytes": "50000"}
        assert image.topic_config("gone") == {}
        assert image.config(4, "") == {"min.insync.replicas": "1", "log.retention.ms": "7654321"}
        assert image.next_producer_id == 1000
        assert image.client_quotas == {(("client-id", "me"),): {"producer_byte_rate": 1024.0}}
        assert list(image.scram_credentials) == [("joe", 1)]
        assert image.brokers[1].fenced
        assert image.brokers[1].in_controlled_shutdown
        beta = image.topics["beta"].partitions[0]
        assert (beta.leader, beta.isr, beta.eligible_leader_replicas, beta.leader_epoch) == (-1, (), (1,), 1)
        assert store.leader_epoch == 2


def test_a_directory_that_kafka_was_killed_on_reads_the_same_from_snapshot_and_from_log(tmp_path: Path) -> None:
    images = []
    for name in ("whole", "log"):
        path = kafka_directory("killed", tmp_path / name)
        if name == "log":
            (path / "__cluster_metadata-0" / "00000000000000000069-0000000002.checkpoint").unlink()
        with opened(path) as store:
            images.append(store.image)
            assert store.leader_epoch == 3
    assert content(images[0]) == content(images[1])
    assert images[0].revision == images[1].revision
    assert sorted(images[0].topics) == ["alpha", "beta", "late", "later"]


# ---- what is refused
# ------------------------------------------------------------------------------------------------------------


def refused(path: Path, kind: type[MetadataError], sentence: str) -> None:
    """Opening raises this and leaves every file as it was."""
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name != ".lock"}
    with pytest.raises(kind, match=sentence), opened(path):
        pass
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name != ".lock"} == before


def test_an_unknown_record_type_is_refused(tmp_path: Path) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    _append_value(path / LOG, b"\x01\x63\x00\x00")
    refused(path, UnsupportedMetadataError, r"The metadata record at offset 55 was written by a newer Kafka: .*99")


def _append_value(log: Path, value: bytes) -> None:
    data = log.read_bytes()
    last = list(iterate_batches(data))[-1]
    log.write_bytes(data + encode_batch(last.next_offset, last.leader_epoch, last.timestamp_ms, [(None, value)]))


def test_a_record_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    _append_value(path / LOG, b"\x01\x02\x00\x05abc")
    refused(path, CorruptMetadataError, "The metadata record at offset 55 cannot be read")


def test_a_record_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    append(path / LOG, topic("alpha", 9))
    refused(path, CorruptMetadataError, "does not fit together at offset 55: topic 'alpha' exists already")


@pytest.mark.parametrize("level", [6, 34])
def test_an_unknown_metadata_version_is_refused(tmp_path: Path, level: int) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    append(path / LOG, [FeatureLevelRecord(name="metadata.version", feature_level=level)])
    refused(path, UnsupportedMetadataError, f"has metadata.version {level}; 7 to 33 are known")


def test_several_controllers_are_refused(tmp_path: Path) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    voters = tuple(Voter(voter_id=n, directory_id=topic_id(n), endpoints=(("C", "h", 1),)) for n in (1, 2, 3))
    append(path / LOG, [voters_record(VoterSet(kraft_version=1, voters=voters))], control=True)
    refused(path, UnsupportedMetadataError, r"is kept by several controllers \(1, 2, 3\); this version runs alone")


def test_another_nodes_controller_is_refused(tmp_path: Path) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    voters = VoterSet(kraft_version=1, voters=(Voter(voter_id=5, directory_id=topic_id(5), endpoints=()),))
    append(path / LOG, [voters_record(voters)], control=True)
    refused(path, UnsupportedMetadataError, "is kept by controller 5, and this is node 1")


def test_an_unknown_kraft_version_is_refused(tmp_path: Path) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    append(path / LOG, [kraft_version_record(VoterSet(kraft_version=2))], control=True)
    refused(path, UnsupportedMetadataError, "has kraft.version 2, and 1 is the newest known")


def test_several_static_controllers_are_refused(tmp_path: Path) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    (path / "__cluster_metadata-0" / "quorum-state").write_text(
        '{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,'
        '"currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}'
    )
    refused(path, UnsupportedMetadataError, r"several controllers \(1, 2\)")


def test_several_brokers_are_refused(tmp_path: Path) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    (record,) = registration(MetadataImage(revision=54))
    record.broker_id = 4  # type: ignore[attr-defined]
    append(path / LOG, [record])
    refused(path, UnsupportedMetadataError, r"knows other brokers \(4\); this version runs alone")


@pytest.mark.parametrize("version", [0, 1])
def test_quorum_state_is_read_as_it_was_written_and_in_any_other_form_of_json(tmp_path: Path, version: int) -> None:
    state = QuorumState(leader_id=3, leader_epoch=17, version=version, voter_ids=(1, 2) if version == 0 else ())
    write_quorum_state(tmp_path, state)
    assert read_quorum_state(tmp_path) == state
    file = tmp_path / "quorum-state"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=1))
    assert read_quorum_state(tmp_path) == state


def test_an_unreadable_quorum_state_is_refused(tmp_path: Path) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    (path / "__cluster_metadata-0" / "quorum-state").write_text("{")
    refused(path, CorruptMetadataError, "quorum-state cannot be read")


@pytest.mark.parametrize(
    ("name", "level", "known"),
    [
        ("transaction.version", 3, "2 is the newest known"),
        ("share.version", 2, "1 is the newest known"),
        ("moon.version", 1, "no such feature is known"),
    ],
)
def test_an_unknown_feature_level_is_refused(tmp_path: Path, name: str, level: int, known: str) -> None:
    path = kafka_directory("stopped", tmp_path / "data")
    append(path / LOG, [FeatureLevelRecord(name=name, feature_level=level)])
    refused(path, UnsupportedMetadataError, f"has {name} {level}, and {known}")


@pytest.mark.parametrize(("level", "versions"), [(7, (1, 0)), (14, (2, 0)), (17, (3, 1)), (25, (3, 2)), (30, (4, 2))])
def test_records_have_the_version_of_the_level(level: int, versions: tuple[int, int]) -> None:
    (broker,) = registration(MetadataImage())
    partition = topic("a", 7)[1]
    for record, version in zip((broker, partition), versions, strict=True):
        _, value = encode_record(record, level)
        assert value is not None
        assert value[2] == version


def test_an_older_level_stays_as_it_is(tmp_path: Path) -> None:
    from pykafka_core.metadata.directories import open_directories

    directories = open_directories([tmp_path], node_id=1, features={"metadata.version": 14})
    store = LocalMetadataStore.open(tmp_path, 1, clock_ms=Clock())
    before = commit(store, [*registration(store.image), *topic("a", 7)])
    asyncio.run(store.close())
    directories.close()
    with opened(tmp_path) as store:
        assert store.image.metadata_version == 14
        assert store.image.topics["a"].partitions[0].directories == ()
        assert store.image.brokers[1].endpoints == before.brokers[1].endpoints

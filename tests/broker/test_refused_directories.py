"""Directories that a broker cannot take over: refused in one sentence, before anything is written.

Method: what Apache Kafka 4.3.1 left after a clean stop, changed into what we do not serve, beside a second log
directory that is still empty; a broker as a user starts it; every name and every byte is the same afterwards. The clean
stop's marker is among them: Kafka, started there again, must not have to recover.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pykafka_core.metadata.image import MetadataImage
from pykafka_core.metadata.local_records import Voter, VoterSet, kraft_version_record, voters_record
from pykafka_core.protocol.records.metadata.feature_level_record import FeatureLevelRecord
from tests.broker.processes import broker_process, free_port
from tests.metadata.images import registration, topic_id
from tests.metadata.stores import LOG, append, kafka_directory

MARKER = ".kafka_cleanshutdown"


def feature(name: str, level: int) -> Callable[[Path], None]:
    return lambda path: append(path / LOG, [FeatureLevelRecord(name=name, feature_level=level)])


def several_voters(path: Path) -> None:
    voters = tuple(Voter(voter_id=n, directory_id=topic_id(n), endpoints=(("C", "h", 1),)) for n in (1, 2, 3))
    append(path / LOG, [voters_record(VoterSet(kraft_version=1, voters=voters))], control=True)


def several_static_controllers(path: Path) -> None:
    (path / "__cluster_metadata-0" / "quorum-state").write_text(
        '{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,'
        '"currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}'
    )


def newer_quorum(path: Path) -> None:
    append(path / LOG, [kraft_version_record(VoterSet(kraft_version=2))], control=True)


def another_broker(path: Path) -> None:
    (record,) = registration(MetadataImage(revision=54))
    record.broker_id = 4  # type: ignore[attr-defined]
    append(path / LOG, [record])


def another_node(path: Path) -> None:
    replace_in_meta(path, "node.id=1", "node.id=7")


def replace_in_meta(path: Path, old: str, new: str) -> None:
    file = path / "meta.properties"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def another_cluster(path: Path) -> None:
    other = path.parent / "b"
    other.mkdir()
    (other / "meta.properties").write_text("version=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAQ\nnode.id=1\n")


def newer_partition_metadata(path: Path) -> None:
    (path / "t-0").mkdir()
    (path / "t-0" / "partition.metadata").write_text("version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAABw")


def no_directory_id(path: Path) -> None:
    """As before KIP-858: it would be given one, if the metadata could be taken over."""
    file = path / "meta.properties"
    file.write_text("".join(line for line in file.read_text().splitlines(True) if "directory.id" not in line))
    feature("metadata.version", 34)(path)


REFUSED = {
    "a newer metadata version": (feature("metadata.version", 34), r"has metadata.version 34; 7 to 33 are known"),
    "and no directory.id": (no_directory_id, r"has metadata.version 34; 7 to 33 are known"),
    "a newer level of a feature": (feature("group.version", 2), r"has group.version 2, and 1 is the newest known"),
    "a newer quorum": (newer_quorum, r"has kraft.version 2, and 1 is the newest known"),
    "a newer partition.metadata": (newer_partition_metadata, r"partition.metadata has version 1, and only 0 is known"),
    "several voters": (several_voters, r"is kept by several controllers \(1, 2, 3\)"),
    "several controllers": (several_static_controllers, r"is kept by several controllers \(1, 2\)"),
    "another broker": (another_broker, r"knows other brokers \(4\)"),
    "another node": (another_node, r"belongs to node 7, not to 1"),
    "another cluster": (another_cluster, r"belongs to cluster \S+, not to \S+ like "),
}


def content(root: Path) -> dict[str, bytes | None]:
    """Every name below, and every byte. The locks are made before anybody can look."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
        if path.name != ".lock"
    }


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_over_is_left_as_it_is(tmp_path: Path, name: str) -> None:
    change, sentence = REFUSED[name]
    a, b = kafka_directory("stopped", tmp_path / "a"), tmp_path / "b"
    (a / MARKER).write_text('{"version":0,"brokerEpoch":54}')
    change(a)
    b.mkdir(exist_ok=True)
    before = content(tmp_path)
    assert before[f"a/{MARKER}"]
    words = ("--override", f"log.dirs={a},{b}", "--override", "node.id=1")
    with broker_process(None, *words, port=free_port()) as broker:
        assert broker.wait() == 1
        said = [line for line in broker.lines if line.startswith("pykafka-core:")]
        assert len(said) == 1, broker.output
        assert re.search(sentence, said[0])
        assert "Traceback" not in broker.output
    assert content(tmp_path) == before


def test_what_can_be_taken_over_is(tmp_path: Path) -> None:
    """The directories of the test above lack nothing but what is changed in them."""
    a, b = kafka_directory("stopped", tmp_path / "a"), tmp_path / "b"
    (a / MARKER).write_text('{"version":0,"brokerEpoch":54}')
    b.mkdir()
    words = ("--override", f"log.dirs={a},{b}", "--override", "node.id=1")
    with broker_process(None, *words, port=free_port()) as broker:
        broker.await_ready()
        assert not (a / MARKER).exists()
        assert (b / "meta.properties").exists()
        assert broker.stop() == 0

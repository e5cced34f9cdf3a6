"""Goal: Apache Kafka reads the metadata log that we write, starts on our directory, and we on what it leaves.

Method: the local metadata store writes a directory; DumpLogSegments decodes every file of it; Kafka itself, in its own
process, starts on the directory, is asked for the topics, creates one and stops or is killed; the store opens it again.
"""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import jars
from pykafka_core.metadata.changes import (
    allocate_producer_ids,
    create_topic,
    elect_leaders,
    fence_broker,
    register_broker,
)
from pykafka_core.metadata.directories import open_directories
from pykafka_core.metadata.image import Endpoint, MetadataImage
from pykafka_core.metadata.local import LocalMetadataStore, LocalSettings
from pykafka_core.metadata.uuids import random_uuid
from tests.ports import free_port

pytestmark = [pytest.mark.usefixtures("kafka_is_here"), pytest.mark.row("kafka-dump-log"), pytest.mark.timeout(300)]

TOPICS = "org.apache.kafka.tools.TopicCommand"
SERVER = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={first},{second}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


async def one_life(store: LocalMetadataStore, directories: list[bytes], topic: str, *, clean: bool) -> MetadataImage:
    """What a broker commits from start to stop: it registers, leads what there is, makes a topic."""
    endpoint = Endpoint(name="PLAINTEXT", host="127.0.0.1", port=9092, security_protocol=0)
    image = store.image
    image = await store.commit(
        register_broker(
            image,
            1,
            incarnation_id=random_uuid(),
            endpoints=[endpoint],
            directories=directories,
            features={"metadata.version": (7, 33)},
        ),
        expected_revision=image.revision,
    )
    image = await store.commit(elect_leaders(image, 1))
    places = [[directories[index % 2]] for index in range(5)]
    configs = {"retention.ms": "123456", "cleanup.policy": "compact"}
    await store.commit(create_topic(topic, random_uuid(), [[1]] * 5, directories=places, configs=configs))
    image = await store.commit(allocate_producer_ids(store.image, 1))
    if clean:
        image = await store.commit(fence_broker(image, 1))
        await store.close()
    return image


def run_store(
    data: Path, topic: str, *, clean: bool = True, controller: int = 9093, settings: LocalSettings | None = None
) -> MetadataImage:
    directories = open_directories(
        [data / "a", data / "b"], node_id=1, controller_endpoint=("CONTROLLER", "127.0.0.1", controller)
    )
    try:
        store = LocalMetadataStore.open(directories.metadata.path, 1, settings=settings)
        return asyncio.run(one_life(store, [d.directory_id for d in directories.directories], topic, clean=clean))
    finally:
        directories.close()


def dump(*files: Path) -> str:
    done = jars.java(
        "org.apache.kafka.tools.DumpLogSegments", "--cluster-metadata-decoder", "--files", ",".join(map(str, files))
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-3000:]
    assert "isvalid: false" not in text
    assert not re.search(r"(?i)exception|could not|error|skipping|trailing", text), text
    return text


def test_kafka_decodes_every_file_of_the_metadata(tmp_path: Path) -> None:
    for topic in ("one", "two"):
        run_store(tmp_path, topic, settings=LocalSettings(snapshot_after_bytes=2000))
    metadata = tmp_path / "a" / "__cluster_metadata-0"
    text = dump(*metadata.glob("*.log"))
    for expected in (
        'LeaderChange: {"version":0,"leaderId":1,"voters":[{"voterId":1}],"grantingVoters":[{"voterId":1}]}',
        'KRaftVersion {"version":0,"kRaftVersion":1}',
        '"name":"metadata.version","featureLevel":30',
        '{"type":"TOPIC_RECORD","version":0,"data":{"name":"two"',
        '{"type":"PARTITION_RECORD","version":2',
        '{"type":"REGISTER_BROKER_RECORD","version":4',
        '"nextProducerId":2000',
    ):
        assert expected in text
    snapshots = sorted(metadata.glob("*.checkpoint"))
    text = dump(*snapshots, tmp_path / "a" / "bootstrap.checkpoint", tmp_path / "b" / "bootstrap.checkpoint")
    assert text.count("SnapshotHeader") == text.count("SnapshotFooter") == len(snapshots) + 2
    indexes = [path for form in ("*.index", "*.timeindex") for path in metadata.glob(form) if path.stat().st_size]
    done = jars.java(
        "org.apache.kafka.tools.DumpLogSegments", "--index-sanity-check", "--files", ",".join(map(str, indexes))
    )
    assert done.stdout.count("passed sanity check.") == len(indexes), done.stdout + done.stderr


@contextmanager
def kafka(data: Path, ports: tuple[int, int], *, kill: bool = False) -> Iterator[str]:
    """Apache Kafka on our directories; gives its bootstrap address."""
    properties = data / "server.properties"
    properties.write_text(SERVER.format(broker=ports[0], controller=ports[1], first=data / "a", second=data / "b"))
    output = (data / "kafka.log").open("w+")
    command = [option for option in jars.program("kafka.Kafka") if "defaultLogLevel" not in option]
    process = subprocess.Popen([*command, str(properties)], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 120
        while "Kafka Server started" not in (text := (data / "kafka.log").read_text()):
            assert process.poll() is None, text[-3000:]
            assert time.monotonic() < deadline, text[-3000:]
            time.sleep(0.2)
        yield f"127.0.0.1:{ports[0]}"
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        process.wait(60)
        text = (data / "kafka.log").read_text()
        # Its controller may be asked to register before it knows that it is the active one; it is asked again.
        text = re.sub(r"ERROR kafka\.server\.ControllerApis .*\n.*NotControllerException.*", "", text)
        assert not re.search(r"\b(ERROR|FATAL)\b", text), text[-3000:]
    finally:
        process.kill()
        process.wait()
        output.close()


def described(bootstrap: str) -> str:
    done = jars.java(TOPICS, "--bootstrap-server", bootstrap, "--describe")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("clean", [True, False], ids=["stopped", "killed"])
def test_kafka_goes_on_from_our_directory_and_we_from_its(tmp_path: Path, clean: bool) -> None:
    ports = free_port(), free_port()
    before = run_store(tmp_path, "ours", clean=clean, controller=ports[1])
    with kafka(tmp_path, ports, kill=not clean) as bootstrap:
        text = described(bootstrap)
        assert "Topic: ours" in text
        assert "PartitionCount: 5" in text
        assert "cleanup.policy=compact,retention.ms=123456" in text
        assert text.count("Leader: 1") == 5
        done = jars.java(TOPICS, "--bootstrap-server", bootstrap, "--create", "--topic", "theirs", "--partitions", "3")
        assert done.returncode == 0, done.stdout + done.stderr
    after = run_store(tmp_path, "more", clean=clean, controller=ports[1])
    assert {name: len(topic.partitions) for name, topic in after.topics.items()} == {"ours": 5, "theirs": 3, "more": 5}
    assert all(p.leader == 1 and p.isr == (1,) for topic in after.topics.values() for p in topic.partitions)
    assert after.topics["ours"].topic_id == before.topics["ours"].topic_id
    assert after.leader_epoch > before.leader_epoch + 1
    epochs = [p.leader_epoch for p in after.topics["ours"].partitions]
    assert all(now >= then.leader_epoch for now, then in zip(epochs, before.topics["ours"].partitions, strict=True))
    with kafka(tmp_path, ports) as bootstrap:
        assert described(bootstrap).count("Leader: 1") == 13

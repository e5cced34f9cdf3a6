"""A broker as a process: what it prints, how it stops, what it says when it cannot start, and what a killed one leaves.

Method: the installed commands, over directories of the test; no broker of somebody else is touched.
"""

from __future__ import annotations

import re
import signal
import socket
import time
from pathlib import Path

import pytest

from pykafka_core import __version__
from pykafka_core.protocol.messages.api_versions_request import ApiVersionsRequest
from tests.broker.processes import BrokerProcess, broker_process, run
from tests.broker.raw_client import batch_of, create_topic, fetch, produce
from tests.ports import free_port

LOG_LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] (DEBUG|INFO|WARN|ERROR) .+ \([a-zA-Z_.]+\)")


def test_it_prints_what_people_and_containers_wait_for(tmp_path: Path) -> None:
    with broker_process(tmp_path / "data") as broker:
        broker.await_line("stop  ")
        assert broker.stop() == 0
    banner = [line for line in broker.lines if not LOG_LINE.fullmatch(line)]
    assert banner == [
        f"pykafka-core {__version__}",
        f"  data       {tmp_path / 'data'}",
        f"  listeners  {broker.bootstrap}",
        f"  clients    bootstrap.servers={broker.bootstrap}",
        "  stop       Ctrl-C, or kafka-server-stop",
    ]
    for wanted in (
        r"\[KafkaServer id=1\] started \(kafka\.server\.KafkaServer\)",
        r"\[KafkaRaftServer nodeId=1\] Kafka Server started \(kafka\.server\.KafkaRaftServer\)",
        r"The broker has been unfenced\. Transitioning from RECOVERY to RUNNING\. "
        r"\(kafka\.server\.BrokerLifecycleManager\)",
        r"\[KafkaServer id=1\] shut down completed \(kafka\.server\.KafkaServer\)",
    ):
        assert re.search(wanted, broker.output), wanted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(tmp_path: Path, number: int) -> None:
    with broker_process(tmp_path) as broker:
        broker.await_ready()
        with broker.client() as client:
            create_topic(client, "t")
            assert produce(client, "t", batch_of(b"v"))[0].error_code == 0
            assert broker.stop(number) == 0
    assert (tmp_path / ".kafka_cleanshutdown").exists()
    assert "Traceback" not in broker.output


def test_a_stop_lets_a_waiting_fetch_end_soon(tmp_path: Path) -> None:
    from pykafka_core.protocol.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic

    with broker_process(tmp_path, "--topic", "t", "--override", "num.network.threads=1") as broker:
        broker.await_ready()
        with broker.client() as client, broker.client() as other:
            wanted = FetchTopic(topic="t", partitions=[FetchPartition(partition=0, partition_max_bytes=1000)])
            client.send(FetchRequest(max_wait_ms=60_000, min_bytes=1, max_bytes=1000, topics=[wanted]), 11)
            # The one reactor takes what came first first: when this is answered the fetch is waiting.
            assert other.call(ApiVersionsRequest(), 0).error_code == 0
            begun = time.monotonic()
            assert broker.stop() == 0
            assert time.monotonic() - begun < 30


def test_a_stop_sees_a_creation_to_its_end(tmp_path: Path) -> None:
    from pykafka_core.protocol.messages.create_topics_request import CreatableTopic, CreateTopicsRequest
    from pykafka_core.protocol.messages.metadata_request import MetadataRequest

    port = free_port()
    with broker_process(tmp_path, port=port) as broker:
        broker.await_ready()
        with broker.client() as client:
            topic = CreatableTopic(name="t", num_partitions=300, replication_factor=1)
            client.send(CreateTopicsRequest(topics=[topic]), 7)
            while not list(tmp_path.glob("t-1*")):
                time.sleep(0.001)
            assert broker.stop() == 0
    with broker_process(tmp_path, port=port) as broker:
        broker.await_ready()
        with broker.client() as client:
            (found,) = client.call(MetadataRequest(topics=None), 12).topics
            assert (found.name, len(found.partitions)) == ("t", 300)
        assert broker.stop() == 0
        assert "WARN" not in broker.output


async def test_a_stop_is_heard_before_the_start_is_over(tmp_path: Path) -> None:
    from pykafka_core.broker.config import make_config
    from pykafka_core.broker.shell import Broker
    from pykafka_core.testing import Broker as Running

    with Running(directory=tmp_path, topics={"t": 1}):
        pass
    (tmp_path / ".kafka_cleanshutdown").unlink()
    started: list[Broker] = []
    config = make_config({"log.dirs": str(tmp_path), "listeners": "PLAINTEXT://127.0.0.1:0"})
    broker = Broker(config, on_started=started.append)
    broker.stop_soon()
    await broker.run()
    assert not started
    with Running(directory=tmp_path) as again:
        assert again.bootstrap


def test_killed_it_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    port = free_port()
    with broker_process(tmp_path, port=port) as broker:
        broker.await_ready()
        with broker.client() as client:
            topic_id = create_topic(client, "t")
            for value in (b"a", b"b"):
                assert produce(client, "t", batch_of(value))[0].error_code == 0
            before = fetch(client, "t")
            assert broker.stop(signal.SIGKILL) == -signal.SIGKILL
    assert not (tmp_path / ".kafka_cleanshutdown").exists()
    with broker_process(tmp_path, port=port) as broker:
        broker.await_ready()
        with broker.client() as client:
            assert fetch(client, "t") == before
            assert produce(client, topic_id, batch_of(b"c"), version=13)[0].base_offset == 2
        assert broker.stop() == 0


# ---- front door


def refusal(broker: BrokerProcess) -> str:
    """The one sentence that a broker says that does not start."""
    assert broker.wait() == 1, broker.output
    assert "Traceback" not in broker.output
    (sentence,) = [line for line in broker.lines if not LOG_LINE.fullmatch(line)]
    return sentence


def test_a_second_broker_on_the_same_directory(tmp_path: Path) -> None:
    with broker_process(tmp_path) as broker:
        broker.await_ready()
        with broker_process(tmp_path) as second:
            said = refusal(second)
            assert str(tmp_path) in said
            assert f"in use by process {broker.process.pid}" in said
        assert broker.stop() == 0


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with broker_process(tmp_path, port=port) as broker:
            assert f"port {port} is in use" in refusal(broker)


def test_a_host_that_is_not_here(tmp_path: Path) -> None:
    with broker_process(tmp_path, "--override", "listeners=PLAINTEXT://192.0.2.1:9092") as broker:
        assert "192.0.2.1 is not an address of this machine" in refusal(broker)
    with broker_process(tmp_path, "--override", "listeners=PLAINTEXT://no-such-host.invalid:9092") as broker:
        assert "no-such-host.invalid" in refusal(broker)


def test_a_file_where_the_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with broker_process(tmp_path / "file") as broker:
        assert str(tmp_path / "file") in refusal(broker)


def test_a_directory_of_another_node(tmp_path: Path) -> None:
    with broker_process(tmp_path, "--override", "node.id=1") as broker:
        broker.await_ready()
        broker.stop()
    with broker_process(tmp_path, "--override", "node.id=2") as broker:
        said = refusal(broker)
    assert "node 1" in said
    assert str(tmp_path) in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--override", "num.partitions=0"], ["num.partitions", "0"]),
        (["--override", "num.network.threads=many"], ["num.network.threads", "many"]),
        (["--override", "log.segment.bytes"], ["key=value"]),
        (["--override", "=x"], ["key=value"]),
        (["--config", "/no/such/file"], ["/no/such/file"]),
        (["--override", "listeners=SSL://:9093"], ["SSL"]),
    ],
)
def test_a_wrong_setting(tmp_path: Path, words: list[str], expected: list[str]) -> None:
    with broker_process(tmp_path, *words) as broker:
        said = refusal(broker)
    assert all(word in said for word in expected), said


def test_an_unknown_setting_is_a_warning(tmp_path: Path) -> None:
    with broker_process(tmp_path, "--override", "no.such.setting=1") as broker:
        broker.await_ready()
        assert "no.such.setting" in broker.await_line("WARN")
        assert broker.stop() == 0


# ---- commands


def test_memory_leaves_nothing_behind(tmp_path: Path) -> None:
    with broker_process(None, "--memory", "--topic", "t:3", "--topic", "u:1:1:compact") as broker:
        line = broker.await_line("  data  ")
        place = Path(line.split()[1])
        assert place.is_dir()
        with broker.client() as client:
            assert [answer.error_code for answer in produce(client, "t", *[batch_of(b"v")] * 4)] == [0, 0, 0, 3]
            assert produce(client, "u", batch_of(b"v", key=None))[0].error_code == 87
        assert broker.stop() == 0
    assert not place.exists()


def test_a_topic_that_exists_is_no_error(tmp_path: Path) -> None:
    for _ in range(2):
        with broker_process(tmp_path, "--topic", "t:3") as broker:
            broker.await_ready()
            assert broker.stop() == 0
    with broker_process(tmp_path, "--topic", "bad name") as broker:
        assert "bad name" in refusal(broker)


def test_kafka_server_start_and_stop(tmp_path: Path) -> None:
    port = free_port()
    properties = tmp_path / "server.properties"
    properties.write_text(f"listeners=PLAINTEXT://127.0.0.1:1\nlog.dirs={tmp_path / 'data'}\nnode.id=4\n")
    override = f"listeners=PLAINTEXT://127.0.0.1:{port}"
    from tests.broker.processes import COMMANDS

    command = [str(COMMANDS / "kafka-server-start.sh"), str(properties), "--override", override]
    broker = BrokerProcess(command, port=port)
    try:
        broker.await_line("[KafkaServer id=4] started")
        with broker.client() as client:
            assert client.call(ApiVersionsRequest(), 0).error_code == 0
        stopped = run("kafka-server-stop.sh", str(properties))
        assert (stopped.returncode, stopped.stdout, stopped.stderr) == (0, "", "")
        assert broker.wait() == 0
        assert all(LOG_LINE.fullmatch(line) for line in broker.lines)
    finally:
        broker.close()
    again = run("kafka-server-stop", str(properties))
    assert (again.returncode, again.stdout) == (1, "No kafka server to stop\n")


def test_kafka_server_start_in_the_background(tmp_path: Path) -> None:
    port = free_port()
    properties = tmp_path / "server.properties"
    properties.write_text(f"listeners=PLAINTEXT://127.0.0.1:{port}\nlog.dirs={tmp_path / 'data'}\n")
    done = run("kafka-server-start", "-daemon", str(properties), LOG_DIR=str(tmp_path / "logs"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    output = tmp_path / "logs" / "kafkaServer.out"
    try:
        await_text(output, "Kafka Server started")
    finally:
        stopped = run("kafka-server-stop", str(properties))
    assert stopped.returncode == 0
    await_text(output, "shut down completed")


def await_text(path: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and text in path.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(path.read_text() if path.exists() else f"{path} does not exist")


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["pykafka-core", "--version"], 0, f"pykafka-core {__version__}"),
        (["pykafka-core", "--help"], 0, "usage: pykafka-core start"),
        (["pykafka-core", "start", "--help"], 0, "--override"),
        (["pykafka-core"], 1, "a command is missing"),
        (["pykafka-core", "fly"], 1, "fly is no command"),
        (["pykafka-core", "start", "server.properties"], 1, "--config FILE"),
        (["pykafka-core", "start", "--no-such"], 1, "no-such is not a recognized option"),
        (["pykafka-core", "start", "--topic", "t:0"], 1, "--topic t:0"),
        (["kafka-server-start"], 1, "USAGE: kafka-server-start"),
        (["kafka-server-start", "--version"], 0, __version__),
        (["kafka-server-start", "/no/such/file"], 1, "/no/such/file"),
        (["kafka-server-stop", "--help"], 0, "USAGE: kafka-server-stop"),
        (["kafka-server-stop", "--node-id", "x"], 1, "--node-id"),
    ],
)
def test_what_commands_say(words: list[str], status: int, text: str) -> None:
    done = run(*words)
    assert done.returncode == status
    assert text in (done.stderr if status else done.stdout)
    assert "Traceback" not in done.stderr

"""kafka-server-stop: which processes are brokers, and which node they are.

Method: command lines, and a made-up list of processes. No signal is sent here; stopping a broker by its directory is in
tests/broker/test_process.py.
"""

import os

import pytest

from pykafka_core.tools.server_stop import is_broker, node_id_of, running_brokers


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/v/bin/python /v/bin/kafka-server-start server.properties", True),
        ("/v/bin/python3.11 /v/bin/kafka-server-start.sh -daemon server.properties", True),
        ("/v/bin/python /v/bin/pykafka-core start --memory", True),
        ("python -X dev /v/bin/pykafka-core start", True),
        ("/v/bin/python /v/bin/pykafka-core --version", False),
        ("/v/bin/python /v/bin/kafka-server-stop", False),
        ("vim kafka-server-start", False),
        ("grep -r kafka-server-start /etc", False),
        ("python script.py kafka-server-start", False),
        ("bash", False),
        ("", False),
    ],
)
def test_which_command_lines_are_brokers(line, expected):
    assert is_broker(line.split()) is expected


def test_processes_of_this_user(tmp_path):
    def add(pid, *words):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "cmdline").write_bytes(b"\0".join(word.encode() for word in words) + b"\0")
        (folder / "cwd").symlink_to(tmp_path)

    add(100, "python", "/v/bin/kafka-server-start", "server.properties")
    add(101, "bash", "-c", "sleep 1")
    (tmp_path / "version").write_text("not a process")
    (tmp_path / "102").mkdir()
    found = list(running_brokers(tmp_path))
    assert [(pid, words[1]) for pid, words, _ in found] == [(100, "/v/bin/kafka-server-start")]
    assert os.path.samefile(found[0][2], tmp_path)


def test_node_ids(tmp_path):
    (tmp_path / "server.properties").write_text("# node.id=9\nnode.id = 3\nlisteners=x\n")
    assert node_id_of(["kafka-server-start", "server.properties"], tmp_path) == "3"
    assert node_id_of(["kafka-server-start", "server.properties", "--override", "node.id=7"], tmp_path) == "7"
    assert node_id_of(["kafka-server-start", "missing.properties"], tmp_path) is None
    assert node_id_of(["pykafka-core", "start"], None) is None

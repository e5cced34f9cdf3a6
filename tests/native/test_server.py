"""The bridge to reactors and topic table.

Goal: requests go up and answers come down, tables are published whole, wrong arguments get clear errors; and what the
C tests cannot see, because they are one program: that a log of one extension module and a server of another work
together.
Method: a Server in this process, raw frames over loopback, no broker shell.
"""

import select
import socket
import struct
import sys
import time
from pathlib import Path

import pytest

from pykafka_core.native import Event, FileCache, Log, Partition, Request, Server, Topic, TopicConfig
from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from pykafka_core.records import encode

TOPIC_ID = bytes(range(16))
FETCH = 1


class Running:
    def __init__(self, directory, *, reactors=1):
        self.files = FileCache(16)
        self.log = Log(directory / "t-0", self.files)
        self.partition = Partition(0, self.log, 3)
        self.server = Server(node_id=1, reactors=reactors)
        self.server.publish([Topic("t", TOPIC_ID, TopicConfig(), [self.partition])])
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        self.server.listen(listener.detach(), 0)
        self.server.start()

    def connect(self):
        return socket.create_connection(self.address, timeout=60)

    def receive(self):
        """What comes up next, at most a minute from now."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if items := self.server.receive():
                return items
            select.select([self.server.fileno()], [], [], 1)
        raise AssertionError("nothing came up")

    def stop(self):
        self.server.stop()
        self.log.close()


@pytest.fixture
def running(tmp_path):
    running = Running(tmp_path)
    yield running
    running.stop()


def read_exactly(connection, size):
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        assert part, "the server closed the connection"
        data += part
    return bytes(data)


def read_frame(connection):
    return read_exactly(connection, struct.unpack(">i", read_exactly(connection, 4))[0])


def batch_of(values):
    now_ms = int(time.time() * 1000)
    return encode([(offset, now_ms, None, value) for offset, value in enumerate(values)])


def fetch_frame(offset, size):
    asked = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=size)
    request = FetchRequest(
        replica_id=-1, max_wait_ms=0, min_bytes=1, max_bytes=size, topics=[FetchTopic(topic="t", partitions=[asked])]
    )
    return encode_request(FETCH, 12, 7, "test", request, with_length=True)


def test_a_request_goes_up_and_its_answer_comes_down(running):
    with running.connect() as connection:
        frame = struct.pack(">hhih", 18, 0, 42, -1)
        connection.sendall(struct.pack(">i", len(frame)) + frame)
        (request,) = running.receive()
        assert isinstance(request, Request)
        assert request.frame == frame
        assert request.peer == "{}:{}".format(*connection.getsockname())
        assert request.local == "{}:{}".format(*running.address)
        running.server.reply(request.token, b"\0\0\0\x2aanswer")
        assert read_frame(connection) == b"\0\0\0\x2aanswer"


def test_an_answer_may_close_the_connection_and_one_for_a_gone_connection_is_forgotten(running):
    frame = struct.pack(">hhih", 99, 0, 1, -1)
    with running.connect() as connection:
        connection.sendall(struct.pack(">i", len(frame)) + frame)
        (request,) = running.receive()
        running.server.reply(request.token, None, close=True)
        assert connection.recv(1) == b""
    running.server.reply(request.token, b"late")


def test_bytes_that_are_no_frame_end_the_connection_with_an_event(running):
    with running.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(1) == b""
    (event,) = running.receive()
    assert isinstance(event, Event)
    assert event.kind == "frame too large"
    assert event.detail.startswith(b"GET / ")


def test_appended_records_are_fetched_and_refused_ones_are_explained(running):
    batch = batch_of([b"one", b"two"])
    outcome = running.partition.append(batch, TopicConfig())
    assert (outcome.error_code, outcome.base_offset, outcome.log_append_time_ms) == (0, 0, -1)
    assert running.partition.high_watermark == running.partition.last_stable_offset == 2
    with running.connect() as connection:
        connection.sendall(fetch_frame(0, 1 << 20))
        _, response = decode_response(FETCH, 12, read_frame(connection))
    (answer,) = response.responses[0].partitions
    assert (answer.error_code, answer.high_watermark) == (0, 2)
    assert answer.records[16:] == batch[16:]
    assert struct.unpack(">i", answer.records[12:16]) == (3,)
    refused = running.partition.append(batch, TopicConfig(compacted=True))
    assert refused.error_code == 87
    assert refused.record_errors == [(0, refused.error_message)]
    assert "key" in refused.error_message
    assert running.partition.append(batch[:-1] + b"x", TopicConfig()).error_code == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts system calls in /proc")
def test_records_are_sent_by_the_kernel_though_log_and_server_are_different_modules(running):
    value = bytes(1000)
    for _ in range(8):
        assert running.partition.append(batch_of([value] * 1000), TopicConfig()).error_code == 0
    size = 4 << 20

    def read_calls():
        return int(Path("/proc/self/io").read_text().split("syscr:")[1].split()[0])

    with running.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        before = read_calls()
        rounds = 10
        for _ in range(rounds):
            connection.sendall(fetch_frame(0, size))
            assert len(read_frame(connection)) > size - 2000
        # sendfile counts as one read of up to 2 MiB; copying takes one for each 128 KiB.
        assert read_calls() - before < rounds * (size >> 17) * 3 // 4


def test_a_topic_that_is_left_out_is_unknown_and_who_waits_for_it_is_told(running):
    with running.connect() as connection:
        asked = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
        request = FetchRequest(
            replica_id=-1, max_wait_ms=60000, min_bytes=1, topics=[FetchTopic(topic="t", partitions=[asked])]
        )
        connection.sendall(encode_request(FETCH, 12, 7, "test", request, with_length=True))
        assert select.select([connection], [], [], 0.05)[0] == []
        running.server.publish([])
        _, response = decode_response(FETCH, 12, read_frame(connection))
    assert response.responses[0].partitions[0].error_code == 3
    assert running.partition.append(batch_of([b"x"]), TopicConfig()).error_code == 3


def test_a_drain_answers_fetches_that_wait(running):
    with running.connect() as connection:
        asked = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
        request = FetchRequest(
            replica_id=-1, max_wait_ms=60000, min_bytes=1, topics=[FetchTopic(topic="t", partitions=[asked])]
        )
        connection.sendall(encode_request(FETCH, 12, 7, "test", request, with_length=True))
        assert select.select([connection], [], [], 0.05)[0] == []
        running.server.stop_listening()
        running.server.quiesce()
        _, response = decode_response(FETCH, 12, read_frame(connection))
    assert response.responses[0].partitions[0].error_code == 0
    deadline = time.monotonic() + 60
    while not running.server.idle():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TopicConfig(codec=5), "codec 5"),
        (lambda: TopicConfig(max_message_bytes=-1), "-1"),
        (lambda: TopicConfig(flush_messages=0), "flush_messages 0"),
        (lambda: Topic("t", b"short", TopicConfig(), []), "5 bytes"),
        (lambda: Server(node_id=1, reactors=0), "reactors 0"),
        (lambda: Server(node_id=1, reactors=65), "reactors 65"),
        (lambda: Server(node_id=1, handed_up_keys=b"\xff"), "255"),
    ],
)
def test_wrong_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_topic_needs_its_partitions_in_order(running, tmp_path):
    with pytest.raises(ValueError, match="partition 0"):
        Topic("t", TOPIC_ID, TopicConfig(), [Partition(1, running.log, 0)])
    with pytest.raises(TypeError):
        running.server.publish(["t"])
    with pytest.raises(ValueError, match="token"):
        running.server.reply(5 << 64, b"")

"""kafka-console-producer and kafka-console-consumer together."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
import time

import pytest

from harness.broker import Broker
from pykafka_core.tools.command import ToolError
from pykafka_core.tools.record_formatter import deserializer
from running import Ran, run_ours

PRODUCER, CONSUMER = "kafka-console-producer", "kafka-console-consumer"


def produce(broker: Broker, topic: str, text: str, *words: str) -> Ran:
    return run_ours(PRODUCER, "--broker-list", broker.bootstrap, "--topic", topic, *words, stdin=text)


def consume(broker: Broker, topic: str, *words: str) -> Ran:
    return run_ours(CONSUMER, "--bootstrap-server", broker.bootstrap, "--topic", topic, *words)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec(ours: Broker, codec: str) -> None:
    lines = [f"line {number}" for number in range(3000)]
    ran = produce(ours, f"codec-{codec}", "\n".join(lines), "--compression-codec", codec)
    assert (ran.status, ran.out, ran.err) == (0, [], [])
    ran = consume(ours, f"codec-{codec}", "--from-beginning", "--max-messages", "3000")
    assert ran.out == lines
    assert ran.err == ["Processed a total of 3000 messages"]


def test_compression_without_a_name_is_gzip(ours: Broker) -> None:
    assert produce(ours, "gzip-by-default", "x\n" * 500, "--compression-codec", "--sync").status == 0
    segment = ours.data / "gzip-by-default-0" / "00000000000000000000.log"
    assert segment.read_bytes()[22] & 7 == 1


def test_all_columns(ours: Broker) -> None:
    text = "h1:1,h2:NIL\tk\tv\nNIL\tNIL\tNIL\n"
    words = [f"--reader-property={each}" for each in ("parse.key=true", "parse.headers=true", "null.marker=NIL")]
    assert produce(ours, "columns", text, *words).status == 0
    columns = [f"print.{name}=true" for name in ("timestamp", "partition", "offset", "epoch", "headers", "key")]
    more = ["null.literal=-", "headers.separator=;", "key.separator=|"]
    options = [f"--formatter-property={each}" for each in (*columns, *more)]
    ran = consume(ours, "columns", "--from-beginning", "--max-messages", "2", *options)
    lines = [line.split("|") for line in ran.out]
    assert [line[1:] for line in lines] == [
        ["Partition:0", "Offset:0", "Epoch:0", "h1:1;h2:-", "k", "v"],
        ["Partition:0", "Offset:1", "Epoch:0", "NO_HEADERS", "-", "-"],
    ]
    assert all(line[0].startswith("CreateTime:1") for line in lines)


def test_partition_offset_and_limits(ours: Broker) -> None:
    run_ours("kafka-topics", "--bootstrap-server", ours.bootstrap, "--create", "--topic", "places", "--partitions", "2")
    text = "".join(f"{number}\t{number}\n" for number in range(40))
    assert produce(ours, "places", text, "--property", "parse.key=true").status == 0
    everything = consume(ours, "places", "--from-beginning", "--timeout-ms", "1000")
    assert sorted(map(int, everything.out)) == list(range(40))
    assert everything.status == 0
    assert everything.err[-2:] == [
        "org.apache.kafka.common.errors.TimeoutException",
        "Processed a total of 40 messages",
    ]
    parts = [consume(ours, "places", "--partition", p, "--offset", "earliest", "--timeout-ms", "500").out for p in "01"]
    assert all(parts)
    assert sorted(parts[0] + parts[1]) == sorted(everything.out)
    later = consume(ours, "places", "--partition", "1", "--offset", "3", "--max-messages", "2")
    assert later.out == parts[1][3:5]
    latest = consume(ours, "places", "--partition", "1", "--offset", "latest", "--timeout-ms", "300")
    assert latest.out == []


def test_topics_by_regular_expression(ours: Broker) -> None:
    for name in ("include-a", "include-b"):
        produce(ours, name, f"{name}\n")
    ran = run_ours(CONSUMER, "--bootstrap-server", ours.bootstrap, "--include", "include-.", "--from-beginning",
                   "--max-messages", "2")  # fmt: skip
    assert sorted(ran.out) == ["include-a", "include-b"]


def test_numbers_by_their_deserializers(ours: Broker) -> None:
    produce(ours, "numbers", "1234\n12345678\nabc\n")
    name = "org.apache.kafka.common.serialization.IntegerDeserializer"
    ran = consume(ours, "numbers", "--from-beginning", "--max-messages", "1", "--value-deserializer", name)
    assert ran.out == [str(struct.unpack(">i", b"1234")[0])]
    ran = consume(ours, "numbers", "--from-beginning", "--max-messages", "3", "--value-deserializer", name)
    assert ran.status == 1
    assert "Size of data received by IntegerDeserializer is not 4" in ran.err[1]
    words = ["--value-deserializer", name, "--skip-message-on-error", "--max-messages", "3"]
    assert consume(ours, "numbers", "--from-beginning", *words).status == 0


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("ShortDeserializer", b"\xff\xff", b"-1"),
        ("LongDeserializer", bytes(7) + b"\x05", b"5"),
        ("DoubleDeserializer", struct.pack(">d", 1.0), b"1.0"),
        ("DoubleDeserializer", struct.pack(">d", 1e10), b"1.0E10"),
        ("DoubleDeserializer", struct.pack(">d", 1.5e-7), b"1.5E-7"),
        ("DoubleDeserializer", struct.pack(">d", 123456.789), b"123456.789"),
        ("FloatDeserializer", struct.pack(">f", 0.1), b"0.1"),
        ("FloatDeserializer", struct.pack(">f", 3.4e38), b"3.4E38"),
        ("BooleanDeserializer", b"\x01", b"true"),
        ("UUIDDeserializer", b"01234567-89AB-cdef-0123-456789abcdef", b"01234567-89ab-cdef-0123-456789abcdef"),
        ("StringDeserializer", b"\xff", "�".encode()),
    ],
)
def test_deserializers(name: str, data: bytes, text: bytes) -> None:
    assert deserializer(f"org.apache.kafka.common.serialization.{name}")(data) == text


@pytest.mark.parametrize("name", ["BooleanDeserializer", "UUIDDeserializer", "LongDeserializer"])
def test_deserializers_refuse_what_is_not_theirs(name: str) -> None:
    with pytest.raises(ToolError):
        deserializer(name)(b"\x07")


def test_unknown_deserializer(ours: Broker) -> None:
    ran = consume(ours, "numbers", "--formatter-property", "key.deserializer=com.example.Mine", "--timeout-ms", "1")
    assert ran.status == 1
    assert "com.example.Mine" in "".join(ran.err)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "Exactly one of the following arguments is required: [topic], [include]"),
        (["--topic", "a", "--include", "b"], "Exactly one of the following arguments is required: [topic], [include]"),
        (
            ["--topic", "a", "--partition", "0", "--group", "g"],
            "Options group and partition cannot be specified togeth",
        ),
        (
            ["--topic", "a", "--group", "g", "--command-property", "group.id=h"],
            "The group ids provided in different pl",
        ),
        (
            ["--topic", "a", "--property", "b=c", "--formatter-property", "b=c"],
            "Options --property and --formatter-pro",
        ),
        (["--include", "b", "--partition", "0"], "The topic is required when partition is specified."),
        (["--topic", "a", "--offset", "1"], "The partition is required when offset is specified."),
        (["--topic", "a", "--partition", "0", "--offset", "-1"], "The provided offset value '-1' is incorrect."),
        (["--topic", "a", "--partition", "x"], "Cannot parse argument 'x' of option partition"),
        (["--topic", "a", "--wrong"], "wrong is not a recognized option"),
    ],
)
def test_wrong_use_of_the_consumer(words: list[str], text: str) -> None:
    ran = run_ours(CONSUMER, "--bootstrap-server", "127.0.0.1:1", *words)
    assert ran.status == 1
    assert ran.err[0].startswith(text)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--topic", "a"], 'Missing required argument "[bootstrap-server]"'),
        (["--broker-list", "127.0.0.1:1"], 'Missing required argument "[topic]"'),
        (["--nope"], "nope is not a recognized option"),
        (["--topic", "a", "--broker-list", "x"], "Invalid url in bootstrap.servers: x"),
        (["--topic", "a", "--broker-list", "x:1", "--compression-codec", "rar"], "Unknown compression name: rar"),
        (["--topic", "a", "--broker-list", "x:1", "--line-reader", "My"], "My is no line reader"),
        (["--topic", "a", "--broker-list", "x:1", "--request-required-acks", "7"], "configuration acks"),
    ],
)
def test_wrong_use_of_the_producer(words: list[str], text: str) -> None:
    ran = run_ours(PRODUCER, *words, stdin="")
    assert ran.status == 1
    assert text in ran.err[0]


def test_refused_records_are_reported(ours: Broker) -> None:
    run_ours("kafka-topics", "--bootstrap-server", ours.bootstrap, "--create", "--topic", "tight",
             "--config", "max.message.bytes=500")  # fmt: skip
    ran = produce(ours, "tight", "x" * 1000 + "\n")
    assert ran.status == 0  # as with Kafka's, unless --sync
    assert "key: null, value: 1000 bytes with error: org.apache.kafka.common.errors.RecordTooLarge" in ran.err[0]
    ran = produce(ours, "tight", "x" * 1000 + "\n", "--sync")
    assert ran.status == 1


def test_no_line_end_and_windows_line_ends(ours: Broker) -> None:
    produce(ours, "ends", "a\r\nb\n\nc")
    ran = consume(ours, "ends", "--from-beginning", "--max-messages", "4")
    assert ran.out == ["a", "b", "", "c"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_consumer_with_its_count(ours: Broker, number: int, status: int) -> None:
    produce(ours, "signalled", "a\n")
    line = [sys.executable, "-m", "pykafka_core.tools.console_consumer", "--bootstrap-server", ours.bootstrap,
            "--topic", "signalled", "--from-beginning"]  # fmt: skip
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "a\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert err.startswith("Processed a total of ")


def test_a_reader_that_goes_away_ends_the_consumer(ours: Broker) -> None:
    produce(ours, "piped", "line\n" * 2000)
    line = f"{sys.executable} -m pykafka_core.tools.console_consumer --bootstrap-server {ours.bootstrap} --topic piped"
    shell = subprocess.run(
        ["sh", "-c", f"{line} --from-beginning --timeout-ms 5000 | head -1; {line} --timeout-ms 1 --from-beginning"],
        capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert shell.stdout.startswith("line\n")
    assert "Unable to write to standard out, closing consumer." in shell.stderr or "TimeoutException" in shell.stderr


def test_records_arrive_while_the_consumer_waits(ours: Broker) -> None:
    line = [sys.executable, "-m", "pykafka_core.tools.console_consumer", "--bootstrap-server", ours.bootstrap,
            "--topic", "live", "--max-messages", "1", "--from-beginning"]  # fmt: skip
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        # Its question about the topic makes it; reading begins there.
        while not (ours.data / "live-0").exists():
            assert process.poll() is None
            time.sleep(0.01)
        produce(ours, "live", "hello\n")
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "hello\n")


def test_without_a_group_it_has_one_of_its_own_that_commits_nothing(ours: Broker) -> None:
    produce(ours, "ungrouped", "a\nb\n")
    before = {*run_ours("kafka-consumer-groups", "--bootstrap-server", ours.bootstrap, "--list").out}
    line = [sys.executable, "-m", "pykafka_core.tools.console_consumer", "--bootstrap-server", ours.bootstrap,
            "--topic", "ungrouped", "--from-beginning"]  # fmt: skip
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert [process.stdout.readline() for _ in range(2)] == ["a\n", "b\n"]
        (group,) = {*run_ours("kafka-consumer-groups", "--bootstrap-server", ours.bootstrap, "--list").out} - before
        assert re.fullmatch(r"console-consumer-\d{5}", group)
        where = ("--bootstrap-server", ours.bootstrap, "--describe", "--group", group)
        (row,) = [each.split() for each in run_ours("kafka-consumer-groups", *where).out if "ungrouped" in each]
        assert row[:6] == [group, "ungrouped", "0", "-", "2", "-"]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    members = run_ours("kafka-consumer-groups", *where, "--members")
    assert f"Consumer group '{group}' has no active members." in members.err


def test_a_group_goes_on_where_it_has_stopped(ours: Broker) -> None:
    produce(ours, "resumed", "a\nb\nc\n")
    group = ("--group", "resumer", "--from-beginning", "--max-messages")
    assert consume(ours, "resumed", *group, "2").out == ["a", "b"]
    assert consume(ours, "resumed", *group, "1").out == ["c"]
    produce(ours, "resumed", "d\n")
    uncommitted = (*group, "1", "--command-property", "enable.auto.commit=false")
    assert consume(ours, "resumed", *uncommitted).out == ["d"]
    assert consume(ours, "resumed", *group, "1").out == ["d"]
    run_ours("kafka-consumer-groups", "--bootstrap-server", ours.bootstrap, "--delete", "--group", "resumer")


def test_a_group_without_offsets_and_without_a_reset(ours: Broker) -> None:
    produce(ours, "no-reset", "a\n")
    ran = consume(ours, "no-reset", "--group", "no-reset", "--command-property", "auto.offset.reset=none")
    assert ran.status == 0
    assert ran.err[0].endswith("Error processing message, terminating consumer process: ")
    assert (
        "NoOffsetForPartitionException: Undefined offset with no reset policy for partitions: [no-reset-0]"
        in (ran.err[1])
    )
    # It has left the group all the same, or this would be refused.
    ran = run_ours("kafka-consumer-groups", "--bootstrap-server", ours.bootstrap, "--delete", "--group", "no-reset")
    assert ran.out == ["Deletion of requested consumer groups ('no-reset') was successful."]


def test_an_assignor_that_is_not_known_is_refused(ours: Broker) -> None:
    word = "partition.assignment.strategy=StickyAssignor"
    ran = consume(ours, "no-reset", "--group", "g", "--command-property", word)
    assert ran.status == 1
    assert f"{word} is not supported" in "".join(ran.err)

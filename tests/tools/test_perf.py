"""The performance tools send and read what they say they do, and say it in Kafka's lines.

Method: against our broker and against Apache Kafka a topic is filled by ours and counted by ours and by
kafka-get-offsets; each line is compared with a pattern taken from Kafka 4.3.1's. What is refused is compared with
golden/perf.session, recorded from Kafka's tools.
"""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest

import recorded
from harness import broker as brokers
from pykafka_core.tools.consumer_perf import java_date
from running import run_inside, run_ours

TOTAL = re.compile(
    r"(\d+) (steady state )?records sent, \d+\.\d{6} records/sec \(\d+\.\d\d MB/sec\), (\d+\.\d\d|NaN) ms avg latency, "
    r"\d+\.\d\d ms max latency, \d+ ms 50th, \d+ ms 95th, \d+ ms 99th, \d+ ms 99\.9th\."
)
WINDOW = re.compile(
    r"(\d+) records sent, \d+\.\d records/sec \(\d+\.\d\d MB/sec\), \d+\.\d ms avg latency, \d+\.\d ms max latency\."
)
HEADER = (
    "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, "
    "fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec"
)
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}"
READ = re.compile(
    rf"{TIME}, {TIME}, (\d+\.\d{{4}}), \d+\.\d{{4}}, (\d+), \d+\.\d{{4}}, \d+, \d+, \d+\.\d{{4}}, \d+\.\d{{4}}"
)


@pytest.fixture(params=["ours", "kafka"])
def broker(request: pytest.FixtureRequest) -> brokers.Broker:
    found: brokers.Broker = request.getfixturevalue(request.param)
    return found


def produce(broker: brokers.Broker, topic: str, count: int, *words: str) -> list[str]:
    where = ["--bootstrap-server", broker.bootstrap, "--topic", topic, "--num-records", str(count)]
    throughput = [] if "--throughput" in words else ["--throughput", "-1"]
    ran = run_inside("kafka-producer-perf-test", *where, *throughput, *words)
    assert (ran.status, ran.err) == (0, []), ran
    return ran.out


def read(broker: brokers.Broker, topic: str, count: int, *words: str) -> list[str]:
    where = ["--bootstrap-server", broker.bootstrap, "--topic", topic, "--num-records", str(count)]
    ran = run_inside("kafka-consumer-perf-test", *where, *words)
    assert (ran.status, ran.err) == (0, []), ran
    return ran.out


def total(line: str) -> int:
    match = TOTAL.fullmatch(line)
    assert match, line
    return int(match[1])


def test_what_was_sent_is_read(broker: brokers.Broker) -> None:
    topic, group_id = f"perf-{uuid.uuid4().hex[:8]}", f"group-{uuid.uuid4().hex[:8]}"
    assert [total(line) for line in produce(broker, topic, 20000, "--record-size", "100")] == [20000]
    props = ["--command-property", "acks=1", "compression.type=zstd"]
    assert [total(line) for line in produce(broker, topic, 5000, "--record-size", "10", *props)] == [5000]
    assert [total(line) for line in produce(broker, topic, 10, "--payload-monotonic")] == [10]
    ends = run_inside("kafka-get-offsets", "--bootstrap-server", broker.bootstrap, "--topic", topic)
    assert ends.out == [f"{topic}:0:25010"]
    lines = read(broker, topic, 25010, "--group", group_id)
    match = READ.fullmatch(lines[1])
    assert match, lines
    assert lines[0] == HEADER
    assert (match[1], match[2]) == (f"{(2000000 + 50000 + 10) / 1048576:.4f}", "25010")
    # The group has committed, so that there is nothing left.
    lines = read(broker, topic, 1, "--group", group_id, "--timeout", "300", "--hide-header")
    assert lines[0].startswith(
        "WARNING: Exiting before consuming the expected number of records: timeout (300 ms) exceeded."
    )
    match = READ.fullmatch(lines[1])
    assert match
    assert match[2] == "0"


def test_a_rate_is_kept_and_shown(ours: brokers.Broker) -> None:
    topic = f"rate-{uuid.uuid4().hex[:8]}"
    words = ["--record-size", "10", "--throughput", "2000", "--warmup-records", "500", "--reporting-interval", "200"]
    lines = produce(ours, topic, 1500, *words, "--print-metrics")
    assert lines[0] == "Warmup first 500 records. Steady state results will print after the complete test summary."
    assert "In steady state." in lines
    windows = [match for match in map(WINDOW.fullmatch, lines) if match]
    assert len(windows) >= 2
    totals = [match for match in map(TOTAL.fullmatch, lines) if match]
    assert [(match[1], match[2]) for match in totals] == [("1500", None), ("1000", "steady state ")]
    rate = float(re.search(r"sent, ([\d.]+) records/sec", totals[0][0])[1])  # type: ignore[index]
    assert rate < 2100
    assert any(line.startswith("producer-metrics:record-send-total:{client-id=perf-producer-client}") for line in lines)


def test_payloads_of_a_file_are_used(ours: brokers.Broker, tmp_path: Path) -> None:
    topic = f"file-{uuid.uuid4().hex[:8]}"
    path = tmp_path / "payloads"
    path.write_text("one|two|three|")
    lines = produce(ours, topic, 300, "--payload-file", str(path), "--payload-delimiter", r"\|")
    assert lines[:2] == [f"Reading payloads from: {path}", "Number of records read: 3"]
    where = ["--bootstrap-server", ours.bootstrap, "--topic", topic, "--from-beginning", "--max-messages", "300"]
    assert set(run_ours("kafka-console-consumer", *where).out) == {"one", "two", "three"}


def test_progress_is_shown_while_reading(ours: brokers.Broker) -> None:
    topic = f"detail-{uuid.uuid4().hex[:8]}"
    produce(ours, topic, 1000, "--record-size", "100")
    words = ["--show-detailed-stats", "--reporting-interval", "1", "--date-format", "yyyy"]
    lines = read(ours, topic, 1000, *words)
    assert lines[0].startswith("time, threadId, data.consumed.in.MB,")
    assert re.fullmatch(
        r"\d{4}, 0, \d+\.\d{4}, \d+\.\d{4}, 1000, \d+\.\d{4}, \d+, -?\d+, \d+\.\d{4}, \d+\.\d{4}", lines[-1]
    )


def test_what_is_refused_is_refused_in_kafkas_words(tmp_path: Path) -> None:
    count = 0
    for step, ran in recorded.replay("perf", tmp_path, run=run_inside):
        count += 1
        assert ran.status == step.status, (step.line, ran)
        assert [recorded.normal(line, tmp_path, "HOST:9092") for line in ran.out] == step.out, step.line
        said, wanted = " ".join(" ".join(ran.err).split()), " ".join(" ".join(step.err).split())
        if wanted.startswith("usage: "):
            assert said.replace("- ", "-") == wanted.replace("- ", "-"), step.line
        else:
            assert ran.err[0] == step.err[0], step.line
    assert count > 15


def test_dates_are_written_as_java_does() -> None:
    moment = 1795419724069
    assert re.fullmatch(TIME, java_date(moment, "yyyy-MM-dd HH:mm:ss:SSS"))
    assert java_date(moment, "SSS 'at' S''yy") == "069 at 69'26"
    assert java_date(moment, "MMM d") == "Nov 23"

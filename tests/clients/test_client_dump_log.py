"""Goal: Apache Kafka's own log reader finds nothing wrong in what the broker has written.

Method: DumpLogSegments from Kafka's jars reads every segment record by record (`--deep-iteration`) and every offset and
time index (`--index-sanity-check`, `--verify-index-only`), once for a log with many small segments and every codec, and
at the end of the session for all that the other tests have left.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import jars
from harness.broker import Broker
from harness.clients.base import CODECS
from harness.clients.confluent_client import Confluent
from harness.presence import MissingError, absent
from harness.records import sample
from harness.requests import await_leaders, create_topic

pytestmark = [pytest.mark.row("kafka-dump-log"), pytest.mark.timeout(300)]
WRONG = ("isvalid: false", "Mismatches", "Exception", "Found timestamp mismatch", "Index file is corrupt",
         "out of order", "is not a valid", "trailing garbage", "Misplaced", "is followed by", "Could not")  # fmt: skip
# Said of every segment that does not begin at offset 0, Kafka's own included.
HARMLESS = re.compile(r"^ *-1 is followed by \d+$")


def dump(files: list[Path], *options: str) -> str:
    try:
        jars.require()
    except MissingError as missing:
        absent(str(missing))
    done = jars.java(
        "org.apache.kafka.tools.DumpLogSegments", *options, "--files", ",".join(map(str, files)), timeout=240
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-3000:]
    lines = text.splitlines()
    bad = [line for line in lines if any(each.lower() in line.lower() for each in WRONG) and not HARMLESS.match(line)]
    assert not bad, "\n".join(bad[:20])
    return text


def partition_files(data: Path) -> tuple[list[Path], list[Path]]:
    """Segments and indexes of all partitions, the metadata log aside, which has its own decoder."""
    folders = [f for f in data.iterdir() if f.is_dir() and re.search(r"-\d+$", f.name) and f.name[:2] != "__"]
    logs = sorted(path for folder in folders for path in folder.glob("*.log"))
    indexes = sorted(p for folder in folders for form in ("*.index", "*.timeindex") for p in folder.glob(form))
    return logs, indexes


def check(logs: list[Path], indexes: list[Path]) -> str:
    """Everything that Kafka can say about these files. Returns what it says about the segments."""
    text = dump(logs, "--deep-iteration", "--skip-record-metadata")
    assert text.count("Log starting offset:") == len(logs)
    assert dump(indexes, "--index-sanity-check").count("passed sanity check.") == len(indexes)
    dump(indexes, "--verify-index-only")
    return text


def test_many_segments_and_every_codec(own_broker: Callable[..., Broker]) -> None:
    broker = own_broker(log_segment_bytes=1 << 20, log_index_interval_bytes=256)
    producer = Confluent()
    count = 0
    for codec in CODECS:
        create_topic(broker.address, codec, 1, segment_ms=100_000)  # the records are a second apart
        for seed in range(2):
            records = sample(seed, count=1500, partitions=1)
            producer.produce(broker.bootstrap, codec, records, codec=codec, acks="all", idempotent=seed % 2 == 0)
            count += len(records)
    logs, indexes = partition_files(broker.data)
    assert len(logs) > 5 * len(CODECS), "the segments did not roll"
    dump(logs, "--deep-iteration")  # while the broker has them open
    broker.stop()

    logs, indexes = partition_files(broker.data)
    text = check(logs, indexes)
    assert sum(int(n) for n in re.findall(r"^baseOffset: .* count: (\d+) ", text, re.MULTILINE)) == count
    assert any(path.stat().st_size for path in indexes), "no index has an entry"

    broker.start()
    for codec in CODECS:
        await_leaders(broker.address, codec, 1)


@pytest.mark.last_of_session
def test_all_that_the_session_has_left(broker: Broker) -> None:
    status = broker.stop()
    assert status == (143 if broker.target == "kafka" else 0)  # a JVM reports the signal
    logs, indexes = partition_files(broker.data)
    full = [path for path in logs if path.stat().st_size]
    if not full:
        pytest.skip("no other client test has run")
    for at in range(0, len(full), 400):
        dump(full[at : at + 400], "--deep-iteration", "--skip-record-metadata")
    for at in range(0, len(indexes), 800):
        dump(indexes[at : at + 800], "--index-sanity-check")
        dump(indexes[at : at + 800], "--verify-index-only")

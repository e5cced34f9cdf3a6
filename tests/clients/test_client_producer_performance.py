"""Goal: Kafka's own load tool runs to its end and the broker then holds exactly what it sent.

Method: org.apache.kafka.tools.ProducerPerformance from Kafka's jars; a raw request then asks for the record count.
"""

from __future__ import annotations

import itertools
import re

import pytest

from harness import jars
from harness.broker import Broker
from harness.presence import MissingError, absent
from harness.requests import create_topic, end_offsets

pytestmark = [pytest.mark.row("ProducerPerformance"), pytest.mark.timeout(180)]
NAMES = (f"performance-{number}" for number in itertools.count())


@pytest.mark.parametrize(("codec", "acks"), [("none", "all"), ("lz4", "1"), ("zstd", "all")])
def test_producer_performance_runs(broker: Broker, codec: str, acks: str) -> None:
    try:
        jars.require()
    except MissingError as missing:
        absent(str(missing))
    topic = next(NAMES)
    create_topic(broker.address, topic, 2)
    done = jars.java(
        "org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", "50000",
        "--record-size", "200", "--throughput", "-1", "--producer-props", f"bootstrap.servers={broker.bootstrap}",
        f"compression.type={codec}", f"acks={acks}", timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(r"^50000 records sent, .* records/sec", done.stdout, re.MULTILINE), done.stdout
    assert sum(end_offsets(broker.address, topic).values()) == 50_000

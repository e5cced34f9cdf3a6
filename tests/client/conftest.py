"""A broker of ours for the tests of the client, and Apache Kafka where its jars are at hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import broker as brokers
from harness import jars
from harness.presence import MissingError, absent

# Of the newer group protocol the broker says how fast it goes; of the older, what a member may ask for.
FAST: dict[str, str | int] = {
    "group_initial_rebalance_delay_ms": 0,
    "group_min_session_timeout_ms": 1000,
    "group_consumer_session_timeout_ms": 3000,
    "group_consumer_min_session_timeout_ms": 3000,
    "group_consumer_heartbeat_interval_ms": 100,
    "group_consumer_min_heartbeat_interval_ms": 100,
    "group_consumer_assignment_interval_ms": 0,
}


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    broker = brokers.OurBroker(tmp_path_factory.mktemp("broker"), **FAST)
    broker.start()
    yield broker.address
    broker.stop()


@pytest.fixture(scope="session")
def kafka_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    try:
        jars.require()
    except MissingError as missing:
        absent(str(missing))
    broker = brokers.ApacheKafka(tmp_path_factory.mktemp("kafka"), **FAST)
    broker.start()
    yield broker.address
    broker.stop()

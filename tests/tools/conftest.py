"""Brokers for the tests of the commands: ours, and Apache Kafka where its jars are at hand."""

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
from running import KAFKAS_MACHINE


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.Broker]:
    broker = brokers.OurBroker(tmp_path_factory.mktemp("ours"), group_initial_rebalance_delay_ms=0)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.Broker]:
    """A broker of ours that only the recorded session uses, because that begins with no topic."""
    broker = brokers.OurBroker(tmp_path_factory.mktemp("fresh"), group_initial_rebalance_delay_ms=0)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.Broker]:
    """Apache Kafka; whoever asks for it needs Java and the jars."""
    try:
        jars.require()
    except MissingError as missing:
        absent(str(missing))
    broker = brokers.ApacheKafka(tmp_path_factory.mktemp("kafka"), group_initial_rebalance_delay_ms=0)
    broker.start()
    yield broker
    KAFKAS_MACHINE.stop()
    broker.stop()

"""A broker of ours for the tests of the client."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients"))

from harness import broker as brokers


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    broker = brokers.OurBroker(tmp_path_factory.mktemp("broker"), group_initial_rebalance_delay_ms=0)
    broker.start()
    yield broker.address
    broker.stop()

"""One broker for all tests of this folder that do not need their own, and a connection to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from pykafka_core.testing import Broker
from tests.broker.raw_client import RawClient

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    with Broker(broker_rack="r1", log_segment_delete_delay_ms=0) as running:
        yield running


@pytest.fixture
def client(broker: Broker) -> Iterator[RawClient]:
    with RawClient(broker.bootstrap) as connected:
        yield connected


@pytest.fixture
def name() -> str:
    """A topic name that no other test uses."""
    return f"topic-{next(NUMBERS)}"

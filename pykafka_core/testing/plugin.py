"""pytest plugin: the fixture `kafka_broker`. Nothing is imported before a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pykafka_core.testing.broker import Broker

__all__ = ["kafka_broker"]


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[Broker]:
    """A Kafka broker on a free port, for all tests of the session; `kafka_broker.bootstrap` is its address."""
    from pykafka_core.testing.broker import Broker

    with Broker() as broker:
        yield broker

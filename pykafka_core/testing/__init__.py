"""A broker inside the process that tests with it: no Docker, no Java, no port to choose.

    with Broker(num_partitions=3) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap})

With pytest installed, the fixture `kafka_broker` is one that all tests of a session share (plugin.py).
"""

from __future__ import annotations

from pykafka_core.testing.broker import Broker

__all__ = ["Broker"]

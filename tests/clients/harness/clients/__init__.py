"""One adapter per client; `ALL` is the list that the tests run over, in the order of the table."""

from harness.clients.aiokafka_client import AioKafka
from harness.clients.base import Client
from harness.clients.confluent_client import Confluent
from harness.clients.java_client import Java
from harness.clients.kafka_python_client import KafkaPython
from harness.clients.kafkajs_client import KafkaJs
from harness.clients.kcat_client import Kcat

ALL: tuple[Client, ...] = (Confluent(), KafkaPython(), AioKafka(), Kcat(), KafkaJs(), Java())

__all__ = ["ALL", "Client"]

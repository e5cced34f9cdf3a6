"""What a tutorial for Apache Kafka lets one type, from the first topic to its end: both tool sets, both brokers."""

from __future__ import annotations

import pytest

from four import assert_one_answer
from harness.broker import Broker

# That the topics are gone at the end is what the next one who tells it finds at the beginning.
STORY = r"""
kafka-topics --list --topic test-?[tT]opic
kafka-topics --create --topic test-topic --partitions 1 --replication-factor 1
kafka-topics --list --topic test-?[tT]opic
kafka-topics --describe --topic test-topic
kafka-console-producer --topic testTopic << hello\nworld\n
kafka-console-consumer --topic testTopic --from-beginning --max-messages 2
kafka-console-producer --topic testTopic --property parse.key=true --property key.separator=: << a:1\nb:2\nc:3\n
kafka-console-producer --topic testTopic --property parse.key=true --property key.separator=: << no separator\n
kafka-console-consumer --topic testTopic --from-beginning --max-messages 5 --property print.key=true --property key.separator=:
kafka-console-consumer --topic testTopic --from-beginning --max-messages 5 --property print.timestamp=true --property print.partition=true --property print.offset=true --property print.headers=true --property print.key=true
kafka-console-consumer --topic testTopic --partition 0 --offset 3 --max-messages 2
kafka-console-consumer --topic testTopic --from-beginning --max-messages 4 --group walkers
kafka-consumer-groups --describe --group walkers
kafka-console-consumer --topic testTopic --from-beginning --max-messages 1 --group walkers
kafka-consumer-groups --describe --group walkers --verbose
kafka-consumer-groups --describe --group walkers --members
kafka-consumer-groups --describe --group walkers --state
kafka-consumer-groups --group walkers --topic testTopic --reset-offsets --shift-by -2 --execute
kafka-console-consumer --topic testTopic --max-messages 2 --group walkers
kafka-consumer-groups --delete --group walkers
kafka-consumer-groups --describe --group walkers
kafka-topics --alter --topic test-topic --partitions 3
kafka-topics --describe --topic test-topic
kafka-configs --alter --entity-type topics --entity-name test-topic --add-config retention.ms=5000,max.message.bytes=2000
kafka-configs --describe --entity-type topics --entity-name test-topic
kafka-topics --describe --topic test-topic
kafka-configs --alter --entity-type topics --entity-name test-topic --delete-config retention.ms
kafka-configs --describe --topic test-topic
kafka-get-offsets --topic testTopic
kafka-topics --delete --topic test-topic
kafka-topics --delete --topic testTopic
"""  # noqa: E501


@pytest.mark.timeout(300)
def test_both_tool_sets_and_both_brokers_give_one_answer(ours: Broker, kafka: Broker) -> None:
    assert_one_answer(STORY, ours, kafka)

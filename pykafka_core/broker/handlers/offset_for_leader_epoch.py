"""OffsetForLeaderEpoch (23), versions 2-4: where a leader epoch ends, so that a reader can tell whether its log was
truncated.

- The answer is the largest epoch not above the one asked for, and the offset where it ends. For the current epoch
  that is the log end offset. An epoch that is unknown, or older than anything in the log, is answered with (-1, -1).
- `current_leader_epoch` says what the client believes: lower than ours is FENCED_LEADER_EPOCH, higher
  UNKNOWN_LEADER_EPOCH, -1 no check.

librdkafka uses version 2 and Java 3 and up; both trust the answer so far as to jump back, so a wrong one loses data
for them.
Source: KIP-101, KIP-279, KIP-320; kafka.cluster.Partition.lastOffsetForLeaderEpoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.offset_for_leader_epoch_request import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
)
from pykafka_core.protocol.messages.offset_for_leader_epoch_response import (
    EpochEndOffset,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderTopicResult,
)

if TYPE_CHECKING:
    from pykafka_core.broker.topics import Topics

UNDEFINED = -1


@serves(ApiKey.OFFSET_FOR_LEADER_EPOCH, 2, 4)
def offset_for_leader_epoch(
    request: OffsetForLeaderEpochRequest, context: RequestContext, *, topics: Topics
) -> OffsetForLeaderEpochResponse:
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic, partitions=[answer_one(topics, topic.topic, asked) for asked in topic.partitions]
            )
            for topic in request.topics
        ]
    )


def answer_one(topics: Topics, topic: str, asked: OffsetForLeaderPartition) -> EpochEndOffset:
    try:
        partition = topics.led_partition(topic, asked.partition, asked.current_leader_epoch)
    except RequestError as error:
        return EpochEndOffset(error_code=error.code, partition=asked.partition, end_offset=UNDEFINED)
    epoch, end_offset = partition.log.end_offset_for_epoch(asked.leader_epoch)
    return EpochEndOffset(partition=asked.partition, leader_epoch=epoch, end_offset=end_offset)

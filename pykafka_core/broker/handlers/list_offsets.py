"""ListOffsets (2), versions 1-11: a time or a marker becomes an offset; here only where a compressed batch must be
opened.

The reactors answer ListOffsets and hand a request up, whole, if the record that is looked for lies inside a
compressed batch.

- Time: the first record with at least that timestamp, below the high watermark (read_committed: the last stable
  offset); -1 if none.
- Markers: -1 latest, -2 earliest, -3 the record with the highest timestamp (version 7 on), -4 earliest local (8), -5
  latest tiered (9), -6 earliest pending upload (11). One that the version does not know: UNSUPPORTED_VERSION. Nothing
  is tiered here: -4 is the log start offset, -5 and -6 are unknown.
- `current_leader_epoch` (version 4 on): see offset_for_leader_epoch.py. A partition named twice: INVALID_REQUEST.

Source: KIP-79, KIP-320, KIP-734, KIP-405, KIP-1023; kafka.server.ReplicaManager.fetchOffset.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.list_offsets_request import ListOffsetsPartition, ListOffsetsRequest
from pykafka_core.protocol.messages.list_offsets_response import (
    ListOffsetsPartitionResponse,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from pykafka_core.records import CorruptRecordError, LimitError, find_max_timestamp_in_batch, find_timestamp_in_batch

if TYPE_CHECKING:
    from pykafka_core.broker.topics import Topics
    from pykafka_core.native import Partition, TimestampedOffset

LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3
EARLIEST_LOCAL = -4
LATEST_TIERED = -5
EARLIEST_PENDING_UPLOAD = -6

VERSION_MIN_OF_MARKER = {
    LATEST: 1,
    EARLIEST: 1,
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL: 8,
    LATEST_TIERED: 9,
    EARLIEST_PENDING_UPLOAD: 11,
}

LEADER_EPOCH_VERSION = 4
READ_COMMITTED = 1
CONSUMER = -1
"""The replica id of one that is none."""
UNKNOWN = -1

Found = tuple[int, int, int]
"""Offset, timestamp, leader epoch."""


@serves(ApiKey.LIST_OFFSETS, 1, 11)
async def list_offsets(
    request: ListOffsetsRequest, context: RequestContext, *, topics: Topics, opening: asyncio.Semaphore
) -> ListOffsetsResponse:
    counts = Counter((topic.name, asked.partition_index) for topic in request.topics for asked in topic.partitions)
    # Replicas and debuggers see all there is.
    read_committed = request.isolation_level == READ_COMMITTED and request.replica_id == CONSUMER
    answers = []
    for topic in request.topics:
        partitions = []
        for asked in topic.partitions:
            answer = ListOffsetsPartitionResponse(partition_index=asked.partition_index)
            partitions.append(answer)
            try:
                if counts[topic.name, asked.partition_index] > 1:
                    raise RequestError(ErrorCode.INVALID_REQUEST)
                check_target(asked.timestamp, context.api_version)
                partition = topics.led_partition(topic.name, asked.partition_index, asked.current_leader_epoch)
                async with opening:
                    found = await asyncio.to_thread(look_up, partition, asked, read_committed)
                answer.offset, answer.timestamp, leader_epoch = found
                if context.api_version >= LEADER_EPOCH_VERSION:
                    answer.leader_epoch = leader_epoch
            except RequestError as error:
                answer.error_code = error.code
        answers.append(ListOffsetsTopicResponse(name=topic.name, partitions=partitions))
    return ListOffsetsResponse(topics=answers)


def check_target(timestamp: int, version: int) -> None:
    if timestamp < 0 and version < VERSION_MIN_OF_MARKER.get(timestamp, version + 1):
        raise RequestError(ErrorCode.UNSUPPORTED_VERSION)


def look_up(partition: Partition, asked: ListOffsetsPartition, read_committed: bool) -> Found:
    """Raises RequestError."""
    log = partition.log
    limit = partition.last_stable_offset if read_committed else partition.high_watermark
    try:
        match asked.timestamp:
            case -1:
                return limit, UNKNOWN, log.latest_epoch
            case -2 | -4:
                return log.log_start_offset, UNKNOWN, log.epoch_for_offset(log.log_start_offset)
            case -5 | -6:
                return UNKNOWN, UNKNOWN, UNKNOWN
            case -3:
                return in_batch(log.find_max_timestamp(), None, log.log_start_offset)
            case target:
                return in_batch(log.find_timestamp(target, offset_limit=limit), target, log.log_start_offset)
    except (CorruptRecordError, LimitError) as error:
        raise RequestError(ErrorCode.CORRUPT_MESSAGE) from error
    except OSError as error:
        raise RequestError(ErrorCode.KAFKA_STORAGE_ERROR) from error


def in_batch(position: TimestampedOffset | None, target: int | None, log_start_offset: int) -> Found:
    """The record itself where the log found its batch only. `target`: None for the highest timestamp."""
    if position is None:
        return UNKNOWN, UNKNOWN, UNKNOWN
    if position.batch is None:
        return position.offset, position.timestamp, position.leader_epoch
    if target is None:
        found = find_max_timestamp_in_batch(position.batch)
    else:
        found = find_timestamp_in_batch(position.batch, target, offset_min=log_start_offset)
    if found is None:
        return UNKNOWN, UNKNOWN, UNKNOWN
    return *found, position.leader_epoch

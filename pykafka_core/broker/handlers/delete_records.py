"""DeleteRecords (21), versions 0-2: raise the log start offset of partitions.

- Offset -1 means the high watermark. Above it, or negative otherwise: OFFSET_OUT_OF_RANGE. Below the log start
  offset: nothing changes.
- The answer is the low watermark, that is the log start offset; -1 with an error.
- A topic that is only compacted must keep its records: POLICY_VIOLATION. An internal topic: INVALID_TOPIC_EXCEPTION.

The new start is on disk (log-start-offset-checkpoint) before it is answered: records that a client was told are gone
stay gone.
Source: KIP-107; kafka.server.ReplicaManager.deleteRecords.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.delete_records_request import DeleteRecordsRequest
from pykafka_core.protocol.messages.delete_records_response import (
    DeleteRecordsPartitionResult,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)

if TYPE_CHECKING:
    from pykafka_core.broker.topics import Topics

INVALID_LOW_WATERMARK = -1


@serves(ApiKey.DELETE_RECORDS, 0, 2)
async def delete_records(
    request: DeleteRecordsRequest, context: RequestContext, *, topics: Topics
) -> DeleteRecordsResponse:
    results = []
    for topic in request.topics:
        partitions = []
        for asked in topic.partitions:
            try:
                low_watermark, code = (
                    await topics.delete_records(topic.name, asked.partition_index, asked.offset),
                    ErrorCode.NONE,
                )
            except RequestError as error:
                low_watermark, code = INVALID_LOW_WATERMARK, error.code
            partitions.append(
                DeleteRecordsPartitionResult(
                    partition_index=asked.partition_index, low_watermark=low_watermark, error_code=code
                )
            )
        results.append(DeleteRecordsTopicResult(name=topic.name, partitions=partitions))
    return DeleteRecordsResponse(topics=results)

"""AlterReplicaLogDirs (34), versions 1-2: bring replicas of this broker to other log directories.

- A path is that of one of `log.dirs`, absolute and as DescribeLogDirs spells it: else LOG_DIR_NOT_FOUND.
- A directory that has failed, as the place to go to or to come from: KAFKA_STORAGE_ERROR.
- Where the replica lies already: nothing to do, and a move elsewhere that is under way ends. A partition that is named
  twice goes to the last place.

The answer says that the move has begun; DescribeLogDirs shows how far the copy is.
Source: KIP-113; kafka.server.ReplicaManager.alterReplicaLogDirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.alter_replica_log_dirs_request import AlterReplicaLogDirsRequest
from pykafka_core.protocol.messages.alter_replica_log_dirs_response import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)

if TYPE_CHECKING:
    from pykafka_core.broker.log_moves import LogMoves


@serves(ApiKey.ALTER_REPLICA_LOG_DIRS, 1, 2)
async def alter_replica_log_dirs(
    request: AlterReplicaLogDirsRequest, context: RequestContext, *, log_moves: LogMoves
) -> AlterReplicaLogDirsResponse:
    wanted = {
        (topic.name, index): directory.path
        for directory in request.dirs
        for topic in directory.topics
        for index in topic.partitions
    }
    results: dict[str, AlterReplicaLogDirTopicResult] = {}
    for (name, index), path in wanted.items():
        result = AlterReplicaLogDirPartitionResult(partition_index=index)
        try:
            await log_moves.start(name, index, path)
        except RequestError as error:
            result.error_code = error.code
        results.setdefault(name, AlterReplicaLogDirTopicResult(topic_name=name)).partitions.append(result)
    return AlterReplicaLogDirsResponse(results=list(results.values()))

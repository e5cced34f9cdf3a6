"""DescribeLogDirs (35), versions 1-5: the data directories, how full they are and which partitions lie in them.

- No topics (null): all. Topics and partitions that are not here are left out.
- A directory that has failed, or could not be used from the start, is KAFKA_STORAGE_ERROR and names no partitions.
- Version 3 on has an error code for the whole; version 4 on total and usable bytes of the file system (KIP-827);
  version 5 says whether a directory takes no new partitions (KIP-1066): none is ever cordoned here.
- A copy on its way to another directory is listed there as a future replica, with the offsets that it lacks.

Source: KIP-113; kafka.server.ReplicaManager.describeLogDirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.describe_log_dirs_request import DescribeLogDirsRequest
from pykafka_core.protocol.messages.describe_log_dirs_response import (
    DescribeLogDirsPartition,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)

if TYPE_CHECKING:
    from pykafka_core.broker.log_dirs import LogDirs
    from pykafka_core.broker.log_moves import LogMoves
    from pykafka_core.broker.topics import Topics


@serves(ApiKey.DESCRIBE_LOG_DIRS, 1, 5)
def describe_log_dirs(
    request: DescribeLogDirsRequest,
    context: RequestContext,
    *,
    topics: Topics,
    log_dirs: LogDirs,
    log_moves: LogMoves,
) -> DescribeLogDirsResponse:
    wanted = None if request.topics is None else {topic.topic: set(topic.partitions) for topic in request.topics}
    found: dict[str, dict[str, DescribeLogDirsTopic]] = {str(path): {} for path in log_dirs.paths}
    for topic in topics.all():
        if wanted is not None and topic.name not in wanted:
            continue
        for partition in topic.partitions:
            if wanted is not None and partition.index not in wanted[topic.name]:
                continue
            if partition.log.offline:
                continue
            here = found[str(log_dirs.path_of(partition.log))]
            entry = here.get(topic.name)
            if entry is None:
                entry = here[topic.name] = DescribeLogDirsTopic(name=topic.name)
            entry.partitions.append(
                DescribeLogDirsPartition(
                    partition_index=partition.index, partition_size=partition.log.size_bytes, offset_lag=0
                )
            )
    for move in log_moves.all():
        name, index = move.place
        if wanted is None or index in wanted.get(name, ()):
            here = found[str(move.directory.path)]
            here.setdefault(name, DescribeLogDirsTopic(name=name)).partitions.append(
                DescribeLogDirsPartition(
                    partition_index=index,
                    partition_size=move.future.size_bytes,
                    offset_lag=move.lag,
                    is_future_key=True,
                )
            )
    results = []
    for path in log_dirs.paths:
        if not log_dirs.is_online(path):
            results.append(
                DescribeLogDirsResult(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=str(path.absolute()))
            )
            continue
        total, usable = log_dirs.space_of(path)
        results.append(
            DescribeLogDirsResult(
                log_dir=str(path.absolute()),
                topics=list(found[str(path)].values()),
                total_bytes=total,
                usable_bytes=usable,
            )
        )
    return DescribeLogDirsResponse(results=results)

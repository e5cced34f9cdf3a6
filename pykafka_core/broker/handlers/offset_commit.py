"""OffsetCommit (8), versions 2-10: store how far a group has read.

- Answered when the record is in the log. A generation of -1 and no member: a commit without membership, which an empty
  or new group takes.
- Versions 2-4 carry how long to keep the offset; from 5 on `offsets.retention.minutes` alone says it (KIP-211).
- Version 6 brings the leader epoch (KIP-320), 7 instance ids (KIP-345), 10 topic ids in place of names.
- A topic or partition that does not exist: UNKNOWN_TOPIC_OR_PARTITION, an id UNKNOWN_TOPIC_ID; the rest is committed.
- Members of consumer groups commit in their epoch, version 9 on (KIP-848): STALE_MEMBER_EPOCH, or UNSUPPORTED_VERSION.
- A group that does not exist, in a generation: ILLEGAL_GENERATION, from version 9 on GROUP_ID_NOT_FOUND.

Source: kafka.server.KafkaApis.handleOffsetCommitRequest; org.apache.kafka.coordinator.group.OffsetMetadataManager.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from pykafka_core.broker.answers import answered
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.offset_commits import gather_offsets, topic_answers
from pykafka_core.coordinator.events import CommitOffsets
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.offset_commit_request import OffsetCommitRequest
from pykafka_core.protocol.messages.offset_commit_response import (
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

if TYPE_CHECKING:
    from pykafka_core.broker.groups import Groups
    from pykafka_core.broker.offset_commits import Answers
    from pykafka_core.metadata.store import MetadataStore

TOPIC_ID_VERSION = 10
GROUP_NOT_FOUND_VERSION = 9


@serves(ApiKey.OFFSET_COMMIT, 2, 10)
def offset_commit(
    request: OffsetCommitRequest, context: RequestContext, *, groups: Groups, store: MetadataStore
) -> OffsetCommitResponse | Awaitable[OffsetCommitResponse]:
    by_id = context.api_version >= TOPIC_ID_VERSION
    named, offsets = gather_offsets(request.topics, store.image, by_id=by_id)
    answers: Any = groups.refusal(request.group_id)
    if not answers and offsets:
        answers = groups.ask(
            CommitOffsets(
                group_id=request.group_id,
                request=groups.request(),
                member_id=request.member_id,
                instance_id=request.group_instance_id,
                generation=request.generation_id_or_member_epoch,
                offsets=offsets,
                retention_ms=request.retention_time_ms,
                unknown_group_error=ErrorCode.GROUP_ID_NOT_FOUND
                if context.api_version >= GROUP_NOT_FOUND_VERSION
                else ErrorCode.ILLEGAL_GENERATION,
                api_version=context.api_version,
            )
        )

    def respond(answers: Answers) -> OffsetCommitResponse:
        return OffsetCommitResponse(
            topics=topic_answers(named, answers, OffsetCommitResponseTopic, OffsetCommitResponsePartition, by_id=by_id)
        )

    return answered(answers, respond)

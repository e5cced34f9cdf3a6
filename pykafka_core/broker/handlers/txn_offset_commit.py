"""TxnOffsetCommit (28), versions 0-6: how far a group has read, as part of a transaction.

- The offsets are in the log when it is answered, and the group's when the transaction commits; until then OffsetFetch
  with `require_stable` answers UNSTABLE_OFFSET_COMMIT for them.
- The group's partition of __consumer_offsets must be in the transaction: up to version 4 AddOffsetsToTxn has added it,
  else TRANSACTION_ABORTABLE, below version 4 INVALID_TXN_STATE; from 5 on (transaction version 2) it is added here.
- From version 3 on a member says who it is and is fenced with its generation (KIP-447). Below 2 clients do not know
  COORDINATOR_LOAD_IN_PROGRESS and are told COORDINATOR_NOT_AVAILABLE.
- Version 6 has topic ids in place of names: UNKNOWN_TOPIC_ID for one that is not known.

Source: KIP-98, KIP-447, KIP-890; kafka.server.KafkaApis.handleTxnOffsetCommitRequest;
org.apache.kafka.coordinator.group.GroupCoordinatorService.commitTransactionalOffsets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykafka_core.broker.answers import result
from pykafka_core.broker.groups import OFFSETS_TOPIC
from pykafka_core.broker.handlers import RequestContext, serves
from pykafka_core.broker.offset_commits import gather_offsets, topic_answers
from pykafka_core.coordinator.transactional_commits import CommitTransactionalOffsets
from pykafka_core.native import TRUSTED_GUARD, EngineError
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.txn_offset_commit_request import TxnOffsetCommitRequest
from pykafka_core.protocol.messages.txn_offset_commit_response import (
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

if TYPE_CHECKING:
    from pykafka_core.broker.configs import Configs
    from pykafka_core.broker.groups import Groups
    from pykafka_core.broker.offset_commits import Answers, Offset
    from pykafka_core.broker.topics import Topics
    from pykafka_core.broker.transactions import Transactions
    from pykafka_core.metadata.store import MetadataStore

LOADING_VERSION = 2
ABORTABLE_VERSION = 4
ADD_VERSION = 5
TOPIC_ID_VERSION = 6
NO_SEQUENCE = -1


@serves(ApiKey.TXN_OFFSET_COMMIT, 0, 6)
async def txn_offset_commit(
    request: TxnOffsetCommitRequest,
    context: RequestContext,
    *,
    transactions: Transactions,
    groups: Groups,
    topics: Topics,
    configs: Configs,
    store: MetadataStore,
) -> TxnOffsetCommitResponse:
    version = context.api_version
    by_id = version >= TOPIC_ID_VERSION
    named, offsets = gather_offsets(request.topics, store.image, by_id=by_id)
    answers: Answers = ErrorCode.NONE
    if offsets:
        answers = await commit(request, version, offsets, transactions, groups, topics, configs)
    if answers == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS and version < LOADING_VERSION:
        answers = ErrorCode.COORDINATOR_NOT_AVAILABLE
    return TxnOffsetCommitResponse(
        topics=topic_answers(
            named, answers, TxnOffsetCommitResponseTopic, TxnOffsetCommitResponsePartition, by_id=by_id
        )
    )


async def commit(
    request: TxnOffsetCommitRequest,
    version: int,
    offsets: list[Offset],
    transactions: Transactions,
    groups: Groups,
    topics: Topics,
    configs: Configs,
) -> Answers:
    """Have the transaction's coordinator asked, then the group's."""
    if not request.group_id:
        return ErrorCode.INVALID_GROUP_ID
    error = groups.refusal(request.group_id)
    topic = topics.find(OFFSETS_TOPIC)
    if error or topic is None:
        return error
    index = groups.partition_of(request.group_id)
    partition_log = topic.partitions[index].log
    add = version >= ADD_VERSION
    guard = TRUSTED_GUARD
    if add or configs.broker_values()["transaction.partition.verification.enable"]:
        try:
            guard = partition_log.begin_verification(
                request.producer_id, request.producer_epoch, NO_SEQUENCE, supports_epoch_bump=add
            )
        except (EngineError, OSError):
            return ErrorCode.NOT_COORDINATOR
        if guard:
            place = OFFSETS_TOPIC, index
            errors = await transactions.verify_partitions(
                request.transactional_id, request.producer_id, request.producer_epoch, [place], add=add
            )
            error = verification_error(errors.get(place, ErrorCode.NONE), version) or groups.refusal(request.group_id)
            if error:
                return error
            topic = topics.find(OFFSETS_TOPIC)
            if topic is None or topic.partitions[index].log is not partition_log:
                return ErrorCode.NOT_COORDINATOR  # it has moved, and knows nothing of the guard
    answers: Answers = await result(
        groups.ask(
            CommitTransactionalOffsets(
                group_id=request.group_id,
                request=groups.request(),
                member_id=request.member_id,
                instance_id=request.group_instance_id,
                generation=request.generation_id_or_member_epoch,
                offsets=offsets,
                unknown_group_error=ErrorCode.GROUP_ID_NOT_FOUND
                if version >= TOPIC_ID_VERSION
                else ErrorCode.ILLEGAL_GENERATION,
                producer_id=request.producer_id,
                producer_epoch=request.producer_epoch,
                offsets_partition=index,
                guard=guard,
            )
        )
    )
    return answers


def verification_error(error: ErrorCode, version: int) -> ErrorCode:
    """What producers are told for the transaction coordinator's error."""
    if error == ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if error == ErrorCode.TRANSACTION_ABORTABLE and version < ABORTABLE_VERSION:
        return ErrorCode.INVALID_TXN_STATE
    return error

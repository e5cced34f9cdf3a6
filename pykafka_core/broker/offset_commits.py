"""What OffsetCommit and TxnOffsetCommit have in common: the offsets that a group is to keep, gathered from a request,
and the answer for each partition that was named.

A topic or partition that does not exist is answered without its coordinator, and the rest is committed. Runs on the
main thread. Source: kafka.server.KafkaApis.{handleOffsetCommitRequest, handleTxnOffsetCommitRequest}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pykafka_core.protocol.errors import ErrorCode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pykafka_core.coordinator.events import TopicPartition
    from pykafka_core.metadata.image import MetadataImage, TopicImage

    Answers = Mapping[TopicPartition, ErrorCode] | ErrorCode
    Offset = tuple[TopicPartition, int, int, str, bytes]

__all__ = ["gather_offsets", "topic_answers"]


def gather_offsets(
    topics: Iterable[Any], image: MetadataImage, *, by_id: bool
) -> tuple[list[tuple[Any, TopicImage | None]], list[Offset]]:
    """Each topic of the request with what is known of it, and the offsets for partitions that exist."""
    named = []
    offsets: list[Offset] = []
    for topic in topics:
        known = image.topic_by_id(topic.topic_id) if by_id else image.topics.get(topic.name)
        named.append((topic, known))
        if known is not None:
            name, topic_id, count = known.name, known.topic_id, len(known.partitions)
            offsets += [
                (
                    (name, each.partition_index),
                    each.committed_offset,
                    each.committed_leader_epoch,
                    each.committed_metadata or "",
                    topic_id,
                )
                for each in topic.partitions
                if 0 <= each.partition_index < count
            ]
    return named, offsets


def topic_answers(
    named: list[tuple[Any, TopicImage | None]], answers: Answers, make_topic: Any, make_partition: Any, *, by_id: bool
) -> list[Any]:
    """The topics of the response, which is told by its classes. `answers` of the coordinator: one for all, or each."""
    unknown = ErrorCode.UNKNOWN_TOPIC_ID if by_id else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return [
        make_topic(
            name=topic.name,
            topic_id=topic.topic_id,
            partitions=[
                make_partition(
                    partition_index=each.partition_index,
                    error_code=unknown if known is None else answer_of(answers, known, each.partition_index),
                )
                for each in topic.partitions
            ],
        )
        for topic, known in named
    ]


def answer_of(answers: Answers, topic: TopicImage, index: int) -> ErrorCode:
    if not 0 <= index < len(topic.partitions):
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return answers if isinstance(answers, ErrorCode) else answers[topic.name, index]

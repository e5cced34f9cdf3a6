"""Topics and partitions as asked for, checked and filled in before anything is made.

Pure functions over the metadata image. The sentences are Kafka's, because people and their tests know them.
Source: org.apache.kafka.controller.ReplicationControlManager.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pykafka_core._dataclass import dataclass
from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.topic_names import METADATA_TOPIC, collision_key, why_invalid
from pykafka_core.metadata.image import TopicImage
from pykafka_core.protocol.errors import ErrorCode

__all__ = ["Assignment", "TopicPlan", "plan_growth", "plan_topic"]

Assignment = tuple[int, ...]
"""Broker ids of a partition's replicas, the preferred leader first."""

USE_DEFAULT = -1
PARTITION_COUNT_MAX = 100_000
"""Of one topic. Kafka has no limit and runs out of memory instead."""


@dataclass(slots=True, frozen=True, kw_only=True)
class TopicPlan:
    """A topic that can be created."""

    name: str
    assignments: tuple[Assignment, ...]
    configs: Mapping[str, str]


def plan_topic(
    name: str,
    *,
    partition_count: int,
    replication_factor: int,
    assignments: Sequence[tuple[int, Sequence[int]]],
    default_partition_count: int,
    default_replication_factor: int,
    broker_ids: Sequence[int],
    existing: Iterable[str],
) -> tuple[Assignment, ...]:
    """Return the assignment of each partition. Raises RequestError."""
    invalid = why_invalid(name)
    if invalid is not None:
        raise RequestError(ErrorCode.INVALID_TOPIC_EXCEPTION, invalid)
    if name == METADATA_TOPIC:
        raise RequestError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"{METADATA_TOPIC} belongs to the broker.")
    key = collision_key(name)
    for other in existing:
        if other == name:
            raise RequestError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        if collision_key(other) == key:
            raise RequestError(
                ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic '{name}' collides with existing topic: {other}"
            )
    if assignments:
        return manual_assignments(partition_count, replication_factor, assignments, broker_ids)
    if replication_factor < USE_DEFAULT or replication_factor == 0:
        raise RequestError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    if partition_count < USE_DEFAULT or partition_count == 0:
        raise RequestError(
            ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value."
        )
    count = default_partition_count if partition_count == USE_DEFAULT else partition_count
    factor = default_replication_factor if replication_factor == USE_DEFAULT else replication_factor
    if count > PARTITION_COUNT_MAX:
        raise too_many(count)
    return place(count, factor, broker_ids, first=0)


def place(count: int, factor: int, broker_ids: Sequence[int], *, first: int) -> tuple[Assignment, ...]:
    if factor > len(broker_ids):
        raise RequestError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"Unable to replicate the partition {factor} time(s): The target replication factor of {factor} "
            f"cannot be reached because only {len(broker_ids)} broker(s) are registered or some "
            "brokers have all their log directories cordoned.",
        )
    size = len(broker_ids)
    return tuple(
        tuple(broker_ids[(index + step) % size] for step in range(factor)) for index in range(first, first + count)
    )


def manual_assignments(
    partition_count: int,
    replication_factor: int,
    assignments: Sequence[tuple[int, Sequence[int]]],
    broker_ids: Sequence[int],
) -> tuple[Assignment, ...]:
    if replication_factor != USE_DEFAULT:
        raise RequestError(
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        )
    if partition_count != USE_DEFAULT:
        raise RequestError(
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        )
    placed: dict[int, Assignment] = {}
    for index, replicas in assignments:
        if index in placed:
            raise RequestError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Found multiple manual partition assignments for partition {index}",
            )
        factor = len(next(iter(placed.values()))) if placed else None
        placed[index] = checked_assignment(replicas, broker_ids, factor)
    if sorted(placed) != list(range(len(placed))):
        raise RequestError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT, "partitions should be a consecutive 0-based integer sequence"
        )
    return tuple(placed[index] for index in range(len(placed)))


def checked_assignment(replicas: Sequence[int], broker_ids: Sequence[int], factor: int | None) -> Assignment:
    if not replicas:
        raise RequestError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT, "The manual partition assignment includes an empty replica list."
        )
    for replica in replicas:
        if replica not in broker_ids:
            raise RequestError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"The manual partition assignment includes broker {replica}, but no such broker is registered.",
            )
        if replicas.count(replica) > 1:
            raise RequestError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"The manual partition assignment includes the broker {replica} more than once.",
            )
    if factor is not None and len(replicas) != factor:
        raise RequestError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"The manual partition assignment includes a partition with {len(replicas)} replica(s), "
            f"but this is not consistent with previous partitions, which have {factor} replica(s).",
        )
    return tuple(replicas)


def plan_growth(
    topic: TopicImage, count: int, assignments: Sequence[Sequence[int]] | None, broker_ids: Sequence[int]
) -> tuple[Assignment, ...]:
    """Return the assignments of the partitions to add, so that there are `count`. Raises RequestError."""
    current = len(topic.partitions)
    if count == current:
        raise RequestError(ErrorCode.INVALID_PARTITIONS, f"Topic already has {current} partition(s).")
    if count < current:
        raise RequestError(
            ErrorCode.INVALID_PARTITIONS,
            f"The topic {topic.name} currently has {current} partition(s); {count} would not be an increase.",
        )
    if count > PARTITION_COUNT_MAX:
        raise too_many(count)
    added = count - current
    factor = len(topic.partitions[0].replicas)
    if assignments is None:
        return place(added, factor, broker_ids, first=current)
    if len(assignments) != added:
        raise RequestError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"Attempted to add {added} additional partition(s), "
            f"but only {len(assignments)} assignment(s) were specified.",
        )
    return tuple(checked_assignment(replicas, broker_ids, factor) for replicas in assignments)


def too_many(count: int) -> RequestError:
    return RequestError(
        ErrorCode.INVALID_PARTITIONS, f"A topic can have at most {PARTITION_COUNT_MAX} partitions, not {count}."
    )

"""Records and images that several tests start from, and strategies for random ones."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from pykafka_core.metadata.changes import alter_configs, create_topic, register_broker
from pykafka_core.metadata.image import Endpoint, MetadataImage
from pykafka_core.metadata.replay import replay
from pykafka_core.protocol.message import Record
from pykafka_core.protocol.records.metadata.client_quota_record import ClientQuotaRecord, EntityData
from pykafka_core.protocol.records.metadata.config_record import ConfigRecord
from pykafka_core.protocol.records.metadata.feature_level_record import FeatureLevelRecord
from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord
from pykafka_core.protocol.records.metadata.producer_ids_record import ProducerIdsRecord

INCARNATION = bytes(range(16))
DIRECTORY = bytes(range(100, 116))


def topic_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def topic(name: str, number: int, partition_count: int = 1, **configs: str) -> list[Record]:
    return create_topic(
        name, topic_id(number), [[1]] * partition_count, directories=[[DIRECTORY]] * partition_count, configs=configs
    )


def registration(image: MetadataImage) -> list[Record]:
    endpoint = Endpoint(name="PLAINTEXT", host="localhost", port=9092, security_protocol=0)
    return register_broker(
        image,
        1,
        incarnation_id=INCARNATION,
        endpoints=[endpoint],
        directories=[DIRECTORY],
        features={"metadata.version": (7, 33)},
    )


def image_of(records: Sequence[Record], revision: int = 0) -> MetadataImage:
    return replay(MetadataImage(), records, revision=revision)


NAMES = ("a", "b", "c")


@st.composite
def histories(draw: st.DrawFn) -> list[list[Record]]:
    """Changes, one after the other, each of which fits the image that those before it make."""
    image = MetadataImage()
    changes: list[list[Record]] = []
    for step in range(draw(st.integers(1, 12))):
        known = sorted(image.topics)
        kind = draw(st.sampled_from(["topic", "delete", "config", "elect", "quota", "ids", "feature", "broker"]))
        records: list[Record] = []
        if kind == "topic" and len(known) < len(NAMES):
            name = next(name for name in NAMES if name not in known)
            records = topic(name, 1000 + step, draw(st.integers(1, 3)), retention_ms="5")
        elif kind == "delete" and known:
            from pykafka_core.metadata.changes import delete_topic

            records = delete_topic(image.topics[draw(st.sampled_from(known))])
        elif kind == "config":
            value = draw(st.none() | st.text(max_size=5))
            resource = draw(st.sampled_from([4, *([2] if known else [])]))
            name = draw(st.sampled_from(known)) if resource == 2 else ""
            records = alter_configs(resource, name, {draw(st.sampled_from(["x", "y"])): value})
        elif kind == "elect" and known:
            chosen = image.topics[draw(st.sampled_from(known))]
            records = [
                PartitionChangeRecord(
                    partition_id=draw(st.integers(0, len(chosen.partitions) - 1)),
                    topic_id=chosen.topic_id,
                    leader=draw(st.sampled_from([-2, -1, 1])),
                    isr=draw(st.sampled_from([None, [], [1]])),
                    eligible_leader_replicas=draw(st.sampled_from([None, [], [1]])),
                    directories=draw(st.sampled_from([None, [bytes(16)]])),
                )
            ]
        elif kind == "quota":
            entity = [EntityData(entity_type="client-id", entity_name=draw(st.sampled_from([None, "c"])))]
            records = [ClientQuotaRecord(entity=entity, key="k", value=1.5, remove=draw(st.booleans()))]
        elif kind == "ids":
            records = [ProducerIdsRecord(broker_id=1, next_producer_id=image.next_producer_id + 1000)]
        elif kind == "feature":
            records = [FeatureLevelRecord(name="group.version", feature_level=draw(st.integers(0, 1)))]
        elif kind == "broker":
            records = registration(image)
        if records:
            image = replay(image, records, revision=image.revision + len(records))
            changes.append(records)
    return changes


__all__ = ["DIRECTORY", "INCARNATION", "ConfigRecord", "histories", "image_of", "registration", "topic", "topic_id"]

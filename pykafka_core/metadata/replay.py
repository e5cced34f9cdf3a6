"""Replay: one image and some metadata records make the next image.

A builder copies a mapping of the image the first time a record touches it, so that a small change to a large image is
cheap and the image before stays as it was. Thread: any one; a builder is used once.

Records between BeginTransactionRecord and EndTransactionRecord show all at once, at the end, or after
AbortTransactionRecord never (KIP-868).

Errors: ValueError with one sentence where a record does not fit the image; UnsupportedMetadataError for a record that
we do not know. The builder is not to be used after either.

Source: org.apache.kafka.image.MetadataDelta and the deltas below it,
org.apache.kafka.metadata.PartitionRegistration.merge.
"""

from __future__ import annotations

from types import MappingProxyType

from pykafka_core._dataclass import replace
from pykafka_core.metadata.errors import UnsupportedMetadataError
from pykafka_core.metadata.image import (
    BrokerRegistration,
    ConfigResourceType,
    ControllerRegistration,
    Endpoint,
    MetadataImage,
    PartitionImage,
    TopicImage,
)
from pykafka_core.metadata.uuids import DIRECTORY_UNASSIGNED, uuid_to_string
from pykafka_core.protocol.message import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Final, TypeVar

    from pykafka_core.protocol.records.metadata.access_control_entry_record import AccessControlEntryRecord
    from pykafka_core.protocol.records.metadata.broker_registration_change_record import BrokerRegistrationChangeRecord
    from pykafka_core.protocol.records.metadata.clear_elr_record import ClearElrRecord
    from pykafka_core.protocol.records.metadata.client_quota_record import ClientQuotaRecord
    from pykafka_core.protocol.records.metadata.config_record import ConfigRecord
    from pykafka_core.protocol.records.metadata.delegation_token_record import DelegationTokenRecord
    from pykafka_core.protocol.records.metadata.feature_level_record import FeatureLevelRecord
    from pykafka_core.protocol.records.metadata.fence_broker_record import FenceBrokerRecord
    from pykafka_core.protocol.records.metadata.partition_change_record import PartitionChangeRecord
    from pykafka_core.protocol.records.metadata.partition_record import PartitionRecord
    from pykafka_core.protocol.records.metadata.producer_ids_record import ProducerIdsRecord
    from pykafka_core.protocol.records.metadata.register_broker_record import RegisterBrokerRecord
    from pykafka_core.protocol.records.metadata.register_controller_record import RegisterControllerRecord
    from pykafka_core.protocol.records.metadata.remove_access_control_entry_record import RemoveAccessControlEntryRecord
    from pykafka_core.protocol.records.metadata.remove_delegation_token_record import RemoveDelegationTokenRecord
    from pykafka_core.protocol.records.metadata.remove_topic_record import RemoveTopicRecord
    from pykafka_core.protocol.records.metadata.remove_user_scram_credential_record import (
        RemoveUserScramCredentialRecord,
    )
    from pykafka_core.protocol.records.metadata.topic_record import TopicRecord
    from pykafka_core.protocol.records.metadata.unfence_broker_record import UnfenceBrokerRecord
    from pykafka_core.protocol.records.metadata.unregister_broker_record import UnregisterBrokerRecord
    from pykafka_core.protocol.records.metadata.unregister_controller_record import UnregisterControllerRecord
    from pykafka_core.protocol.records.metadata.user_scram_credential_record import UserScramCredentialRecord

    K = TypeVar("K")
    V = TypeVar("V")

__all__ = ["ImageBuilder", "replay"]


# PartitionChangeRecord.leader: the leader did not change.
NO_LEADER_CHANGE: Final = -2


def replay(
    image: MetadataImage,
    records: Iterable[Record],
    *,
    revision: int,
    leader_epoch: int | None = None,
    timestamp_ms: int | None = None,
) -> MetadataImage:
    """The image after these records. Raises ValueError if one of them does not fit."""
    builder = ImageBuilder(image)
    for record in records:
        builder.replay(record)
    return builder.build(revision=revision, leader_epoch=leader_epoch, timestamp_ms=timestamp_ms)


class ImageBuilder:
    """Takes records one after the other; `build` gives the image."""

    def __init__(self, image: MetadataImage) -> None:
        self._image = image
        self._changed: dict[str, Any] = {}
        # Topics whose partitions were touched, by id: partition id -> partition.
        self._partitions: dict[bytes, dict[int, PartitionImage]] = {}
        self._transaction: list[Record] | None = None

    @property
    def in_transaction(self) -> bool:
        """A transaction was begun and neither ended nor aborted."""
        return self._transaction is not None

    @property
    def metadata_version(self) -> int:
        """The level of `metadata.version` after what was replayed."""
        level: int = self._peek("features").get("metadata.version", 0)
        return level

    def replay(self, record: Record) -> None:
        key = record.API_KEY
        if self._transaction is not None and key not in _TRANSACTION_KEYS:
            self._transaction.append(record)
            return
        step = _STEPS.get(key)
        if step is None:
            raise UnsupportedMetadataError(f"metadata record {type(record).__name__} (type {key}) is not known here")
        step(self, record)

    def build(
        self, *, revision: int, leader_epoch: int | None = None, timestamp_ms: int | None = None
    ) -> MetadataImage:
        """The image with everything replayed so far; an open transaction is left out, and stays open."""
        if self._partitions:
            topics = self._part("topics")
            for topic_id, partitions in self._partitions.items():
                name = self._topic_name(topic_id)
                if sorted(partitions) != list(range(len(partitions))):
                    raise ValueError(f"topic {name!r} lacks partitions: it has {sorted(partitions)}")
                topics[name] = replace(topics[name], partitions=tuple(partitions[i] for i in range(len(partitions))))
            self._partitions = {}
        frozen: dict[str, Any] = {
            name: MappingProxyType(part) if isinstance(part, dict) else part for name, part in self._changed.items()
        }
        self._changed = {}
        image = replace(
            self._image,
            revision=revision,
            leader_epoch=self._image.leader_epoch if leader_epoch is None else leader_epoch,
            timestamp_ms=self._image.timestamp_ms if timestamp_ms is None else timestamp_ms,
            **frozen,
        )
        self._image = image
        return image

    def drop_orphaned_configs(self) -> None:
        """Take away the configs of topics that do not exist. Snapshots of Apache Kafka 4.3 keep those of deleted
        topics."""
        topics = self._peek("topics")
        for kind, name in list(self._peek("configs")):
            if kind == ConfigResourceType.TOPIC and name not in topics:
                del self._part("configs")[kind, name]

    # -- parts of the image, copied when first written
    # ------------------------------------------------------------------

    def _part(self, name: str) -> dict[Any, Any]:
        part = self._changed.get(name)
        if part is None:
            part = self._changed[name] = dict(getattr(self._image, name))
        assert isinstance(part, dict)
        return part

    def _peek(self, name: str) -> Mapping[Any, Any]:
        part = self._changed.get(name)
        found: Mapping[Any, Any] = getattr(self._image, name) if part is None else part
        return found

    def _topic_name(self, topic_id: bytes) -> str:
        name: str | None = self._peek("topic_names").get(topic_id)
        if name is None:
            raise ValueError(f"there is no topic with id {uuid_to_string(topic_id)}")
        return name

    def _topic_partitions(self, topic_id: bytes) -> dict[int, PartitionImage]:
        partitions = self._partitions.get(topic_id)
        if partitions is None:
            topic: TopicImage = self._peek("topics")[self._topic_name(topic_id)]
            partitions = self._partitions[topic_id] = {p.partition_id: p for p in topic.partitions}
        return partitions

    # -- topics
    # ---------------------------------------------------------------------------------------------------------

    def _topic(self, record: TopicRecord) -> None:
        if record.name in self._peek("topics"):
            raise ValueError(f"topic {record.name!r} exists already")
        if record.topic_id in self._peek("topic_names"):
            raise ValueError(f"topic id {uuid_to_string(record.topic_id)} exists already")
        self._part("topics")[record.name] = TopicImage(name=record.name, topic_id=record.topic_id, partitions=())
        self._part("topic_names")[record.topic_id] = record.name

    def _remove_topic(self, record: RemoveTopicRecord) -> None:
        name = self._topic_name(record.topic_id)
        del self._part("topics")[name]
        del self._part("topic_names")[record.topic_id]
        self._partitions.pop(record.topic_id, None)
        if (ConfigResourceType.TOPIC, name) in self._peek("configs"):
            del self._part("configs")[ConfigResourceType.TOPIC, name]

    def _partition(self, record: PartitionRecord) -> None:
        self._topic_partitions(record.topic_id)[record.partition_id] = PartitionImage(
            partition_id=record.partition_id,
            replicas=tuple(record.replicas),
            isr=tuple(record.isr),
            leader=record.leader,
            leader_epoch=record.leader_epoch,
            partition_epoch=record.partition_epoch,
            leader_recovery_state=record.leader_recovery_state,
            removing_replicas=tuple(record.removing_replicas),
            adding_replicas=tuple(record.adding_replicas),
            directories=tuple(record.directories),
            eligible_leader_replicas=tuple(record.eligible_leader_replicas or ()),
            last_known_elr=tuple(record.last_known_elr or ()),
        )

    def _partition_change(self, record: PartitionChangeRecord) -> None:
        partitions = self._topic_partitions(record.topic_id)
        before = partitions.get(record.partition_id)
        if before is None:
            raise ValueError(f"topic {self._topic_name(record.topic_id)!r} has no partition {record.partition_id}")
        replicas = _tuple_or(record.replicas, before.replicas)
        directories = _tuple_or(record.directories, before.directories)
        if record.replicas is not None and record.directories is None:
            known = dict(zip(before.replicas, before.directories, strict=False))
            directories = tuple(known.get(replica, DIRECTORY_UNASSIGNED) for replica in replicas)
        led_anew = record.leader != NO_LEADER_CHANGE
        partitions[record.partition_id] = replace(
            before,
            replicas=replicas,
            isr=_tuple_or(record.isr, before.isr),
            leader=record.leader if led_anew else before.leader,
            leader_epoch=before.leader_epoch + led_anew,
            partition_epoch=before.partition_epoch + 1,
            leader_recovery_state=(
                before.leader_recovery_state if record.leader_recovery_state == -1 else record.leader_recovery_state
            ),
            removing_replicas=_tuple_or(record.removing_replicas, before.removing_replicas),
            adding_replicas=_tuple_or(record.adding_replicas, before.adding_replicas),
            directories=directories,
            eligible_leader_replicas=_tuple_or(record.eligible_leader_replicas, before.eligible_leader_replicas),
            last_known_elr=_tuple_or(record.last_known_elr, before.last_known_elr),
        )

    def _clear_elr(self, record: ClearElrRecord) -> None:
        topics: Mapping[str, TopicImage] = self._peek("topics")
        if record.topic_name and record.topic_name not in topics:
            raise ValueError(f"there is no topic {record.topic_name!r}")
        for topic in [topics[record.topic_name]] if record.topic_name else list(topics.values()):
            partitions = self._topic_partitions(topic.topic_id)
            for index, partition in partitions.items():
                partitions[index] = replace(partition, eligible_leader_replicas=(), last_known_elr=())

    # -- brokers and controllers
    # ------------------------------------------------------------------------------------------

    def _register_broker(self, record: RegisterBrokerRecord) -> None:
        cordoned = record.cordoned_log_dirs
        self._part("brokers")[record.broker_id] = BrokerRegistration(
            broker_id=record.broker_id,
            broker_epoch=record.broker_epoch,
            incarnation_id=record.incarnation_id,
            endpoints=_endpoints(record.end_points),
            features=_features(record.features),
            rack=record.rack,
            fenced=record.fenced,
            in_controlled_shutdown=record.in_controlled_shutdown,
            directories=tuple(record.log_dirs),
            cordoned_directories=None if cordoned is None else tuple(cordoned),
        )

    def _broker(self, broker_id: int, broker_epoch: int) -> BrokerRegistration:
        broker: BrokerRegistration | None = self._peek("brokers").get(broker_id)
        if broker is None:
            raise ValueError(f"broker {broker_id} is not registered")
        if broker.broker_epoch != broker_epoch:
            raise ValueError(f"broker {broker_id} has epoch {broker.broker_epoch}, not {broker_epoch}")
        return broker

    def _unregister_broker(self, record: UnregisterBrokerRecord) -> None:
        self._broker(record.broker_id, record.broker_epoch)
        del self._part("brokers")[record.broker_id]

    def _fence_broker(self, record: FenceBrokerRecord) -> None:
        self._part("brokers")[record.id] = replace(self._broker(record.id, record.epoch), fenced=True)

    def _unfence_broker(self, record: UnfenceBrokerRecord) -> None:
        self._part("brokers")[record.id] = replace(self._broker(record.id, record.epoch), fenced=False)

    def _broker_change(self, record: BrokerRegistrationChangeRecord) -> None:
        before = self._broker(record.broker_id, record.broker_epoch)
        self._part("brokers")[record.broker_id] = replace(
            before,
            fenced=record.fenced > 0 if record.fenced else before.fenced,
            in_controlled_shutdown=before.in_controlled_shutdown or record.in_controlled_shutdown == 1,
            directories=tuple(record.log_dirs) or before.directories,
            cordoned_directories=_tuple_or(record.cordoned_log_dirs, before.cordoned_directories),
        )

    def _register_controller(self, record: RegisterControllerRecord) -> None:
        self._part("controllers")[record.controller_id] = ControllerRegistration(
            controller_id=record.controller_id,
            incarnation_id=record.incarnation_id,
            endpoints=_endpoints(record.end_points),
            features=_features(record.features),
            zk_migration_ready=record.zk_migration_ready,
        )

    def _unregister_controller(self, record: UnregisterControllerRecord) -> None:
        self._part("controllers").pop(record.controller_id, None)

    # -- everything else
    # --------------------------------------------------------------------------------------------------

    def _config(self, record: ConfigRecord) -> None:
        resource = (record.resource_type, record.resource_name)
        values = dict(self._peek("configs").get(resource, {}))
        if record.value is None:
            values.pop(record.name, None)
        else:
            values[record.name] = record.value
        if values:
            self._part("configs")[resource] = MappingProxyType(values)
        else:
            self._part("configs").pop(resource, None)

    def _feature_level(self, record: FeatureLevelRecord) -> None:
        if record.feature_level == 0:
            self._part("features").pop(record.name, None)
        else:
            self._part("features")[record.name] = record.feature_level

    def _producer_ids(self, record: ProducerIdsRecord) -> None:
        current = self._changed.get("next_producer_id", self._image.next_producer_id)
        if record.next_producer_id < current:
            raise ValueError(f"the next producer id is {current} and cannot go back to {record.next_producer_id}")
        self._changed["next_producer_id"] = record.next_producer_id

    def _client_quota(self, record: ClientQuotaRecord) -> None:
        # Sorted by type alone: a type occurs once, and a name may be None.
        entity = tuple(sorted(((e.entity_type, e.entity_name) for e in record.entity), key=lambda pair: pair[0]))
        values = dict(self._peek("client_quotas").get(entity, {}))
        if record.remove:
            values.pop(record.key, None)
        else:
            values[record.key] = record.value
        if values:
            self._part("client_quotas")[entity] = MappingProxyType(values)
        else:
            self._part("client_quotas").pop(entity, None)

    def _access_control_entry(self, record: AccessControlEntryRecord) -> None:
        self._part("acls")[record.id] = record

    def _remove_access_control_entry(self, record: RemoveAccessControlEntryRecord) -> None:
        if self._part("acls").pop(record.id, None) is None:
            raise ValueError(f"there is no access control entry with id {uuid_to_string(record.id)}")

    def _scram(self, record: UserScramCredentialRecord) -> None:
        self._part("scram_credentials")[record.name, record.mechanism] = record

    def _remove_scram(self, record: RemoveUserScramCredentialRecord) -> None:
        self._part("scram_credentials").pop((record.name, record.mechanism), None)

    def _delegation_token(self, record: DelegationTokenRecord) -> None:
        self._part("delegation_tokens")[record.token_id] = record

    def _remove_delegation_token(self, record: RemoveDelegationTokenRecord) -> None:
        self._part("delegation_tokens").pop(record.token_id, None)

    def _nothing(self, record: Record) -> None:
        """NoOpRecord; and the ZooKeeper migration state, which no Kafka since 4.0 acts on."""

    # -- transactions
    # -----------------------------------------------------------------------------------------------------

    def _begin(self, record: Record) -> None:
        if self._transaction is not None:
            raise ValueError("a metadata transaction begins inside another")
        self._transaction = []

    def _end(self, record: Record) -> None:
        if self._transaction is None:
            raise ValueError("a metadata transaction ends that never began")
        records, self._transaction = self._transaction, None
        for each in records:
            self.replay(each)

    def _abort(self, record: Record) -> None:
        if self._transaction is None:
            raise ValueError("a metadata transaction is aborted that never began")
        self._transaction = None


def _tuple_or(values: list[V] | None, otherwise: Any) -> Any:
    return otherwise if values is None else tuple(values)


def _endpoints(rows: Iterable[Any]) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(name=e.name, host=e.host, port=e.port, security_protocol=e.security_protocol) for e in rows)


def _features(rows: Iterable[Any]) -> Mapping[str, tuple[int, int]]:
    return MappingProxyType({f.name: (f.min_supported_version, f.max_supported_version) for f in rows})


_TRANSACTION_KEYS: Final = frozenset({23, 24, 25})

_STEPS: Final[dict[int, Callable[[ImageBuilder, Any], None]]] = {
    0: ImageBuilder._register_broker,
    1: ImageBuilder._unregister_broker,
    2: ImageBuilder._topic,
    3: ImageBuilder._partition,
    4: ImageBuilder._config,
    5: ImageBuilder._partition_change,
    7: ImageBuilder._fence_broker,
    8: ImageBuilder._unfence_broker,
    9: ImageBuilder._remove_topic,
    10: ImageBuilder._delegation_token,
    11: ImageBuilder._scram,
    12: ImageBuilder._feature_level,
    14: ImageBuilder._client_quota,
    15: ImageBuilder._producer_ids,
    17: ImageBuilder._broker_change,
    18: ImageBuilder._access_control_entry,
    19: ImageBuilder._remove_access_control_entry,
    20: ImageBuilder._nothing,
    21: ImageBuilder._nothing,
    22: ImageBuilder._remove_scram,
    23: ImageBuilder._begin,
    24: ImageBuilder._end,
    25: ImageBuilder._abort,
    26: ImageBuilder._remove_delegation_token,
    27: ImageBuilder._register_controller,
    28: ImageBuilder._clear_elr,
    29: ImageBuilder._unregister_controller,
}

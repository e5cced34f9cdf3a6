"""The metadata image: what the cluster is, at one revision, as immutable values.

Names are Kafka's (org.apache.kafka.image.MetadataImage and the records of the metadata log). Uuids are 16 bytes.
Nothing here is ever changed in place: `pykafka_core.metadata.replay` makes the next image from this one and some
records.
"""

from __future__ import annotations

from types import MappingProxyType

from pykafka_core._dataclass import dataclass, field
from pykafka_core._enum import IntEnum
from pykafka_core.protocol.message import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    K = TypeVar("K")
    V = TypeVar("V")

__all__ = [
    "NO_LEADER",
    "BrokerRegistration",
    "ConfigResourceType",
    "ControllerRegistration",
    "Endpoint",
    "MetadataImage",
    "PartitionImage",
    "TopicImage",
]

NO_LEADER = -1



def _nothing() -> Mapping[K, V]:
    return MappingProxyType({})


class ConfigResourceType(IntEnum):
    """`resource_type` of ConfigRecord and of the config APIs."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


@dataclass(slots=True, frozen=True, kw_only=True)
class Endpoint:
    """Where a broker or controller can be reached under one listener name."""

    name: str
    host: str
    port: int
    security_protocol: int
    """Kafka's id: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL."""


@dataclass(slots=True, frozen=True, kw_only=True)
class BrokerRegistration:
    """A broker that registered and has not been unregistered."""

    broker_id: int
    broker_epoch: int
    incarnation_id: bytes
    endpoints: tuple[Endpoint, ...]
    features: Mapping[str, tuple[int, int]] = field(default_factory=_nothing)
    """Supported range of levels by feature name."""
    rack: str | None = None
    fenced: bool = True
    in_controlled_shutdown: bool = False
    directories: tuple[bytes, ...] = ()
    cordoned_directories: tuple[bytes, ...] | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class ControllerRegistration:
    """A KRaft controller that registered."""

    controller_id: int
    incarnation_id: bytes
    endpoints: tuple[Endpoint, ...]
    features: Mapping[str, tuple[int, int]] = field(default_factory=_nothing)
    zk_migration_ready: bool = False


@dataclass(slots=True, frozen=True, kw_only=True)
class PartitionImage:
    """One partition: who holds it, who leads it, and in which epoch."""

    partition_id: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int
    """Broker id, or NO_LEADER."""
    leader_epoch: int
    partition_epoch: int
    leader_recovery_state: int = 0
    """1 while the leader recovers from an unclean election."""
    removing_replicas: tuple[int, ...] = ()
    adding_replicas: tuple[int, ...] = ()
    directories: tuple[bytes, ...] = ()
    """Log directory of each replica, in the order of `replicas`."""
    eligible_leader_replicas: tuple[int, ...] = ()
    last_known_elr: tuple[int, ...] = ()

    def directory_of(self, broker_id: int) -> bytes | None:
        """The id of the log directory that holds this broker's replica; None if it has none or it was not recorded."""
        try:
            return self.directories[self.replicas.index(broker_id)]
        except (ValueError, IndexError):
            return None


@dataclass(slots=True, frozen=True, kw_only=True)
class TopicImage:
    """One topic. `partitions[i].partition_id == i`."""

    name: str
    topic_id: bytes
    partitions: tuple[PartitionImage, ...]


@dataclass(slots=True, frozen=True, kw_only=True)
class MetadataImage:
    """The whole of it, at one revision."""

    revision: int = -1
    """Offset of the last metadata record in it; -1: none. It is also the epoch of the finalized features."""
    leader_epoch: int = -1
    """Epoch of the controller that wrote that record."""
    timestamp_ms: int = -1
    """When that record was written."""
    brokers: Mapping[int, BrokerRegistration] = field(default_factory=_nothing)
    controllers: Mapping[int, ControllerRegistration] = field(default_factory=_nothing)
    topics: Mapping[str, TopicImage] = field(default_factory=_nothing)
    topic_names: Mapping[bytes, str] = field(default_factory=_nothing)
    configs: Mapping[tuple[int, str], Mapping[str, str]] = field(default_factory=_nothing)
    """Dynamic configs by (resource type, resource name). Broker configs for all brokers have the name ""."""
    features: Mapping[str, int] = field(default_factory=_nothing)
    """Finalized level by feature name, `metadata.version` among them."""
    next_producer_id: int = 0
    """First producer id that no block handed out."""
    client_quotas: Mapping[tuple[tuple[str, str | None], ...], Mapping[str, float]] = field(default_factory=_nothing)
    """Quotas by entity: sorted (entity type, name or None for the default)."""
    acls: Mapping[bytes, Record] = field(default_factory=_nothing)
    """AccessControlEntryRecord by id."""
    scram_credentials: Mapping[tuple[str, int], Record] = field(default_factory=_nothing)
    """UserScramCredentialRecord by (user, mechanism)."""
    delegation_tokens: Mapping[str, Record] = field(default_factory=_nothing)
    """DelegationTokenRecord by token id."""

    @property
    def metadata_version(self) -> int:
        """The finalized level of `metadata.version`; 0 before there is one."""
        return self.features.get("metadata.version", 0)

    def topic_by_id(self, topic_id: bytes) -> TopicImage | None:
        name = self.topic_names.get(topic_id)
        return None if name is None else self.topics[name]

    def partition(self, topic: str, partition_id: int) -> PartitionImage | None:
        found = self.topics.get(topic)
        if found is None or not 0 <= partition_id < len(found.partitions):
            return None
        return found.partitions[partition_id]

    def config(self, resource_type: int, resource_name: str) -> Mapping[str, str]:
        """The dynamic configs of a resource; empty if it has none."""
        return self.configs.get((resource_type, resource_name)) or {}

    def topic_config(self, topic: str) -> Mapping[str, str]:
        return self.config(ConfigResourceType.TOPIC, topic)

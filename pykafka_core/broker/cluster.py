"""Who this broker is, who else there is, and how a client reaches them.

Runs on the asyncio thread. With the local metadata store the cluster is this broker alone, which is its controller as
well.
"""

from __future__ import annotations

from pykafka_core._dataclass import dataclass
from pykafka_core.broker.handlers import RequestContext
from pykafka_core.broker.listeners import OpenListener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

    from pykafka_core.metadata.image import PartitionImage

__all__ = ["BrokerNode", "Cluster", "Feature"]


@dataclass(slots=True, frozen=True, kw_only=True)
class BrokerNode:
    """A broker as one client sees it."""

    node_id: int
    host: str
    port: int
    rack: str | None


@dataclass(slots=True, frozen=True, kw_only=True)
class Feature:
    """A feature of the cluster (KIP-584): the levels that this broker knows and the one that is in force, 0 for
    none."""

    name: str
    level_min: int
    level_max: int
    level: int


class Cluster:
    def __init__(
        self,
        *,
        cluster_id: str,
        node_id: int,
        rack: str | None,
        listeners: Sequence[OpenListener],
        features: Callable[[], Sequence[Feature]] = tuple,
        features_epoch: Callable[[], int] = lambda: 0,
        is_offline: Callable[[str, int], bool] = lambda _topic, _index: False,
    ) -> None:
        self.cluster_id: Final = cluster_id
        self.node_id: Final = node_id
        self.rack: Final = rack
        self.listeners: Final = listeners
        self.features: Final = features
        """The features of this cluster and of this broker."""
        self.features_epoch: Final = features_epoch
        """How far the metadata had got when the levels in force were last looked at; -1: none are."""
        self._is_offline: Final = is_offline

    @property
    def controller_id(self) -> int:
        return self.node_id

    def nodes(self, context: RequestContext) -> list[BrokerNode]:
        """Return the live brokers, with the addresses that hold on the listener that the client came through."""
        host, port = self.listeners[context.listener].address_for(context.local)
        return [BrokerNode(node_id=self.node_id, host=host, port=port, rack=self.rack)]

    def is_alive(self, node_id: int) -> bool:
        return node_id == self.node_id

    def is_led(self, topic: str, partition: PartitionImage) -> bool:
        """Whether the leader of a partition lives, and the log directory in which it has its log works."""
        return self.is_alive(partition.leader) and not self._is_offline(topic, partition.partition_id)

    def offline_replicas(self, topic: str, partition: PartitionImage) -> list[int]:
        offline = self._is_offline(topic, partition.partition_id)
        return [replica for replica in partition.replicas if offline or not self.is_alive(replica)]

    @property
    def broker_ids(self) -> list[int]:
        return [self.node_id]

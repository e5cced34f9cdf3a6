"""The broker configs of groups: names, types, defaults and ranges are Apache Kafka's, the descriptions ours.

`config_keys.py` takes them into its table. Share and streams groups are not served: their keys bound what a group of
theirs may be given as configs, and have no other effect yet.
"""

from __future__ import annotations

from pykafka_core.broker.config_values import (
    INT_MAX,
    AllOf,
    ConfigTable,
    ConfigType,
    Importance,
    OneOf,
    Range,
    UpdateMode,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["GROUP_ROWS"]

INT, LONG, LIST, STRING = ConfigType.INT, ConfigType.LONG, ConfigType.LIST, ConfigType.STRING
HIGH, MEDIUM = Importance.HIGH, Importance.MEDIUM
CLUSTER_WIDE = UpdateMode.CLUSTER_WIDE

_INERT: Final = frozenset(
    {
        "group.coordinator.append.linger.ms",
        "group.coordinator.background.threads",
        "group.coordinator.cached.buffer.max.bytes",
        "group.coordinator.threads",
        "offsets.commit.timeout.ms",
        "offsets.load.buffer.size",
        "offsets.topic.compression.codec",
    }
)


class _Groups(ConfigTable):
    def is_inert(self, name: str) -> bool:
        return name in _INERT or name.startswith(("group.share.", "group.streams."))


_key = _Groups()

# fmt: off
# ---- offsets and classic groups
_key("offsets.topic.num.partitions", INT, 50, "Partitions of __consumer_offsets. Not to be changed once it exists.",
     check=Range(1), importance=HIGH)
_key("offsets.topic.replication.factor", ConfigType.SHORT, 3,
     "Replicas of __consumer_offsets; no more than there are brokers are made.", check=Range(1), importance=HIGH)
_key("offsets.topic.segment.bytes", INT, 104857600,
     "segment.bytes of __consumer_offsets.", check=Range(1), importance=HIGH)
_key("offsets.topic.compression.codec", INT, 0, "The codec of __consumer_offsets, by its number.", importance=HIGH)
_key("offsets.retention.minutes", INT, 10080,
     "How long an empty group keeps its offsets.", check=Range(1), importance=HIGH)
_key("offsets.retention.check.interval.ms", LONG, 600000, "How often offsets are looked at for expiry.",
     check=Range(1), importance=HIGH)
_key("offsets.commit.timeout.ms", INT, 5000, "How long a commit may wait for the replicas of __consumer_offsets.",
     check=Range(1), importance=HIGH)
_key("offsets.load.buffer.size", INT, 5242880, "Bytes of __consumer_offsets that are read at a time while loading.",
     check=Range(1), importance=HIGH)
_key("offset.metadata.max.bytes", INT, 4096, "The longest text that may go with a committed offset.", importance=HIGH)
_key("group.min.session.timeout.ms", INT, 6000, "The shortest session timeout that a classic member may ask for.")
_key("group.max.session.timeout.ms", INT, 1800000, "The longest session timeout that a classic member may ask for.")
_key("group.initial.rebalance.delay.ms", INT, 3000,
     "How long an empty group waits for more members before its first rebalance.")
_key("group.max.size", INT, INT_MAX, "Members of one classic group.", check=Range(1))

# ---- the coordinator
_key("group.coordinator.rebalance.protocols", LIST, ("classic", "consumer", "streams"),
     "The group protocols that are on.", check=AllOf(("consumer", "classic", "share", "streams")))
_key("group.coordinator.threads", INT, 4, "Threads of the coordinator in Apache Kafka; here it runs on one loop.",
     check=Range(1), importance=HIGH)
_key("group.coordinator.background.threads", INT, 2,
     "Threads for assignments and regular expressions in Apache Kafka.", check=Range(1), importance=HIGH)
_key("group.coordinator.append.linger.ms", INT, -1,
     "How long the coordinator gathers records for one write; -1: as long as the write before takes.",
     check=Range(-1))
_key("group.coordinator.cached.buffer.max.bytes", INT, 1048588,
     "The largest write buffer that the coordinator keeps for the next write.", check=Range(524288), mode=CLUSTER_WIDE)

# ---- consumer groups
_key("group.consumer.session.timeout.ms", INT, 45000,
     "Silence after which a member of a consumer group is gone.", check=Range(1))
_key("group.consumer.min.session.timeout.ms", INT, 45000,
     "The shortest session timeout that a consumer group may be given.", check=Range(1))
_key("group.consumer.max.session.timeout.ms", INT, 60000,
     "The longest session timeout that a consumer group may be given.", check=Range(1))
_key("group.consumer.heartbeat.interval.ms", INT, 5000, "How often members of consumer groups report.", check=Range(1))
_key("group.consumer.min.heartbeat.interval.ms", INT, 5000,
     "The shortest heartbeat interval that a consumer group may be given.", check=Range(1))
_key("group.consumer.max.heartbeat.interval.ms", INT, 15000,
     "The longest heartbeat interval that a consumer group may be given.", check=Range(1))
_key("group.consumer.assignment.interval.ms", INT, 1000,
     "How much time lies at least between two assignments of a consumer group.", check=Range(0), mode=CLUSTER_WIDE)
_key("group.consumer.min.assignment.interval.ms", INT, 0,
     "The shortest assignment interval that a consumer group may be given.", check=Range(0))
_key("group.consumer.max.assignment.interval.ms", INT, 15000,
     "The longest assignment interval that a consumer group may be given.", check=Range(0))
_key("group.consumer.assignors", LIST, ("uniform", "range"), "Assignors for consumer groups, the default first.")
_key("group.consumer.max.size", INT, INT_MAX, "Members of one consumer group.", check=Range(1))
_key("group.consumer.migration.policy", STRING, "bidirectional",
     "Whether groups may change between the classic and consumer protocol.",
     check=OneOf(("DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"), any_case=True))
_key("group.consumer.regex.refresh.interval.ms", INT, 600000,
     "How often subscribed regular expressions are matched with the topics again.", check=Range(10000))

# ---- share groups
_key("group.share.session.timeout.ms", INT, 45000,
     "Silence after which a member of a share group is gone.", check=Range(1))
_key("group.share.min.session.timeout.ms", INT, 45000,
     "The shortest session timeout that a share group may be given.", check=Range(1))
_key("group.share.max.session.timeout.ms", INT, 60000,
     "The longest session timeout that a share group may be given.", check=Range(1))
_key("group.share.heartbeat.interval.ms", INT, 5000, "How often members of share groups report.", check=Range(1))
_key("group.share.min.heartbeat.interval.ms", INT, 5000,
     "The shortest heartbeat interval that a share group may be given.", check=Range(1))
_key("group.share.max.heartbeat.interval.ms", INT, 15000,
     "The longest heartbeat interval that a share group may be given.", check=Range(1))
_key("group.share.assignment.interval.ms", INT, 1000,
     "How much time lies at least between two assignments of a share group.", check=Range(0), mode=CLUSTER_WIDE)
_key("group.share.min.assignment.interval.ms", INT, 0,
     "The shortest assignment interval that a share group may be given.", check=Range(0))
_key("group.share.max.assignment.interval.ms", INT, 15000,
     "The longest assignment interval that a share group may be given.", check=Range(0))
_key("group.share.assignors", LIST, ("simple",), "Assignors for share groups; one at most.")
_key("group.share.max.size", INT, 200, "Members of one share group.", check=Range(1, 1000))
_key("group.share.max.share.sessions", INT, 2000, "Share sessions on this broker.", check=Range(1))
_key("group.share.record.lock.duration.ms", INT, 30000, "How long a share consumer keeps a record to itself.",
     check=Range(1000, 3600000))
_key("group.share.min.record.lock.duration.ms", INT, 15000,
     "The shortest time to keep a record that a share group may be given.", check=Range(1000, 30000))
_key("group.share.max.record.lock.duration.ms", INT, 60000,
     "The longest time to keep a record that a share group may be given.", check=Range(30000, 3600000))
_key("group.share.delivery.count.limit", INT, 5, "How often a record is offered in a share group.", check=Range(2, 10))
_key("group.share.min.delivery.count.limit", INT, 2,
     "The fewest offers of a record that a share group may be given.", check=Range(2, 5))
_key("group.share.max.delivery.count.limit", INT, 10,
     "The most offers of a record that a share group may be given.", check=Range(5, 25))
_key("group.share.partition.max.record.locks", INT, 2000, "Records of a partition that share consumers may hold.",
     check=Range(100, 10000))
_key("group.share.min.partition.max.record.locks", INT, 100,
     "The fewest held records of a partition that a share group may be given.", check=Range(100, 2000))
_key("group.share.max.partition.max.record.locks", INT, 4000,
     "The most held records of a partition that a share group may be given.", check=Range(2000, 10000))
_key("group.share.initialize.retry.interval.ms", INT, 30000,
     "How long the state of a new share partition may take before it is asked for again.", check=Range(1))
_key("group.share.persister.class.name", STRING, "org.apache.kafka.server.share.persister.DefaultStatePersister",
     "The Java class that keeps the state of share groups; none can be loaded here.")

# ---- streams groups
_key("group.streams.session.timeout.ms", INT, 45000,
     "Silence after which a member of a streams group is gone.", check=Range(1))
_key("group.streams.min.session.timeout.ms", INT, 45000,
     "The shortest session timeout that a streams group may be given.", check=Range(1))
_key("group.streams.max.session.timeout.ms", INT, 60000,
     "The longest session timeout that a streams group may be given.", check=Range(1))
_key("group.streams.heartbeat.interval.ms", INT, 5000, "How often members of streams groups report.", check=Range(1))
_key("group.streams.min.heartbeat.interval.ms", INT, 5000,
     "The shortest heartbeat interval that a streams group may be given.", check=Range(1))
_key("group.streams.max.heartbeat.interval.ms", INT, 15000,
     "The longest heartbeat interval that a streams group may be given.", check=Range(1))
_key("group.streams.assignment.interval.ms", INT, 1000,
     "How much time lies at least between two assignments of a streams group.", check=Range(0), mode=CLUSTER_WIDE)
_key("group.streams.min.assignment.interval.ms", INT, 0,
     "The shortest assignment interval that a streams group may be given.", check=Range(0))
_key("group.streams.max.assignment.interval.ms", INT, 15000,
     "The longest assignment interval that a streams group may be given.", check=Range(0))
_key("group.streams.initial.rebalance.delay.ms", INT, 3000,
     "How long a new streams group waits for more members before its first assignment.", check=Range(0))
_key("group.streams.max.size", INT, INT_MAX, "Members of one streams group.", check=Range(1))
_key("group.streams.num.standby.replicas", INT, 0, "Standby copies of each task of a streams group.", check=Range(0))
_key("group.streams.max.standby.replicas", INT, 2,
     "The most standby copies that a streams group may be given.", check=Range(0))
# fmt: on

GROUP_ROWS: Final = tuple(_key.rows)

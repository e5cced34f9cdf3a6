"""The table of broker configs: names, types, defaults and ranges are Apache Kafka 4.4's, the descriptions ours.

    config_keys.py          what has an effect, with
    config_keys_groups.py   the keys of groups
    config_keys_others.py   what Kafka has beside it: accepted with a warning that it has no effect

A key that Kafka lacks is accepted with a warning that nobody knows it.
"""

from __future__ import annotations

from types import MappingProxyType

from pykafka_core.broker.config_keys_groups import GROUP_ROWS
from pykafka_core.broker.config_values import (
    INT_MAX,
    LONG_MAX,
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

__all__ = ["BROKER_CONFIGS", "COMPRESSION_TYPES", "GZIP_LEVEL", "LZ4_LEVEL", "ZSTD_LEVEL", "is_kafka_config"]

BOOLEAN, STRING, INT, SHORT, LONG, DOUBLE, LIST, CLASS = (
    ConfigType.BOOLEAN,
    ConfigType.STRING,
    ConfigType.INT,
    ConfigType.SHORT,
    ConfigType.LONG,
    ConfigType.DOUBLE,
    ConfigType.LIST,
    ConfigType.CLASS,
)
HIGH, MEDIUM, LOW = Importance.HIGH, Importance.MEDIUM, Importance.LOW
PER_BROKER, CLUSTER_WIDE = UpdateMode.PER_BROKER, UpdateMode.CLUSTER_WIDE

COMPRESSION_TYPES: Final = OneOf(("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"))
GZIP_LEVEL: Final = Range(1, 9, escape=-1)
LZ4_LEVEL: Final = Range(1, 17)
ZSTD_LEVEL: Final = Range(-131072, 22)
PROTOCOL_MAP: Final = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"

_key = ConfigTable()

# ---- identity and directories
_key("process.roles", LIST, (), "The parts this process plays. It is broker and controller in one; both are accepted.",
     check=AllOf(("broker", "controller")), importance=HIGH)
_key("node.id", INT, None,
     "The id of this broker, kept in meta.properties. Unset: the id the log directories bear, else 1.",
     check=Range(0), importance=HIGH)
_key("broker.id", INT, -1, "The old name of node.id.", importance=HIGH)
_key("broker.rack", STRING, None, "The rack, zone or room this broker stands in, told to clients.")
_key("log.dir", LIST, None,
     "Where the data lie, if log.dirs is not set. Unset: kafka-logs in the system's temporary directory.",
     importance=HIGH)
_key("log.dirs", LIST, None,
     "Directories where the data lie, separated by commas. New partitions go to the one with the fewest.",
     importance=HIGH)
_key("metadata.log.dir", STRING, None,
     "The directory that holds the metadata log. Unset: the first of log.dirs.", importance=HIGH)
_key("controller.listener.names", LIST, (),
     "Listeners for KRaft controllers. They are named for Apache Kafka's sake; none is opened.", importance=HIGH)
_key("controller.quorum.voters", LIST, (),
     "The KRaft controllers as id@host:port. This broker is its own only controller.", importance=HIGH)
_key("controller.quorum.bootstrap.servers", LIST, (),
     "Where KRaft controllers are found. This broker is its own only controller.", importance=HIGH)
_key("metadata.log.max.record.bytes.between.snapshots", LONG, 20971520,
     "Bytes of metadata records after which a snapshot is written.", check=Range(1), importance=HIGH)
_key("metadata.log.max.snapshot.interval.ms", LONG, 3600000,
     "Milliseconds after which a snapshot is written if anything changed. 0: only by size.",
     check=Range(0), importance=HIGH)
_key("metadata.log.segment.bytes", INT, 1073741824, "Size at which the metadata log starts a new segment.",
     check=Range(8388608), importance=HIGH)
_key("initial.broker.registration.timeout.ms", INT, 60000,
     "How long a broker may take to register with its controller.")
_key("broker.heartbeat.interval.ms", INT, 2000, "How often a broker tells the controller that it lives.")
_key("broker.session.timeout.ms", INT, 9000, "Silence after which the controller fences a broker.")

# ---- sockets
_key("listeners", LIST, ("PLAINTEXT://:9092",),
     "Where to listen, as name://host:port, separated by commas. No host: every interface. Port 0: any free one.",
     importance=HIGH, mode=PER_BROKER)
_key("advertised.listeners", LIST, None,
     "The addresses that clients are told, by listener name. Unset: each client is told the address it connected "
     "to.", importance=HIGH)
_key("listener.security.protocol.map", STRING, PROTOCOL_MAP,
     "The security protocol of each listener name, as name:protocol pairs.", importance=LOW, mode=PER_BROKER)
_key("inter.broker.listener.name", STRING, None, "The listener that other brokers use.")
_key("security.inter.broker.protocol", STRING, "PLAINTEXT",
     "The security protocol between brokers, if no listener is named.",
     check=OneOf(("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")))
_key("num.network.threads", INT, 3,
     "Reactor threads: each owns its connections and answers produce and fetch. Unless set, no more than processors.",
     check=Range(1), importance=HIGH, mode=CLUSTER_WIDE)
_key("num.io.threads", INT, 8, "Threads for requests in Apache Kafka; here everything else runs on one loop.",
     check=Range(1), importance=HIGH, mode=CLUSTER_WIDE)
_key("background.threads", INT, 10, "Threads for background work: deleting files, syncing.",
     check=Range(1), importance=HIGH, mode=CLUSTER_WIDE)
# Apache Kafka's default is 102400: measured on loopback, a consumer then costs the broker half as much CPU again.
_key("socket.send.buffer.bytes", INT, 262144, "SO_SNDBUF of client sockets; -1: the system's default.", importance=HIGH)
_key("socket.receive.buffer.bytes", INT, 102400,
     "SO_RCVBUF of client sockets; -1: the system's default.", importance=HIGH)
_key("socket.request.max.bytes", INT, 104857600, "The largest request that is read; a larger one ends its connection.",
     check=Range(1), importance=HIGH)
_key("socket.listen.backlog.size", INT, 50, "Connections the system may hold before they are accepted.", check=Range(1))
_key("queued.max.requests", INT, 500,
     "Requests that may wait for an answer before reading stops.", check=Range(1), importance=HIGH)
_key("queued.max.request.bytes", LONG, -1, "Bytes of requests that may wait before reading stops; -1: no limit.")
_key("connections.max.idle.ms", LONG, 600000, "Idle connections are closed after this time; -1: never.")
_key("connections.max.reauth.ms", LONG, 0, "A session must authenticate again within this time; 0: never.")
_key("max.connections", INT, INT_MAX, "Connections on all listeners together.", check=Range(0), mode=CLUSTER_WIDE)
_key("max.connections.per.ip", INT, INT_MAX, "Connections from one address.", check=Range(0), mode=CLUSTER_WIDE)
_key("max.connections.per.ip.overrides", STRING, "",
     "Limits of single addresses, as host:count pairs.", mode=CLUSTER_WIDE)
_key("max.connection.creation.rate", INT, INT_MAX, "New connections a second.", check=Range(0), mode=CLUSTER_WIDE)
_key("connection.failed.authentication.delay.ms", INT, 100,
     "How long a failed authentication waits before its connection is closed.", check=Range(0), importance=LOW)
_key("request.timeout.ms", INT, 30000, "How long this broker waits for another one's answer.", importance=HIGH)

# ---- topics
_key("num.partitions", INT, 1, "Partitions of a topic that is created without a number.", check=Range(1))
_key("default.replication.factor", INT, 1, "Replicas of a topic that is created without a number.")
_key("auto.create.topics.enable", BOOLEAN, True,
     "Create a topic when a client that allows it asks for one that is missing.", importance=HIGH)
_key("delete.topic.enable", BOOLEAN, True, "Allow topics to be deleted.", importance=HIGH)
_key("max.request.partition.size.limit", INT, 2000, "Partitions in one DescribeTopicPartitions answer.", check=Range(1))
_key("create.topic.policy.class.name", CLASS, None,
     "A Java class that judges new topics; none can be loaded here.", importance=LOW)
_key("alter.config.policy.class.name", CLASS, None,
     "A Java class that judges changed configs; none can be loaded here.", importance=LOW)

# ---- what topics inherit
_key("log.cleanup.policy", LIST, ("delete",),
     "What happens to old records: delete, compact, both, or nothing if empty.",
     check=AllOf(("compact", "delete")), mode=CLUSTER_WIDE)
_key("log.retention.ms", LONG, None, "How long records are kept; -1: for ever. Unset: log.retention.minutes.",
     importance=HIGH, mode=CLUSTER_WIDE)
_key("log.retention.minutes", INT, None,
     "How long records are kept, in minutes. Unset: log.retention.hours.", importance=HIGH)
_key("log.retention.hours", INT, 168, "How long records are kept, in hours.", importance=HIGH)
_key("log.retention.bytes", LONG, -1, "Size of a partition above which its oldest segments go; -1: no limit.",
     importance=HIGH, mode=CLUSTER_WIDE)
_key("log.segment.bytes", INT, 1073741824, "Size at which a log starts a new segment.",
     check=Range(1048576), importance=HIGH, mode=CLUSTER_WIDE)
_key("log.roll.ms", LONG, None,
     "Age at which a log starts a new segment. Unset: log.roll.hours.", importance=HIGH, mode=CLUSTER_WIDE)
_key("log.roll.hours", INT, 168, "Age at which a log starts a new segment, in hours.", check=Range(1), importance=HIGH)
_key("log.roll.jitter.ms", LONG, None, "At most this much is taken off log.roll.ms, so that logs do not roll together.",
     importance=HIGH, mode=CLUSTER_WIDE)
_key("log.roll.jitter.hours", INT, 0, "The same in hours.", check=Range(0), importance=HIGH)
_key("log.segment.delete.delay.ms", LONG, 60000, "How long a deleted file stays on disk for those who still read it.",
     check=Range(0), importance=HIGH, mode=CLUSTER_WIDE)
_key("log.flush.interval.messages", LONG, LONG_MAX, "Records after which a log is synced to disk.",
     check=Range(1), importance=HIGH, mode=CLUSTER_WIDE)
_key("log.flush.interval.ms", LONG, None,
     "Time after which a log is synced to disk. Unset: log.flush.scheduler.interval.ms.",
     importance=HIGH, mode=CLUSTER_WIDE)
_key("log.flush.scheduler.interval.ms", LONG, LONG_MAX, "How often logs are looked at for syncing.", importance=HIGH)
_key("log.index.interval.bytes", INT, 4096, "Bytes of log for each index entry.", check=Range(0), mode=CLUSTER_WIDE)
_key("log.index.size.max.bytes", INT, 10485760,
     "Size of an index at which a segment is full.", check=Range(4), mode=CLUSTER_WIDE)
_key("log.message.timestamp.type", STRING, "CreateTime", "Whose clock stamps records: the producer's or the broker's.",
     check=OneOf(("CreateTime", "LogAppendTime")), mode=CLUSTER_WIDE)
_key("log.message.timestamp.before.max.ms", LONG, LONG_MAX, "How far a record's timestamp may lie in the past.",
     check=Range(0), mode=CLUSTER_WIDE)
_key("log.message.timestamp.after.max.ms", LONG, 3600000, "How far a record's timestamp may lie in the future.",
     check=Range(0), mode=CLUSTER_WIDE)
_key("log.preallocate", BOOLEAN, False, "Give a new segment its full size on disk at once.", mode=CLUSTER_WIDE)
_key("log.local.retention.ms", LONG, -2,
     "With tiered storage: how long records stay on local disks; -2: log.retention.ms.",
     check=Range(-2), mode=CLUSTER_WIDE)
_key("log.local.retention.bytes", LONG, -2,
     "With tiered storage: how many bytes stay on local disks; -2: log.retention.bytes.",
     check=Range(-2), mode=CLUSTER_WIDE)
_key("log.cleaner.delete.retention.ms", LONG, 86400000, "How long a tombstone stays in a compacted log.",
     check=Range(0), mode=CLUSTER_WIDE)
_key("log.cleaner.min.compaction.lag.ms", LONG, 0,
     "How long a record is safe from compaction.", check=Range(0), mode=CLUSTER_WIDE)
_key("log.cleaner.max.compaction.lag.ms", LONG, LONG_MAX, "How long a record may wait for compaction.",
     check=Range(1), mode=CLUSTER_WIDE)
_key("log.cleaner.min.cleanable.ratio", DOUBLE, 0.5, "Share of a log that must be uncompacted before it is compacted.",
     check=Range(0, 1), mode=CLUSTER_WIDE)
_key("message.max.bytes", INT, 1048588, "The largest record batch that is taken, as it comes, compressed or not.",
     check=Range(0), importance=HIGH, mode=CLUSTER_WIDE)
_key("min.insync.replicas", INT, 1, "Replicas that must hold a record before acks=all is answered.",
     check=Range(1), importance=HIGH, mode=CLUSTER_WIDE)
_key("unclean.leader.election.enable", BOOLEAN, False, "Let a replica lead that may have missed records.",
     importance=HIGH, mode=CLUSTER_WIDE)
_key("compression.type", STRING, "producer", "The codec that stored batches have; producer: each as it came.",
     check=COMPRESSION_TYPES, importance=HIGH, mode=CLUSTER_WIDE)
_key("compression.gzip.level", INT, -1, "The level for gzip; -1: its default.", check=GZIP_LEVEL, mode=CLUSTER_WIDE)
_key("compression.lz4.level", INT, 9, "The level for lz4.", check=LZ4_LEVEL, mode=CLUSTER_WIDE)
_key("compression.zstd.level", INT, 3, "The level for zstd.", check=ZSTD_LEVEL, mode=CLUSTER_WIDE)

# ---- care of logs
_key("log.retention.check.interval.ms", LONG, 300000, "How often logs are looked at for old segments.", check=Range(1))
_key("log.initial.task.delay.ms", LONG, 30000,
     "How long after the start the first of these looks comes.", check=Range(0), importance=LOW)
_key("log.flush.offset.checkpoint.interval.ms", INT, 60000,
     "How often recovery points are written.", check=Range(0), importance=HIGH)
_key("log.flush.start.offset.checkpoint.interval.ms", INT, 60000, "How often log start offsets are written.",
     check=Range(0), importance=HIGH)
_key("replica.high.watermark.checkpoint.interval.ms", LONG, 5000,
     "How often high watermarks are written.", importance=HIGH)
_key("num.recovery.threads.per.data.dir", INT, 2,
     "Threads that recover the logs of one directory after an unclean stop.",
     check=Range(1), importance=HIGH, mode=CLUSTER_WIDE)
_key("log.cleaner.enable", BOOLEAN, True, "Compact logs whose policy asks for it.")
_key("log.cleaner.threads", INT, 1, "Threads that compact.", check=Range(0), mode=CLUSTER_WIDE)
_key("log.cleaner.dedupe.buffer.size", LONG, 134217728,
     "Memory for the keys of the log being compacted.", mode=CLUSTER_WIDE)
_key("log.cleaner.io.buffer.size", INT, 524288,
     "Memory for reading and writing while compacting.", check=Range(0), mode=CLUSTER_WIDE)
_key("log.cleaner.io.buffer.load.factor", DOUBLE, 0.9, "How full the table of keys may get.", mode=CLUSTER_WIDE)
_key("log.cleaner.io.max.bytes.per.second", DOUBLE, 1.7976931348623157e+308,
     "Bytes a second that compaction reads and writes.", mode=CLUSTER_WIDE)
_key("log.cleaner.backoff.ms", LONG, 15000,
     "How long compaction sleeps when there is nothing to do.", check=Range(0), mode=CLUSTER_WIDE)
_key("log.dir.failure.timeout.ms", LONG, 30000,
     "How long a failed directory may stay unreported before the broker stops.", check=Range(1), importance=LOW)

# ---- fetch and replicas
_key("fetch.max.bytes", INT, 57671680,
     "The most bytes that one fetch is answered with, the first batch excepted.", check=Range(1024))
_key("max.incremental.fetch.session.cache.slots", INT, 1000, "Fetch sessions that are kept.", check=Range(0))
_key("replica.lag.time.max.ms", LONG, 30000,
     "A follower that has not caught up for so long leaves the in-sync replicas.", importance=HIGH)
_key("num.replica.fetchers", INT, 1,
     "Fetchers for each broker that is followed.", check=Range(1), importance=HIGH, mode=CLUSTER_WIDE)
_key("replica.fetch.max.bytes", INT, 1048576, "Bytes that a follower asks for by partition.", check=Range(0))
_key("replica.selector.class", STRING, None, "How a consumer is sent to a nearer replica.")
_key("auto.leader.rebalance.enable", BOOLEAN, True,
     "Give leadership back to the first replica in the list.", importance=HIGH)

# ---- transactions and producers
_key("transaction.state.log.num.partitions", INT, 50,
     "Partitions of __transaction_state. Not to be changed once it exists.", check=Range(1), importance=HIGH)
_key("transaction.state.log.replication.factor", SHORT, 3,
     "Replicas of __transaction_state; no more than there are brokers are made.", check=Range(1), importance=HIGH)
_key("transaction.state.log.min.isr", INT, 2,
     "min.insync.replicas of __transaction_state; no more than there are brokers.", check=Range(1), importance=HIGH)
_key("transaction.state.log.segment.bytes", INT, 104857600,
     "segment.bytes of __transaction_state.", check=Range(1), importance=HIGH)
_key("transaction.max.timeout.ms", INT, 900000, "The longest transaction timeout that a producer may ask for.",
     check=Range(1), importance=HIGH)
_key("transactional.id.expiration.ms", INT, 604800000, "Idle transactional ids are forgotten after this time.",
     check=Range(1), importance=HIGH)
_key("transaction.abort.timed.out.transaction.cleanup.interval.ms", INT, 10000,
     "How often open transactions are looked at for their timeout.", check=Range(1), importance=LOW)
_key("transaction.remove.expired.transaction.cleanup.interval.ms", INT, 3600000,
     "How often transactional ids are looked at for expiry.", check=Range(1), importance=LOW)
_key("add.partitions.to.txn.retry.backoff.ms", INT, 20,
     "How long a produce request waits before it asks again to be added to a transaction while the one before is being "
     "ended.", check=Range(1), importance=HIGH)
_key("add.partitions.to.txn.retry.backoff.max.ms", INT, 100, "For how long it does so.",
     check=Range(0), importance=HIGH)
_key("transaction.partition.verification.enable", BOOLEAN, True,
     "Ask the coordinator before a transaction's first write to a partition.", importance=LOW, mode=CLUSTER_WIDE)
_key("producer.id.expiration.ms", INT, 86400000, "Idle producer ids are forgotten after this time.",
     check=Range(1), importance=LOW, mode=CLUSTER_WIDE)
_key("producer.id.expiration.check.interval.ms", INT, 600000, "How often producer ids are looked at for expiry.",
     check=Range(1), importance=LOW)

# ---- security and quotas
_key("sasl.enabled.mechanisms", LIST, ("GSSAPI",), "SASL mechanisms that are offered.", mode=PER_BROKER)
_key("sasl.server.max.receive.size", INT, 524288, "The largest request before authentication.")
_key("ssl.client.auth", STRING, "none", "Whether clients must show a certificate.",
     check=OneOf(("required", "requested", "none")), mode=PER_BROKER)
_key("authorizer.class.name", STRING, "", "The authorizer; empty: everybody may do everything.", importance=LOW)
_key("super.users", STRING, "", "Principals that may do everything, separated by semicolons.")
_key("allow.everyone.if.no.acl.found", BOOLEAN, False, "Whether a resource without any ACL is open to all.")
_key("quota.window.num", INT, 11, "Samples that a client quota looks at.", check=Range(1), importance=LOW)
_key("quota.window.size.seconds", INT, 1, "Length of one such sample.", check=Range(1), importance=LOW)
_key("controller.quota.window.num", INT, 11,
     "Samples that the quota on topic changes looks at.", check=Range(1), importance=LOW)
_key("controller.quota.window.size.seconds", INT, 1, "Length of one such sample.", check=Range(1), importance=LOW)

BROKER_CONFIGS: Final = MappingProxyType({key.name: key for key in (*_key.rows, *GROUP_ROWS)})

# What Kafka has beside the tables.
_OTHER_PREFIXES: Final = (
    "controller.quorum.", "errors.deadletterqueue.", "listener.name.", "log4j.", "remote.", "rlmm.", "rsm.",
)  # fmt: skip


def is_kafka_config(name: str) -> bool:
    """True for a name that Apache Kafka's broker knows and the table lacks."""
    from pykafka_core.broker.config_keys_others import OTHER_CONFIGS

    return name in OTHER_CONFIGS or name.startswith(_OTHER_PREFIXES)

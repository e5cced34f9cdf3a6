"""Broker configs of Apache Kafka that have no effect here, for those who ask what this broker is configured with.

Names, types, defaults and ranges are Apache Kafka's, the descriptions ours. A broker that starts never reads this
table: it is imported when somebody describes the broker, or sets a key that `config_keys.py` does not have. A key that
comes to have an effect moves there.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from pykafka_core.broker.config_values import (
    LONG_MAX,
    Check,
    ConfigKey,
    ConfigType,
    Importance,
    Range,
    UpdateMode,
)

__all__ = ["OTHER_CONFIGS"]

BOOLEAN, STRING, INT, SHORT, LONG, DOUBLE, LIST, CLASS, PASSWORD = (
    ConfigType.BOOLEAN,
    ConfigType.STRING,
    ConfigType.INT,
    ConfigType.SHORT,
    ConfigType.LONG,
    ConfigType.DOUBLE,
    ConfigType.LIST,
    ConfigType.CLASS,
    ConfigType.PASSWORD,
)
PER_BROKER, CLUSTER_WIDE = UpdateMode.PER_BROKER, UpdateMode.CLUSTER_WIDE

_rows: list[ConfigKey] = []


def _key(
    name: str,
    kind: ConfigType,
    default: Any,
    doc: str,
    *,
    check: Check | None = None,
    mode: UpdateMode = UpdateMode.READ_ONLY,
) -> None:
    _rows.append(
        ConfigKey(
            name=name,
            type=kind,
            default=default,
            doc=doc,
            check=check,
            importance=Importance.LOW,
            mode=mode,
            inert=True,
        )
    )


# fmt: off
# ---- the cluster
_key("config.providers", LIST, (), "Java classes that fill in placeholders in configs; none can be loaded here.",
     mode=CLUSTER_WIDE)
_key("controlled.shutdown.enable", BOOLEAN, True, "Hand leadership to other brokers before a stop.")
_key("controller.performance.always.log.threshold.ms", LONG, 2000,
     "An event of the controller that takes longer is always named in the log.", check=Range(0))
_key("controller.performance.sample.period.ms", LONG, 60000,
     "How often the controller says how long its events take.", check=Range(100))
_key("controller.quorum.append.linger.ms", INT, 25,
     "How long the leader of the metadata gathers records for one write.", check=Range(0))
_key("controller.quorum.auto.join.enable", BOOLEAN, False, "Let a new controller join the quorum by itself.")
_key("controller.quorum.election.backoff.max.ms", INT, 1000,
     "How long a controller waits at most between two elections.", check=Range(0))
_key("controller.quorum.election.timeout.ms", INT, 1000,
     "How long an election may take before it is held again.", check=Range(0))
_key("controller.quorum.fetch.max.bytes", INT, 1048576,
     "Bytes of metadata in one answer between controllers.", check=Range(1))
_key("controller.quorum.fetch.snapshot.max.bytes", INT, 1048576,
     "Bytes of a snapshot in one answer between controllers.", check=Range(1))
_key("controller.quorum.fetch.timeout.ms", INT, 2000,
     "Silence of the leader after which a controller wants to be elected.", check=Range(0))
_key("controller.quorum.request.timeout.ms", INT, 2000,
     "How long a controller waits for another one's answer.", check=Range(0))
_key("controller.quorum.retry.backoff.ms", INT, 20,
     "How long a controller waits before it asks again.", check=Range(0))
_key("controller.socket.timeout.ms", INT, 30000, "How long a broker waits for the controller's answer.")
_key("leader.imbalance.check.interval.seconds", LONG, 300,
     "How often the controller looks for partitions that their preferred replica does not lead.", check=Range(1))
_key("unclean.leader.election.interval.ms", LONG, 300000,
     "How often the controller looks for partitions that need an unclean election.", check=Range(1))
_key("metadata.log.segment.ms", LONG, 604800000, "Age at which the metadata log starts a new segment.")
_key("metadata.max.idle.interval.ms", INT, 500,
     "How often the controller writes a record that says nothing; 0: never.", check=Range(0))
_key("metadata.max.retention.bytes", LONG, 104857600,
     "Bytes of metadata log and snapshots above which the oldest may go.")
_key("metadata.max.retention.ms", LONG, 604800000, "How long old parts of the metadata log are kept.")
_key("server.max.startup.time.ms", LONG, LONG_MAX, "How long a start may take before it is given up.", check=Range(0))
_key("unstable.api.versions.enable", BOOLEAN, False, "Serve API versions that are still being worked on.")
_key("unstable.feature.versions.enable", BOOLEAN, False, "Allow feature levels that are still being worked on.")
_key("early.start.listeners", LIST, None, "Listeners that open before the metadata has been read.")
_key("cordoned.log.dirs", LIST, (), "Log directories that take no new partitions.", mode=PER_BROKER)

# ---- waiting rooms and replication
_key("delete.records.purgatory.purge.interval.requests", INT, 1,
     "DeleteRecords requests after which answered ones are cleared away.")
_key("fetch.purgatory.purge.interval.requests", INT, 1000,
     "Fetch requests after which answered ones are cleared away.")
_key("producer.purgatory.purge.interval.requests", INT, 1000,
     "Produce requests after which answered ones are cleared away.")
_key("share.fetch.purgatory.purge.interval.requests", INT, 1000,
     "ShareFetch requests after which answered ones are cleared away.")
_key("follower.fetch.last.tiered.offset.enable", BOOLEAN, False,
     "Let an empty follower begin behind what lies in tiered storage.", mode=CLUSTER_WIDE)
_key("replica.fetch.backoff.ms", INT, 1000, "How long a follower waits after an error.", check=Range(0))
_key("replica.fetch.min.bytes", INT, 1, "Bytes that a follower waits for.")
_key("replica.fetch.response.max.bytes", INT, 10485760, "Bytes that a follower asks for at a time.", check=Range(0))
_key("replica.fetch.wait.max.ms", INT, 500, "How long a follower waits for these bytes.")
_key("replica.socket.receive.buffer.bytes", INT, 65536, "SO_RCVBUF of a follower's connections.")
_key("replica.socket.timeout.ms", INT, 30000, "How long a follower waits for an answer.")
_key("replication.quota.window.num", INT, 11, "Samples that a replication throttle looks at.", check=Range(1))
_key("replication.quota.window.size.seconds", INT, 1, "Length of one such sample.", check=Range(1))
_key("alter.log.dirs.replication.quota.window.num", INT, 11,
     "Samples that the throttle of moves between log directories looks at.", check=Range(1))
_key("alter.log.dirs.replication.quota.window.size.seconds", INT, 1, "Length of one such sample.", check=Range(1))
_key("num.replica.alter.log.dirs.threads", INT, None,
     "Threads that move replicas between log directories. Unset: one for each directory.")
_key("client.quota.callback.class", CLASS, None, "A Java class that decides on quotas; none can be loaded here.")
_key("socket.connection.setup.timeout.max.ms", LONG, 30000, "How long connecting to another broker may take at most.")
_key("socket.connection.setup.timeout.ms", LONG, 10000, "How long the first attempt may take.")

# ---- metrics
_key("kafka.metrics.polling.interval.secs", INT, 10, "How often the older kind of metrics is gathered.", check=Range(1))
_key("kafka.metrics.reporters", LIST, (), "Java classes that report the older kind; none can be loaded here.")
_key("metric.reporters", LIST, ("org.apache.kafka.common.metrics.JmxReporter",),
     "Java classes that report metrics; none can be loaded here.", mode=CLUSTER_WIDE)
_key("metrics.num.samples", INT, 2, "Samples that a metric keeps.", check=Range(1))
_key("metrics.recording.level", STRING, "INFO", "How detailed metrics are.")
_key("metrics.sample.window.ms", LONG, 30000, "Length of one such sample.", check=Range(1))
_key("telemetry.max.bytes", INT, 1048576, "The largest push of metrics that is taken from a client.", check=Range(1))

# ---- share groups' state
_key("share.coordinator.append.linger.ms", INT, -1,
     "How long the share coordinator gathers records for one write; -1: as long as the write before takes.",
     check=Range(-1))
_key("share.coordinator.cached.buffer.max.bytes", INT, 1048588,
     "The largest write buffer that the share coordinator keeps.", check=Range(524288), mode=CLUSTER_WIDE)
_key("share.coordinator.cold.partition.snapshot.interval.ms", INT, 300000,
     "How often the state of a share partition is written anew though nothing happened.", check=Range(1))
_key("share.coordinator.load.buffer.size", INT, 5242880,
     "Bytes of __share_group_state that are read at a time while loading.", check=Range(1))
_key("share.coordinator.snapshot.update.records.per.snapshot", INT, 500,
     "Changes of a share partition after which its state is written whole.", check=Range(0, 500))
_key("share.coordinator.state.topic.compression.codec", INT, 0, "The codec of __share_group_state, by its number.")
_key("share.coordinator.state.topic.min.isr", SHORT, 2, "min.insync.replicas of __share_group_state.", check=Range(1))
_key("share.coordinator.state.topic.num.partitions", INT, 50, "Partitions of __share_group_state.", check=Range(1))
_key("share.coordinator.state.topic.prune.interval.ms", INT, 300000,
     "How often records that are no longer needed are deleted from __share_group_state.", check=Range(1))
_key("share.coordinator.state.topic.replication.factor", SHORT, 3,
     "Replicas of __share_group_state.", check=Range(1))
_key("share.coordinator.state.topic.segment.bytes", INT, 104857600,
     "segment.bytes of __share_group_state.", check=Range(1))
_key("share.coordinator.threads", INT, 1, "Threads of the share coordinator.", check=Range(1))
_key("share.coordinator.write.timeout.ms", INT, 5000,
     "How long a write may wait for the replicas of __share_group_state.", check=Range(1))

# ---- transactions
_key("transaction.state.log.load.buffer.size", INT, 5242880,
     "Bytes of __transaction_state that are read at a time while loading.", check=Range(1))
_key("transaction.two.phase.commit.enable", BOOLEAN, False,
     "Let a producer prepare a transaction that only it can end (KIP-939).")

# ---- delegation tokens, SASL
_key("delegation.token.expiry.check.interval.ms", LONG, 3600000,
     "How often delegation tokens are looked at for expiry.", check=Range(1))
_key("delegation.token.expiry.time.ms", LONG, 86400000,
     "How long a delegation token is good unless it is renewed.", check=Range(1))
_key("delegation.token.max.lifetime.ms", LONG, 604800000,
     "How long a delegation token can be renewed.", check=Range(1))
_key("delegation.token.secret.key", PASSWORD, None, "The secret that delegation tokens are signed with.")
_key("principal.builder.class", CLASS, "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
     "The Java class that names who a connection belongs to; none can be loaded here.", mode=PER_BROKER)
_key("sasl.client.callback.handler.class", CLASS, None,
     "A Java class that logs this broker in with others; none can be loaded here.")
_key("sasl.server.callback.handler.class", CLASS, None,
     "A Java class that checks logins; none can be loaded here.")
_key("sasl.jaas.config", PASSWORD, None, "How this broker logs in, in the form of JAAS.", mode=PER_BROKER)
_key("sasl.kerberos.kinit.cmd", STRING, "/usr/bin/kinit", "Where kinit is.", mode=PER_BROKER)
_key("sasl.kerberos.min.time.before.relogin", LONG, 60000,
     "How long a Kerberos login is left alone at least.", mode=PER_BROKER)
_key("sasl.kerberos.principal.to.local.rules", LIST, ("DEFAULT",),
     "Rules that make short names of Kerberos principals.", mode=PER_BROKER)
_key("sasl.kerberos.service.name", STRING, None, "The Kerberos principal of the brokers.", mode=PER_BROKER)
_key("sasl.kerberos.ticket.renew.jitter", DOUBLE, 0.05,
     "Share by which the time of a renewal is varied.", mode=PER_BROKER)
_key("sasl.kerberos.ticket.renew.window.factor", DOUBLE, 0.8,
     "Share of a ticket's life after which it is renewed.", mode=PER_BROKER)
_key("sasl.mechanism.controller.protocol", STRING, "GSSAPI", "The SASL mechanism between brokers and controllers.")
_key("sasl.mechanism.inter.broker.protocol", STRING, "GSSAPI", "The SASL mechanism between brokers.", mode=PER_BROKER)
_key("security.providers", STRING, None, "Java classes that provide cryptography; none can be loaded here.")

# ---- TLS
_key("ssl.allow.dn.changes", BOOLEAN, False, "Whether a new certificate may bear another distinguished name.")
_key("ssl.allow.san.changes", BOOLEAN, False, "Whether a new certificate may lack names that the one before had.")
_key("ssl.cipher.suites", LIST, (), "The cipher suites that are allowed; empty: all.", mode=PER_BROKER)
_key("ssl.enabled.protocols", LIST, ("TLSv1.2", "TLSv1.3"), "The versions of TLS that are allowed.", mode=PER_BROKER)
_key("ssl.endpoint.identification.algorithm", STRING, "https",
     "How the name in a server's certificate is checked; empty: not at all.", mode=PER_BROKER)
_key("ssl.engine.factory.class", CLASS, None, "A Java class that makes TLS engines; none can be loaded here.",
     mode=PER_BROKER)
_key("ssl.key.password", PASSWORD, None, "The password of the private key.", mode=PER_BROKER)
_key("ssl.keymanager.algorithm", STRING, "SunX509", "How a Java key manager works.", mode=PER_BROKER)
_key("ssl.keystore.certificate.chain", PASSWORD, None, "The certificate chain itself, as PEM.", mode=PER_BROKER)
_key("ssl.keystore.key", PASSWORD, None, "The private key itself, as PEM.", mode=PER_BROKER)
_key("ssl.keystore.location", STRING, None, "The file with private key and certificate.", mode=PER_BROKER)
_key("ssl.keystore.password", PASSWORD, None, "The password of that file.", mode=PER_BROKER)
_key("ssl.keystore.type", STRING, "JKS", "The form of that file.", mode=PER_BROKER)
_key("ssl.principal.mapping.rules", STRING, "DEFAULT", "Rules that make user names of certificates' names.")
_key("ssl.protocol", STRING, "TLSv1.3", "The version of TLS that is preferred.", mode=PER_BROKER)
_key("ssl.provider", STRING, None, "The Java provider of TLS.", mode=PER_BROKER)
_key("ssl.secure.random.implementation", STRING, None, "The Java source of randomness.", mode=PER_BROKER)
_key("ssl.trustmanager.algorithm", STRING, "PKIX", "How a Java trust manager works.", mode=PER_BROKER)
_key("ssl.truststore.certificates", PASSWORD, None, "The trusted certificates themselves, as PEM.", mode=PER_BROKER)
_key("ssl.truststore.location", STRING, None, "The file with trusted certificates.", mode=PER_BROKER)
_key("ssl.truststore.password", PASSWORD, None, "The password of that file.", mode=PER_BROKER)
_key("ssl.truststore.type", STRING, "JKS", "The form of that file.", mode=PER_BROKER)
# fmt: on

OTHER_CONFIGS: Final = MappingProxyType({key.name: key for key in _rows})

"""Broker configs of Apache Kafka that have no effect here, for those who ask what this broker is configured with.

Names, types, defaults and ranges are Apache Kafka's, the descriptions ours. A broker that starts never reads this
table: it is imported when somebody describes the broker, or sets a key that `config_keys.py` does not have. A key that
comes to have an effect moves there.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pykafka_core.broker.config_values import (
    LONG_MAX,
    ConfigTable,
    ConfigType,
    Importance,
    OneOf,
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


class _Inert(ConfigTable):
    def is_inert(self, name: str) -> bool:
        return True


_key = _Inert(Importance.LOW)

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

# ---- tiered storage
_key("remote.fetch.max.wait.ms", INT, 500, "How long a fetch may wait for tiered storage.",
     check=Range(1), mode=CLUSTER_WIDE)
_key("remote.list.offsets.request.timeout.ms", LONG, 30000, "How long ListOffsets may wait for tiered storage.",
     check=Range(1), mode=CLUSTER_WIDE)
_key("remote.log.index.file.cache.total.size.bytes", LONG, 1073741824,
     "Bytes of indexes from tiered storage that are kept on local disks.", check=Range(1), mode=CLUSTER_WIDE)
_key("remote.log.index.file.cache.ttl.ms", LONG, 900000, "How long such an index is kept unused; -1: for ever.",
     check=Range(-1))
_key("remote.log.manager.copier.thread.pool.size", INT, 10, "Threads that copy segments to tiered storage.",
     check=Range(1), mode=CLUSTER_WIDE)
_key("remote.log.manager.copy.max.bytes.per.second", LONG, LONG_MAX, "Bytes a second that go to tiered storage.",
     check=Range(1), mode=CLUSTER_WIDE)
_key("remote.log.manager.copy.quota.window.num", INT, 11, "Samples that this limit looks at.", check=Range(1))
_key("remote.log.manager.copy.quota.window.size.seconds", INT, 1, "Length of one such sample.", check=Range(1))
_key("remote.log.manager.expiration.thread.pool.size", INT, 10, "Threads that delete old segments in tiered storage.",
     check=Range(1), mode=CLUSTER_WIDE)
_key("remote.log.manager.fetch.max.bytes.per.second", LONG, LONG_MAX, "Bytes a second that come from tiered storage.",
     check=Range(1), mode=CLUSTER_WIDE)
_key("remote.log.manager.fetch.quota.window.num", INT, 11, "Samples that this limit looks at.", check=Range(1))
_key("remote.log.manager.fetch.quota.window.size.seconds", INT, 1, "Length of one such sample.", check=Range(1))
_key("remote.log.manager.follower.thread.pool.size", INT, 2,
     "Threads that learn, for followers, what lies in tiered storage.", check=Range(1), mode=CLUSTER_WIDE)
_key("remote.log.manager.task.interval.ms", LONG, 30000, "How often logs are looked at for segments to copy or delete.",
     check=Range(1))
_key("remote.log.manager.task.retry.backoff.max.ms", LONG, 30000, "How long such a look waits at most after an error.",
     check=Range(1))
_key("remote.log.manager.task.retry.backoff.ms", LONG, 500, "How long it waits after the first error.", check=Range(1))
_key("remote.log.manager.task.retry.jitter", DOUBLE, 0.2, "Share by which this wait is varied.", check=Range(0, 0.5))
_key("remote.log.manager.thread.pool.size", INT, 2, "Threads for tiered storage; the two above take its place.",
     check=Range(1))
_key("remote.log.metadata.custom.metadata.max.bytes", INT, 128,
     "Bytes that a plug-in may keep with each segment in tiered storage.", check=Range(0))
_key("remote.log.metadata.manager.class.name", STRING,
     "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
     "The Java class that knows what lies in tiered storage; none can be loaded here.")
_key("remote.log.metadata.manager.class.path", STRING, None, "Where that class is.")
_key("remote.log.metadata.manager.impl.prefix", STRING, "rlmm.config.", "How the configs of that class begin.")
_key("remote.log.metadata.manager.listener.name", STRING, None, "The listener that this class connects to.")
_key("remote.log.reader.max.pending.tasks", INT, 100, "Reads from tiered storage that may wait.", check=Range(1))
_key("remote.log.reader.threads", INT, 10, "Threads that read from tiered storage.", check=Range(1), mode=CLUSTER_WIDE)
_key("remote.log.storage.manager.class.name", STRING, None,
     "The Java class that is the tiered storage; none can be loaded here.")
_key("remote.log.storage.manager.class.path", STRING, None, "Where that class is.")
_key("remote.log.storage.manager.impl.prefix", STRING, "rsm.config.", "How the configs of that class begin.")
_key("remote.log.storage.system.enable", BOOLEAN, False, "Allow topics to keep old segments in tiered storage.")

# ---- how this broker logs in with others, and OAuth
_key("sasl.login.callback.handler.class", CLASS, None, "A Java class that gets credentials; none can be loaded here.")
_key("sasl.login.class", CLASS, None, "A Java class that logs in; none can be loaded here.")
_key("sasl.login.connect.timeout.ms", INT, None, "How long connecting to an identity provider may take.")
_key("sasl.login.read.timeout.ms", INT, None, "How long its answer may take.")
_key("sasl.login.refresh.buffer.seconds", SHORT, 300, "How long before its end a token is renewed at the latest.",
     mode=PER_BROKER)
_key("sasl.login.refresh.min.period.seconds", SHORT, 60, "How long a new token is left alone at least.",
     mode=PER_BROKER)
_key("sasl.login.refresh.window.factor", DOUBLE, 0.8, "Share of a token's life after which it is renewed.",
     mode=PER_BROKER)
_key("sasl.login.refresh.window.jitter", DOUBLE, 0.05, "Share by which this time is varied.", mode=PER_BROKER)
_key("sasl.login.retry.backoff.max.ms", LONG, 10000, "How long a login waits at most before it is tried again.")
_key("sasl.login.retry.backoff.ms", LONG, 100, "How long it waits after the first failure.")
_key("sasl.oauthbearer.assertion.algorithm", STRING, "RS256", "How an assertion for an identity provider is signed.",
     check=OneOf(("ES256", "RS256"), any_case=True))
_key("sasl.oauthbearer.assertion.claim.aud", STRING, None, "Whom the assertion is for.")
_key("sasl.oauthbearer.assertion.claim.exp.seconds", INT, 300, "How long the assertion is good.", check=Range(0, 86400))
_key("sasl.oauthbearer.assertion.claim.iss", STRING, None, "Whose assertion it is.")
_key("sasl.oauthbearer.assertion.claim.jti.include", BOOLEAN, False, "Whether the assertion bears an id of its own.")
_key("sasl.oauthbearer.assertion.claim.nbf.seconds", INT, 60, "How far back the assertion begins to be good.",
     check=Range(0, 3600))
_key("sasl.oauthbearer.assertion.claim.sub", STRING, None, "Whom the assertion is about.")
_key("sasl.oauthbearer.assertion.file", STRING, None, "A file that holds the assertion as it is to be sent.")
_key("sasl.oauthbearer.assertion.private.key.file", STRING, None, "The file with the key that signs assertions.")
_key("sasl.oauthbearer.assertion.private.key.passphrase", PASSWORD, None, "The passphrase of that key.")
_key("sasl.oauthbearer.assertion.template.file", STRING, None, "A file with further claims of the assertion.")
_key("sasl.oauthbearer.client.credentials.client.id", STRING, None, "The client id for an identity provider.")
_key("sasl.oauthbearer.client.credentials.client.secret", PASSWORD, None, "The secret that goes with it.")
_key("sasl.oauthbearer.clock.skew.seconds", INT, 30, "How much clocks may differ when a token is checked.")
_key("sasl.oauthbearer.expected.audience", LIST, (), "Whom a token has to be for.")
_key("sasl.oauthbearer.expected.issuer", STRING, None, "Whose token it has to be.")
_key("sasl.oauthbearer.jwks.endpoint.refresh.ms", LONG, 3600000, "How often an identity provider's keys are fetched.")
_key("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", LONG, 10000, "How long a fetch waits at most for the next.")
_key("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", LONG, 100, "How long it waits after the first failure.")
_key("sasl.oauthbearer.jwks.endpoint.url", STRING, None, "Where these keys are.")
_key("sasl.oauthbearer.jwt.retriever.class", CLASS,
     "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
     "The Java class that gets tokens; none can be loaded here.")
_key("sasl.oauthbearer.jwt.validator.class", CLASS,
     "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
     "The Java class that checks tokens; none can be loaded here.")
_key("sasl.oauthbearer.scope", STRING, None, "The scope that a token is asked for with.")
_key("sasl.oauthbearer.scope.claim.name", STRING, "scope", "The claim that holds a token's scope.")
_key("sasl.oauthbearer.sub.claim.name", STRING, "sub", "The claim that says whose a token is.")
_key("sasl.oauthbearer.token.endpoint.url", STRING, None, "Where tokens come from.")

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

OTHER_CONFIGS: Final = MappingProxyType({key.name: key for key in _key.rows})

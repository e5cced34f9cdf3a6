"""The way up of a broker, as far as it listens, without an event loop.

    lock the directories -> bind the listeners -> take the markers of the last stop -> metadata -> open the logs ->
    publish the topic table -> (topics that shall exist) -> listen

From there on the reactors answer what they can by themselves, and keep the rest for whoever takes it (running.py). What
is not needed before that moment is imported after it: asyncio and what comes with it costs more than all of this.

Whatever fails is undone in the opposite order. Thread: one, which waits.
"""

from __future__ import annotations

import os

from pykafka_core._later_log import get_logger
from pykafka_core.broker.api_versions import api_versions_bodies
from pykafka_core.broker.cluster import Cluster
from pykafka_core.broker.configs import Configs
from pykafka_core.broker.errors import StartError
from pykafka_core.broker.features import features_of, supported_levels
from pykafka_core.broker.limits import segment_files_max
from pykafka_core.broker.listeners import OpenListener, bind_listener, start_listening
from pykafka_core.broker.log_dirs import LogDirs
from pykafka_core.broker.log_loading import load_topics
from pykafka_core.broker.topics import Topics
from pykafka_core.metadata.changes import bump_leader_epochs, elect_leaders, register_broker
from pykafka_core.metadata.directories import LogDirectories, open_directories
from pykafka_core.metadata.image import Endpoint
from pykafka_core.metadata.local import LocalMetadataStore, LocalSettings
from pykafka_core.metadata.uuids import random_uuid
from pykafka_core.native import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    from pykafka_core._undo import Undo
    from pykafka_core.broker.config import BrokerConfig
    from pykafka_core.metadata.local_load import LoadedMetadata
    from pykafka_core.protocol.message import Record

__all__ = ["BrokerParts", "open_broker"]

log = get_logger("kafka.server.KafkaServer")

INPUT_BYTES_MAX: Final = 512 * 1024 * 1024
SPIN_US: Final = 50
"""Requests on their way in, of all connections together, where queued.max.request.bytes sets no limit."""


class BrokerParts:
    """What a broker consists of once its metadata is read. Its logs are open, and it does not listen yet."""

    def __init__(
        self,
        *,
        config: BrokerConfig,
        directories: LogDirectories,
        log_dirs: LogDirs,
        store: LocalMetadataStore,
        listeners: Sequence[OpenListener],
        sockets: Sequence[Any],
    ) -> None:
        self.config: Final = config
        self.metadata_path: Final = directories.metadata.path
        self.log_dirs: Final = log_dirs
        self.store: Final = store
        self.listeners: Final = listeners
        self._sockets: Final = sockets
        self._directory_ids: Final = [each.directory_id for each in directories.directories]
        self.node_id: Final = directories.node_id
        self.broker_epoch = -1
        self.configs: Final = Configs(config=config, store=store, node_id=self.node_id)
        self.server: Final = make_server(config, self.node_id)
        self.topics: Final = Topics(log_dirs=log_dirs, publish=self.server.publish, node_id=self.node_id)
        self.cluster: Final = Cluster(
            cluster_id=directories.cluster_id,
            node_id=self.node_id,
            rack=config.broker_rack,
            listeners=listeners,
            features=lambda: features_of(store.image),
            features_epoch=lambda: store.image.revision,
            is_offline=self.topics.is_offline,
        )

    def register(self) -> None:
        """Say in the metadata that this broker is here, and take the lead where nobody has it."""
        store = self.store
        image = store.commit_now(
            register_broker(
                store.image,
                self.node_id,
                incarnation_id=random_uuid(),
                endpoints=[
                    Endpoint(
                        name=listener.name,
                        host=listener.advertised_host or listener.host or "localhost",
                        port=listener.advertised_port or listener.port,
                        security_protocol=0,
                    )
                    for listener in self.listeners
                ],
                directories=self._directory_ids,
                features=supported_levels(),
                rack=self.config.broker_rack,
            )
        )
        self.broker_epoch = image.brokers[self.node_id].broker_epoch
        records: list[Record] = elect_leaders(image, self.node_id)
        if not self.log_dirs.intact:
            # A log may have lost its tail. Readers must be able to tell what is written now from what was there
            # (KIP-320).
            records += bump_leader_epochs(image, self.node_id)
        store.commit_now(records)

    def open_logs(self, is_stopping: Callable[[], bool]) -> None:
        """Open the log of every partition and publish the topic table. Raises StartError; StoppedError if a stop was
        asked for."""
        image = self.store.image
        log_dirs = self.log_dirs
        log_dirs.scan(image, self.node_id)
        self.topics.put(
            load_topics(
                image,
                topics=self.topics,
                log_dirs=log_dirs,
                settings_of=lambda topic: self.configs.topic_settings(image.topic_config(topic.name)),
                threads_per_directory=self.config.num_recovery_threads_per_data_dir,
                broker_values=self.configs.broker_values(),
                is_stopping=is_stopping,
            )
        )
        if not log_dirs.online:
            paths, reasons = ", ".join(map(str, log_dirs.paths)), "; ".join(log_dirs.reasons)
            raise StartError(f"None of the log directories {paths} can be used: {reasons}")

    def listen(self) -> None:
        """Let clients in. Raises StartError."""
        self._publish_versions()
        self.store.watch(lambda _change: self._publish_versions())
        for index, (listener, bound) in enumerate(zip(self.listeners, self._sockets, strict=True)):
            start_listening(listener, bound, backlog=self.config.socket_listen_backlog_size)
            self.server.listen(bound.detach(), index, listener.advertised_host, listener.advertised_port or 0)
        self.server.start()

    def _publish_versions(self) -> None:
        """ApiVersions, the first request of every client, the reactors answer by themselves."""
        self.server.publish_api_versions(api_versions_bodies(self.cluster), self.cluster.cluster_id)

    def abandon(self) -> None:
        """Nothing was served, so nothing can be lost; what was unclean before stays so."""
        self.log_dirs.abandon()
        self.store.close_now()


def open_broker(
    config: BrokerConfig, listeners: Sequence[OpenListener], *, undo: Undo, is_stopping: Callable[[], bool]
) -> BrokerParts:
    """Everything up to the moment before listening. `undo` is given what is to be done when the broker has ended.

    Raises StartError, MetadataError, EngineError, OSError; StoppedError.
    """
    for sentence in config.warnings:
        log.warning("%s", sentence)
    for sentence in config.notes:
        log.info("%s", sentence)
    controller = config.controller_endpoint
    loaded: list[LoadedMetadata] = []
    directories = open_directories(
        config.log_dirs,
        metadata_path=config.metadata_log_dir,
        node_id=config.node_id,
        controller_endpoint=(controller.name, controller.host, controller.port),
        # What cannot be taken over is left as it is: no marker goes, no directory is formatted.
        before_writing=lambda path, node_id: loaded.append(LocalMetadataStore.read(path, node_id)),
    )
    undo.callback(directories.close)
    sockets = [bind_listener(listener) for listener in listeners]
    for bound in sockets:
        undo.callback(bound.close)
    log_dirs = LogDirs(
        [(each.path, each.directory_id, each.formatted) for each in directories.directories],
        files_open_max=segment_files_max(),
        unusable=directories.unusable,
    )
    for path, sentence in directories.unusable.items():
        log.error("%s Partitions in %s are offline.", sentence, path)
    log_dirs.take_markers()
    store = LocalMetadataStore.open(
        directories.metadata.path,
        directories.node_id,
        loaded=loaded.pop() if loaded else None,
        settings=LocalSettings(
            snapshot_after_bytes=config.metadata_log_max_record_bytes_between_snapshots,
            snapshot_after_ms=config.metadata_log_max_snapshot_interval_ms,
        ),
    )
    parts = BrokerParts(
        config=config, directories=directories, log_dirs=log_dirs, store=store, listeners=listeners, sockets=sockets
    )
    try:
        parts.register()
        parts.open_logs(is_stopping)
    except BaseException:
        parts.abandon()
        raise
    return parts


def usable_processors() -> int:
    """Those that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def reactor_count(config: BrokerConfig, processors: int) -> int:
    """num.network.threads where somebody set it. Its default is Kafka's, whose threads may wait; a reactor never does,
    and more of them than processors only take each other's turns and gather less in each."""
    if "num.network.threads" in config.static:
        return config.num_network_threads
    return min(config.num_network_threads, processors)


def make_server(config: BrokerConfig, node_id: int) -> Server:
    processors = usable_processors()
    reactors = reactor_count(config, processors)
    # Kafka's default for the receive buffer is from before kernels sized it by themselves: only what somebody asked for
    # is set.
    static = config.static
    queued = config.queued_max_request_bytes
    return Server(
        node_id=node_id,
        reactors=reactors,
        frame_size_max=config.socket_request_max_bytes,
        connections_max=config.max_connections,
        input_bytes_max=queued if queued > 0 else INPUT_BYTES_MAX,
        idle_ms=config.connections_max_idle_ms,
        send_buffer=config.socket_send_buffer_bytes,
        receive_buffer=config.socket_receive_buffer_bytes if "socket.receive.buffer.bytes" in static else -1,
        # Where every processor has a reactor, one that spins would take the time of another, or of whom it waits for.
        spin_us=SPIN_US if reactors < processors else 0,
        fetch_max_bytes=config.fetch_max_bytes,
        fetch_sessions_max=config.max_incremental_fetch_session_cache_slots,
    )

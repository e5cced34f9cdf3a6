"""A broker from start to stop.

    start   lock the directories -> bind the listeners -> take the markers of the last stop -> metadata -> open the
    logs -> publish the
            topic table -> listen
    stop    stop listening -> read no further requests -> let what is in progress end, for a while -> end the reactors
    -> close the logs,
            write the checkpoints -> metadata -> markers of a clean stop

Whatever fails on the way up is undone in the opposite order and raised as StartError: one sentence for whoever
started the broker.

Thread: asyncio.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from pykafka_core import __version__
from pykafka_core.broker.cluster import Cluster
from pykafka_core.broker.configs import Configs
from pykafka_core.broker.dispatch import Dispatcher
from pykafka_core.broker.errors import HaltError, RequestError, StartError
from pykafka_core.broker.features import features_of, supported_levels
from pykafka_core.broker.limits import segment_files_max
from pykafka_core.broker.listeners import OpenListener, bind_listener, check_advertised, start_listening
from pykafka_core.broker.log_care import LogCare
from pykafka_core.broker.log_dirs import LogDirs
from pykafka_core.broker.log_loading import StoppedError, load_topics
from pykafka_core.broker.pump import Pump
from pykafka_core.broker.syncs import Syncs
from pykafka_core.broker.topics import Topics
from pykafka_core.metadata.changes import bump_leader_epochs, elect_leaders, fence_broker, register_broker
from pykafka_core.metadata.directories import LogDirectories, open_directories
from pykafka_core.metadata.errors import MetadataError
from pykafka_core.metadata.image import Endpoint
from pykafka_core.metadata.local import LocalMetadataStore, LocalSettings
from pykafka_core.metadata.uuids import random_uuid
from pykafka_core.native import EngineError, Server

if TYPE_CHECKING:
    from pykafka_core.broker.config import BrokerConfig
    from pykafka_core.broker.config_admin import ConfigAdmin
    from pykafka_core.broker.groups import Groups
    from pykafka_core.broker.log_moves import LogMoves
    from pykafka_core.broker.producer_ids import ProducerIds
    from pykafka_core.broker.quorum import Quorum
    from pykafka_core.broker.topic_admin import TopicAdmin
    from pykafka_core.broker.transaction_markers import Markers
    from pykafka_core.broker.transactions import Transactions
    from pykafka_core.metadata.local_load import LoadedMetadata
    from pykafka_core.protocol.message import Record

__all__ = ["Broker", "StartTopic"]

log = logging.getLogger("kafka.server.KafkaServer")

DRAIN_S: Final = 5.0
"""How long a stop waits for requests in progress, and for answers that clients are slow to take."""
DRAIN_STEP_S: Final = 0.005
OPENINGS_MAX: Final = 2
"""Compressed batches that may be open in memory at a time."""

INPUT_BYTES_MAX: Final = 512 * 1024 * 1024
"""Requests on their way in, of all connections together, where queued.max.request.bytes sets no limit."""

StartTopic = tuple[str, int, int, dict[str, str]]
"""A topic that shall exist once the broker runs: name, partitions, replication factor (-1: the default), configs."""


class Broker:
    def __init__(
        self,
        config: BrokerConfig,
        *,
        topics: Sequence[StartTopic] = (),
        on_started: Callable[[Broker], None] = lambda _: None,
    ) -> None:
        """`on_started` is called, once, when clients are being served."""
        self.config: Final = config
        self.listeners: Final = [OpenListener.of(configured) for configured in config.listeners]
        self._on_started: Final = on_started
        self._start_topics: Final = topics
        self._stopping: Final = asyncio.Event()
        self._hastened: Final = asyncio.Event()

    def stop_soon(self) -> None:
        """Ask for a stop; asked again, for one that waits for nobody."""
        if self._stopping.is_set():
            self._hastened.set()
        self._stopping.set()

    async def run(self) -> None:
        """Start, serve until `stop_soon`, stop. Raises StartError; HaltError where the broker cannot go on."""
        with ExitStack() as undo:
            try:
                running = await self._start(undo)
            except StoppedError:
                log.info("Stopped before it had started")
                return
            except (MetadataError, EngineError, OSError, RequestError) as error:
                raise StartError(sentence_of(error)) from error
            await running.serve(self._stopping, self._hastened, lambda: self._on_started(self))

    # ---- start

    async def _start(self, undo: ExitStack) -> RunningBroker:
        config = self.config
        for sentence in config.warnings:
            log.warning("%s", sentence)
        for sentence in config.notes:
            log.info("%s", sentence)
        loaded: list[LoadedMetadata] = []
        directories = open_directories(
            config.log_dirs,
            metadata_path=config.metadata_log_dir,
            node_id=config.node_id,
            controller_endpoint=(
                config.controller_endpoint.name,
                config.controller_endpoint.host,
                config.controller_endpoint.port,
            ),
            # What cannot be taken over is left as it is: no marker goes, no directory is formatted.
            before_writing=lambda path, node_id: loaded.append(LocalMetadataStore.read(path, node_id)),
        )
        undo.callback(directories.close)
        sockets = [bind_listener(listener) for listener in self.listeners]
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
        running = RunningBroker(
            config=config, directories=directories, log_dirs=log_dirs, store=store, listeners=self.listeners
        )
        try:
            await running.register()
            log_dirs.scan(store.image, directories.node_id)
            if log_dirs.clean:
                running.open_topics()
            else:
                # Recovery reads what may have been lost, which takes its time: signals must be heard meanwhile.
                await asyncio.to_thread(running.open_topics, self._stopping.is_set)
            if not log_dirs.online:
                paths, reasons = ", ".join(map(str, log_dirs.paths)), "; ".join(log_dirs.reasons)
                raise StartError(f"None of the log directories {paths} can be used: {reasons}")
            log_dirs.note_boot()
            await running.create_topics(self._start_topics)
            for listener, bound in zip(self.listeners, sockets, strict=True):
                start_listening(listener, bound, backlog=config.socket_listen_backlog_size)
                index = self.listeners.index(listener)
                running.server.listen(bound.detach(), index, listener.advertised_host, listener.advertised_port or 0)
            running.server.start()
        except BaseException:
            # Nothing was served, so nothing can be lost; what was unclean before stays so.
            log_dirs.abandon()
            await store.close()
            raise
        return running


class Ports(dict[str, Any]):
    """The parts of a broker that handlers ask for by name. Some are made, and imported, when first asked for."""

    def __init__(self, at_once: Mapping[str, Any], *, later: Mapping[str, Callable[[], Any]]) -> None:
        super().__init__(at_once)
        self._later: Final = later

    def __missing__(self, name: str) -> Any:
        made = self[name] = self._later[name]()
        return made


class RunningBroker:
    """A broker whose metadata is read: what it is made of, and its way down."""

    def __init__(
        self,
        *,
        config: BrokerConfig,
        directories: LogDirectories,
        log_dirs: LogDirs,
        store: LocalMetadataStore,
        listeners: Sequence[OpenListener],
    ) -> None:
        self._config: Final = config
        self._directories: Final = directories
        self._log_dirs: Final = log_dirs
        self._store: Final = store
        self._listeners: Final = listeners
        self._node_id: Final = directories.node_id
        self._broker_epoch = -1
        self._tasks: asyncio.TaskGroup | None = None
        self._chores: Final[set[asyncio.Task[None]]] = set()
        self._halted: str | None = None
        self._halt_now: Callable[[], None] = lambda: None
        configs = Configs(config=config, store=store, node_id=self._node_id)
        admin_lock = asyncio.Lock()
        self.server: Final = make_server(config, self._node_id)
        self._configs: Final = configs
        self._topics: Final = Topics(log_dirs=log_dirs, publish=self.server.publish, node_id=self._node_id)
        self._care: Final = LogCare(
            topics=self._topics,
            log_dirs=log_dirs,
            configs=configs,
            config=config,
            metadata_path=directories.metadata.path,
            node_id=self._node_id,
            halt=self._halt,
        )
        cluster = Cluster(
            cluster_id=directories.cluster_id,
            node_id=self._node_id,
            rack=config.broker_rack,
            listeners=listeners,
            features=lambda: features_of(store.image),
            features_epoch=lambda: store.image.revision,
            is_offline=self._topics.is_offline,
        )
        self._cluster: Final = cluster
        self._admin_lock: Final = admin_lock
        self._ports: Final = Ports(
            {
                "cluster": cluster,
                "store": store,
                "configs": configs,
                "topics": self._topics,
                "log_dirs": log_dirs,
                "opening": asyncio.Semaphore(OPENINGS_MAX),
                "syncs": Syncs(self._spawn),
            },
            later={
                "topic_admin": self._make_topic_admin,
                "config_admin": self._make_config_admin,
                "producer_ids": self._make_producer_ids,
                "groups": self._make_groups,
                "quorum": self._make_quorum,
                "log_moves": self._make_log_moves,
                "transactions": self._make_transactions,
                "markers": self._make_markers,
            },
        )

    def _make_transactions(self) -> Transactions:
        from pykafka_core.broker.transactions import Transactions

        return Transactions(
            store=self._store,
            topics=self._topics,
            configs=self._configs,
            producer_ids=self._ports["producer_ids"],
            markers=self._ports["markers"],
            syncs=self._ports["syncs"],
            topic_admin=lambda: self._ports["topic_admin"],
            spawn=self._spawn,
        )

    def _make_markers(self) -> Markers:
        from pykafka_core.broker.transaction_markers import Markers

        return Markers(
            store=self._store,
            topics=self._topics,
            syncs=self._ports["syncs"],
            groups=lambda: self._ports["groups"],
        )

    def _make_topic_admin(self) -> TopicAdmin:
        from pykafka_core.broker.topic_admin import TopicAdmin

        return TopicAdmin(
            store=self._store,
            topics=self._topics,
            log_dirs=self._log_dirs,
            cluster=self._cluster,
            configs=self._configs,
            lock=self._admin_lock,
        )

    def _make_config_admin(self) -> ConfigAdmin:
        from pykafka_core.broker.config_admin import ConfigAdmin

        return ConfigAdmin(
            store=self._store,
            configs=self._configs,
            node_id=self._node_id,
            lock=self._admin_lock,
            apply=self._ports["topic_admin"].apply_configs,
        )

    def _make_producer_ids(self) -> ProducerIds:
        from pykafka_core.broker.producer_ids import ProducerIds

        return ProducerIds(store=self._store, node_id=self._node_id)

    def _make_groups(self) -> Groups:
        from pykafka_core.broker.groups import Groups

        return Groups(
            store=self._store,
            topics=self._topics,
            server=self.server,
            configs=self._configs,
            syncs=self._ports["syncs"],
            topic_admin=lambda: self._ports["topic_admin"],
            spawn=self._spawn,
        )

    def _make_log_moves(self) -> LogMoves:
        from pykafka_core.broker.log_moves import LogMoves

        return LogMoves(
            topics=self._topics,
            log_dirs=self._log_dirs,
            configs=self._configs,
            store=self._store,
            node_id=self._node_id,
            lock=self._admin_lock,
            spawn=self._spawn,
        )

    def _make_quorum(self) -> Quorum:
        from pykafka_core.broker.quorum import Quorum

        endpoint = self._config.controller_endpoint
        return Quorum(store=self._store, node_id=self._node_id, endpoint=(endpoint.name, endpoint.host, endpoint.port))

    def _spawn(self, chore: Coroutine[Any, Any, None]) -> None:
        """Run something until it ends or the broker stops."""
        assert self._tasks is not None
        task = self._tasks.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def register(self) -> None:
        """Say in the metadata that this broker is here, and take the lead where nobody has it."""
        store = self._store
        image = await store.commit(
            register_broker(
                store.image,
                self._node_id,
                incarnation_id=random_uuid(),
                endpoints=[
                    Endpoint(
                        name=listener.name,
                        host=listener.advertised_host or listener.host or "localhost",
                        port=listener.advertised_port or listener.port,
                        security_protocol=0,
                    )
                    for listener in self._listeners
                ],
                directories=[each.directory_id for each in self._directories.directories],
                features=supported_levels(),
                rack=self._config.broker_rack,
            )
        )
        self._broker_epoch = image.brokers[self._node_id].broker_epoch
        records: list[Record] = elect_leaders(image, self._node_id)
        if not self._log_dirs.intact:
            # A log may have lost its tail. Readers must be able to tell what is written now from what was there
            # (KIP-320).
            records += bump_leader_epochs(image, self._node_id)
        await store.commit(records)

    def open_topics(self, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Open the log of every partition and publish the topic table. Raises StoppedError if a stop was asked for."""
        image = self._store.image
        self._topics.put(
            load_topics(
                image,
                topics=self._topics,
                log_dirs=self._log_dirs,
                settings_of=lambda topic: self._configs.topic_settings(image.topic_config(topic.name)),
                threads_per_directory=self._config.num_recovery_threads_per_data_dir,
                broker_values=self._configs.broker_values(),
                is_stopping=is_stopping,
            )
        )

    async def create_topics(self, wanted: Sequence[StartTopic]) -> None:
        """Create those of these topics that do not exist. Raises RequestError."""
        if not wanted:
            return
        topic_admin: TopicAdmin = self._ports["topic_admin"]
        plans = [
            topic_admin.plan(name, partition_count=partitions, replication_factor=factor, configs=[*configs.items()])
            for name, partitions, factor, configs in wanted
            if self._topics.find(name) is None
        ]
        for outcome in await topic_admin.create(plans):
            if isinstance(outcome, RequestError):
                raise outcome

    # ---- serve and stop

    async def serve(self, stopping: asyncio.Event, hastened: asyncio.Event, on_started: Callable[[], None]) -> None:
        """Answer requests until `stopping`, then stop cleanly. Raises HaltError."""
        loop = asyncio.get_running_loop()

        def halt_now() -> None:
            hastened.set()
            stopping.set()

        self._halt_now = halt_now
        async with asyncio.TaskGroup() as tasks:
            pump = Pump(
                server=self.server,
                dispatcher=Dispatcher(self._ports),
                tasks=tasks,
                frame_size_max=self._config.socket_request_max_bytes,
            )
            loop.add_reader(self.server.fileno(), pump.receive)
            self._tasks = tasks
            for chore in self._care.chores():
                self._spawn(chore)
            self._spawn(check_advertised(self._listeners))
            if self._topics.find("__consumer_offsets") is not None:
                self._ports["groups"]  # from here on it loads what the topic holds
            if self._log_dirs.has_unfinished:
                self._spawn(self._ports["log_moves"].resume())
            if self._topics.find("__transaction_state") is not None:
                self._ports["transactions"]
            self._announce()
            on_started()
            try:
                await stopping.wait()
                log.info("[KafkaServer id=%d] shutting down", self._node_id)
                await self._drain(pump, hastened)
            finally:
                loop.remove_reader(self.server.fileno())
                self.server.stop()
                for task in list(self._chores):
                    task.cancel()
                # What changes topics is seen to its end, so that nothing is half done when the logs are closed.
                while pump.running and not hastened.is_set():
                    await asyncio.wait(pump.running, timeout=DRAIN_STEP_S)
                for task in pump.running:
                    task.cancel()
        if self._halted is not None:
            # What could still be written may not be: the next start has to look at everything itself.
            raise HaltError(self._halted)
        await self._close()
        log.info("[KafkaServer id=%d] shut down completed", self._node_id)

    def _halt(self, sentence: str) -> None:
        """Go no further, and leave no marker of a clean stop."""
        logging.getLogger("kafka.log.LogManager").critical("%s", sentence)
        self._halted = sentence
        self._halt_now()

    def _announce(self) -> None:
        """The lines that scripts and test containers wait for."""
        node_id = self._node_id
        lifecycle = logging.getLogger("kafka.server.BrokerLifecycleManager")
        lifecycle.info(
            "[BrokerLifecycleManager id=%d] The broker has been unfenced. Transitioning from RECOVERY to RUNNING.",
            node_id,
        )
        log.info("Kafka version: pykafka-core %s", __version__)
        log.info("[KafkaServer id=%d] started", node_id)
        logging.getLogger("kafka.server.KafkaRaftServer").info(
            "[KafkaRaftServer nodeId=%d] Kafka Server started", node_id
        )

    async def _drain(self, pump: Pump, hastened: asyncio.Event) -> None:
        self.server.stop_listening()
        self.server.quiesce()
        if "groups" in self._ports:
            self._ports["groups"].stop()
        if "transactions" in self._ports:
            self._ports["transactions"].stop()
        try:
            async with asyncio.timeout(DRAIN_S):
                # The reactors set no event when they are idle.
                while not hastened.is_set() and (pump.running or not self.server.idle()):  # noqa: ASYNC110
                    await asyncio.sleep(DRAIN_STEP_S)
        except TimeoutError:
            log.warning("Some requests were still in progress after %g seconds; they are cut short", DRAIN_S)

    async def _close(self) -> None:
        await asyncio.to_thread(self._log_dirs.close)
        try:
            await self._store.commit(fence_broker(self._store.image, self._node_id))
        except MetadataError as error:
            log.error("%s", error)
        await self._store.close()
        await asyncio.to_thread(self._log_dirs.mark_clean, broker_epoch=self._broker_epoch)


def sentence_of(error: Exception) -> str:
    """What went wrong at the start, and where permissions are missing, whose they are."""
    sentence = str(error)
    if isinstance(error, PermissionError) or isinstance(error.__cause__, PermissionError):
        sentence = f"{sentence.rstrip('.')}; the broker runs as uid {os.getuid()}, gid {os.getgid()}."
    return sentence


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
    # Kafka's default for the receive buffer is from before kernels sized it by themselves: only what somebody asked for
    # is set.
    static = config.static
    queued = config.queued_max_request_bytes
    return Server(
        node_id=node_id,
        reactors=reactor_count(config, usable_processors()),
        frame_size_max=config.socket_request_max_bytes,
        connections_max=config.max_connections,
        input_bytes_max=queued if queued > 0 else INPUT_BYTES_MAX,
        idle_ms=config.connections_max_idle_ms,
        send_buffer=config.socket_send_buffer_bytes,
        receive_buffer=config.socket_receive_buffer_bytes if "socket.receive.buffer.bytes" in static else -1,
        fetch_max_bytes=config.fetch_max_bytes,
        fetch_sessions_max=config.max_incremental_fetch_session_cache_slots,
    )

"""A broker that listens: what answers its requests, its chores, and its way down.

    serve   the pump is joined to the reactors -> chores -> wait for the stop
    stop    stop listening -> read no further requests -> let what is in progress end, for a while -> end the reactors
            -> close the logs, write the checkpoints -> metadata -> markers of a clean stop

Thread: asyncio. What a broker is made of before it has an event loop is in start.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pykafka_core import __version__
from pykafka_core.broker.advertised_listeners import check_advertised
from pykafka_core.broker.dispatch import Dispatcher
from pykafka_core.broker.errors import HaltError, RequestError
from pykafka_core.broker.log_care import LogCare
from pykafka_core.broker.pump import Pump
from pykafka_core.broker.syncs import Syncs
from pykafka_core.metadata.changes import fence_broker
from pykafka_core.metadata.errors import MetadataError

if TYPE_CHECKING:
    from pykafka_core.broker.config_admin import ConfigAdmin
    from pykafka_core.broker.groups import Groups
    from pykafka_core.broker.kept_topics import KeptTopics
    from pykafka_core.broker.log_moves import LogMoves
    from pykafka_core.broker.producer_ids import ProducerIds
    from pykafka_core.broker.quorum import Quorum
    from pykafka_core.broker.shell import StartTopic
    from pykafka_core.broker.start import BrokerParts
    from pykafka_core.broker.topic_admin import TopicAdmin
    from pykafka_core.broker.transaction_markers import Markers
    from pykafka_core.broker.transactions import Transactions

__all__ = ["RunningBroker"]

log = logging.getLogger("kafka.server.KafkaServer")

DRAIN_S: Final = 5.0
"""How long a stop waits for requests in progress, and for answers that clients are slow to take."""
DRAIN_STEP_S: Final = 0.005
OPENINGS_MAX: Final = 2
"""Compressed batches that may be open in memory at a time."""


class Ports(dict[str, Any]):
    """The parts of a broker that handlers ask for by name. Some are made, and imported, when first asked for."""

    def __init__(self, at_once: Mapping[str, Any], *, later: Mapping[str, Callable[[], Any]]) -> None:
        super().__init__(at_once)
        self._later: Final = later

    def __missing__(self, name: str) -> Any:
        made = self[name] = self._later[name]()
        return made


class RunningBroker:
    """A broker that listens, or soon will: what answers its requests, and its way down."""

    def __init__(self, parts: BrokerParts) -> None:
        """In the event loop that it is to run in."""
        self._parts: Final = parts
        self._config: Final = parts.config
        self._log_dirs: Final = parts.log_dirs
        self._store: Final = parts.store
        self._node_id: Final = parts.node_id
        self._configs: Final = parts.configs
        self._topics: Final = parts.topics
        self._cluster: Final = parts.cluster
        self.server: Final = parts.server
        self._loop: Final = asyncio.get_running_loop()
        self._stopping: Final = asyncio.Event()
        self._hastened: Final = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._chores: Final[set[asyncio.Task[None]]] = set()
        self._halted: str | None = None
        self._admin_lock: Final = asyncio.Lock()
        self._ports: Final = Ports(
            {
                "cluster": parts.cluster,
                "store": parts.store,
                "configs": parts.configs,
                "topics": parts.topics,
                "log_dirs": parts.log_dirs,
                "opening": asyncio.Semaphore(OPENINGS_MAX),
                "syncs": Syncs(self._spawn),
            },
            later={
                "topic_admin": self._make_topic_admin,
                "config_admin": self._make_config_admin,
                "producer_ids": self._make_producer_ids,
                "groups": self._make_groups,
                "quorum": self._make_quorum,
                "kept_topics": self._make_kept_topics,
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

    def _make_kept_topics(self) -> KeptTopics:
        from pykafka_core.broker.kept_topics import KeptTopics

        return KeptTopics(self._store, running=self._topics.find, health=self._log_dirs.health)

    def _spawn(self, chore: Coroutine[Any, Any, None]) -> None:
        """Run something until it ends or the broker stops."""
        assert self._tasks is not None
        task = self._tasks.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

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

    def stop_soon(self, *, hasten: bool) -> None:
        """End `serve`. To be called on any thread, and by a signal. `hasten`: and wait for nobody."""

        def stop() -> None:
            if hasten:
                self._hastened.set()
            self._stopping.set()

        # The loop may have ended by itself: the broker failed.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(stop)

    async def serve(self, on_started: Callable[[], None]) -> None:
        """Answer requests until `stop_soon`, then stop cleanly. Raises HaltError."""
        loop = self._loop
        hastened = self._hastened
        care = LogCare(
            topics=self._topics,
            log_dirs=self._log_dirs,
            configs=self._configs,
            config=self._config,
            metadata_path=self._parts.metadata_path,
            node_id=self._node_id,
            halt=self._halt,
        )
        async with asyncio.TaskGroup() as tasks:
            pump = Pump(
                server=self.server,
                dispatcher=Dispatcher(self._ports),
                tasks=tasks,
                frame_size_max=self._config.socket_request_max_bytes,
            )
            loop.add_reader(self.server.fileno(), pump.receive)
            self._tasks = tasks
            for chore in care.chores():
                self._spawn(chore)
            self._spawn(check_advertised(self._parts.listeners))
            if self._topics.find("__consumer_offsets") is not None:
                self._ports["groups"]  # from here on it loads what the topic holds
            if self._log_dirs.has_unfinished:
                self._spawn(self._ports["log_moves"].resume())
            if self._topics.find("__transaction_state") is not None:
                self._ports["transactions"]
            self._announce()
            on_started()
            try:
                await self._stopping.wait()
                log.info("[KafkaServer id=%d] shutting down", self._node_id)
                await self._drain(pump)
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
        self._hastened.set()
        self._stopping.set()

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

    async def _drain(self, pump: Pump) -> None:
        self.server.stop_listening()
        self.server.quiesce()
        if "groups" in self._ports:
            self._ports["groups"].stop()
        if "transactions" in self._ports:
            self._ports["transactions"].stop()
        try:
            async with asyncio.timeout(DRAIN_S):
                # The reactors set no event when they are idle.
                while not self._hastened.is_set() and (pump.running or not self.server.idle()):  # noqa: ASYNC110
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
        await asyncio.to_thread(self._log_dirs.mark_clean, broker_epoch=self._parts.broker_epoch)

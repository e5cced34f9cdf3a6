"""Runs what the transaction coordinator decides: appends its records to __transaction_state, has markers written,
keeps its timers, hands its answers to those who asked.

    ask      a step; the answer, or a future of it where a disk must be waited for
    init     InitProducerId, which may need a new block of producer ids
    refusal  why a transactional id cannot be asked about at this moment: its partition is being loaded, or is not there

__transaction_state is created when the first coordinator is asked for; what an earlier run left in it is read in the
background, partition by partition, and what was decided and not completed is completed.

Appends are answered at once, from the page cache, as Kafka does. Where `flush.messages` of a topic asks for more, a
decision is answered once it is on the disk, and a transaction is completed once its markers are.

Thread: asyncio; partitions are read and synced on another. Source:
kafka.coordinator.transaction.TransactionCoordinator, .TransactionStateManager, .TransactionMarkerChannelManager.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pykafka_core.broker.answers import Answers, result
from pykafka_core.broker.coordinator_topic import CoordinatorTopic
from pykafka_core.coordinator.events import Now, TopicPartition
from pykafka_core.coordinator.partitioning import partition_for
from pykafka_core.coordinator.transaction_events import (
    AddPartitions,
    AppendState,
    ExpectRecords,
    ExpireId,
    InitProducer,
    MarkersWritten,
    ProducerAnswer,
    RetryDue,
    RetryLater,
    SpareTaken,
    StateAppended,
    TimeOut,
    TransactionConfig,
    TxnEffect,
    TxnEvent,
    TxnReply,
    VerifyPartitions,
    WriteMarkers,
)
from pykafka_core.coordinator.transaction_records import transaction_key, transaction_value, value_version
from pykafka_core.coordinator.transactions import TransactionCoordinator
from pykafka_core.metadata.errors import MetadataError
from pykafka_core.native import BatchBuilder, EngineError
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.records.framing import encode_coordinator_key, encode_coordinator_value

if TYPE_CHECKING:
    from pykafka_core.broker.configs import Configs
    from pykafka_core.broker.producer_ids import ProducerIds
    from pykafka_core.broker.syncs import Synced, Syncs
    from pykafka_core.broker.topic_admin import TopicAdmin
    from pykafka_core.broker.topics import RunningTopic, Topics
    from pykafka_core.broker.transaction_markers import Markers
    from pykafka_core.metadata.store import MetadataChange, MetadataStore

__all__ = ["TRANSACTIONS_TOPIC", "Transactions"]

log = logging.getLogger("kafka.coordinator.transaction.TransactionCoordinator")

TRANSACTIONS_TOPIC: Final = "__transaction_state"
TRANSACTION_VERSION: Final = "transaction.version"
ADD_VERSION: Final = 2
EXPIRIES_PER_TURN: Final = 100
"""Transactional ids that are ended before others get their turn."""


class Transactions:
    def __init__(
        self,
        *,
        store: MetadataStore,
        topics: Topics,
        configs: Configs,
        producer_ids: ProducerIds,
        markers: Markers,
        syncs: Syncs,
        topic_admin: Callable[[], TopicAdmin],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`spawn` runs a coroutine for as long as the broker runs."""
        self._store: Final = store
        self._topic: Final = CoordinatorTopic(
            TRANSACTIONS_TOPIC, topics=topics, syncs=syncs, topic_admin=topic_admin, log=log
        )
        self._topics: Final = topics
        self._configs: Final = configs
        self._producer_ids: Final = producer_ids
        self._markers: Final = markers
        self._spawn: Final = spawn
        self._loop: Final = asyncio.get_running_loop()
        values = configs.broker_values()
        self.coordinator: Final = TransactionCoordinator(
            TransactionConfig(
                max_timeout_ms=values["transaction.max.timeout.ms"],
                id_expiration_ms=values["transactional.id.expiration.ms"],
            ),
            transaction_version=self._transaction_version(),
        )
        self._answers: Final = Answers()
        self._retries: Final[set[asyncio.TimerHandle]] = set()
        self._loading: Final[set[int]] = set()
        self._stopped = False
        topic = self._topic.find()
        if topic is not None:
            self._loading.update(range(len(topic.partitions)))
            spawn(self._load(topic))
        spawn(self._every("transaction.abort.timed.out.transaction.cleanup.interval.ms", self._end_timed_out))
        spawn(self._every("transaction.remove.expired.transaction.cleanup.interval.ms", self._forget_expired))
        store.watch(self._metadata_changed)

    def _transaction_version(self) -> int:
        return self._store.image.features.get(TRANSACTION_VERSION, 0)

    # ---- asking

    def refusal(self, transactional_id: str) -> ErrorCode:
        """NONE if the transactional id may be asked about."""
        topic = self._topic.find()
        if topic is None or self._stopped:
            return ErrorCode.NOT_COORDINATOR
        if self._loading and partition_for(transactional_id, len(topic.partitions)) in self._loading:
            return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        return ErrorCode.NONE

    def request(self) -> int:
        """A number for a request's event."""
        return self._answers.request()

    def ask(self, event: Any) -> Any:
        """Take a step; return its answer, or a future where that must wait for a disk."""
        self._step(event)
        return self._answers.take(event.request)

    async def init(self, transactional_id: str, timeout_ms: int, producer_id: int, epoch: int) -> ProducerAnswer:
        """InitProducerId of a transactional id. Raises MetadataError where producer ids have run out."""
        spare_id = await self._producer_ids.spare()
        error = self.refusal(transactional_id)
        if error and transactional_id:
            return ProducerAnswer(error)
        event = InitProducer(transactional_id, self.request(), timeout_ms, spare_id, producer_id, epoch)
        answer: ProducerAnswer = await result(self.ask(event))
        return answer

    async def spare_id(self) -> int:
        """A producer id for an event, to be taken up before anything else is awaited. Raises MetadataError."""
        return await self._producer_ids.spare()

    async def verify_partitions(
        self,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        partitions: Sequence[TopicPartition],
        *,
        add: bool,
    ) -> Mapping[TopicPartition, ErrorCode]:
        """Tell for each partition whether it is in this producer's transaction; `add` those that are not (KIP-890)."""
        wanted = frozenset(partitions)
        error = self.refusal(transactional_id)
        if error:
            return dict.fromkeys(wanted, error)
        if not add:
            verified = await result(
                self.ask(VerifyPartitions(transactional_id, self.request(), producer_id, producer_epoch, wanted))
            )
            return dict.fromkeys(wanted, verified) if isinstance(verified, ErrorCode) else verified
        values = self._configs.broker_values()
        give_up = self._loop.time() + values["add.partitions.to.txn.retry.backoff.max.ms"] / 1000
        while True:
            added = await result(
                self.ask(
                    AddPartitions(transactional_id, self.request(), producer_id, producer_epoch, wanted, ADD_VERSION)
                )
            )
            # The transaction before is being ended: soon it will be. To let the client ask again would take longer.
            if added != ErrorCode.CONCURRENT_TRANSACTIONS or self._loop.time() >= give_up:
                return dict.fromkeys(wanted, added)
            await asyncio.sleep(values["add.partitions.to.txn.retry.backoff.ms"] / 1000)

    def coordinator_error(self) -> ErrorCode | Awaitable[ErrorCode]:
        """NONE if this broker can be named as the coordinator of a transactional id. Where the topic is missing it is
        made, which takes a while."""
        if self._topic.find() is not None:
            return ErrorCode.NONE
        return ErrorCode.COORDINATOR_NOT_AVAILABLE if self._stopped else self._make_topic()

    async def _make_topic(self) -> ErrorCode:
        values = self._configs.broker_values()
        await self._topic.ensure(
            values["transaction.state.log.num.partitions"],
            [
                ("cleanup.policy", "compact"),
                ("compression.type", "uncompressed"),
                ("min.insync.replicas", "1"),
                ("segment.bytes", str(values["transaction.state.log.segment.bytes"])),
                ("unclean.leader.election.enable", "false"),
            ],
        )
        return ErrorCode.COORDINATOR_NOT_AVAILABLE if self._topic.find() is None else ErrorCode.NONE

    @property
    def is_loading(self) -> bool:
        return bool(self._loading)

    # ---- steps

    def _now(self) -> Now:
        return Now(int(self._loop.time() * 1000), time.time_ns() // 1_000_000)

    def _step(self, event: TxnEvent) -> None:
        now = self._now()
        self._run(self.coordinator.step(event, now), now)

    def _run(self, effects: Iterable[TxnEffect], now: Now) -> None:
        for effect in effects:
            match effect:
                case AppendState():
                    self._append(effect, now)
                case WriteMarkers():
                    self._write_markers(effect, now)
                case ExpectRecords():
                    self._expect(effect)
                case TxnReply():
                    self._answers.reply(effect.request, effect.answer)
                case SpareTaken():
                    self._producer_ids.take(effect.producer_id)
                case RetryLater():
                    self._retry_later(effect)

    def _retry_later(self, effect: RetryLater) -> None:
        if self._stopped:
            return

        def due() -> None:
            self._retries.discard(handle)
            self._step(RetryDue(effect.transactional_id, effect.ticket))

        handle = self._loop.call_later(effect.delay_ms / 1000, due)
        self._retries.add(handle)

    # ---- what effects do

    def _append(self, effect: AppendState, now: Now) -> None:
        error = self._append_state(effect)
        pending = None if error else self._topic.pending(effect.transactional_id)
        if pending is None:
            self._run(self.coordinator.step(StateAppended(effect.transactional_id, effect.ticket, error), now), now)
        else:
            self._spawn(self._state_synced(effect, pending))

    def _append_state(self, effect: AppendState) -> ErrorCode:
        if self._stopped:
            return ErrorCode.NOT_COORDINATOR
        value = None
        if effect.state is not None:
            version = value_version(self.coordinator.transaction_version)
            value = encode_coordinator_value(transaction_value(effect.state, version), version)
        builder = BatchBuilder()
        key = encode_coordinator_key(transaction_key(effect.transactional_id))
        builder.add(time.time_ns() // 1_000_000, key, value)
        return self._topic.append(effect.transactional_id, builder.finish(), what="state of transactional id")

    async def _state_synced(self, effect: AppendState, pending: Synced) -> None:
        error = await self._topic.durable(pending)
        self._step(StateAppended(effect.transactional_id, effect.ticket, error))

    def _write_markers(self, effect: WriteMarkers, now: Now) -> None:
        topic = self._topic.find()
        if topic is None or self._stopped:
            return
        coordinator_epoch = topic.partitions[partition_for(effect.transactional_id, len(topic.partitions))].leader_epoch
        errors = {
            place: self._markers.write(
                place,
                producer_id=effect.producer_id,
                epoch=effect.epoch,
                coordinator_epoch=coordinator_epoch,
                commit=effect.commit,
                transaction_version=effect.transaction_version,
            )
            for place in effect.partitions
        }
        pending = {place: self._markers.pending(place) for place, error in errors.items() if not error}
        if any(pending.values()):
            self._spawn(self._markers_synced(effect, errors, pending))
        else:
            self._run(self.coordinator.step(MarkersWritten(effect.transactional_id, effect.ticket, errors), now), now)

    async def _markers_synced(
        self,
        effect: WriteMarkers,
        errors: Mapping[TopicPartition, ErrorCode],
        pending: Mapping[TopicPartition, Synced | None],
    ) -> None:
        synced = {place: await waiting for place, waiting in pending.items() if waiting is not None}
        self._step(MarkersWritten(effect.transactional_id, effect.ticket, {**errors, **synced}))

    def _expect(self, effect: ExpectRecords) -> None:
        for name, index in effect.partitions:
            topic = self._topics.find(name)
            if topic is not None and index < len(topic.partitions):
                # Where nothing is expected, the first batch asks.
                with contextlib.suppress(EngineError, OSError):
                    topic.partitions[index].log.expect_transaction(effect.producer_id, effect.epoch)

    # ---- time

    async def _every(self, key: str, act: Callable[[], Awaitable[None]]) -> None:
        interval_s = self._configs.broker_values()[key] / 1000
        while True:
            await asyncio.sleep(interval_s)
            try:
                await act()
            except MetadataError as error:
                log.error("Cannot claim producer ids: %s", error)

    async def _end_timed_out(self) -> None:
        for count, transactional_id in enumerate(self.coordinator.timed_out(self._now()), 1):
            log.info("The transaction of transactional id %r has timed out and is aborted", transactional_id)
            self._step(TimeOut(transactional_id, await self._producer_ids.spare()))
            if count % EXPIRIES_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _forget_expired(self) -> None:
        for count, transactional_id in enumerate(self.coordinator.expired(self._now()), 1):
            self._step(ExpireId(transactional_id))
            if count % EXPIRIES_PER_TURN == 0:
                await asyncio.sleep(0)

    # ---- the life of the topic

    async def _load(self, topic: RunningTopic) -> None:
        from pykafka_core.broker.transactions_load import read_partition

        began = time.monotonic()
        for partition in topic.partitions:
            try:
                found = await asyncio.to_thread(read_partition, partition.log)
            except Exception:
                # Its ids stay unavailable: to serve them without what is on disk would break what was promised.
                log.exception("Cannot load %s-%d", TRANSACTIONS_TOPIC, partition.index)
                continue
            if partition.index not in self._loading or self._stopped:
                continue
            now = self._now()
            for transactional_id, state in found.items():
                self.coordinator.load(transactional_id, state, now)
            self._loading.discard(partition.index)
            self._run(self.coordinator.loaded(found, now), now)
        log.info(
            "Loaded %d transactional ids from %s in %d ms",
            len(self.coordinator.ids), TRANSACTIONS_TOPIC, (time.monotonic() - began) * 1000,
        )  # fmt: skip

    def _metadata_changed(self, change: MetadataChange) -> None:
        self.coordinator.transaction_version = change.image.features.get(TRANSACTION_VERSION, 0)
        previous = change.previous
        if previous is not None and TRANSACTIONS_TOPIC in previous.topics.keys() - change.image.topics.keys():
            now = self._now()
            self._run(self.coordinator.unload(list(self.coordinator.ids), now), now)
            self._loading.clear()

    def stop(self) -> None:
        """Coordinate nothing any more. What was decided is completed after the next start."""
        self._stopped = True
        for handle in self._retries:
            handle.cancel()
        self._retries.clear()

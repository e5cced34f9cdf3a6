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
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pykafka_core.broker.answers import result
from pykafka_core.broker.errors import RequestError
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
    from pykafka_core.broker.topic_admin import TopicAdmin
    from pykafka_core.broker.topics import RunningTopic, Topics
    from pykafka_core.broker.transaction_markers import Markers
    from pykafka_core.metadata.store import MetadataChange, MetadataStore
    from pykafka_core.native import Log

__all__ = ["TRANSACTIONS_TOPIC", "Transactions"]

log = logging.getLogger("kafka.coordinator.transaction.TransactionCoordinator")

TRANSACTIONS_TOPIC: Final = "__transaction_state"
TRANSACTION_VERSION: Final = "transaction.version"
NO_FLUSH: Final = 2**63 - 1
ADD_VERSION: Final = 2
EXPIRIES_PER_TURN: Final = 100
"""Transactional ids that are ended before others get their turn."""

APPEND_ERRORS: Final[dict[int, ErrorCode]] = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
}
"""What producers are told of a failed append; any other failure is unexpected."""


class Transactions:
    def __init__(
        self,
        *,
        store: MetadataStore,
        topics: Topics,
        configs: Configs,
        producer_ids: ProducerIds,
        markers: Markers,
        topic_admin: Callable[[], TopicAdmin],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`spawn` runs a coroutine for as long as the broker runs."""
        self._store: Final = store
        self._topics: Final = topics
        self._configs: Final = configs
        self._producer_ids: Final = producer_ids
        self._markers: Final = markers
        self._topic_admin: Final = topic_admin
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
        self._request = 0
        self._answers: Final[dict[int, Any]] = {}
        self._waiting: Final[dict[int, asyncio.Future[Any]]] = {}
        self._retries: Final[set[asyncio.TimerHandle]] = set()
        self._loading: Final[set[int]] = set()
        self._creating: Final = asyncio.Lock()
        self._stopped = False
        topic = topics.find(TRANSACTIONS_TOPIC)
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
        topic = self._topics.find(TRANSACTIONS_TOPIC)
        if topic is None or self._stopped:
            return ErrorCode.NOT_COORDINATOR
        if self._loading and partition_for(transactional_id, len(topic.partitions)) in self._loading:
            return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        return ErrorCode.NONE

    def request(self) -> int:
        """A number for a request's event."""
        self._request += 1
        return self._request

    def ask(self, event: Any) -> Any:
        """Take a step; return its answer, or a future where that must wait for a disk."""
        request = event.request
        self._step(event)
        if request in self._answers:
            return self._answers.pop(request)
        answer = self._waiting[request] = self._loop.create_future()
        return answer

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

    async def coordinator_error(self) -> ErrorCode:
        """NONE if this broker can be named as the coordinator of a transactional id; the topic is made if it is
        missing."""
        async with self._creating:
            if self._topics.find(TRANSACTIONS_TOPIC) is None and not self._stopped:
                await self._create()
        there = self._topics.find(TRANSACTIONS_TOPIC) is not None
        return ErrorCode.NONE if there else ErrorCode.COORDINATOR_NOT_AVAILABLE

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
                    self._reply(effect)
                case SpareTaken():
                    self._producer_ids.take(effect.producer_id)
                case RetryLater():
                    self._retry_later(effect)

    def _reply(self, reply: TxnReply) -> None:
        waiting = self._waiting.pop(reply.request, None)
        if waiting is None:
            self._answers[reply.request] = reply.answer
        elif not waiting.done():
            waiting.set_result(reply.answer)

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
        error, partition_log = self._append_state(effect)
        if error or partition_log is None:
            self._run(self.coordinator.step(StateAppended(effect.transactional_id, effect.ticket, error), now), now)
        else:
            self._spawn(self._synced([partition_log], effect.transactional_id, effect.ticket, None))

    def _append_state(self, effect: AppendState) -> tuple[ErrorCode, Log | None]:
        """Append a record; name the log if it must be synced."""
        topic = self._topics.find(TRANSACTIONS_TOPIC)
        if topic is None or self._stopped:
            return ErrorCode.NOT_COORDINATOR, None
        value = None
        if effect.state is not None:
            version = value_version(self.coordinator.transaction_version)
            value = encode_coordinator_value(transaction_value(effect.state, version), version)
        builder = BatchBuilder()
        key = encode_coordinator_key(transaction_key(effect.transactional_id))
        builder.add(time.time_ns() // 1_000_000, key, value)
        partition = topic.partitions[partition_for(effect.transactional_id, len(topic.partitions))]
        outcome = partition.append(builder.finish(), topic.native.config)
        if outcome.error_code:
            code = ErrorCode(outcome.error_code)
            log.error(
                "Cannot write the state of transactional id %r to %s-%d: %s",
                effect.transactional_id, TRANSACTIONS_TOPIC, partition.index, code.meaning,
            )  # fmt: skip
            return APPEND_ERRORS.get(code, ErrorCode.UNKNOWN_SERVER_ERROR), None
        return ErrorCode.NONE, partition.log if topic.settings.flush_messages < NO_FLUSH else None

    def _write_markers(self, effect: WriteMarkers, now: Now) -> None:
        topic = self._topics.find(TRANSACTIONS_TOPIC)
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
        logs = self._markers.to_sync([place for place, error in errors.items() if not error])
        if logs:
            self._spawn(self._synced(logs, effect.transactional_id, effect.ticket, errors))
        else:
            self._run(self.coordinator.step(MarkersWritten(effect.transactional_id, effect.ticket, errors), now), now)

    async def _synced(
        self,
        logs: Sequence[Log],
        transactional_id: str,
        ticket: int,
        marked: Mapping[TopicPartition, ErrorCode] | None,
    ) -> None:
        """Sync these logs, then report what was waiting for it. `marked`: None for an append of the state."""
        error = ErrorCode.NONE
        for each in logs:
            try:
                await asyncio.to_thread(each.flush)
            except (EngineError, OSError):
                error = ErrorCode.KAFKA_STORAGE_ERROR
        if marked is None:
            self._step(StateAppended(transactional_id, ticket, APPEND_ERRORS[error] if error else error))
        else:
            errors = dict.fromkeys(marked, error) if error else marked
            self._step(MarkersWritten(transactional_id, ticket, errors))

    def _expect(self, effect: ExpectRecords) -> None:
        for name, index in effect.partitions:
            topic = self._topics.find(name)
            if topic is not None and index < len(topic.partitions):
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

    async def _create(self) -> None:
        values = self._configs.broker_values()
        admin = self._topic_admin()
        try:
            plan = admin.plan(
                TRANSACTIONS_TOPIC,
                partition_count=values["transaction.state.log.num.partitions"],
                replication_factor=1,
                configs=[
                    ("cleanup.policy", "compact"),
                    ("compression.type", "uncompressed"),
                    ("min.insync.replicas", "1"),
                    ("segment.bytes", str(values["transaction.state.log.segment.bytes"])),
                    ("unclean.leader.election.enable", "false"),
                ],
            )
            (outcome,) = await admin.create([plan])
            if isinstance(outcome, RequestError) and outcome.code != ErrorCode.TOPIC_ALREADY_EXISTS:
                raise outcome
        except RequestError as error:
            log.error("Cannot create %s: %s", TRANSACTIONS_TOPIC, error)

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

"""All the transactional ids that a broker coordinates: `step(event, now)` finds the one that an event is for.

    decide    the decision is appended to the log (PrepareCommit, PrepareAbort); with that the transaction is committed
              or aborted, whatever happens to the broker, and the client is answered
    tell      each partition of the transaction is sent a marker, again and again until it takes it
    complete  CompleteCommit or CompleteAbort is appended; the transactional id is free for its next transaction

Invariants:
  1. Nobody is told what the log did not take.
  2. A decision is never taken back: what was loaded in a state of decision is told and completed.
  3. One transition at a time: while one is being appended, or markers are being written, whoever asks for another is
     told CONCURRENT_TRANSACTIONS and comes again.
  4. An epoch that was given up ends no transaction: it is refused before anything is decided.

Timeouts are measured by the clock that only rises; only across a restart the time in the record counts. Source: KIP-98,
KIP-360, KIP-890; org.apache.kafka.coordinator.transaction.TransactionCoordinator (kafka.coordinator.transaction).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pykafka_core.coordinator.events import Now, TopicPartition
from pykafka_core.coordinator.transaction import (
    EPOCH_BUMP_VERSION,
    EPOCH_MAX,
    NOTHING,
    Status,
    TransactionState,
    is_exhausted,
)
from pykafka_core.coordinator.transaction_events import (
    NO_EPOCH,
    NO_PRODUCER,
    AddPartitions,
    AppendState,
    EndTransaction,
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
from pykafka_core.protocol.errors import ErrorCode

__all__ = ["TransactionCoordinator", "TransactionalId"]

RETRY_MS: Final = 100
RETRY_MAX_MS: Final = 10_000
"""How long to wait before what a disk refused is tried again: at first, and after many times."""
NEVER: Final = 2**63
NO_REQUEST: Final = 0

ENDED_FOR_PARTITION: Final = frozenset(
    {
        ErrorCode.NONE,
        # The partition is gone, and with it what the transaction wrote there.
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        # A later epoch has ended or begun a transaction there: the marker has come too late to be of use.
        ErrorCode.INVALID_PRODUCER_EPOCH,
    }
)
"""What a partition may answer to a marker so that it need not be told again."""

Then = Callable[[ErrorCode, Now], list[TxnEffect]]


class TransactionalId:
    """A transactional id in memory."""

    __slots__ = ("deadline_ms", "failed_fence", "pending", "retries", "state", "ticket", "unmarked")

    def __init__(self, state: TransactionState) -> None:
        self.state = state
        self.pending = False
        """A transition is on its way."""
        self.ticket = 0
        """Of the effect whose answer is awaited."""
        self.failed_fence = False
        """The epoch was moved to fence a producer, and the log did not take it: it need not be moved again."""
        self.unmarked: frozenset[TopicPartition] = NOTHING
        """Partitions that have not taken the marker of the transaction's end."""
        self.retries = 0
        self.deadline_ms = NEVER
        """By the clock that only rises."""


class TransactionCoordinator:
    def __init__(self, config: TransactionConfig, *, transaction_version: int) -> None:
        """`transaction_version`: the level of the feature that is in force in the cluster."""
        self.config = config
        self.transaction_version = transaction_version
        self.ids: Final[dict[str, TransactionalId]] = {}
        self._ticket = 0
        self._then: Final[dict[int, Then]] = {}
        self._steps: Final[dict[type[TxnEvent], Callable[..., list[TxnEffect]]]] = {
            InitProducer: self._init,
            AddPartitions: self._add,
            VerifyPartitions: self._verify,
            EndTransaction: self._end,
            TimeOut: self._time_out,
            ExpireId: self._expire,
            StateAppended: self._appended,
            MarkersWritten: self._marked,
            RetryDue: self._retry,
        }

    def step(self, event: TxnEvent, now: Now) -> list[TxnEffect]:
        return self._steps[type(event)](event, now)

    # ---- looking

    def needs_spare_id(self, transactional_id: str) -> bool:
        """Whether the end of this transaction takes a new producer id."""
        found = self.ids.get(transactional_id)
        return found is not None and is_exhausted(found.state.epoch)

    def timed_out(self, now: Now) -> list[str]:
        """The transactional ids whose transactions have been open for too long."""
        return [key for key, each in self.ids.items() if each.deadline_ms < now.clock_ms and not each.pending]

    def expired(self, now: Now) -> list[str]:
        """The transactional ids that nobody has used for too long."""
        return [key for key, each in self.ids.items() if self._is_expired(each, now)]

    def _is_expired(self, found: TransactionalId, now: Now) -> bool:
        state = found.state
        return (
            not found.pending
            and state.status in (Status.EMPTY, Status.COMPLETE_COMMIT, Status.COMPLETE_ABORT)
            and state.update_ms <= now.wall_ms - self.config.id_expiration_ms
        )

    # ---- loading

    def load(self, transactional_id: str, state: TransactionState, now: Now) -> None:
        """Take over what the log says of a transactional id."""
        found = self.ids[transactional_id] = TransactionalId(state)
        if state.status == Status.ONGOING:
            rest_ms = state.start_ms + state.timeout_ms - now.wall_ms
            found.deadline_ms = now.clock_ms + min(max(rest_ms, 0), state.timeout_ms)

    def loaded(self, transactional_ids: Iterable[str], now: Now) -> list[TxnEffect]:
        """Everything about these is read. What was decided and not completed is completed."""
        effects: list[TxnEffect] = []
        for transactional_id in transactional_ids:
            found = self.ids[transactional_id]
            if found.state.is_ending:
                effects += self._tell(transactional_id, found, now)
        return effects

    def unload(self, transactional_ids: Iterable[str], now: Now) -> list[TxnEffect]:
        """This broker coordinates these no longer: whoever waits is sent elsewhere."""
        effects: list[TxnEffect] = []
        for transactional_id in transactional_ids:
            found = self.ids.pop(transactional_id)
            then = self._then.pop(found.ticket, None)
            if then is not None:
                effects += then(ErrorCode.NOT_COORDINATOR, now)
        return effects

    # ---- a producer comes

    def _init(self, event: InitProducer, now: Now) -> list[TxnEffect]:
        if not event.transactional_id:
            return refuse(event.request, ErrorCode.INVALID_REQUEST)
        if not 0 < event.timeout_ms <= self.config.max_timeout_ms:
            return refuse(event.request, ErrorCode.INVALID_TRANSACTION_TIMEOUT)
        found = self.ids.get(event.transactional_id)
        taken: list[TxnEffect] = []
        if found is None:
            taken = [SpareTaken(event.spare_id)]
            state = TransactionState(event.spare_id, timeout_ms=event.timeout_ms, update_ms=now.wall_ms)
            found = self.ids[event.transactional_id] = TransactionalId(state)
        state = found.state
        if found.pending:
            return refuse(event.request, ErrorCode.CONCURRENT_TRANSACTIONS)
        expects = event.producer_id != NO_PRODUCER
        if expects and not is_own_id(event, state):
            return refuse(event.request, ErrorCode.PRODUCER_FENCED)
        if state.is_ending:
            return refuse(event.request, ErrorCode.CONCURRENT_TRANSACTIONS)
        if state.status == Status.ONGOING:
            # The one before is fenced and its transaction aborted; the new one gets its epoch when it asks again.
            return self._fence(event.transactional_id, found, event.spare_id, event.request, now)
        if state.is_exhausted and (not expects or event.epoch == state.epoch):
            taken = [SpareTaken(event.spare_id)]
            last_epoch = state.epoch if expects else NO_EPOCH
            new = state.for_next_id(event.spare_id, last_epoch, event.timeout_ms, now.wall_ms)
        else:
            epochs = next_epochs(event, state)
            if epochs is None:
                return refuse(event.request, ErrorCode.PRODUCER_FENCED)
            new = state.for_next_epoch(*epochs, event.timeout_ms, now.wall_ms)

        def stored(error: ErrorCode, now: Now) -> list[TxnEffect]:
            if error:
                return refuse(event.request, error)
            return [TxnReply(event.request, ProducerAnswer(ErrorCode.NONE, new.producer_id, new.epoch))]

        return [*taken, self._change(event.transactional_id, found, new, stored)]

    def _fence(
        self, transactional_id: str, found: TransactionalId, spare_id: int, request: int, now: Now
    ) -> list[TxnEffect]:
        """Abort the transaction, under an epoch that its producer does not have."""
        state = found.state
        taken: list[TxnEffect] = []
        next_id = NO_PRODUCER
        version = self.transaction_version
        if version < EPOCH_BUMP_VERSION:
            version = 0
            if not found.failed_fence:
                # In memory at once: from here on the producer is fenced, also should the log not take it.
                found.state = state = state._replace(epoch=min(state.epoch + 1, EPOCH_MAX), last_epoch=NO_EPOCH)
            found.failed_fence = True
        elif state.is_exhausted:
            taken, next_id = [SpareTaken(spare_id)], spare_id
        new = state.prepared(
            commit=False, client_version=version, next_producer_id=next_id, was_empty=False, wall_ms=now.wall_ms
        )

        def stored(error: ErrorCode, now: Now) -> list[TxnEffect]:
            told = refuse(request, error or ErrorCode.CONCURRENT_TRANSACTIONS) if request else []
            return told if error else [*told, *self._tell(transactional_id, found, now)]

        return [*taken, self._change(transactional_id, found, new, stored)]

    def _is_too_new(self, client_version: int) -> bool:
        """Records of level 0 cannot hold the client's version. Clients ask for the level and know; Kafka answers this
        too, but takes the transition for one that is on its way, and the id can never be used again."""
        return client_version >= EPOCH_BUMP_VERSION and self.transaction_version == 0

    # ---- partitions

    def _add(self, event: AddPartitions, now: Now) -> list[TxnEffect]:
        found = self.ids.get(event.transactional_id)
        if found is None:
            return [TxnReply(event.request, missing(event.transactional_id))]
        state = found.state
        error = ErrorCode.NONE
        if found.pending:
            error = ErrorCode.CONCURRENT_TRANSACTIONS
        elif state.producer_id != event.producer_id:
            error = ErrorCode.INVALID_PRODUCER_ID_MAPPING
        elif state.epoch != event.epoch or event.epoch < 0:
            error = ErrorCode.PRODUCER_FENCED
        elif state.is_ending:
            error = ErrorCode.CONCURRENT_TRANSACTIONS
        elif state.status == Status.ONGOING and event.partitions <= state.partitions:
            pass
        elif self._is_too_new(event.client_version):
            error = ErrorCode.UNSUPPORTED_VERSION
        else:
            new = state.with_partitions(event.partitions, event.client_version, now.wall_ms)
            if state.status == Status.ONGOING:
                deadline_ms = found.deadline_ms
            else:
                deadline_ms = now.clock_ms + state.timeout_ms

            def stored(error: ErrorCode, now: Now) -> list[TxnEffect]:
                reply = TxnReply(event.request, error)
                if error:
                    return [reply]
                found.deadline_ms = deadline_ms
                if event.client_version >= EPOCH_BUMP_VERSION:
                    return [reply]  # it was a partition that asked
                return [ExpectRecords(event.producer_id, event.epoch, event.partitions), reply]

            return [self._change(event.transactional_id, found, new, stored)]
        return [TxnReply(event.request, error)]

    def _verify(self, event: VerifyPartitions, now: Now) -> list[TxnEffect]:
        found = self.ids.get(event.transactional_id)
        answer: ErrorCode | Mapping[TopicPartition, ErrorCode]
        if found is None:
            answer = missing(event.transactional_id)
        elif found.state.producer_id != event.producer_id:
            answer = ErrorCode.INVALID_PRODUCER_ID_MAPPING
        elif found.state.epoch != event.epoch:
            answer = ErrorCode.PRODUCER_FENCED
        elif found.state.is_ending:
            answer = ErrorCode.CONCURRENT_TRANSACTIONS
        else:
            there = found.state.partitions
            answer = {
                each: ErrorCode.NONE if each in there else ErrorCode.TRANSACTION_ABORTABLE for each in event.partitions
            }
        return [TxnReply(event.request, answer)]

    # ---- the end

    def _end(self, event: EndTransaction, now: Now) -> list[TxnEffect]:
        found = self.ids.get(event.transactional_id)
        if found is None:
            return refuse(event.request, missing(event.transactional_id))
        why = why_not_end_v2 if event.client_version >= EPOCH_BUMP_VERSION else why_not_end_v1
        refusal = why(event, found)
        state = found.state
        if refusal is not None:
            if refusal or event.client_version < EPOCH_BUMP_VERSION:
                return refuse(event.request, refusal)
            # Asked again: what it was told before.
            return [TxnReply(event.request, ProducerAnswer(ErrorCode.NONE, state.producer_id, state.epoch))]
        if self._is_too_new(event.client_version):
            return refuse(event.request, ErrorCode.UNSUPPORTED_VERSION)
        version = event.client_version if event.client_version >= EPOCH_BUMP_VERSION else 0
        taken: list[TxnEffect] = []
        next_id = NO_PRODUCER
        if version and state.is_exhausted:
            taken, next_id = [SpareTaken(event.spare_id)], event.spare_id
        new = state.prepared(
            commit=event.commit,
            client_version=version,
            next_producer_id=next_id,
            was_empty=state.status != Status.ONGOING,
            wall_ms=now.wall_ms,
        )

        def stored(error: ErrorCode, now: Now) -> list[TxnEffect]:
            if error:
                return refuse(event.request, error)
            answer = ProducerAnswer()
            if version:
                done = new.completed(now.wall_ms)
                answer = ProducerAnswer(ErrorCode.NONE, done.producer_id, done.epoch)
            return [TxnReply(event.request, answer), *self._tell(event.transactional_id, found, now)]

        return [*taken, self._change(event.transactional_id, found, new, stored)]

    def _time_out(self, event: TimeOut, now: Now) -> list[TxnEffect]:
        found = self.ids.get(event.transactional_id)
        if found is None or found.pending or found.state.status != Status.ONGOING or found.deadline_ms >= now.clock_ms:
            return []
        return self._fence(event.transactional_id, found, event.spare_id, NO_REQUEST, now)

    def _tell(self, transactional_id: str, found: TransactionalId, now: Now) -> list[TxnEffect]:
        """The decision is in the log: tell the partitions."""
        found.pending = True
        found.failed_fence = False
        found.retries = 0
        found.deadline_ms = NEVER
        found.unmarked = found.state.partitions
        return self._go_on(transactional_id, found, now)

    def _go_on(self, transactional_id: str, found: TransactionalId, now: Now) -> list[TxnEffect]:
        """Write the markers that are missing, or complete the transaction."""
        state = found.state
        if found.unmarked:
            found.ticket = self._next_ticket()
            return [
                WriteMarkers(
                    transactional_id,
                    found.ticket,
                    state.producer_id,
                    state.epoch,
                    state.commits,
                    state.client_version,
                    found.unmarked,
                )
            ]

        def stored(error: ErrorCode, now: Now) -> list[TxnEffect]:
            if not error:
                return []
            found.pending = True
            return [self._later(transactional_id, found)]

        return [self._change(transactional_id, found, state.completed(now.wall_ms), stored)]

    def _marked(self, event: MarkersWritten, now: Now) -> list[TxnEffect]:
        found = self._awaited(event)
        if found is None:
            return []
        ended = [each for each, error in event.errors.items() if error in ENDED_FOR_PARTITION]
        found.unmarked = found.unmarked.difference(ended)
        if found.unmarked:
            return [self._later(event.transactional_id, found)]
        return self._go_on(event.transactional_id, found, now)

    def _later(self, transactional_id: str, found: TransactionalId) -> RetryLater:
        found.ticket = self._next_ticket()
        delay_ms = min(RETRY_MS << found.retries, RETRY_MAX_MS)
        found.retries = min(found.retries + 1, 16)
        return RetryLater(transactional_id, found.ticket, delay_ms)

    def _retry(self, event: RetryDue, now: Now) -> list[TxnEffect]:
        found = self._awaited(event)
        return [] if found is None else self._go_on(event.transactional_id, found, now)

    # ---- going

    def _expire(self, event: ExpireId, now: Now) -> list[TxnEffect]:
        found = self.ids.get(event.transactional_id)
        if found is None or not self._is_expired(found, now):
            return []

        def stored(error: ErrorCode, now: Now) -> list[TxnEffect]:
            if not error:
                self.ids.pop(event.transactional_id, None)
            return []

        return [self._change(event.transactional_id, found, None, stored)]

    # ---- the log

    def _change(
        self, transactional_id: str, found: TransactionalId, new: TransactionState | None, then: Then
    ) -> AppendState:
        """Ask for `new` to be appended. Once it is, it is the state; then comes `then`."""
        ticket = found.ticket = self._next_ticket()
        found.pending = True

        def stored(error: ErrorCode, now: Now) -> list[TxnEffect]:
            found.pending = False
            if not error and new is not None:
                found.state = new
            return then(error, now)

        self._then[ticket] = stored
        return AppendState(transactional_id, ticket, new)

    def _appended(self, event: StateAppended, now: Now) -> list[TxnEffect]:
        then = self._then.pop(event.ticket, None)
        if then is None or self._awaited(event) is None:
            return []
        return then(event.error, now)

    def _awaited(self, event: StateAppended | MarkersWritten | RetryDue) -> TransactionalId | None:
        found = self.ids.get(event.transactional_id)
        return found if found is not None and found.ticket == event.ticket else None

    def _next_ticket(self) -> int:
        self._ticket += 1
        return self._ticket


def refuse(request: int, error: ErrorCode) -> list[TxnEffect]:
    return [TxnReply(request, ProducerAnswer(error))]


def missing(transactional_id: str) -> ErrorCode:
    return ErrorCode.INVALID_PRODUCER_ID_MAPPING if transactional_id else ErrorCode.INVALID_REQUEST


def is_own_id(event: InitProducer, state: TransactionState) -> bool:
    """Whether a producer that says what it has may go on with this transactional id."""
    return (
        # A transactional id that was forgotten, and its producer comes back.
        state.epoch == NO_EPOCH
        or event.producer_id == state.producer_id
        # It asks again, and never heard that it was given another producer id.
        or (event.producer_id == state.previous_producer_id and is_exhausted(event.epoch))
    )


def next_epochs(event: InitProducer, state: TransactionState) -> tuple[int, int] | None:
    """The epoch to give out and the one that counts as its last; None for a producer that is fenced."""
    if event.producer_id == NO_PRODUCER:
        return state.epoch + 1, NO_EPOCH
    if state.epoch in (NO_EPOCH, event.epoch):
        return state.epoch + 1, state.epoch
    if event.epoch == state.last_epoch:
        return state.epoch, state.last_epoch  # it asks again for what it was given
    return None


def why_not_end_v1(event: EndTransaction, found: TransactionalId) -> ErrorCode | None:
    """None: go on; NONE: it has ended this way before."""
    state = found.state
    if state.producer_id != event.producer_id:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if state.epoch != event.epoch or event.epoch < 0:
        return ErrorCode.PRODUCER_FENCED
    if found.pending:
        return ErrorCode.CONCURRENT_TRANSACTIONS
    status = state.status
    if status == Status.ONGOING:
        return None
    if status == (Status.COMPLETE_COMMIT if event.commit else Status.COMPLETE_ABORT):
        return ErrorCode.NONE
    if status == (Status.PREPARE_COMMIT if event.commit else Status.PREPARE_ABORT):
        return ErrorCode.CONCURRENT_TRANSACTIONS
    return ErrorCode.INVALID_TXN_STATE


def why_not_end_v2(event: EndTransaction, found: TransactionalId) -> ErrorCode | None:
    """None: go on; NONE: it has ended this way before, and the client asks again with the epoch that it had.

                   abort, again   abort          commit, again  commit
    Empty          fenced         goes on        fenced         invalid
    CompleteAbort  NONE           goes on        invalid        invalid
    CompleteCommit invalid        goes on        NONE           invalid
    """
    if found.pending:
        # First of all: the client may have been given a producer id that is not in the state before this is over.
        return ErrorCode.CONCURRENT_TRANSACTIONS
    state = found.state
    status = state.status
    after_rotation = (
        state.previous_producer_id == event.producer_id and event.epoch == EPOCH_MAX - 1 and state.epoch == 0
    )
    # Only an end that moved the epoch can be asked for again. Kafka does not look at that, and hands the epoch of an
    # older producer's client, which ends without moving it, to the zombie that this producer has replaced.
    again = state.client_version >= EPOCH_BUMP_VERSION and (state.epoch == event.epoch + 1 or after_rotation)
    if state.producer_id != event.producer_id and not after_rotation:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if state.is_ending:
        valid = state.epoch == event.epoch + 1
    elif status in (Status.COMPLETE_COMMIT, Status.COMPLETE_ABORT):
        valid = again or state.epoch == event.epoch
    else:
        valid = state.epoch == event.epoch
    if not valid or event.epoch < 0:
        return ErrorCode.PRODUCER_FENCED
    if status == Status.ONGOING:
        return None
    if state.is_ending:
        return ErrorCode.CONCURRENT_TRANSACTIONS if event.commit == state.commits else ErrorCode.INVALID_TXN_STATE
    if not again:
        return ErrorCode.INVALID_TXN_STATE if event.commit else None
    ended_so = Status.COMPLETE_COMMIT if event.commit else Status.COMPLETE_ABORT
    return ErrorCode.NONE if status == ended_so else ErrorCode.INVALID_TXN_STATE

"""Transactional producers that write a history: they go on whatever happens to the broker, and to each other.

A `Worker` is whoever uses one transactional id. It takes over by InitProducerId, asks for its group's offset, then
transacts: it reads what others have committed, writes some batches to some partitions, and moves the offset. Some
transactions it aborts, some it sleeps over until they time out, and in some its own successor comes before the end.
When a connection breaks, it asks again over the next one, or gives up and takes over from itself.

Requests are those of transaction version 1 (AddPartitionsToTxn, AddOffsetsToTxn, EndTxn 4) or 2 (Produce 12, EndTxn 5).
Threads: each worker is one; the history has a lock.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

from pykafka_core import records
from pykafka_core.protocol.errors import ErrorCode as E
from pykafka_core.protocol.message import Message
from pykafka_core.protocol.messages.add_offsets_to_txn_request import AddOffsetsToTxnRequest
from pykafka_core.protocol.messages.add_partitions_to_txn_request import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from pykafka_core.protocol.messages.end_txn_request import EndTxnRequest
from pykafka_core.protocol.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest
from pykafka_core.protocol.messages.offset_fetch_request import OffsetFetchRequest, OffsetFetchRequestTopic
from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from pykafka_core.protocol.messages.txn_offset_commit_request import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.broker.raw_client import RawClient
from tests.crash.history import FAILED, OK, UNKNOWN, content_of
from tests.crash.txn_history import TxnHistory

TIMEOUT_MS: Final = 1000
"""Of transactions: little, so that some are overslept."""
PASSING: Final = frozenset(
    {
        E.COORDINATOR_LOAD_IN_PROGRESS, E.COORDINATOR_NOT_AVAILABLE, E.NOT_COORDINATOR, E.CONCURRENT_TRANSACTIONS,
        E.NOT_ENOUGH_REPLICAS, E.UNSTABLE_OFFSET_COMMIT, E.UNKNOWN_TOPIC_OR_PARTITION, E.NOT_LEADER_OR_FOLLOWER,
    }
)  # fmt: skip
PASSING_S: Final = 30
DRAIN: Final = 1
READERS: Final = 1000


class RefusedError(Exception):
    """An answer that ends what was being done."""

    def __init__(self, code: int) -> None:
        super().__init__(E(code).name)
        self.code = code


class GivenUpError(Exception):
    """The worker would rather take over from itself."""


class Worker(threading.Thread):
    def __init__(
        self, history: TxnHistory, bootstrap: str, topic: str, partitions: int, number: int, version: int, seed: int
    ) -> None:
        super().__init__(daemon=True)
        self.history, self.bootstrap, self.topic, self.partitions = history, bootstrap, topic, partitions
        self.number, self.version = number, version
        self.chance = random.Random(seed)
        self.stopping = threading.Event()
        self.committed = 0
        self.refused: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self._client: RawClient | None = None
        self._asked_again = False
        self._incarnation = 0
        self._identity = -1, -1
        self._sequences: dict[int, int] = {}
        self._value = 0
        self._consumed = 0
        self._session = READERS * (number + 1)
        self._place = number % partitions, 0

    # ---- the connection

    def _call(self, request: Message, version: int) -> Any:
        if self._client is None:
            self._client = RawClient(self.bootstrap)
        try:
            return self._client.call(request, version)
        except OSError:
            self._client.close()
            self._client = None
            raise

    def _ask(self, request: Message, version: int, code_of: Callable[[Any], int]) -> Any:
        """Ask until it is answered with something that lasts. Raises RefusedError, GivenUpError."""
        deadline, self._asked_again = time.monotonic() + PASSING_S, False
        while True:
            try:
                answer = self._call(request, version)
            except OSError:
                if (not self._asked_again and self.chance.random() < 0.4) or time.monotonic() > deadline:
                    raise GivenUpError from None
                self._asked_again = True
                time.sleep(0.02)
                continue
            code = code_of(answer)
            if not code:
                return answer
            if code not in PASSING or time.monotonic() > deadline:
                self.refused[E(code).name] += 1
                raise RefusedError(code)
            time.sleep(0.01)

    # ---- a life

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                try:
                    self._take_over()
                    for _ in range(self.chance.randint(1, 12)):
                        if not self.stopping.is_set():
                            self._transact()
                except (RefusedError, GivenUpError):
                    time.sleep(0.01)
        except BaseException as error:
            self.failure = error
        finally:
            if self._client:
                self._client.close()

    def finish(self) -> None:
        """After the thread's end: what was left open is aborted, and the last offset is noted."""
        self._client = None
        deadline = time.monotonic() + PASSING_S
        while True:
            try:
                self._take_over()
                break
            except (RefusedError, GivenUpError):
                assert time.monotonic() < deadline, f"producer {self.number} cannot take over: {self.refused}"
                time.sleep(0.05)
        if self._client:
            self._client.close()

    def _take_over(self) -> None:
        self._init()
        self._ask(FindCoordinatorRequest(key=self._group, key_type=0), 3, lambda answer: int(answer.error_code))
        wanted = OffsetFetchRequestTopic(name=self.topic, partition_indexes=[0])
        request = OffsetFetchRequest(group_id=self._group, topics=[wanted], require_stable=True)
        asked = self.history.moment()
        answer = self._ask(request, 7, lambda a: a.error_code or a.topics[0].partitions[0].error_code)
        self._consumed = max(answer.topics[0].partitions[0].committed_offset, 0)
        self.history.committed(self.number, self._consumed, asked)

    @property
    def _id(self) -> str:
        return f"worker-{self.number}"

    @property
    def _group(self) -> str:
        return f"group-{self.number}"

    def _init(self) -> None:
        self._ask(FindCoordinatorRequest(key=self._id, key_type=1), 3, lambda answer: int(answer.error_code))
        request = InitProducerIdRequest(transactional_id=self._id, transaction_timeout_ms=TIMEOUT_MS)
        answer = self._ask(request, 4, lambda answer: int(answer.error_code))
        self._incarnation += 1
        self.history.fenced(self.number, self._incarnation)
        self._identity = answer.producer_id, answer.producer_epoch
        self._sequences.clear()

    def _transact(self) -> None:
        txn = self.history.began(self.number, self._incarnation)
        asks = False
        try:
            self._read(txn)
            wanted = [self.chance.randrange(self.partitions) for _ in range(self.chance.randint(1, 4))]
            if self.version == 1:
                self._add(sorted(set(wanted)))
            for partition in wanted:
                self._send(txn, partition)
            moved = self._move(txn) if self.chance.random() < 0.7 else self._consumed
            fate = self.chance.random()
            if fate < 0.10:
                asks = True
                self._come_late(txn)
            if fate < 0.15:
                time.sleep(self.chance.uniform(0.5, 1.5) * TIMEOUT_MS / 1000)
            commit = fate < 0.80
            asks = commit
            self.history.asked_to_end(txn, commit=commit)
            self._end(commit=commit)
            if commit:
                self.history.ended(txn, OK)
                self._consumed = moved
                self.committed += 1
            else:
                self.history.ended(txn, FAILED)
        except RefusedError as error:
            # Of a storage error nobody knows what is on the disk.
            if not asks or error.code not in (E.KAFKA_STORAGE_ERROR, E.UNKNOWN_SERVER_ERROR, *PASSING):
                self.history.ended(txn, FAILED)
            raise
        except GivenUpError:
            if not asks:
                self.history.ended(txn, FAILED)
            raise

    def _come_late(self, txn: int) -> NoReturn:
        """A successor takes over; this one goes on as if nothing were the matter, then leaves it to the successor."""
        identity, sequences = self._identity, dict(self._sequences)
        asked = False
        try:
            self._init()
            self._identity, self._sequences = identity, sequences
            with contextlib.suppress(RefusedError):
                self._send(txn, self.chance.randrange(self.partitions))
            self.history.asked_to_end(txn, commit=True)
            asked = True
            self._end(commit=True)
            self.history.ended(txn, OK)  # and T5 is broken
        except RefusedError:
            self.history.ended(txn, FAILED)
        except GivenUpError:
            if not asked:
                self.history.ended(txn, FAILED)
        raise GivenUpError

    # ---- the steps of a transaction

    def _read(self, txn: int) -> None:
        partition, offset = self._place
        try:
            answer = self._call(fetch_request(self.topic, partition, offset, committed=True), 11)
        except OSError:
            raise GivenUpError from None
        found = answer.responses[0].partitions[0]
        if found.error_code:
            return
        for record in shown(found, offset):
            self.history.polled(self._session, partition, record.offset, value_of(record), content(record), reader=txn)
        self._place = partition, next_offset(found, offset)

    def start_reading_anew(self) -> None:
        """What was read may have gone with the power."""
        self._session += 1
        self._place = self.number % self.partitions, 0

    def _add(self, partitions: list[int]) -> None:
        producer_id, epoch = self._identity
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self._id,
            v3_and_below_producer_id=producer_id,
            v3_and_below_producer_epoch=epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=self.topic, partitions=partitions)],
        )

        def code_of(answer: Any) -> int:
            results = answer.results_by_topic_v3_and_below[0].results_by_partition
            return next((each.partition_error_code for each in results if each.partition_error_code), 0)

        self._ask(request, 3, code_of)

    def _send(self, txn: int, partition: int) -> None:
        producer_id, epoch = self._identity
        first, timestamp = self._value, int(time.time() * 1000)
        count = self.chance.randint(1, 4)
        self._value += count
        key = [b"%d:%d" % (self.number, first + i) for i in range(count)]
        value = [self.chance.randbytes(self.chance.randint(1, 900)) for _ in range(count)]
        base_sequence = self._sequences.get(partition, 0)
        batch = records.encode(
            [(i, timestamp + i, key[i], value[i]) for i in range(count)],
            leader_epoch=-1, producer_id=producer_id, producer_epoch=epoch, base_sequence=base_sequence,
            transactional=True,
        )  # fmt: skip
        data = TopicProduceData(name=self.topic, partition_data=[PartitionProduceData(index=partition, records=batch)])
        request = ProduceRequest(transactional_id=self._id, acks=-1, timeout_ms=5000, topic_data=[data])
        outcome, offset, asked = UNKNOWN, -1, self.history.moment()
        try:
            answer = self._ask(
                request,
                12 if self.version == 2 else 11,
                lambda answer: int(answer.responses[0].partition_responses[0].error_code),
            )
            outcome, offset = OK, answer.responses[0].partition_responses[0].base_offset
            self._sequences[partition] = base_sequence + count
        except RefusedError as error:
            # What was asked for over a connection that broke may be there all the same.
            if not self._asked_again and error.code != E.KAFKA_STORAGE_ERROR:
                outcome = FAILED
            raise
        finally:
            for i in range(count):
                made = content_of(key[i], value[i], timestamp + i)
                place = offset + i if outcome == OK else -1
                self.history.sent(txn, partition, first + i, made, outcome, place, asked)

    def _move(self, txn: int) -> int:
        """Send the group's next offset with the transaction. Returns it."""
        producer_id, epoch = self._identity
        moved = self._consumed + self.chance.randint(1, 5)
        self.history.consumed(txn, self.number, self._consumed, moved)
        if self.version == 1:
            add = AddOffsetsToTxnRequest(
                transactional_id=self._id, producer_id=producer_id, producer_epoch=epoch, group_id=self._group
            )
            self._ask(add, 3, lambda answer: int(answer.error_code))
        offset = TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=moved, committed_metadata="")
        request = TxnOffsetCommitRequest(
            transactional_id=self._id,
            group_id=self._group,
            producer_id=producer_id,
            producer_epoch=epoch,
            topics=[TxnOffsetCommitRequestTopic(name=self.topic, partitions=[offset])],
        )
        self._ask(request, 5 if self.version == 2 else 4, lambda answer: int(answer.topics[0].partitions[0].error_code))
        return moved

    def _end(self, *, commit: bool) -> None:
        producer_id, epoch = self._identity
        request = EndTxnRequest(
            transactional_id=self._id, producer_id=producer_id, producer_epoch=epoch, committed=commit
        )
        answer = self._ask(request, 5 if self.version == 2 else 4, lambda answer: int(answer.error_code))
        if self.version == 2 and (answer.producer_id, answer.producer_epoch) != self._identity:
            self._identity = answer.producer_id, answer.producer_epoch
            self._sequences.clear()


# ---- reading


def fetch_request(topic: str, partition: int, offset: int, *, committed: bool) -> FetchRequest:
    wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=1 << 20)
    return FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=1 << 20,
        isolation_level=int(committed),
        topics=[FetchTopic(topic=topic, partitions=[wanted])],
    )


def whole(data: bytes | memoryview | None) -> Iterator[tuple[records.BatchHeader, bytes]]:
    """The batches that came whole: the last one may be cut."""
    data, at = bytes(data or b""), 0
    while len(data) - at >= 12:
        size = 12 + int.from_bytes(data[at + 8 : at + 12], "big")
        if len(data) - at < size:
            return
        batch = data[at : at + size]
        records.check_stored(batch)
        yield records.BatchHeader.load(batch), batch
        at += size


def shown(found: Any, offset: int) -> Iterator[records.Record]:
    """What a consumer shows of a partition's answer, from this offset on. `aborted_transactions` None: everything."""
    aborted = sorted((each.first_offset, each.producer_id) for each in found.aborted_transactions or ())
    ended: set[int] = set()
    for header, batch in whole(found.records):
        while aborted and aborted[0][0] < header.next_offset:
            ended.add(aborted.pop(0)[1])
        if header.is_control:
            ended.discard(header.producer_id)
        elif not (header.is_transactional and header.producer_id in ended):
            yield from (record for record in records.iterate(batch) if record.offset >= offset)


def next_offset(found: Any, offset: int) -> int:
    for header, _ in whole(found.records):
        offset = max(offset, header.next_offset)
    return offset


def value_of(record: records.Record) -> tuple[int, int]:
    number, _, sequence = (record.key or b"").partition(b":")
    return int(number), int(sequence)


def content(record: records.Record) -> int:
    return content_of(record.key, record.value, record.timestamp)


def drain(history: TxnHistory, bootstrap: str, topic: str, partitions: int, *, numbered_from: int = 0) -> int:
    """Read all partitions to their ends, as either kind of consumer. Returns the number of committed records.
    `numbered_from`: what partition 0 is called in the history, which may be of several topics.
    Raises AssertionError where a last stable offset does not reach the end."""
    count = 0
    with RawClient(bootstrap) as client:
        for committed in (True, False):
            for partition in range(partitions):
                number = numbered_from + partition
                offset, deadline = 0, time.monotonic() + PASSING_S
                while True:
                    answer = client.call(fetch_request(topic, partition, offset, committed=committed), 11)
                    found = answer.responses[0].partitions[0]
                    if found.error_code in (E.UNKNOWN_TOPIC_OR_PARTITION, E.NOT_LEADER_OR_FOLLOWER):
                        assert time.monotonic() < deadline, found
                        time.sleep(0.01)
                        continue  # its replica moves
                    assert found.error_code == 0, found
                    stable, high = found.last_stable_offset, found.high_watermark
                    history.marks.append((number, found.log_start_offset, stable, high, high))
                    for record in shown(found, offset):
                        if committed:
                            history.polled(DRAIN, number, record.offset, value_of(record), content(record))
                            count += 1
                        else:
                            history.found_stored(DRAIN, number, record.offset, value_of(record), content(record))
                    offset = next_offset(found, offset)
                    if offset >= high:
                        break
                    time.sleep(0.002)
                    held = f"partition {partition}: last stable offset {stable} is held below {high}"
                    assert time.monotonic() < deadline, held
    return count

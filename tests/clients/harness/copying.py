"""What tests of copying in transactions share: the topics "in" and "out", of the same number of partitions, what is
written to "in", how far it is copied, and the judgement."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field

from harness.account import FILLER, INPUTS, WATCHER, Account, Input, Inputs
from harness.broker import Broker
from harness.groups import await_that, call
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode as E
from pykafka_core.protocol.messages.offset_fetch_request import OffsetFetchRequest, OffsetFetchRequestTopic
from tests.crash.history import FAILED, OK, UNKNOWN
from tests.crash.txn_history import Poll, TxnHistory
from tests.crash.txn_load import drain

PARTITIONS = 3
ABORTED_SHARE = 0.2
SIZE_MAX, TEXT_MAX = 60, 200
NOTED_EVERY_S = 0.25
NOT_YET = (E.NONE, E.UNSTABLE_OFFSET_COMMIT, E.NOT_COORDINATOR, E.COORDINATOR_LOAD_IN_PROGRESS)


def fill(bootstrap: str, count: int, account: Account, chance: random.Random, *, transactional: bool = True) -> Inputs:
    """Write `count` records to "in", in turn to its partitions: transactions, with as many more that are aborted, or,
    where they are not wanted, records alone, which makes their offsets one sequence."""
    from confluent_kafka import Producer

    own = {"transactional.id": "filler"} if transactional else {"enable.idempotence": True}
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **own})
    offsets: dict[int, int] = {}
    inputs: Inputs = {}
    if transactional:
        producer.init_transactions(30)
    number = committed = 0
    while committed < count:
        size = min(chance.randint(PARTITIONS, SIZE_MAX), count - committed) if transactional else count
        aborts = transactional and committed > 0 and chance.random() < ABORTED_SHARE
        numbers = range(number, number + size)
        if transactional:
            producer.begin_transaction()
        made: Inputs = {}
        for number in numbers:
            text = f"{number}-" + "text " * chance.randint(0, TEXT_MAX // 5)
            each = made[number] = Input(number % PARTITIONS, -1, int(time.time() * 1000), text.encode())
            producer.produce(
                "in", each.value, each.key(number), partition=each.partition, timestamp=each.timestamp,
                on_delivery=lambda error, message, number=number: offsets.__setitem__(number, message.offset()),
            )  # fmt: skip
            producer.poll(0)
        assert producer.flush(60) == 0
        if transactional:
            (producer.abort_transaction if aborts else producer.commit_transaction)(30)
        for each_number, each in made.items():
            made[each_number] = Input(each.partition, offsets[each_number], each.timestamp, each.value)
        inputs |= made
        account.note(lambda history, made=made, aborts=aborts: tell_filled(history, made, aborts=aborts))
        number = numbers.stop
        committed += 0 if aborts else size
    for partition in range(PARTITIONS):
        account.note(lambda history, partition=partition: history.copies(partition, INPUTS + partition))
    return inputs


def tell_filled(history: TxnHistory, made: Inputs, *, aborts: bool) -> None:
    txn = history.began(FILLER, 0)
    for number, each in made.items():
        partition, content = INPUTS + each.partition, each.content(number)
        history.sent(txn, partition, number, content, OK, each.offset, history.moment())
    history.asked_to_end(txn, commit=not aborts)
    history.ended(txn, FAILED if aborts else OK)


@dataclass
class Progress:
    """How far the group has come, by what it is asked (require_stable), which is noted."""

    broker: Broker
    account: Account
    inputs: Inputs
    group: str = "copier"
    offsets: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    _noted: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # The last transaction of `fill` is committed. Some clients commit what is behind its marker.
        self._ends = {each.partition: each.offset + 1 for _, each in sorted(self.inputs.items())}
        self.goal = sum(self._ends.values())

    def __call__(self) -> int:
        self.ask()
        return sum(min(self.offsets[partition], end) for partition, end in self._ends.items())

    def ask(self) -> bool:
        """Whether all partitions were answered for."""
        asked = time.monotonic_ns()
        wanted = [OffsetFetchRequestTopic(name="in", partition_indexes=list(range(PARTITIONS)))]
        request = OffsetFetchRequest(group_id=self.group, topics=wanted, require_stable=True)
        answer = call(self.broker, ApiKey.OFFSET_FETCH, 7, request)
        answered = time.monotonic_ns()
        places = answer.topics[0].partitions if answer.topics else []
        for each in places:
            assert each.error_code in NOT_YET, each
            place, offset = each.partition_index, max(each.committed_offset, 0)
            if each.error_code or answer.error_code:
                continue
            if offset != self.offsets[place] or time.monotonic() - self._noted.get(place, 0) > NOTED_EVERY_S:
                self.account.committed(place, offset, asked, answered)
                self._noted[place] = time.monotonic()
            self.offsets[place] = offset
        return bool(places) and not answer.error_code and not any(each.error_code for each in places)

    def settle(self) -> None:
        """The offsets in the end, when nobody copies any more."""
        self._noted.clear()
        await_that(self.ask, "all offsets are stable")


def judge(broker: Broker, account: Account, topics: dict[str, int]) -> TxnHistory:
    """The topics, each with what its partition 0 is called, are read to their ends, and what came of all is judged.
    Nobody copies any more."""
    for topic, first in topics.items():
        account.note_last(
            lambda history, topic=topic, first=first: note_drained(history, broker.bootstrap, topic, first)
        )
    history = account.told()
    problems = history.problems(drained=True)
    assert not problems, "\n".join(problems)
    check_it_can_fail(history)
    return history


def note_drained(history: TxnHistory, bootstrap: str, topic: str, first: int) -> None:
    drain(history, bootstrap, topic, PARTITIONS, numbered_from=first)


def check_it_can_fail(history: TxnHistory) -> None:
    """This very history would not have passed, had one committed record not been seen, or one aborted record been."""
    seen = next(poll for poll in reversed(history.polls) if poll.partition < INPUTS)
    kept = list(history.polls)
    history.polls[:] = [poll for poll in kept if poll.value != seen.value]
    assert any(line.startswith("T2") for line in history.problems(drained=True))
    aborted, send = next(
        (txn, send)
        for txn in history.txns
        for send in txn.sends
        if txn.outcome == FAILED and send.partition < INPUTS and send.offset >= 0
    )
    row = send.partition, send.offset, (aborted.producer, send.sequence), send.content
    history.polls[:] = [*kept, Poll(WATCHER, *row, -1, history.moment())]
    assert any(line.startswith("T1") for line in history.problems(drained=True))
    history.polls[:] = kept


def summary(history: TxnHistory, filled: bool) -> Counter[str]:
    """How much happened: of what was written to "in", or of the copies."""
    mine = [txn for txn in history.txns if (txn.producer == FILLER) == filled]
    names = {OK: "committed", FAILED: "aborted", UNKNOWN: "of unknown end"}
    counts = Counter(names[txn.outcome] for txn in mine)
    counts["transactions"] = len(mine)
    counts["records"] = sum(len(txn.sends) for txn in mine)
    counts["records aborted"] = sum(len(txn.sends) for txn in mine if txn.outcome == FAILED)
    return counts

"""Goal: every request of transactions, in every version, good and bad, gets the answer that Apache Kafka 4.3.1 gives.

Method: scenes, each a row of requests, with transaction.version at 2 and, lowered by UpdateFeatures, at 1 and 0; the
answers are compared with recordings (recorded/transactions-*.txt), made from Apache Kafka by KC_CLIENTS_TARGET=kafka
KC_CLIENTS_RECORD=1. Before a request whose answer would depend on whether markers are already written, the scene waits
until no transaction is being ended. TxnOffsetCommit 6 is left out: Apache Kafka 4.3.1 does not serve it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.broker import Broker
from harness.requests import METADATA, create_topic, metadata, read_metadata
from harness.talk import Talk, compare
from harness.wire import Connection
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.messages.add_offsets_to_txn_request import AddOffsetsToTxnRequest
from pykafka_core.protocol.messages.add_partitions_to_txn_request import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from pykafka_core.protocol.messages.describe_producers_request import DescribeProducersRequest, TopicRequest
from pykafka_core.protocol.messages.describe_transactions_request import DescribeTransactionsRequest
from pykafka_core.protocol.messages.end_txn_request import EndTxnRequest
from pykafka_core.protocol.messages.find_coordinator_request import FindCoordinatorRequest
from pykafka_core.protocol.messages.init_producer_id_request import InitProducerIdRequest
from pykafka_core.protocol.messages.list_transactions_request import ListTransactionsRequest
from pykafka_core.protocol.messages.offset_fetch_request import OffsetFetchRequest, OffsetFetchRequestTopic
from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData
from pykafka_core.protocol.messages.txn_offset_commit_request import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from pykafka_core.protocol.messages.update_features_request import FeatureUpdateKey, UpdateFeaturesRequest
from pykafka_core.protocol.messages.write_txn_markers_request import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from pykafka_core.records import encode

pytestmark = [pytest.mark.row("recorded answers"), pytest.mark.timeout(240)]

TOPIC = "topic"
SAFE_DOWNGRADE = 2
TIMEOUT_MS = 120_000


class Actor:
    """A transactional id and what its producer knows; every request notes its answer."""

    def __init__(self, talk: Talk, name: str) -> None:
        self.talk, self.name = talk, name
        self.producer_id, self.epoch = -1, -1
        self.sequences: dict[int, int] = {}

    def settle(self) -> None:
        """Wait until the transaction is not being ended."""
        deadline = time.monotonic() + 60
        while True:
            self.talk.send("settle", DescribeTransactionsRequest(transactional_ids=[self.name]), 0)
            (state,) = self.talk.receive("settle", ApiKey.DESCRIBE_TRANSACTIONS, 0).transaction_states
            if not state.transaction_state.startswith("Prepare") and state.error_code != 14:
                return
            assert time.monotonic() < deadline, state
            time.sleep(0.01)

    def ask(self, request: Any, version: int, note: str = "") -> Any:
        self.settle()
        return self.talk.ask("a", request, version, f"{self.name}{note and ', ' + note}")

    def init(self, version: int, note: str = "", *, own: bool = False, keep: bool = False, **more: Any) -> Any:
        """`keep`: this actor does not go on with what is answered."""
        has = {"producer_id": self.producer_id, "producer_epoch": self.epoch} if own else {}
        fields = {"transactional_id": self.name, "transaction_timeout_ms": TIMEOUT_MS} | has | more
        self.settle()
        request = InitProducerIdRequest(**fields)
        self.talk.send("a", request, version)
        answer = self.talk.receive("a", ApiKey.INIT_PRODUCER_ID, version)
        if answer.producer_id >= 0:
            self.talk.producers.setdefault(answer.producer_id, f"<producer {len(self.talk.producers) + 1}>")
        self.talk.tell("a", ApiKey.INIT_PRODUCER_ID, version, answer, f"{self.name}{note and ', ' + note}")
        if not answer.error_code and not keep:
            self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
            self.sequences.clear()
        return answer

    def fields(self, more: dict[str, Any]) -> dict[str, Any]:
        return {"transactional_id": self.name, "producer_id": self.producer_id, "producer_epoch": self.epoch} | more

    def add(self, version: int, note: str = "", *, topic: str = TOPIC, partitions: Any = (0,), **more: Any) -> Any:
        topics = [AddPartitionsToTxnTopic(name=topic, partitions=list(partitions))]
        fields = self.fields(more)
        if version < 4:
            request = AddPartitionsToTxnRequest(
                v3_and_below_transactional_id=fields["transactional_id"],
                v3_and_below_producer_id=fields["producer_id"],
                v3_and_below_producer_epoch=fields["producer_epoch"],
                v3_and_below_topics=topics,
            )
        else:
            transaction = AddPartitionsToTxnTransaction(topics=topics, **fields)
            request = AddPartitionsToTxnRequest(transactions=[transaction])
        return self.ask(request, version, note)

    def add_group(self, version: int, note: str = "", *, group: str = "g", **more: Any) -> Any:
        return self.ask(AddOffsetsToTxnRequest(group_id=group, **self.fields(more)), version, note)

    def move(
        self, version: int, note: str = "", *, group: str = "g", offset: int = 5, topic: str = TOPIC,
        partition: int = 0, **more: Any,
    ) -> Any:  # fmt: skip
        each = TxnOffsetCommitRequestPartition(
            partition_index=partition, committed_offset=offset, committed_metadata="note"
        )
        topics = [TxnOffsetCommitRequestTopic(name=topic, partitions=[each])]
        request = TxnOffsetCommitRequest(group_id=group, topics=topics, **self.fields(more))
        return self.ask(request, version, note)

    def produce(
        self, version: int, note: str = "", *, partition: int = 0, sequence: int | None = None, **more: Any
    ) -> Any:
        fields = self.fields(more)
        at = self.sequences.get(partition, 0) if sequence is None else sequence
        batch = encode(
            [(0, 1_700_000_000_000, b"k", b"v")], leader_epoch=-1, producer_id=fields["producer_id"],
            producer_epoch=fields["producer_epoch"], base_sequence=at, transactional=True,
        )  # fmt: skip
        data = PartitionProduceData(index=partition, records=batch)
        named = {"topic_id": self.talk.topic_id} if version >= 13 else {"name": TOPIC}
        request = ProduceRequest(
            transactional_id=fields["transactional_id"], acks=-1, timeout_ms=30_000,
            topic_data=[TopicProduceData(partition_data=[data], **named)],
        )  # fmt: skip
        self.settle()
        self.talk.send("a", request, version)
        answer = self.talk.receive("a", ApiKey.PRODUCE, version)
        (found,) = answer.responses[0].partition_responses
        # The offset depends on the scenes before.
        self.talk.lines.append(
            f"a PRODUCE v{version} {self.name}{note and ', ' + note}: error_code={found.error_code} "
            f"{'written' if found.base_offset >= 0 else 'not written'}"
        )
        if not found.error_code:
            self.sequences[partition] = at + 1
        return found

    def end(self, version: int, note: str = "", *, commit: bool = True, keep: bool = False, **more: Any) -> Any:
        request = EndTxnRequest(committed=commit, **self.fields(more))
        self.settle()
        self.talk.send("a", request, version)
        answer = self.talk.receive("a", ApiKey.END_TXN, version)
        word = "commit" if commit else "abort"
        self.talk.tell("a", ApiKey.END_TXN, version, answer, f"{self.name}, {word}{note and ', ' + note}")
        if version >= 5 and not answer.error_code and not keep:
            if (self.producer_id, self.epoch) != (answer.producer_id, answer.producer_epoch):
                self.sequences.clear()
            self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
        self.settle()
        return answer

    def describe(self, note: str = "") -> Any:
        return self.ask(DescribeTransactionsRequest(transactional_ids=[self.name]), 0, note)

    def offset(self, group: str = "g") -> Any:
        wanted = OffsetFetchRequestTopic(name=TOPIC, partition_indexes=[0])
        request = OffsetFetchRequest(group_id=group, topics=[wanted], require_stable=True)
        return self.ask(request, 7, "the group's offset")


@pytest.fixture(scope="module", params=[2, 1, 0])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Broker, int]]:
    from harness import broker as brokers

    made = brokers.make(
        tmp_path_factory.mktemp("transactions"), transaction_state_log_num_partitions=3, offsets_topic_num_partitions=3
    )
    try:
        made.start()
        create_topic(made.address, TOPIC, 3)
        yield made, request.param
    finally:
        made.stop()


@pytest.fixture
def talk(shared: tuple[Broker, int]) -> Iterator[Talk]:
    broker, version = shared
    with Connection(broker.address) as wire:
        topic_id = read_metadata(wire.call(METADATA, 12, metadata(12, [TOPIC])), 12).topics[0].topic_id
    made = Talk(broker, topic_id)
    made.level = version
    update = FeatureUpdateKey(
        feature="transaction.version", max_version_level=version, upgrade_type=SAFE_DOWNGRADE if version < 2 else 1
    )
    if version < 2:
        made.send("first", UpdateFeaturesRequest(feature_updates=[update]), 1)
        assert made.receive("first", ApiKey.UPDATE_FEATURES, 1).error_code == 0
    deadline = time.monotonic() + 60
    for key_type in (0, 1):
        while True:
            made.send("first", FindCoordinatorRequest(key="any", key_type=key_type), 3)
            if made.receive("first", ApiKey.FIND_COORDINATOR, 3).error_code == 0:
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
    # Partitions that are still being loaded.
    for each in range(50):
        name = f"warm-{each}"
        while True:
            made.send("first", InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=1000), 4)
            if made.receive("first", ApiKey.INIT_PRODUCER_ID, 4).error_code not in (14, 15, 16, 51):
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield made
    made.close()


# ---- scenes


def end_versions(talk: Talk) -> int:
    """EndTxn 5 needs a level that can hold it: see too_new."""
    return 6 if talk.level else 5


def too_new(talk: Talk) -> None:
    """Requests of transaction version 2, at each level. Apache Kafka's ids are of no use after a refusal."""
    for number, ask in enumerate(
        [
            lambda actor: actor.produce(12), lambda actor: actor.produce(13), lambda actor: actor.move(5),
            lambda actor: actor.add(4), lambda actor: actor.add(5), lambda actor: actor.end(5, commit=False),
        ]
    ):  # fmt: skip
        actor = Actor(talk, f"new-{number}")
        actor.init(4)
        ask(actor)
    actor = Actor(talk, "new-end")
    actor.init(4)
    actor.add(3)
    actor.end(5)


def lives(talk: Talk) -> None:
    """One transactional id for each version of EndTxn, with all versions of the rest in turn."""
    for version in range(end_versions(talk)):
        actor = Actor(talk, f"life-{version}")
        actor.init(version)
        for commit in (True, False, True):
            if version < 5:
                actor.add(min(version, 3), partitions=(0, 1))
            produce = {0: 3, 1: 5, 2: 8, 3: 9, 4: 11, 5: 12 if commit else 13}[version]
            actor.produce(produce)
            actor.produce(produce)
            if version < 5:
                actor.add_group(min(version, 4), group=actor.name)
            actor.move(version, group=actor.name, offset=version + 10 * commit)
            actor.describe("open")
            actor.end(version, commit=commit)
            actor.describe("ended")
            actor.offset(actor.name)
        actor.init(version, "again")
        actor.describe("again")


def batched(talk: Talk) -> None:
    """AddPartitionsToTxn 4 and 5, as brokers ask."""
    for version in (4, 5) if talk.level else ():
        one, two = Actor(talk, f"batched-{version}"), Actor(talk, f"batched-{version}-b")
        one.init(4)
        two.init(4)
        one.add(version, "verify only, empty", verify_only=True)
        one.add(version, "added", partitions=(0, 1))
        one.add(version, "verify only", partitions=(0, 1), verify_only=True)
        one.add(version, "verify only, one is not in it", partitions=(1, 2), verify_only=True)
        one.add(version, "no such topic", topic="none")
        one.add(version, "no such partition", partitions=(0, 7))
        two.add(version, "of another producer", producer_id=one.producer_id)
        two.add(version, "of a later epoch", producer_epoch=two.epoch + 1)
        two.add(version, "of a later epoch, verify only", producer_epoch=two.epoch + 1, verify_only=True)
        two.add(version, "nobody", transactional_id="nobody")
        two.add(version, "no id", transactional_id="")
        topics = [AddPartitionsToTxnTopic(name=TOPIC, partitions=[0])]
        both = [
            AddPartitionsToTxnTransaction(topics=topics, **each.fields({"verify_only": each is one}))
            for each in (one, two)
        ]
        two.ask(AddPartitionsToTxnRequest(transactions=both), version, "two at once")
        two.describe()
        for each in (one, two):
            each.end(4, commit=False)
            each.add(version, "verify only, ended", verify_only=True)


REFUSED: dict[str, Callable[[Actor], dict[str, Any]]] = {
    "nobody": lambda actor: {"transactional_id": "nobody"},
    "no id": lambda actor: {"transactional_id": ""},
    "another producer": lambda actor: {"producer_id": actor.producer_id + 1000},
    "no producer": lambda actor: {"producer_id": -1, "producer_epoch": -1},
    "a later epoch": lambda actor: {"producer_epoch": actor.epoch + 1},
    "an earlier epoch": lambda actor: {"producer_epoch": actor.epoch - 1},
    "a negative epoch": lambda actor: {"producer_epoch": -1},
}


def refusals(talk: Talk) -> None:
    """Whoever is not the producer, in each version, before a transaction and within one."""
    actor = Actor(talk, "refused")
    actor.init(4)
    actor.init(4, "so that there is an earlier epoch")
    for state in ("empty", "open"):
        if state == "open":
            actor.add(3)
            actor.add_group(3)
        for why, fields in REFUSED.items():
            note, more = f"{state}, {why}", fields(actor)
            for version in range(4):
                actor.add(version, note, **more)
            for version in range(5):
                actor.add_group(version, note, **more)
            for version in range(6):
                actor.move(version, note, **more)
            for version in range(6):
                for commit in (True, False):
                    actor.end(version, note, commit=commit, keep=True, **more)
            for version in (9, 11, 12, 13):
                if more.get("producer_id", 0) >= 0 and more.get("producer_epoch", 0) >= 0:
                    actor.produce(version, note, partition=2, sequence=0, **more)
        actor.describe(state)
    actor.end(4, commit=False)


def targets(talk: Talk) -> None:
    """What is added or committed is not there, or not allowed."""
    actor = Actor(talk, "targets")
    actor.init(4)
    for version in range(4):
        actor.add(version, "no such topic", topic="none")
        actor.add(version, "no such partition", partitions=(0, 7, -1))
        actor.add(version, "an internal topic", topic="__transaction_state")
        actor.add(version, "no topic name", topic="")
    actor.describe("nothing was added")
    for version in range(5):
        actor.add_group(version, "no group", group="")
    for version in range(end_versions(talk)):
        note = "not in the transaction"
        actor.move(version, note, group="other")
        actor.describe(note)
        if actor.talk.lines[-1].count("Ongoing"):
            actor.end(4, commit=False)
    actor.add_group(3)
    for version in range(end_versions(talk)):
        actor.move(version, "no group", group="")
        actor.move(version, "no such topic", topic="none")
        actor.move(version, "no such partition", partition=7)
        if version >= 3:
            actor.move(version, "a generation of no member", generation_id_or_member_epoch=4)
            actor.move(version, "a member of nothing", generation_id_or_member_epoch=4, member_id="m")
            actor.move(version, "a member id alone", member_id="m")
            actor.move(version, "an instance", member_id="m", generation_id_or_member_epoch=1, group_instance_id="i")
    for version in (9, 11):
        actor.produce(version, "not in the transaction", partition=1)
    actor.end(4, commit=False)


def ends(talk: Talk) -> None:
    """Asked to end in every state."""
    for version in range(end_versions(talk)):
        for first in (True, False):
            for second in (True, False):
                actor = Actor(talk, f"ends-{version}-{first}-{second}")
                actor.init(4)
                actor.end(version, "empty", commit=first)
                actor.describe("empty")
                if version < 5:
                    actor.add(3)
                else:
                    actor.produce(12, partition=1)
                before = {"producer_id": actor.producer_id, "producer_epoch": actor.epoch}
                actor.end(version, commit=first)
                actor.end(version, "again, by the same", commit=second, keep=True, **before)
                actor.end(version, "again", commit=second)
                actor.describe()


def recovery(talk: Talk) -> None:
    """InitProducerId of every kind."""
    nobody = Actor(talk, "nobody")
    for version in range(6):
        nobody.init(version, "without an id", transactional_id=None, keep=True)
        nobody.init(version, "an empty id", transactional_id="", keep=True)
        for timeout_ms in (0, -1, 900_001):
            nobody.init(version, f"timeout {timeout_ms}", transaction_timeout_ms=timeout_ms, keep=True)
        if version >= 3:
            nobody.init(version, "without an id, with a producer", transactional_id=None, producer_id=5, keep=True)
            nobody.init(version, "half a producer", producer_id=5, keep=True)
            nobody.init(version, "half a producer", producer_epoch=5, keep=True)
    for version in range(3, 6):
        actor = Actor(talk, f"recovery-{version}")
        actor.init(version, "with a producer id that nobody has", producer_id=4_000_000, producer_epoch=3)
        if actor.producer_id < 0:
            actor.init(version)
        actor.init(version, "its own", own=True)
        last = {"producer_id": actor.producer_id, "producer_epoch": actor.epoch - 1}
        actor.init(version, "the epoch before", keep=True, **last)
        actor.init(version, "the epoch before, again", keep=True, **last)
        actor.init(version, "an epoch of the future", own=True, producer_epoch=actor.epoch + 10, keep=True)
        actor.init(version, "another producer", own=True, producer_id=actor.producer_id + 500, keep=True)
        actor.add(3)
        actor.init(version, "its own, while open", own=True)
        actor.init(version, "its own, after that", own=True)
        actor.describe()
        actor.init(version, "anew")
        actor.describe()


def fenced(talk: Talk) -> None:
    """A producer that was replaced asks for everything."""
    for version in (4, 5)[: end_versions(talk) - 4]:
        old, new = Actor(talk, f"fenced-{version}"), Actor(talk, f"fenced-{version}")
        old.init(4)
        if version == 4:
            old.add(3)
        old.produce(11 if version == 4 else 12)
        new.init(4, "while open")
        new.init(4, "once it is aborted")
        for each in range(4):
            old.add(each, "fenced")
        for each in range(5):
            old.add_group(each, "fenced")
        for each in range(6):
            old.move(each, "fenced")
        for each in range(6):
            old.end(each, "fenced", keep=True)
            old.end(each, "fenced", commit=False, keep=True)
        for each in (9, 11, 12, 13):
            old.produce(each, "fenced")
        for each in range(3, 6):
            old.init(each, "fenced", own=True, keep=True)
        new.describe()


def administration(talk: Talk) -> None:
    """Lists and descriptions; of the ids of this scene alone."""
    open_one, ended = Actor(talk, "listed-open"), Actor(talk, "listed-ended")
    for each in (open_one, ended):
        each.init(4)
        each.add(3, partitions=(0, 2))
    ended.end(3)
    filters: list[dict[str, Any]] = [
        {}, {"state_filters": ["Ongoing"]}, {"state_filters": ["CompleteCommit", "Empty"]},
        {"state_filters": ["NoSuchState", "Ongoing"]}, {"producer_id_filters": [open_one.producer_id]},
        {"producer_id_filters": [4_000_000]},
        {"producer_id_filters": [open_one.producer_id], "state_filters": ["Empty"]},
    ]  # fmt: skip
    later: list[dict[str, Any]] = [{"duration_filter": 0}, {"duration_filter": 600_000}, {"duration_filter": -5}]
    latest: list[dict[str, Any]] = [
        {"transactional_id_pattern": pattern} for pattern in ("listed-.*", "listed", "", ".*open", "(")
    ]
    for version in range(3):
        for chosen in [*filters, *(later if version else []), *(latest if version > 1 else [])]:
            talk.send("a", ListTransactionsRequest(**chosen), version)
            answer = talk.receive("a", ApiKey.LIST_TRANSACTIONS, version)
            answer.transaction_states = [
                each for each in answer.transaction_states if each.transactional_id.startswith("listed-")
            ]
            shown = {key: value for key, value in chosen.items() if key != "producer_id_filters"}
            talk.tell("a", ApiKey.LIST_TRANSACTIONS, version, answer, f"{shown} {'producer_id_filters' in chosen}")
    talk.ask("a", DescribeTransactionsRequest(transactional_ids=["listed-open", "nobody", "", "listed-open"]), 0)
    for name, partitions in (("none", [0]), (TOPIC, [7, -1]), ("__transaction_state", [99]), ("", [0])):
        asked = TopicRequest(name=name, partition_indexes=partitions)
        talk.ask("a", DescribeProducersRequest(topics=[asked]), 0, f"{name} {partitions}")
    open_one.end(3, commit=False)


def markers(talk: Talk) -> None:
    """WriteTxnMarkers, as another coordinator sends them."""
    for version in (1, 2):
        actor = Actor(talk, f"marked-{version}")
        actor.init(4)
        actor.init(4, "so that there is an earlier epoch")
        actor.add(3, partitions=(0,))
        actor.produce(11)

        def marker(
            note: str, *topics: tuple[str, list[int]], version: int = version, actor: Actor = actor, **more: Any
        ) -> None:
            fields = {
                "producer_id": actor.producer_id, "producer_epoch": actor.epoch, "coordinator_epoch": 0,
                "topics": [WritableTxnMarkerTopic(name=name, partition_indexes=found) for name, found in topics],
            }  # fmt: skip
            talk.ask("a", WriteTxnMarkersRequest(markers=[WritableTxnMarker(**fields | more)]), version, note)

        marker("no partition")
        marker("no such topic", ("none", [0]))
        marker("no such partition", (TOPIC, [7]))
        marker("an earlier epoch", (TOPIC, [0]), producer_epoch=actor.epoch - 1)
        marker("a negative epoch", (TOPIC, [0]), producer_epoch=-1)
        marker("a negative producer id", (TOPIC, [0]), producer_id=-1)
        marker("a stranger", (TOPIC, [1]), producer_id=4_000_000)
        marker("abort", (TOPIC, [0]))
        marker("abort again", (TOPIC, [0]))
        actor.end(3, commit=False)
        # Of a producer that no coordinator here knows: it would wait for ever for its markers to be taken.
        stranger = {"producer_id": 5_000_000 + version, "producer_epoch": 4}
        marker("of a later coordinator", (TOPIC, [0]), coordinator_epoch=3, transaction_result=True, **stranger)
        marker("of an earlier coordinator", (TOPIC, [0]), coordinator_epoch=2, **stranger)
        later = {"producer_id": 5_000_000 + version, "producer_epoch": 5, "coordinator_epoch": 3}
        marker("a later epoch", (TOPIC, [0]), **later)
        marker("the epoch before it", (TOPIC, [0]), **later | {"producer_epoch": 4})
        if version == 2:
            marker("version 2, same epoch", (TOPIC, [0]), **later, transaction_version=2)
            marker("version 2, later epoch", (TOPIC, [0]), **later | {"producer_epoch": 6}, transaction_version=2)


SCENES: dict[str, Callable[[Talk], None]] = {
    "lives": lives,
    "batched": batched,
    "refusals": refusals,
    "targets": targets,
    "ends": ends,
    "recovery": recovery,
    "fenced": fenced,
    "administration": administration,
    "markers": markers,
    "too-new": too_new,
}


@pytest.mark.parametrize("scene", SCENES)
def test_answers_are_those_of_apache_kafka(talk: Talk, shared: tuple[Broker, int], scene: str) -> None:
    SCENES[scene](talk)
    compare(talk, f"transactions-{shared[1]}-{scene}")

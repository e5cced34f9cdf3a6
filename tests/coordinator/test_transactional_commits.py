"""Offsets that are sent inside transactions: seen after the commit, never after an abort, and in the order of the log.

Method: the group coordinator with a log in memory; what transactions send is kept apart there until their marker.
"""

from __future__ import annotations

from typing import Any

import pytest

from pykafka_core.coordinator.effects import Append
from pykafka_core.coordinator.events import (
    CommittedOffset,
    DeleteGroup,
    DeleteOffsets,
    ExpireOffsets,
    FetchOffsets,
    OffsetsAnswer,
    TopicsDeleted,
)
from pykafka_core.coordinator.transactional_commits import (
    AppendTransactional,
    CommitTransactionalOffsets,
    EndTransactionalOffsets,
)
from pykafka_core.protocol.errors import ErrorCode
from tests.coordinator.play import Play

PARTITION = 7
T0, T1 = ("t", 0), ("t", 1)


class Scene(Play):
    def __init__(self, **config: int) -> None:
        super().__init__(**config)
        self.batches: list[tuple[int, int, int]] = []
        self.deleted: list[Any] = []

    def append(self, effect: Append) -> None:
        if isinstance(effect, AppendTransactional):
            self.batches.append((effect.producer_id, effect.producer_epoch, len(effect.records)))
        else:
            self.deleted += [key for key, value, _ in effect.records if value is None]
        super().append(effect)

    def send(self, producer_id: int, offsets: dict[tuple[str, int], int], **more: Any) -> Any:
        request = self.request("producer")
        fields: dict[str, Any] = {"member_id": "", "instance_id": None, "generation": -1, "group_id": self.group_id}
        self.step(
            CommitTransactionalOffsets(
                request=request,
                offsets=[(partition, offset, 0, "", bytes(16)) for partition, offset in offsets.items()],
                producer_id=producer_id,
                producer_epoch=3,
                offsets_partition=PARTITION,
                **fields | more,
            )
        )
        return self.answers[request]

    def end(self, producer_id: int, *, commit: bool, partition: int = PARTITION) -> None:
        self.step(EndTransactionalOffsets(offsets_partition=partition, producer_id=producer_id, commit=commit))

    def fetched(self, *, stable: bool = False) -> dict[tuple[str, int], Any]:
        request = self.request("consumer")
        self.step(FetchOffsets(group_id=self.group_id, request=request, partitions=[T0, T1], require_stable=stable))
        answer = self.answers[request]
        assert isinstance(answer, OffsetsAnswer)
        return {
            partition: found.offset if isinstance(found, CommittedOffset) else found
            for partition, found in answer.offsets.items()
        }


@pytest.fixture
def scene() -> Scene:
    return Scene()


UNSTABLE = ErrorCode.UNSTABLE_OFFSET_COMMIT


def test_seen_once_committed(scene: Scene) -> None:
    assert scene.send(1, {T0: 5, T1: 6}) == {T0: ErrorCode.NONE, T1: ErrorCode.NONE}
    assert scene.batches == [(1, 3, 2)]
    assert scene.fetched() == {T0: None, T1: None}
    assert scene.fetched(stable=True) == {T0: UNSTABLE, T1: UNSTABLE}
    scene.end(1, commit=True)
    assert scene.fetched(stable=True) == {T0: 5, T1: 6}


def test_gone_once_aborted(scene: Scene) -> None:
    scene.commit("x", -1, {T0: 4})
    scene.send(1, {T0: 5})
    scene.end(1, commit=False)
    assert scene.fetched(stable=True) == {T0: 4, T1: None}


def test_a_marker_ends_what_its_producer_has_sent_to_its_partition(scene: Scene) -> None:
    scene.send(1, {T0: 5})
    scene.end(2, commit=True)
    scene.end(1, commit=True, partition=PARTITION + 1)
    assert scene.fetched() == {T0: None, T1: None}
    scene.end(1, commit=True)
    assert scene.fetched() == {T0: 5, T1: None}
    scene.end(1, commit=False)
    assert scene.fetched() == {T0: 5, T1: None}


def test_two_transactions_of_one_partition(scene: Scene) -> None:
    scene.send(1, {T0: 5})
    scene.send(2, {T0: 8})
    scene.end(1, commit=True)
    assert scene.fetched() == {T0: 5, T1: None}
    assert scene.fetched(stable=True)[T0] == UNSTABLE
    scene.end(2, commit=False)
    assert scene.fetched(stable=True)[T0] == 5


def test_the_later_commit_stays(scene: Scene) -> None:
    scene.send(1, {T0: 5, T1: 6})
    scene.commit("x", -1, {T0: 9})
    assert scene.fetched(stable=True)[T0] == UNSTABLE
    scene.end(1, commit=True)
    assert scene.fetched(stable=True) == {T0: 9, T1: 6}
    scene.send(1, {T0: 10})
    scene.end(1, commit=True)
    assert scene.fetched()[T0] == 10


def test_a_deletion_takes_what_is_pending(scene: Scene) -> None:
    scene.send(1, {T0: 5, T1: 6})
    request = scene.request("admin")
    scene.step(DeleteOffsets(group_id="g", request=request, partitions=[T0]))
    assert scene.answers[request] == {T0: ErrorCode.NONE}
    assert [(key.topic, key.partition) for key in scene.deleted] == [T0]
    assert scene.fetched(stable=True) == {T0: None, T1: UNSTABLE}
    scene.step(TopicsDeleted(group_id="g", topics=frozenset("t")))
    assert scene.fetched(stable=True) == {T0: None, T1: None}
    scene.end(1, commit=True)
    assert scene.fetched() == {T0: None, T1: None}


def test_a_group_with_pending_offsets_does_not_expire_but_can_be_deleted(scene: Scene) -> None:
    scene.send(1, {T0: 5})
    scene.wait(8 * 24 * 3600 * 1000)
    scene.step(ExpireOffsets(group_id="g"))
    assert "g" in scene.coordinator.groups
    request = scene.request("admin")
    scene.step(DeleteGroup(group_id="g", request=request))
    assert scene.answers[request] == ErrorCode.NONE
    assert len(scene.deleted) == 2
    scene.end(1, commit=True)
    assert "g" not in scene.coordinator.groups


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ErrorCode.NOT_COORDINATOR, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
        (ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.INVALID_PRODUCER_EPOCH),
    ],
)
def test_what_the_log_did_not_take_is_not_pending(scene: Scene, error: ErrorCode, told: ErrorCode) -> None:
    scene.disk_error = error
    assert scene.send(1, {T0: 5}) == told
    scene.end(1, commit=True)
    assert scene.fetched(stable=True)[T0] is None


def test_too_much_metadata_is_refused_by_partition() -> None:
    scene = Scene(offset_metadata_max_bytes=-1)
    assert scene.send(1, {T0: 5}) == {T0: ErrorCode.OFFSET_METADATA_TOO_LARGE}
    assert scene.batches == []


class TestMembers:
    """Older producers name no member; newer ones do, and are fenced by it (KIP-447)."""

    @pytest.fixture
    def scene(self) -> Scene:
        scene = Scene(initial_rebalance_delay_ms=0)
        scene.join("a", require_id=False)
        scene.wait(0)
        return scene

    @pytest.mark.parametrize("state", ["completing", "stable"])
    def test_who_may_commit(self, scene: Scene, state: str) -> None:
        if state == "stable":
            scene.sync("a", 1, {"a": "all"})
        assert scene.send(1, {T0: 5}) == {T0: ErrorCode.NONE}
        assert scene.send(1, {T0: 5}, member_id="a1", generation=1) == {T0: ErrorCode.NONE}
        assert scene.send(1, {T0: 5}, member_id="a1", generation=0) == ErrorCode.ILLEGAL_GENERATION
        assert scene.send(1, {T0: 5}, member_id="b", generation=1) == ErrorCode.UNKNOWN_MEMBER_ID
        assert scene.send(1, {T0: 5}, instance_id="i", member_id="a1", generation=1) == ErrorCode.UNKNOWN_MEMBER_ID

    def test_a_group_that_does_not_exist(self, scene: Scene) -> None:
        given = {"group_id": "other", "member_id": "a1", "generation": 1}
        assert scene.send(1, {T0: 5}, **given) == ErrorCode.ILLEGAL_GENERATION
        given["unknown_group_error"] = ErrorCode.GROUP_ID_NOT_FOUND
        assert scene.send(1, {T0: 5}, **given) == ErrorCode.GROUP_ID_NOT_FOUND
        assert "other" not in scene.coordinator.groups

    def test_it_is_no_sign_of_life(self, scene: Scene) -> None:
        scene.sync("a", 1, {"a": "all"})
        scene.wait(9_000)
        scene.send(1, {T0: 5}, member_id="a1", generation=1)
        scene.wait(1_000)
        assert scene.coordinator.groups["g"].classic.state == "Empty"

"""Runs what the group coordinator decides: appends its records to __consumer_offsets, keeps its timers, hands its
answers to those who asked. Heartbeats that ask nothing of it are answered by the reactors (OpenHeartbeats).

    ask      a step whose answer comes at once: heartbeat, commit, fetch, describe; a future where it waits for a disk
    wait     a step whose answer may come later: join, sync
    refusal  why a group cannot be asked about at this moment: its partition is being loaded, or is not there
    loaded   waits for that, for a while

An `Append` is carried out and reported back to the coordinator before its next effect, so that nothing is acknowledged
that is not in the log. Where the topic's flush.messages asks for more, the coordinator goes on at once and whatever it
says of a group is held until the group's partition is synced; if that fails, the answer is NOT_COORDINATOR.

__consumer_offsets is created when the first coordinator is asked for; what an earlier run left in it is read in the
background, partition by partition.

Thread: asyncio; partitions are read and synced on another. Source:
org.apache.kafka.coordinator.group.GroupCoordinatorService.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Final

from pykafka_core.broker.answers import Answers, result
from pykafka_core.broker.coordinator_topic import PRODUCER_ERRORS, CoordinatorTopic
from pykafka_core.broker.group_settings import consumer_group_config, group_config
from pykafka_core.broker.group_topics import TopicViews, topics_changed
from pykafka_core.coordinator.consumer_events import ConsumerEvent, GroupTimes, RegexesResolved, TopicsChanged
from pykafka_core.coordinator.effects import (
    Append,
    CancelTimer,
    CloseHeartbeats,
    Effect,
    OpenHeartbeats,
    Reply,
    ResolveRegexes,
    StartTimer,
    Timer,
)
from pykafka_core.coordinator.events import (
    Appended,
    Event,
    ExpireOffsets,
    Now,
    TimerFired,
    TopicsDeleted,
    Unload,
)
from pykafka_core.coordinator.groups import Group, GroupCoordinator
from pykafka_core.coordinator.partitioning import partition_for
from pykafka_core.coordinator.transactional_commits import AppendTransactional, EndTransactionalOffsets
from pykafka_core.native import BatchBuilder
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.records.framing import encode_coordinator_key, encode_coordinator_value

if TYPE_CHECKING:
    from pykafka_core.broker.configs import Configs
    from pykafka_core.broker.groups_load import LoadedPartition
    from pykafka_core.broker.syncs import Synced, Syncs
    from pykafka_core.broker.topic_admin import TopicAdmin
    from pykafka_core.broker.topics import RunningTopic, Topics
    from pykafka_core.metadata.store import MetadataChange, MetadataStore
    from pykafka_core.native import Server

__all__ = ["OFFSETS_TOPIC", "Groups"]

log = logging.getLogger("kafka.coordinator.group.GroupCoordinatorService")

OFFSETS_TOPIC: Final = "__consumer_offsets"
EXPIRIES_PER_TURN: Final = 100
"""Groups whose offsets are looked at before others get their turn."""
LOAD_WAIT_S: Final = 5.0
"""Less than any client waits for an answer, and than it may be silent in its group."""

TOLD_AS_THEY_ARE: Final = PRODUCER_ERRORS | {ErrorCode.MESSAGE_TOO_LARGE}
TRANSACTIONAL: Final = 0x10


class Groups:
    def __init__(
        self,
        *,
        store: MetadataStore,
        topics: Topics,
        server: Server,
        configs: Configs,
        syncs: Syncs,
        topic_admin: Callable[[], TopicAdmin],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`spawn` runs a coroutine for as long as the broker runs."""
        self._store: Final = store
        self._topic: Final = CoordinatorTopic(
            OFFSETS_TOPIC,
            topics=topics,
            syncs=syncs,
            topic_admin=topic_admin,
            log=log,
            told_as_they_are=TOLD_AS_THEY_ARE,
        )
        self._server: Final = server
        self._configs: Final = configs
        self._spawn: Final = spawn
        self._loop: Final = asyncio.get_running_loop()
        values = configs.broker_values()
        self.coordinator: Final = GroupCoordinator(group_config(values), consumer_group_config(values), self._times)
        self._consumer_is_on: Final = "consumer" in values["group.coordinator.rebalance.protocols"]
        self._views: Final = TopicViews()
        self._answers: Final = Answers()
        self._timers: Final[dict[tuple[str, Timer], asyncio.TimerHandle]] = {}
        self._loading: Final[set[int]] = set()
        self._fewer_loading = asyncio.Event()
        """Set and replaced whenever something has left `_loading`."""
        self._stopped = False
        topic = self._topic.find()
        if topic is not None:
            self._loading.update(range(len(topic.partitions)))
            spawn(self._load(topic))
        spawn(self._expire())
        store.watch(self._metadata_changed)
        self._step(TopicsChanged(topics=self._views.of(store.image), names=frozenset(), has_new=True))

    # ---- asking

    def refusal(self, group_id: str) -> ErrorCode:
        """NONE if the group may be asked about."""
        topic = self._topic.find()
        if topic is None or self._stopped:
            return ErrorCode.NOT_COORDINATOR
        if self._loading and partition_for(group_id, len(topic.partitions)) in self._loading:
            return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        return ErrorCode.NONE

    async def loaded(self, group_ids: Iterable[str]) -> None:
        """Until none of these groups is being loaded, or LOAD_WAIT_S."""
        wanted = list(group_ids)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOAD_WAIT_S):
                while any(self.refusal(each) == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS for each in wanted):
                    await self._fewer_loading.wait()

    def _tell_who_waits_for_loading(self) -> None:
        self._fewer_loading.set()
        self._fewer_loading = asyncio.Event()

    def consumer_refusal(self) -> ErrorCode:
        """NONE if members may speak the consumer protocol (KIP-848)."""
        is_on = self._consumer_is_on and self._store.image.features.get("group.version", 0) >= 1
        return ErrorCode.NONE if is_on else ErrorCode.UNSUPPORTED_VERSION

    def _times(self, group_id: str) -> GroupTimes:
        settings = self._configs.group_settings(group_id)
        return GroupTimes(
            settings.consumer_session_timeout_ms,
            settings.consumer_heartbeat_interval_ms,
            settings.consumer_assignment_interval_ms,
        )

    def request(self) -> int:
        """A number for a request's event."""
        return self._answers.request()

    def ask(self, event: Any) -> Any:
        """Take a step. Returns its answer, or a future where that must wait for a disk: of the answer, or of an
        ErrorCode if the disk has failed."""
        self._step(event)
        answer = self._answers.take(event.request)
        pending = self._topic.pending(event.group_id)
        return answer if pending is None else asyncio.ensure_future(self._held(pending, answer))

    async def _held(self, pending: Synced, answer: Any) -> Any:
        return await self._topic.durable(pending) or answer

    def wait(self, event: Any) -> Awaitable[Any]:
        """Take a step, now; the answer may take as long as other members do. It, or an ErrorCode if the disk has
        failed."""
        self._step(event)
        return self._waited(event.group_id, self._answers.take(event.request))

    async def _waited(self, group_id: str, answer: Any) -> Any:
        found = await result(answer)
        pending = self._topic.pending(group_id)
        return found if pending is None else await self._held(pending, found)

    def partition_of(self, group_id: str) -> int:
        """The group's partition of __consumer_offsets, which need not be there yet."""
        topic = self._topic.find()
        if topic is not None:
            return partition_for(group_id, len(topic.partitions))
        return partition_for(group_id, self._configs.broker_values()["offsets.topic.num.partitions"])

    def is_loading_partition(self, index: int) -> bool:
        return index in self._loading

    def end_transaction(self, index: int, producer_id: int, *, commit: bool) -> None:
        """A marker was written to this partition of __consumer_offsets."""
        self._step(EndTransactionalOffsets(offsets_partition=index, producer_id=producer_id, commit=commit))

    def coordinator_error(self) -> ErrorCode | Awaitable[ErrorCode]:
        """NONE if this broker can be named as the coordinator of a group. Where the topic is missing it is made,
        which takes a while."""
        if self._topic.find() is not None:
            return ErrorCode.NONE
        return ErrorCode.COORDINATOR_NOT_AVAILABLE if self._stopped else self._make_topic()

    async def _make_topic(self) -> ErrorCode:
        values = self._configs.broker_values()
        await self._topic.ensure(
            values["offsets.topic.num.partitions"],
            [
                ("cleanup.policy", "compact"),
                ("compression.type", "producer"),
                ("segment.bytes", str(values["offsets.topic.segment.bytes"])),
            ],
        )
        return ErrorCode.COORDINATOR_NOT_AVAILABLE if self._topic.find() is None else ErrorCode.NONE

    @property
    def is_loading(self) -> bool:
        return bool(self._loading)

    def all(self) -> Iterable[tuple[str, Group]]:
        return self.coordinator.groups.items()

    # ---- steps

    def _now(self) -> Now:
        return Now(int(self._loop.time() * 1000), time.time_ns() // 1_000_000)

    def _step(self, event: Event | ConsumerEvent | EndTransactionalOffsets) -> None:
        now = self._now()
        self._run(self.coordinator.step(event, now), now)

    def _run(self, effects: Iterable[Effect], now: Now) -> None:
        for effect in effects:
            match effect:
                case Reply():
                    self._answers.reply(effect.request, effect.answer)
                case Append():
                    error = self._append(effect)
                    appended = Appended(group_id=effect.group_id, ticket=effect.ticket, error=error)
                    self._run(self.coordinator.step(appended, now), now)
                case StartTimer():
                    self._start_timer(effect)
                case ResolveRegexes():
                    self._spawn(self._resolve(effect))
                case CancelTimer():
                    running = self._timers.pop((effect.group_id, effect.timer), None)
                    if running is not None:
                        running.cancel()
                case OpenHeartbeats():
                    self._server.open_group(effect.group_id, effect.generation, effect.members)
                case CloseHeartbeats(forget=True):
                    self._server.forget_group(effect.group_id)
                case CloseHeartbeats():
                    self._server.close_group(effect.group_id)

    def _start_timer(self, effect: StartTimer) -> None:
        key = (effect.group_id, effect.timer)
        running = self._timers.get(key)
        if running is not None:
            running.cancel()
        self._timers[key] = self._loop.call_later(effect.delay_ms / 1000, self._fire, key)

    def _fire(self, key: tuple[str, Timer]) -> None:
        del self._timers[key]
        group_id, timer = key
        heard_ms = self._server.heard_ms(group_id, timer[1]) if timer[0] == "session" else -1
        self._step(TimerFired(group_id=group_id, timer=timer, heard_ms=heard_ms))

    async def _resolve(self, effect: ResolveRegexes) -> None:
        wall_ms = self._now().wall_ms
        found: dict[str, frozenset[str]] = {}
        try:
            from pykafka_core.coordinator.regex import resolve

            found = await asyncio.to_thread(resolve, effect.regexes, effect.topics)
        except Exception:
            log.exception("Cannot resolve the regular expressions of group %r", effect.group_id)
        version = effect.topics.version
        self._step(RegexesResolved(group_id=effect.group_id, topics=found, version=version, wall_ms=wall_ms))

    def _append(self, effect: Append) -> ErrorCode:
        transaction = effect if isinstance(effect, AppendTransactional) else None
        builder = BatchBuilder() if transaction is None else transactional_builder(transaction)
        timestamp = time.time_ns() // 1_000_000
        for key, value, version in effect.records:
            builder.add(
                timestamp,
                encode_coordinator_key(key),
                None if value is None else encode_coordinator_value(value, version),
            )
        return self._topic.append(
            effect.group_id,
            builder.finish(),
            what="records of group",
            guard=0 if transaction is None else transaction.guard,
            by_coordinator=True,
        )

    # ---- the life of the topic

    async def _load(self, topic: RunningTopic) -> None:
        from pykafka_core.broker.groups_load import read_partition

        began = time.monotonic()
        collecting = gc.isenabled()
        gc.disable()  # a million offsets are no garbage; to look through them time and again costs more than loading
        try:
            for partition in topic.partitions:
                if partition.index in self._loading:
                    try:
                        found = await asyncio.to_thread(read_partition, partition.log)
                    except Exception:
                        # Its groups stay unavailable: to serve them without what is on disk would lose offsets.
                        log.exception("Cannot load %s-%d", OFFSETS_TOPIC, partition.index)
                        continue
                    self._take_over(partition.index, found)
            gc.freeze()
        finally:
            if collecting:
                gc.enable()
        log.info(
            "Loaded %d groups from %s in %d ms",
            len(self.coordinator.groups), OFFSETS_TOPIC, (time.monotonic() - began) * 1000,
        )  # fmt: skip

    def _take_over(self, index: int, found: LoadedPartition) -> None:
        if index not in self._loading or self._stopped:
            return
        for group_id, value in found.groups.items():
            self.coordinator.load_group(group_id, value)
        for group_id, records in found.consumer_groups.items():
            self.coordinator.load_consumer_group(group_id, records)
        for group_id, offsets in found.offsets.items():
            self.coordinator.load_offsets(group_id, offsets)
        for producer_id, sent in found.pending.items():
            for group_id, pending in sent.items():
                self.coordinator.transactional.put(index, producer_id, group_id, pending)
        self._loading.discard(index)
        now = self._now()
        self._run(self.coordinator.loaded({*found.groups, *found.consumer_groups, *found.offsets}, now), now)
        self._tell_who_waits_for_loading()

    async def _expire(self) -> None:
        interval_s = self._configs.broker_values()["offsets.retention.check.interval.ms"] / 1000
        while True:
            await asyncio.sleep(interval_s)
            for count, group_id in enumerate(list(self.coordinator.groups), 1):
                self._step(ExpireOffsets(group_id=group_id))
                if count % EXPIRIES_PER_TURN == 0:
                    await asyncio.sleep(0)

    def _metadata_changed(self, change: MetadataChange) -> None:
        changed = topics_changed(change)
        if not changed:
            return
        before = change.previous
        topics = change.image.topics
        known = before.topics if before is not None else {}
        gone = frozenset(name for name in changed if name not in topics)
        has_new = any(name not in known for name in changed - gone)
        self._views.forget(gone)
        self._step(TopicsChanged(topics=self._views.of(change.image), names=changed, has_new=has_new))
        if before is None:
            return
        if OFFSETS_TOPIC in gone:
            self._unload_all()
            self._loading.clear()
            self._tell_who_waits_for_loading()
        elif gone:
            for group_id in list(self.coordinator.groups):
                self._step(TopicsDeleted(group_id=group_id, topics=gone))

    def _unload_all(self) -> None:
        for group_id in list(self.coordinator.groups):
            self._step(Unload(group_id=group_id))

    def stop(self) -> None:
        """Answer whoever waits; coordinate nothing any more."""
        self._stopped = True
        self._tell_who_waits_for_loading()
        self._unload_all()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()


def transactional_builder(effect: AppendTransactional) -> BatchBuilder:
    return BatchBuilder(producer_id=effect.producer_id, producer_epoch=effect.producer_epoch, attributes=TRANSACTIONAL)

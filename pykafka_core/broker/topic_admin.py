"""Topics as administrators see them: create, delete, grow. One change at a time, each durable before it is answered.

Order of a creation: directories and logs, then the metadata records that make the topic exist, then the reactors'
table. A crash in between leaves at worst a directory that no metadata speaks of; the next topic of that name moves it
aside. Order of a deletion: the metadata record, then the table, then the logs' directories are renamed and closed;
the files go later.

Thread: asyncio. Disk work runs in a thread while the lock is held.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pykafka_core.broker.errors import RequestError
from pykafka_core.broker.log_dirs import FIRST_LEADER_EPOCH
from pykafka_core.broker.topic_configs import ConfigRequestError, validate_topic_configs
from pykafka_core.broker.topic_names import collision_key
from pykafka_core.broker.topic_plans import TopicPlan, plan_growth, plan_topic
from pykafka_core.broker.topics import RunningTopic, Topics, native_log_config
from pykafka_core.metadata.changes import create_partitions, create_topic, delete_topic
from pykafka_core.metadata.errors import MetadataError
from pykafka_core.metadata.store import MetadataStore
from pykafka_core.metadata.uuids import random_uuid
from pykafka_core.native import Partition
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.message import Record

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster
    from pykafka_core.broker.configs import Configs
    from pykafka_core.broker.log_dirs import LogDirs, NewPartition

__all__ = ["TopicAdmin"]

log = logging.getLogger("kafka.server.TopicAdmin")

USE_DEFAULT: Final = -1


class TopicAdmin:
    def __init__(
        self,
        *,
        store: MetadataStore,
        topics: Topics,
        log_dirs: LogDirs,
        cluster: Cluster,
        configs: Configs,
        lock: asyncio.Lock,
    ) -> None:
        self._store: Final = store
        self._topics: Final = topics
        self._log_dirs: Final = log_dirs
        self._cluster: Final = cluster
        self._configs: Final = configs
        self._lock: Final = lock
        self._names: tuple[int, Mapping[str, str]] = (-2, {})

    @property
    def auto_create_enabled(self) -> bool:
        return self._configs.config.auto_create_topics_enable

    @property
    def delete_enabled(self) -> bool:
        return self._configs.config.delete_topic_enable

    # ---- create

    def plan(
        self,
        name: str,
        *,
        partition_count: int = USE_DEFAULT,
        replication_factor: int = USE_DEFAULT,
        assignments: Sequence[tuple[int, Sequence[int]]] = (),
        configs: Sequence[tuple[str, str | None]] = (),
        besides: Mapping[str, str] = MappingProxyType({}),
    ) -> TopicPlan:
        """Check what was asked for and fill in the defaults. Raises RequestError.

        `besides`: names of topics that are to be created with it, by their collision key."""
        key = collision_key(name)
        taken = self._taken_names().get(key, besides.get(key))
        placed = plan_topic(
            name,
            partition_count=partition_count,
            replication_factor=replication_factor,
            assignments=assignments,
            default_partition_count=self._configs.config.num_partitions,
            default_replication_factor=self._configs.config.default_replication_factor,
            broker_ids=self._cluster.broker_ids,
            existing=[] if taken is None else [taken],
        )
        return TopicPlan(name=name, assignments=placed, configs=self._checked(dict(configs)))

    def _checked(self, configs: Mapping[str, str | None]) -> dict[str, str]:
        try:
            validate_topic_configs(configs, self._configs.broker_values())
        except ConfigRequestError as error:
            raise RequestError(ErrorCode.INVALID_REQUEST, str(error)) from error
        except ValueError as error:
            raise RequestError(ErrorCode.INVALID_CONFIG, str(error)) from error
        return {key: value for key, value in configs.items() if value is not None}

    def _taken_names(self) -> Mapping[str, str]:
        """Names of topics by the key under which names collide."""
        image = self._store.image
        if self._names[0] != image.revision:
            self._names = (image.revision, {collision_key(name): name for name in image.topics})
        return self._names[1]

    async def create(self, plans: Sequence[TopicPlan]) -> list[bytes | RequestError]:
        """Carry out plans in one commit; return for each the topic's id, or why it was not created."""
        async with self._lock:
            outcomes: dict[str, bytes | RequestError] = {}
            made: list[NewPartition] = []
            records: list[Record] = []
            running: list[RunningTopic] = []
            for plan in plans:
                taken = self._taken_names().get(collision_key(plan.name))
                if taken is not None:
                    outcomes[plan.name] = RequestError(
                        ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{taken}' already exists."
                    )
                    continue
                topic_id = random_uuid()
                settings = self._configs.topic_settings(plan.configs)
                try:
                    partitions = await asyncio.to_thread(
                        self._log_dirs.create,
                        plan.name,
                        topic_id,
                        range(len(plan.assignments)),
                        native_log_config(settings, self._configs.broker_values()),
                    )
                except OSError as error:
                    outcomes[plan.name] = self._disk_error(plan.name, error)
                    continue
                made += partitions
                records += create_topic(
                    plan.name, topic_id, plan.assignments, directories=places_of(partitions), configs=plan.configs
                )
                running.append(
                    RunningTopic(
                        name=plan.name,
                        topic_id=topic_id,
                        settings=settings,
                        partitions=[Partition(new.index, new.log, FIRST_LEADER_EPOCH) for new in partitions],
                    )
                )
                outcomes[plan.name] = topic_id
            if records:
                await self._commit(records, made)
                self._topics.put(running)
        return [outcomes[plan.name] for plan in plans]

    async def auto_create(self, name: str) -> None:
        """Create a topic with the broker's defaults, unless it has come into being meanwhile. Raises RequestError."""
        (outcome,) = await self.create([self.plan(name)])
        if isinstance(outcome, RequestError) and outcome.code != ErrorCode.TOPIC_ALREADY_EXISTS:
            raise outcome
        log.info("Auto-created topic %s", name)

    async def _commit(self, records: Sequence[Record], made: Sequence[NewPartition]) -> None:
        try:
            await self._store.commit(records)
        except MetadataError as error:
            await asyncio.to_thread(self._log_dirs.discard, made)
            raise RequestError(ErrorCode.KAFKA_STORAGE_ERROR, f"The metadata could not be written: {error}") from error

    def _disk_error(self, name: str, error: OSError) -> RequestError:
        log.error("Cannot create the directories of topic %s: %s", name, error)
        return RequestError(ErrorCode.KAFKA_STORAGE_ERROR, f"Cannot create the directories of topic {name}: {error}")

    # ---- grow

    async def grow(
        self, name: str, count: int, assignments: Sequence[Sequence[int]] | None, *, validate_only: bool
    ) -> None:
        """Raise the partition count of a topic to `count`. Raises RequestError."""
        async with self._lock:
            image = self._store.image.topics.get(name)
            topic = self._topics.find(name)
            if image is None or topic is None:
                raise RequestError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")
            added = plan_growth(image, count, assignments, self._cluster.broker_ids)
            if validate_only:
                return
            try:
                made = await asyncio.to_thread(
                    self._log_dirs.create,
                    name,
                    topic.topic_id,
                    range(len(image.partitions), count),
                    native_log_config(topic.settings, self._configs.broker_values()),
                )
            except OSError as error:
                raise self._disk_error(name, error) from error
            await self._commit(create_partitions(image, added, directories=places_of(made)), made)
            grown = [*topic.partitions, *(Partition(new.index, new.log, FIRST_LEADER_EPOCH) for new in made)]
            self._topics.put(
                [RunningTopic(name=name, topic_id=topic.topic_id, settings=topic.settings, partitions=grown)]
            )

    # ---- delete

    async def delete(self, topic_ids: Sequence[bytes]) -> dict[bytes, RequestError]:
        """Delete topics in one commit; return those that could not be, with the reason."""
        async with self._lock:
            gone = [topic for topic in map(self._topics.find_by_id, topic_ids) if topic is not None]
            refused = {
                topic_id: RequestError(ErrorCode.UNKNOWN_TOPIC_ID)
                for topic_id in topic_ids
                if self._topics.find_by_id(topic_id) is None
            }
            if not gone:
                return refused
            try:
                images = self._store.image.topics
                await self._store.commit([record for topic in gone for record in delete_topic(images[topic.name])])
            except MetadataError as error:
                failure = RequestError(ErrorCode.KAFKA_STORAGE_ERROR, f"The metadata could not be written: {error}")
                return refused | {topic.topic_id: failure for topic in gone}
            self._topics.remove(gone)
            for topic in gone:
                await asyncio.to_thread(self._log_dirs.retire, topic)
                log.info("Deleted topic %s", topic.name)
            return refused

    # ---- configs

    def apply_configs(self, names: Iterable[str] | None) -> None:
        """Put the configs of these topics (None: of all) into effect, as the metadata has them."""
        changed = []
        for name in [topic.name for topic in self._topics.all()] if names is None else names:
            topic = self._topics.find(name)
            if topic is None:
                continue
            settings = self._configs.topic_settings(self._store.image.topic_config(name))
            log_config = native_log_config(settings, self._configs.broker_values())
            for partition in topic.partitions:
                if partition.log.config != log_config:
                    partition.log.configure(log_config)
            if settings == topic.settings:
                continue
            changed.append(
                RunningTopic(name=name, topic_id=topic.topic_id, settings=settings, partitions=topic.partitions)
            )
        if changed:
            self._topics.put(changed)


def places_of(made: Sequence[NewPartition]) -> list[list[bytes]]:
    """The log directory of each partition's replicas, of which this broker has the only one."""
    return [[new.directory_id] for new in made]

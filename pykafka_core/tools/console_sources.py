"""Where the console consumer's records come from: all partitions by itself, or those that a consumer group gives it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from pykafka_core.client.consumer import Consumer, NoOffsetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pykafka_core.client.cluster import Client
    from pykafka_core.client.consumer import ConsumedRecord, ConsumerSettings
    from pykafka_core.client.group_consumer import GroupConsumer
    from pykafka_core.tools.options import Options

__all__ = ["Alone", "Source", "in_group"]

METADATA_SECONDS = 10.0
MISSING_TOPIC_SECONDS = 0.2
EARLIEST = -2


class Source(Protocol):
    async def poll(self, timeout_seconds: float) -> list[ConsumedRecord]: ...
    def took(self, record: ConsumedRecord) -> None: ...
    async def close(self) -> None: ...


class Alone:
    """Reads one partition, or all of the topics and those that are added; leaves nothing behind in the cluster."""

    def __init__(self, client: Client, settings: ConsumerSettings, options: Options, start: int) -> None:
        self._client = client
        self._consumer = Consumer(client, settings)
        self._options = options
        # Of one partition the options say where to begin, else the consumer's settings do.
        self._start = start if "partition" in options else settings.reset_to
        self._assigned: set[tuple[str, int]] = set()
        self._metadata_at = 0.0

    async def poll(self, timeout_seconds: float) -> list[ConsumedRecord]:
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_seconds
        if clock() >= self._metadata_at:
            found = await self._assign()
            self._metadata_at = clock() + (METADATA_SECONDS if found else MISSING_TOPIC_SECONDS)
        return await self._consumer.poll(max(min(deadline, self._metadata_at) - clock(), 0.0))

    def took(self, record: ConsumedRecord) -> None:
        """Nobody else needs to know."""

    async def close(self) -> None:
        await self._consumer.close()

    async def _assign(self) -> bool:
        """Read the partitions that are there and were not. Returns whether there are any."""
        topic, partition = self._options.last("topic"), self._options.last("partition")
        if topic is not None and partition is not None:
            places = [(topic, int(partition))]
        elif topic is not None:
            answer = await self._client.metadata([topic], allow_auto_topic_creation=True)
            places = [(topic, each.partition_index) for found in answer.topics for each in found.partitions]
        else:
            names = await included_topics(self._client, self._options)
            answer = await self._client.metadata(names)
            places = [(found.name, each.partition_index) for found in answer.topics for each in found.partitions]
        first = not self._assigned
        if places and self._start is None:
            raise NoOffsetError(places)
        start = EARLIEST if self._start is None or not first else self._start
        new = {place: start for place in places if place not in self._assigned}
        self._assigned.update(new)
        self._consumer.assign(new)
        return bool(places)


async def included_topics(client: Client, options: Options) -> list[str]:
    """The topics that a regular expression means; internal ones never."""
    from pykafka_core.client.admin import list_topics
    from pykafka_core.tools.topic_names import INTERNAL_TOPICS, IncludeList

    included = IncludeList(options.last("include") or "")
    return [
        found.name
        for found in await list_topics(client)
        if found.name not in INTERNAL_TOPICS and included.allows(found.name, exclude_internal=True)
    ]


def in_group(
    client: Client, settings: ConsumerSettings, options: Options, properties: Mapping[str, str]
) -> GroupConsumer:
    """Raises SettingsError."""
    from pykafka_core.client.group import GroupSettings
    from pykafka_core.client.group_consumer import GroupConsumer

    async def find_topics() -> list[str]:
        topic = options.last("topic")
        return [topic] if topic is not None else await included_topics(client, options)

    return GroupConsumer(
        client,
        properties["group.id"],
        settings,
        GroupSettings.load(properties),
        find_topics,
        commit_interval_ms=GroupConsumer.commit_interval(properties),
    )

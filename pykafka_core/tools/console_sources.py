"""Where the console consumer's records come from: one partition by itself, or those that a consumer group gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pykafka_core.client.consumer import Consumer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pykafka_core.client.cluster import Client
    from pykafka_core.client.consumer import ConsumedRecord, ConsumerSettings
    from pykafka_core.client.group_consumer import GroupConsumer
    from pykafka_core.tools.options import Options

__all__ = ["Alone", "Source", "in_group"]



class Source(Protocol):
    async def poll(self, timeout_seconds: float) -> list[ConsumedRecord]: ...
    def took(self, record: ConsumedRecord) -> None: ...
    async def close(self) -> None: ...


class Alone:
    """Reads one partition, and leaves nothing behind in the cluster."""

    def __init__(self, client: Client, settings: ConsumerSettings, place: tuple[str, int], start: int) -> None:
        self._consumer = Consumer(client, settings)
        self._consumer.assign({place: start})

    async def poll(self, timeout_seconds: float) -> list[ConsumedRecord]:
        return await self._consumer.poll(timeout_seconds)

    def took(self, record: ConsumedRecord) -> None:
        """Nobody else needs to know."""

    async def close(self) -> None:
        await self._consumer.close()


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

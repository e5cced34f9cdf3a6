"""A cluster as a client sees it: where its nodes are, and a connection to each that is used.

    async with Client(parse_addresses("localhost:9092")) as client:
        answer = await client.call(MetadataRequest(topics=None))

Connections are made when they are first needed and again when they were lost. `call` without a node takes any node that
answers, and goes on trying for `default.api.timeout.ms`, so that a program may be started before its broker. A request
that was sent and whose answer was lost is sent again only if `again` allows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from pykafka_core._dataclass import dataclass
from pykafka_core.client.connection import Connection
from pykafka_core.client.errors import DisconnectedError, KafkaError, KafkaTimeoutError
from pykafka_core.client.settings import Address, ClientSettings
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.message import Message

__all__ = ["Client", "Node"]


@dataclass(slots=True, frozen=True, kw_only=True)
class Node:
    node_id: int
    host: str
    port: int
    rack: str | None = None


class Client:
    """`on_trouble` is told once for each address that cannot be reached, in a sentence."""

    def __init__(
        self,
        bootstrap: Sequence[Address],
        settings: ClientSettings | None = None,
        *,
        on_trouble: Callable[[str], None] | None = None,
    ) -> None:
        self._bootstrap = list(bootstrap)
        self.settings = settings or ClientSettings()
        self._on_trouble = on_trouble
        self._troubled: set[Address] = set()
        self._connections: dict[Address, asyncio.Task[Connection]] = {}
        self._leaders: dict[tuple[str, int], tuple[int, int]] = {}
        self._partition_counts: dict[str, int] = {}
        self.nodes: dict[int, Node] = {}
        self.cluster_id: str | None = None
        self.controller_id = -1

    def another(self) -> Client:
        """One more client of the same cluster, with connections of its own."""
        return Client(self._bootstrap, self.settings, on_trouble=self._on_trouble)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        tasks, self._connections = list(self._connections.values()), {}
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Connection):
                await outcome.close()

    async def connect(self, node_id: int | None = None, *, what: str = "") -> Connection:
        """A connection to this node, or to any. Raises KafkaTimeoutError; `what` names the call in its text."""
        limit = self.settings.default_api_timeout_ms
        deadline = asyncio.get_running_loop().time() + limit / 1000
        pause = self.settings.retry_backoff_ms / 1000
        while True:
            for address in self._addresses(node_id):
                try:
                    async with asyncio.timeout_at(deadline):
                        return await self._connection(address)
                except DisconnectedError as error:
                    self._report(address, str(error))
                except TimeoutError:
                    break
                except KafkaTimeoutError as error:
                    self._report(address, str(error))
            if asyncio.get_running_loop().time() + pause >= deadline:
                raise KafkaTimeoutError(f"Timed out waiting for a node assignment. Call: {what or 'connect'}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, self.settings.retry_backoff_max_ms / 1000)
            if node_id is not None and node_id not in self.nodes:
                await self.metadata([])

    async def call(
        self,
        body: Message,
        *,
        node_id: int | None = None,
        version_max: int | None = None,
        timeout_ms: int | None = None,
        what: str = "",
        again: bool = True,
    ) -> Any:
        """Send a request to a node and return its answer. `what`: the call's name in the text of a timeout."""
        attempt = 0
        while True:
            connection = await self.connect(node_id, what=what)
            try:
                return await connection.call(body, version_max=version_max, timeout_ms=timeout_ms)
            except DisconnectedError:
                attempt += 1
                if not again or attempt == 3:
                    raise
                await asyncio.sleep(self.settings.retry_backoff_ms / 1000)

    async def metadata(
        self, topics: list[str] | None = None, *, allow_auto_topic_creation: bool = False, what: str = "fetchMetadata"
    ) -> Any:
        """The cluster and these topics (None: all of them; []: none). Errors of topics are left in the answer."""
        from pykafka_core.protocol.messages.metadata_request import MetadataRequest, MetadataRequestTopic

        wanted = None if topics is None else [MetadataRequestTopic(name=name) for name in topics]
        answer = await self.call(
            MetadataRequest(topics=wanted, allow_auto_topic_creation=allow_auto_topic_creation), what=what
        )
        self.nodes = {
            each.node_id: Node(node_id=each.node_id, host=each.host, port=each.port, rack=each.rack)
            for each in answer.brokers
        }
        self.cluster_id, self.controller_id = answer.cluster_id, answer.controller_id
        for topic in answer.topics:
            if topic.error_code:
                continue
            self._partition_counts[topic.name] = len(topic.partitions)
            for partition in topic.partitions:
                self._leaders[topic.name, partition.partition_index] = (partition.leader_id, partition.leader_epoch)
        return answer

    async def partition_count(self, topic: str, *, create: bool = False) -> int:
        """How many partitions a topic has, as soon as it has leaders. Raises KafkaError.

        `create`: the broker may make the topic, and is given time to.
        """
        if topic in self._partition_counts:
            return self._partition_counts[topic]
        deadline = asyncio.get_running_loop().time() + self.settings.default_api_timeout_ms / 1000
        while True:
            answer = await self.metadata([topic], allow_auto_topic_creation=create)
            found = answer.topics[0]
            if not found.error_code and all(each.leader_id >= 0 for each in found.partitions):
                return len(found.partitions)
            error = KafkaError(found.error_code or ErrorCode.LEADER_NOT_AVAILABLE)
            missing = error.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION and not create
            if not error.is_retriable or missing or asyncio.get_running_loop().time() > deadline:
                raise error
            await asyncio.sleep(self.settings.retry_backoff_ms / 1000)

    def known_leader(self, topic: str, partition: int) -> tuple[int, int] | None:
        """(node id, leader epoch) as the last metadata said."""
        return self._leaders.get((topic, partition))

    async def leader(self, topic: str, partition: int) -> tuple[int, int]:
        """(node id, leader epoch) of a partition; waits for an election. Raises KafkaError."""
        deadline = asyncio.get_running_loop().time() + self.settings.default_api_timeout_ms / 1000
        while True:
            known = self._leaders.get((topic, partition))
            if known is not None and known[0] >= 0:
                return known
            answer = await self.metadata([topic])
            known = self._leaders.get((topic, partition))
            if known is not None and known[0] >= 0:
                return known
            code = answer.topics[0].error_code
            if not code and known is None:
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
            error = KafkaError(code or ErrorCode.LEADER_NOT_AVAILABLE)
            if code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION or not error.is_retriable:
                raise error
            if asyncio.get_running_loop().time() > deadline:
                raise error
            await asyncio.sleep(self.settings.retry_backoff_ms / 1000)

    def forget_leader(self, topic: str, partition: int) -> None:
        """The node that metadata named does not lead this partition: ask again before the next use."""
        self._leaders.pop((topic, partition), None)

    def forget_topic(self, topic: str) -> None:
        self._partition_counts.pop(topic, None)
        for key in [key for key in self._leaders if key[0] == topic]:
            del self._leaders[key]

    def _addresses(self, node_id: int | None) -> list[Address]:
        if node_id is not None and node_id in self.nodes:
            node = self.nodes[node_id]
            return [(node.host, node.port)]
        if node_id is not None and self.nodes:
            return []
        known = [(node.host, node.port) for node in self.nodes.values()]
        # One that is connected before one that is not, and what was given by the user last but always.
        order = [*(address for address in known if address in self._connections), *self._connections, *known]
        return list(dict.fromkeys([*order, *self._bootstrap]))

    async def _connection(self, address: Address) -> Connection:
        task = self._connections.get(address)
        if task is not None and task.done() and (task.cancelled() or task.exception() or not task.result().is_open):
            task = None
        if task is None:
            task = self._connections[address] = asyncio.create_task(Connection.open(address, self.settings))
        try:
            return await asyncio.shield(task)
        except KafkaError:
            if self._connections.get(address) is task:
                del self._connections[address]
            raise

    def _report(self, address: Address, sentence: str) -> None:
        if address not in self._troubled:
            self._troubled.add(address)
            if self._on_trouble is not None:
                self._on_trouble(sentence)

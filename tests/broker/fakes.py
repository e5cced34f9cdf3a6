"""Stand-ins for what lies below the handlers: the metadata store, and the native log, partition and server.

They keep to the contracts (pykafka_core/metadata/store.py, pykafka_core/native/*.pyi) as far as handlers use them, in
memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pykafka_core.broker.cluster import Cluster, Feature
from pykafka_core.broker.dispatch import Dispatcher
from pykafka_core.broker.kept_topics import KeptTopics
from pykafka_core.broker.listeners import OpenListener
from pykafka_core.metadata.errors import RevisionConflictError
from pykafka_core.metadata.image import MetadataImage
from pykafka_core.metadata.replay import replay
from pykafka_core.metadata.store import MetadataChange
from pykafka_core.protocol.framing import decode_response, encode_request
from pykafka_core.protocol.message import Message, Record
from pykafka_core.protocol.records.metadata.partition_record import PartitionRecord
from pykafka_core.protocol.records.metadata.topic_record import TopicRecord

if TYPE_CHECKING:
    from pykafka_core.metadata.store import Unwatch, Watcher

NODE_ID = 1
CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"


class FakeStore:
    """A metadata store in memory. `commits` are the record lists that were committed."""

    def __init__(self) -> None:
        self.image = MetadataImage()
        self.commits: list[list[Record]] = []
        self.watchers: list[Watcher] = []
        self.lease_deadline = float("inf")

    async def commit(self, records: Sequence[Record], *, expected_revision: int | None = None) -> MetadataImage:
        if expected_revision is not None and expected_revision != self.image.revision:
            raise RevisionConflictError(expected_revision, self.image.revision)
        previous = self.image
        self.image = replay(previous, records, revision=previous.revision + len(records))
        self.commits.append(list(records))
        for watcher in self.watchers:
            watcher(MetadataChange(previous=previous, image=self.image, records=tuple(records)))
        return self.image

    def watch(self, watcher: Watcher, *, since_revision: int | None = None) -> Unwatch:
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher)

    async def close(self) -> None:
        pass

    async def add_topic(self, name: str, partitions: int = 1, *, leader_epoch: int = 0, leader: int = NODE_ID) -> bytes:
        topic_id = name.encode().rjust(16, b"\x01")[-16:]
        await self.commit(
            [
                TopicRecord(name=name, topic_id=topic_id),
                *(
                    PartitionRecord(
                        partition_id=index,
                        topic_id=topic_id,
                        replicas=[NODE_ID],
                        isr=[NODE_ID],
                        leader=leader,
                        leader_epoch=leader_epoch,
                        partition_epoch=0,
                        directories=[bytes(16)],
                    )
                    for index in range(partitions)
                ),
            ]
        )
        return topic_id


FEATURES = (
    Feature(name="metadata.version", level_min=7, level_max=33, level=30),
    Feature(name="kraft.version", level_min=0, level_max=1, level=0),
)


def fake_kept_topics(store: FakeStore, running: Callable[[str], object] = lambda _: None) -> KeptTopics:
    return KeptTopics(store, running=running, health=lambda: ())  # type: ignore[arg-type]


def fake_cluster(**listener: Any) -> Cluster:
    return Cluster(
        cluster_id=CLUSTER_ID,
        node_id=NODE_ID,
        rack="r1",
        listeners=[OpenListener(**{"name": "PLAINTEXT", "host": "", "port": 9092} | listener)],
        features=lambda: FEATURES,
        features_epoch=lambda: 17,
    )


async def ask(
    ports: dict[str, Any],
    request: Message,
    version: int,
    *,
    client_id: str | None = "test",
    listener: int = 0,
    local: str = "127.0.0.1:9092",
) -> Any:
    """Send a request through codec, dispatcher and handler, and return the decoded response; None if there was no
    answer."""
    frame = encode_request(request.API_KEY, version, 77, client_id, request)
    answer = await Dispatcher(ports).answer(frame, listener=listener, peer="127.0.0.1:50000", local=local)
    if answer is None:
        return None
    correlation_id, response = decode_response(request.API_KEY, version, answer)
    assert correlation_id == 77
    return response

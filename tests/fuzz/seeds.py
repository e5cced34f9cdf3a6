"""Writes the inputs that the fuzzers start from: `seeds.py TARGET FOLDER`.

They are made by our own encoder, so none are kept in the repository. What is not a row of frames starts from batches.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from pykafka_core import records
from pykafka_core.protocol.framing import encode_request
from pykafka_core.protocol.messages.fetch_request import FetchPartition, FetchRequest, FetchTopic
from pykafka_core.protocol.messages.heartbeat_request import HeartbeatRequest
from pykafka_core.protocol.messages.list_offsets_request import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from pykafka_core.protocol.messages.produce_request import PartitionProduceData, ProduceRequest, TopicProduceData

TOPIC_ID = b"\x01" + bytes(15)
NOW_MS = 1_700_000_000_000


def batches() -> list[bytes]:
    """A few record batches of different shapes."""
    rows = [(i, NOW_MS + i, b"k" if i % 2 else None, b"value%d" % i) for i in range(4)]
    plain = [records.encode(rows[:count], codec=codec) for count in (1, 4) for codec in (0, 1, 3, 4)]
    return [*plain, records.encode(rows, producer_id=5, producer_epoch=0, base_sequence=0)]


def frames() -> list[bytes]:
    """Produce, Fetch, ListOffsets and Heartbeat in every version that the reactors answer."""
    made = []
    for version, batch in itertools.product(range(3, 14), batches()):
        data = [PartitionProduceData(index=0, records=batch)]
        topic = TopicProduceData(name="t" if version < 13 else "", topic_id=TOPIC_ID if version >= 13 else bytes(16))
        topic.partition_data = data
        request = ProduceRequest(acks=1, timeout_ms=1000, topic_data=[topic])
        made.append(encode_request(0, version, 1, "fuzz", request))
    for version in range(4, 19):
        asked = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=4096)
        wanted = FetchTopic(topic="t" if version < 13 else "", topic_id=TOPIC_ID if version >= 13 else bytes(16))
        wanted.partitions = [asked]
        made.append(encode_request(1, version, 2, "fuzz", FetchRequest(max_bytes=4096, topics=[wanted])))
    for version, timestamp in itertools.product(range(1, 12), (-1, -2, NOW_MS)):
        place = ListOffsetsTopic(name="t", partitions=[ListOffsetsPartition(partition_index=0, timestamp=timestamp)])
        made.append(encode_request(2, version, 3, "fuzz", ListOffsetsRequest(replica_id=-1, topics=[place])))
    for version, generation in itertools.product(range(5), (0, 1)):
        beat = HeartbeatRequest(group_id="g", generation_id=generation, member_id="m")
        made.append(encode_request(12, version, 4, "fuzz", beat))
    return made


def sized(frame: bytes) -> bytes:
    return len(frame).to_bytes(2, "big") + frame


def seeds(target: str) -> list[bytes]:
    if target == "frame":
        all_frames = frames()
        alone = [sized(frame) for frame in all_frames]
        rows = [b"".join(sized(frame) for frame in all_frames[i::37]) for i in range(12)]
        return alone + rows
    return batches()


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(sys.argv[1])):
        (folder / f"seed-{number:03d}").write_bytes(seed)

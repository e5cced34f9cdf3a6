"""Makes golden/dump-log: files of every kind that kafka-dump-log shows, sound and damaged. Run once; they are kept,
because compressors differ from one version to the next.

Records that are younger than Kafka 4.3.1, or have younger fields, are left out.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pykafka_core.crc32c import value as crc32c
from pykafka_core.protocol._codec import encode as encode_message
from pykafka_core.protocol.message import Record as BrokerRecord
from pykafka_core.protocol.messages.consumer_protocol_assignment import ConsumerProtocolAssignment
from pykafka_core.protocol.messages.consumer_protocol_assignment import TopicPartition as AssignedPartition
from pykafka_core.protocol.messages.consumer_protocol_subscription import ConsumerProtocolSubscription
from pykafka_core.protocol.records.framing import (
    class_of,
    encode_coordinator_key,
    encode_coordinator_value,
    encode_metadata_record,
)
from pykafka_core.protocol.records.registry import COORDINATOR_KEYS, COORDINATOR_VALUES, METADATA_RECORDS
from pykafka_core.records import Codec, Record, encode

T = 1795419724069
TOP = Path(__file__).resolve().parent / "golden" / "dump-log"


def patched(batch: bytes, at: int, data: bytes) -> bytes:
    batch = batch[:at] + data + batch[at + len(data) :]
    return batch[:17] + struct.pack(">I", crc32c(batch[21:])) + batch[21:]


def with_attributes(batch: bytes, bits: int) -> bytes:
    return patched(batch, 21, struct.pack(">h", struct.unpack_from(">h", batch, 21)[0] | bits))


def batch(base: int, count: int, codec: Codec = Codec.NONE, **more: Any) -> bytes:
    rows = [
        Record(base + at, T + 10 * (base + at), None if at % 3 == 2 else b"key-%d" % at, b"value %d" % (base + at))
        for at in range(count)
    ]
    return encode(rows, codec=codec, base_offset=base, **more)


def marker(base: int, kind: int, producer_id: int) -> bytes:
    row = Record(base, T, struct.pack(">hh", 0, kind), struct.pack(">hi", 0, 7))
    made = encode([row], base_offset=base, producer_id=producer_id, producer_epoch=3)
    return with_attributes(made, 0x30)


def write(name: str, data: bytes) -> None:
    # A repository keeps no file named like a log; the session gives them their names back.
    path = TOP / (f"{name}file" if name.endswith(".log") else name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def index(*entries: tuple[int, int]) -> bytes:
    return b"".join(struct.pack(">ii", *entry) for entry in entries)


def time_index(*entries: tuple[int, int]) -> bytes:
    return b"".join(struct.pack(">qi", *entry) for entry in entries)


def plain_logs() -> None:
    odd = encode(
        [
            Record(0, T, b"k\xc3\xa9y", b"\xff\xfe binary", (("h1", b"x"), ("h2", None))),
            Record(1, T + 1, None, None),
            Record(2, T + 2, b"", b""),
        ],
        base_offset=0,
    )
    log = odd
    places = [(2, 0)]
    for number, codec in enumerate((Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD)):
        base = 3 + 4 * number
        places.append((base + 3, len(log)))
        log += batch(base, 4, codec, producer_id=9, producer_epoch=1, base_sequence=0x7FFFFFFD)
    places.append((26, len(log)))
    log += with_attributes(batch(23, 4, producer_id=11, producer_epoch=3, base_sequence=0), 0x10)
    log += marker(27, 0, 11) + marker(28, 1, 12)
    log += with_attributes(patched(batch(29, 2), 35, struct.pack(">q", T + 999)), 0x08)
    # A hole, as compaction leaves one, with a delete horizon.
    log += with_attributes(batch(40, 2), 0x40)
    log += patched(batch(50, 1), 12, struct.pack(">i", 5))
    write("t-0/00000000000000000000.log", log + batch(60, 3)[:-20])
    write("t-0/00000000000000000000.index", index(*places))
    newest = [(T + 2, 2)] + [(T + 10 * last, last) for last, _ in places[1:]]
    write("t-0/00000000000000000000.timeindex", time_index(*newest))
    write("t-0/00000000000000000060.txnindex", struct.pack(">hqqqqhqqqq", 0, 11, 23, 27, 28, 0, 12, 24, 28, 30))
    base = batch(100, 2)
    write("t-0/00000000000000000100.log", base)
    write("t-0/00000000000000000100.index", b"")
    write("t-0/00000000000000000100.timeindex", b"")


def damaged_logs() -> None:
    first, second = batch(0, 3), batch(3, 3)
    flipped = bytearray(second)
    flipped[-2] ^= 0x20
    write("bad-0/00000000000000000000.log", first + bytes(flipped) + batch(6, 1))
    write("bad-0/00000000000000000000.index", index((5, 0), (5, len(first)), (8, len(first))) + index((0, 0), (0, 0)))
    write(
        "bad-0/00000000000000000000.timeindex",
        time_index((T + 50, 5), (T + 40, 2), (T + 1, 4), (T + 70, 9), (0, 0)),
    )
    write("bad-1/00000000000000000000.log", first + struct.pack(">qi", 3, 5) + b"\0" * 90)
    write("bad-1/00000000000000000000.index", index((5, 0), (-3, 20)))
    write("bad-1/00000000000000000000.timeindex", time_index((T, 2), (T - 5, 3)))
    write("bad-2/00000000000000000000.log", patched(first, 21, struct.pack(">h", 6)))
    write("bad-2/00000000000000000000.index", index((2, 0)) + b"\0\0\0")
    write("bad-2/00000000000000000000.timeindex", time_index((T, 2)) + b"\0\0\0")
    write("bad-3/00000000000000000000.log", b"")
    write("bad-3/00000000000000000000.index", index((2, 0)))
    write("bad-4/00000000000000000005.log", b"\0" * 200)


def producers() -> None:
    entries = struct.pack(">i", 2)
    entries += struct.pack(">qhiqiqiq", 9, 1, 1, 22, 3, T, -1, -1)
    entries += struct.pack(">qhiqiqiq", 11, 3, -1, -1, 0, T, 7, 23)
    sound = struct.pack(">hI", 1, crc32c(entries)) + entries
    write("t-0/00000000000000000060.snapshot", sound)
    write("t-0/00000000000000000061.snapshot", sound[:-1] + b"\x55")
    write("t-0/00000000000000000062.snapshot", b"\0\7" + sound[2:])


def filled(kind: type[BrokerRecord], seed: int) -> BrokerRecord:
    """A record with a value in each field that has a simple one."""
    values: dict[str, Any] = {}
    for at, (name, type_, *_) in enumerate(kind.FIELDS, seed):
        if type_ == "string":
            values[name] = f"{name} {at}"
        elif type_.startswith(("int", "uint")):
            values[name] = at % 100
        elif type_ == "bool":
            values[name] = True
        elif type_ == "bytes":
            values[name] = b"\0\1" + name.encode()
        elif type_ == "uuid":
            values[name] = bytes(range(at, at + 16))
        elif type_ == "float64":
            values[name] = 1024.5
        elif type_ == "[]int32":
            values[name] = [1, 2, at % 100]
        elif type_ == "[]uuid":
            values[name] = [bytes(range(16))]
        elif type_ == "[]string":
            values[name] = ["one", "two"]
    return kind(**values)


def topic_of(coordinator: str) -> list[tuple[bytes, bytes | None]]:
    rows: list[tuple[bytes, bytes | None]] = []
    for kind in COORDINATOR_KEYS[coordinator]:
        key = filled(class_of(COORDINATOR_KEYS[coordinator], kind, ""), kind)
        row = COORDINATOR_VALUES[coordinator]
        if kind not in row or (coordinator, kind) == ("group", 17):
            continue
        value_class = class_of(row, kind, "")
        encoded = encode_coordinator_key(key)
        for version in range(value_class.VERSION_MIN, value_class.VERSION_MAX + 1):
            value = filled(value_class, version)
            try:
                rows.append((encoded, encode_coordinator_value(value, version)))
            except ValueError:
                # Fields that this version does not have keep their defaults.
                rows.append((encoded, encode_coordinator_value(value_class(), version)))
        rows.append((encoded, None))
    rows.append((struct.pack(">h", 999) + b"whatever", b"\0\0"))
    rows.append((encode_coordinator_key(key), b"\0\x63"))
    return rows


def group_members() -> list[tuple[bytes, bytes | None]]:
    from pykafka_core.protocol.records.group_coordinator.group_metadata_key import GroupMetadataKey
    from pykafka_core.protocol.records.group_coordinator.group_metadata_value import GroupMetadataValue, MemberMetadata

    subscription = struct.pack(">h", 3) + encode_message(
        ConsumerProtocolSubscription(topics=["t", "u"], user_data=None, generation_id=4, rack_id="r"), 3
    )
    assignment = struct.pack(">h", 1) + encode_message(
        ConsumerProtocolAssignment(
            assigned_partitions=[AssignedPartition(topic="t", partitions=[0, 1])], user_data=b"data"
        ),
        1,
    )
    rows: list[tuple[bytes, bytes | None]] = []
    for kind, about in (
        ("consumer", (subscription, assignment)),
        ("connect", (b"abc", b"")),
        ("consumer", (b"", b"x")),
    ):
        value = GroupMetadataValue(
            protocol_type=kind,
            generation=4,
            protocol="range",
            leader="m-1",
            current_state_timestamp=T,
            members=[
                MemberMetadata(
                    member_id="m-1",
                    group_instance_id=None,
                    client_id="c",
                    client_host="/127.0.0.1",
                    rebalance_timeout=300000,
                    session_timeout=45000,
                    subscription=about[0],
                    assignment=about[1],
                )
            ],
        )
        rows.append((encode_coordinator_key(GroupMetadataKey(group="g")), encode_coordinator_value(value, 3)))
    return rows


def internal_topics() -> None:
    for name, rows in (
        ("__consumer_offsets-7", topic_of("group") + group_members()),
        ("__transaction_state-3", topic_of("transaction")),
        ("__share_group_state-1", topic_of("share")),
    ):
        made = [Record(at, T + at, *row) for at, row in enumerate(rows)]
        write(f"{name}/00000000000000000000.log", encode(made))
    records = [
        filled(class_of(METADATA_RECORDS, kind, ""), kind)
        for kind in METADATA_RECORDS
        if kind not in (0, 14, 17, 21, 27, 29)
    ]
    values = [encode_metadata_record(each) for each in records]
    values += [b"\1\x63\0", b"\2\0\0", b""]
    write(
        "__cluster_metadata-0/00000000000000000000.log",
        encode([Record(at, T, None, value) for at, value in enumerate(values)], leader_epoch=1),
    )


if __name__ == "__main__":
    plain_logs()
    damaged_logs()
    producers()
    internal_topics()

"""Goal: no bytes from a peer do more than raise ProtocolError: no crash, and no memory for what is not there.

Method: every message cut at each byte and with bytes changed at random; and each length, count, tag and varint rule by
hand.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from random import Random

import pytest

from pykafka_core.protocol._codec import decode, encode
from pykafka_core.protocol.exceptions import ProtocolError
from pykafka_core.protocol.message import Message
from pykafka_core.protocol.messages.api_versions_request import ApiVersionsRequest
from pykafka_core.protocol.messages.api_versions_response import ApiVersionsResponse
from pykafka_core.protocol.messages.describe_topic_partitions_request import DescribeTopicPartitionsRequest
from pykafka_core.protocol.messages.metadata_request import MetadataRequest
from pykafka_core.protocol.messages.offset_fetch_request import OffsetFetchRequest
from pykafka_core.protocol.messages.produce_request import ProduceRequest
from pykafka_core.protocol.messages.sasl_authenticate_request import SaslAuthenticateRequest
from pykafka_core.protocol.records.group_coordinator.consumer_group_member_metadata_value import (
    ClassicMemberMetadata,
    ClassicProtocol,
    ConsumerGroupMemberMetadataValue,
)
from tests.protocol.builders import Builder, in_groups, message_classes, versions_of

CLASSES = message_classes()
in_turn = pytest.mark.parametrize("classes", in_groups(CLASSES))


@in_turn
def test_message_cut_at_any_byte_is_refused(classes: list[type[Message]]) -> None:
    for cls in classes:
        for version in {cls.VERSION_MIN, cls.VERSION_MAX}:
            whole = encode(Builder(Random(f"cut {cls.__name__} {version}")).message(cls, version), version)
            for size in range(min(len(whole), 1000)):
                try:
                    _, end = decode(cls, version, whole[:size])
                except ProtocolError:
                    continue
                raise AssertionError(f"{cls.__name__} v{version}: {size} of {len(whole)} bytes end at {end}")


@in_turn
def test_changed_bytes_are_read_or_refused(classes: list[type[Message]]) -> None:
    for cls in classes:
        random = Random(f"change {cls.__name__}")
        for version in versions_of(cls):
            whole = encode(Builder(random).message(cls, version), version)
            for _ in range(8):
                changed = bytearray(whole or b"\0")
                for _ in range(random.randrange(1, 4)):
                    value = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)])
                    changed[random.randrange(len(changed))] = value
                try:
                    message, _ = decode(cls, version, changed)
                except ProtocolError:
                    continue
                encode(message, version)  # whatever was read can be written


REFUSED: list[tuple[str, type[Message], int, str, str | None]] = [
    ("non-nullable string is null", MetadataRequest, 0, "00000001 ffff", "topics[0].name"),
    ("string with a negative length", MetadataRequest, 0, "00000001 fffe", "topics[0].name"),
    ("string longer than the bytes left", MetadataRequest, 0, "00000001 0004 616263", "topics[0].name"),
    ("string that is not UTF-8", MetadataRequest, 0, "00000001 0002 c328", "topics[0].name"),
    ("non-nullable array is null", MetadataRequest, 0, "ffffffff", "topics"),
    ("array with a negative count", MetadataRequest, 1, "fffffffe 00", "topics"),
    ("count too big for the bytes left", MetadataRequest, 1, "00000002 0000 00", "topics"),
    ("count of 2^31-1", MetadataRequest, 1, "7fffffff 0000", "topics"),
    ("compact count of 2^32-2", MetadataRequest, 9, "ffffffff0f 00 00 00", "topics"),
    ("compact string of 2^32-2 bytes", MetadataRequest, 9, "02 ffffffff0f 61 00 01 00 00 00", "topics[0].name"),
    (
        "compact string over 32767 bytes",
        MetadataRequest,
        9,
        "02 818002" + "61" * 32768 + "00 01 00 00 00",
        "topics[0].name",
    ),
    ("compact non-nullable string is null", MetadataRequest, 9, "02 00 00 01 00 00 00", "topics[0].name"),
    ("bytes with a negative length", SaslAuthenticateRequest, 0, "ffffff00", "auth_bytes"),
    ("bytes longer than what is left", SaslAuthenticateRequest, 0, "00000005 00000000", "auth_bytes"),
    ("varint of six bytes", ApiVersionsRequest, 3, "8080808080 01", "client_software_name"),
    ("varint over 32 bits", ApiVersionsRequest, 3, "ffffffff1f", "client_software_name"),
    ("varint that does not end", ApiVersionsRequest, 3, "8080", "client_software_name"),
    ("tag count too big", ApiVersionsRequest, 3, "01 01 7f 0000", None),
    ("tag without a size", ApiVersionsRequest, 3, "01 01 01 09", None),
    ("tag longer than what is left", ApiVersionsRequest, 3, "01 01 01 09 05 00", None),
    ("tags that do not ascend", ApiVersionsRequest, 3, "01 01 02 09 00 08 00", None),
    ("a tag twice", ApiVersionsRequest, 3, "01 01 02 09 00 09 00", None),
    (
        "tagged field shorter than its type",
        ApiVersionsResponse,
        3,
        "0000 01 00000000 01 01 07 00000000000005",
        "finalized_features_epoch",
    ),
    (
        "tagged field longer than its type",
        ApiVersionsResponse,
        3,
        "0000 01 00000000 01 01 09 000000000000000500",
        "finalized_features_epoch",
    ),
    (
        "marker of a nullable struct is 0",
        DescribeTopicPartitionsRequest,
        0,
        "01 000007d0 00 02 74 00000003 00 00",
        "cursor",
    ),
    ("marker of a nullable struct is -2", DescribeTopicPartitionsRequest, 0, "01 000007d0 fe 00", "cursor"),
    (
        "marker of a tagged struct is 2",
        ConsumerGroupMemberMetadataValue,
        0,
        "00 00 01 01 01 00 ffffffff 00 01 00 07 02 00000009 01 00",
        "classic_member_metadata",
    ),
]


@pytest.mark.parametrize(
    ("cls", "version", "text", "field"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_bytes_that_are_no_message_are_refused(cls: type[Message], version: int, text: str, field: str | None) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(cls, version, bytes.fromhex(text))
    assert caught.value.field == field
    assert caught.value.message == f"{cls.__name__} v{version}"


def test_zero_padded_varint_is_read_as_kafka_reads_it() -> None:
    message, _ = decode(ApiVersionsRequest, 3, bytes.fromhex("8280 8080 00 61 01 00"))
    assert message.client_software_name == "a"


def tagged(size: bytes, payload: bytes) -> bytes:
    return bytes.fromhex("01 01 01 09") + size + payload


def test_tagged_field_of_a_request_has_at_most_128_kib() -> None:
    decode(ApiVersionsRequest, 3, tagged(b"\x80\x80\x08", bytes(128 * 1024)))
    with pytest.raises(ProtocolError, match="131073 bytes, more than 131072") as caught:
        decode(ApiVersionsRequest, 3, tagged(b"\x81\x80\x08", bytes(128 * 1024 + 1)))
    assert (caught.value.value, caught.value.limit) == (131073, 131072)


def test_tagged_field_of_a_record_may_be_longer() -> None:
    protocols = [ClassicProtocol(name="range", metadata=bytes(200_000))]
    record = ConsumerGroupMemberMetadataValue(
        classic_member_metadata=ClassicMemberMetadata(supported_protocols=protocols)
    )
    written = encode(record, 0)
    assert decode(ConsumerGroupMemberMetadataValue, 0, written) == (record, len(written))


@pytest.mark.parametrize(
    ("cls", "version", "text"),
    [
        (MetadataRequest, 1, "7fffffff"),
        (MetadataRequest, 9, "ffffffff0f"),
        (ProduceRequest, 9, "00 0001 00000000 ffffffff0f"),
        (ProduceRequest, 3, "ffff 0001 00000000 00000001 0001 74 00000001 00000000 7fffffff"),
        (SaslAuthenticateRequest, 2, "ffffffff0f"),
        (ApiVersionsRequest, 3, "01 01 ffffffff0f"),
        (ApiVersionsRequest, 3, "01 01 01 09 ffffffff0f"),
    ],
)
def test_declared_sizes_cost_no_memory(cls: type[Message], version: int, text: str) -> None:
    data = bytes.fromhex(text) + bytes(64)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            decode(cls, version, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_refused_bytes_leave_no_objects_behind() -> None:
    def refuse_all() -> None:
        for _, cls, version, text, _ in REFUSED:
            with pytest.raises(ProtocolError):
                decode(cls, version, bytes.fromhex(text))

    refuse_all()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(100):
        refuse_all()
    gc.collect()
    assert sys.getallocatedblocks() - before < 100


@in_turn
def test_read_and_written_messages_leave_no_objects_behind(classes: list[type[Message]]) -> None:
    for cls in classes:
        version = cls.VERSION_MAX
        whole = encode(Builder(Random(cls.__name__)).message(cls, version), version)
        encode(decode(cls, version, whole)[0], version)
        before = sys.getallocatedblocks()
        for _ in range(60):
            encode(decode(cls, version, whole)[0], version)
        assert sys.getallocatedblocks() - before < 50, cls.__name__


def test_many_tiny_objects_are_refused_before_they_are_made() -> None:
    # Three bytes per topic on the wire, over a hundred in memory.
    count = 1_000_000
    data = b"\xc1\x84\x3d" + b"\x02a\x00" * count + b"\x01\x00\x00\x00"
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="bytes of memory") as caught:
            decode(MetadataRequest, 9, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.field == "topics"
    assert peak < 200_000


def test_thousands_of_short_names_are_no_attack() -> None:
    count = 5_000
    names = encode(MetadataRequest(topics=[]), 9)[1:]
    data = b"\x89\x27" + b"\x02a\x00" * count + names
    message, _ = decode(MetadataRequest, 9, data)
    assert message.topics is not None
    assert len(message.topics) == count


def test_a_long_honest_request_is_read() -> None:
    data = (
        b"\x00\x01g" + (20_000).to_bytes(4, "big") + (b"\x00\x05topic" + b"\x00\x00\x00\x01\x00\x00\x00\x07") * 20_000
    )
    request, end = decode(OffsetFetchRequest, 1, data)
    assert end == len(data)
    assert request.topics is not None
    assert len(request.topics) == 20_000

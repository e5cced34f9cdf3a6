"""Goal: the bytes are the ones that the protocol guide prescribes, and what a message cannot carry is refused by name.

Method: golden bytes worked out by hand from the definitions, one per rule.
"""

from __future__ import annotations

from typing import Any

import pytest

from pykafka_core.protocol._codec import decode, encode
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.exceptions import ProtocolError, UnsupportedVersionError
from pykafka_core.protocol.message import Message
from pykafka_core.protocol.messages.alter_client_quotas_request import (
    AlterClientQuotasRequest,
    EntityData,
    EntryData,
    OpData,
)
from pykafka_core.protocol.messages.api_versions_response import ApiVersion, ApiVersionsResponse, SupportedFeatureKey
from pykafka_core.protocol.messages.describe_topic_partitions_request import (
    Cursor,
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from pykafka_core.protocol.messages.fetch_response import (
    EpochEndOffset,
    FetchableTopicResponse,
    FetchResponse,
    PartitionData,
)
from pykafka_core.protocol.messages.metadata_request import MetadataRequest, MetadataRequestTopic
from pykafka_core.protocol.messages.produce_request import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from pykafka_core.protocol.messages.request_header import RequestHeader
from pykafka_core.protocol.records.control.voters_record import Endpoint, Voter, VotersRecord
from pykafka_core.protocol.records.group_coordinator.consumer_group_member_metadata_value import (
    ClassicMemberMetadata,
    ConsumerGroupMemberMetadataValue,
)
from pykafka_core.protocol.records.storage.producer_snapshot import ProducerSnapshot

GOLDEN: list[tuple[str, Message, int, str]] = [
    (
        "classic strings and arrays have two and four byte lengths",
        MetadataRequest(topics=[MetadataRequestTopic(name="ab")]),
        4,
        "00000001 0002 6162 01",
    ),
    ("a classic null array is -1", MetadataRequest(topics=None), 4, "ffffffff 01"),
    (
        "compact lengths are one more, and each struct ends with its tags",
        MetadataRequest(topics=[MetadataRequestTopic(name="ab")]),
        9,
        "02 03 6162 00 01 00 00 00",
    ),
    ("a compact null array is 0", MetadataRequest(topics=None), 9, "00 01 00 00 00"),
    (
        "a uuid stands before a null name",
        MetadataRequest(topics=[MetadataRequestTopic(name=None, topic_id=bytes(range(16)))]),
        12,
        "02 000102030405060708090a0b0c0d0e0f 00 00 01 00 00",
    ),
    ("a tagged field with its default is not written", ApiVersionsResponse(), 3, "0000 01 00000000 00"),
    (
        "a tagged int64 in the tag block",
        ApiVersionsResponse(finalized_features_epoch=5),
        3,
        "0000 01 00000000 01 01 08 0000000000000005",
    ),
    (
        "tags ascend, and an array inside of one is compact",
        ApiVersionsResponse(
            error_code=ErrorCode.UNSUPPORTED_VERSION,
            api_keys=[ApiVersion(api_key=18, min_version=0, max_version=5)],
            zk_migration_ready=True,
            supported_features=[SupportedFeatureKey(name="f", min_version=1, max_version=2)],
        ),
        3,
        "0023 02 0012 0000 0005 00 00000000 02 00 08 02 02 66 0001 0002 00 03 01 01",
    ),
    (
        "a tagged struct that differs from its default",
        FetchResponse(
            responses=[
                FetchableTopicResponse(
                    topic="t",
                    partitions=[
                        PartitionData(
                            high_watermark=7,
                            aborted_transactions=None,
                            diverging_epoch=EpochEndOffset(epoch=1, end_offset=2),
                            records=memoryview(b"abc"),
                        )
                    ],
                )
            ]
        ),
        12,
        "00000000 0000 00000000 02 02 74 02"
        "00000000 0000 0000000000000007 ffffffffffffffff ffffffffffffffff 00 ffffffff 04 616263"
        "01 00 0d 00000001 0000000000000002 00"
        "00 00",
    ),
    (
        "a null struct in line is one byte, -1",
        DescribeTopicPartitionsRequest(topics=[TopicRequest(name="t")]),
        0,
        "02 02 74 00 000007d0 ff 00",
    ),
    (
        "a struct in line that may be null is led by 1",
        DescribeTopicPartitionsRequest(cursor=Cursor(topic_name="t", partition_index=3)),
        0,
        "01 000007d0 01 02 74 00000003 00 00",
    ),
    (
        "a struct in a tag that may be null is led by an unsigned varint",
        ConsumerGroupMemberMetadataValue(classic_member_metadata=ClassicMemberMetadata(session_timeout_ms=9)),
        0,
        "01 01 01 01 01 01 ffffffff 01 01 00 07 01 00000009 01 00",
    ),
    (
        "null differs from an empty struct, so it is written in the tag",
        ConsumerGroupMemberMetadataValue(classic_member_metadata=None),
        0,
        "01 01 01 01 01 01 ffffffff 01 01 00 01 00",
    ),
    (
        "an empty struct is the default of a tag that may be null",
        ConsumerGroupMemberMetadataValue(classic_member_metadata=ClassicMemberMetadata()),
        0,
        "01 01 01 01 01 01 ffffffff 01 00",
    ),
    (
        "float64",
        AlterClientQuotasRequest(
            entries=[
                EntryData(
                    entity=[EntityData(entity_type="user", entity_name=None)],
                    ops=[OpData(key="k", value=1.5, remove=False)],
                )
            ]
        ),
        0,
        "00000001 00000001 0004 75736572 ffff 00000001 0001 6b 3ff8000000000000 00 00",
    ),
    (
        "uint16 reaches 65535",
        VotersRecord(voters=[Voter(voter_id=1, endpoints=[Endpoint(name="C", host="h", port=65535)])]),
        0,
        "0000 02 00000001 00000000000000000000000000000000 02 02 43 02 68 ffff 00 0000 0000 00 00 00",
    ),
    ("uint32 reaches 2^32-1", ProducerSnapshot(crc=0xFFFFFFFF), 1, "ffffffff 00000000"),
    (
        "the client id of a flexible request header is a classic string",
        RequestHeader(request_api_key=18, request_api_version=3, correlation_id=1, client_id="ab"),
        2,
        "0012 0003 00000001 0002 6162 00",
    ),
]


@pytest.mark.parametrize(("message", "version", "text"), [row[1:] for row in GOLDEN], ids=[row[0] for row in GOLDEN])
def test_golden_bytes_both_ways(message: Message, version: int, text: str) -> None:
    written = bytes.fromhex(text)
    assert encode(message, version).hex(" ") == written.hex(" ")
    assert decode(type(message), version, written) == (message, len(written))


def test_length_that_needs_two_varint_bytes() -> None:
    for size in (126, 127, 128, 16382, 16383, 16384):
        message = MetadataRequest(topics=[MetadataRequestTopic(name="n" * size)])
        written = encode(message, 9)
        assert decode(MetadataRequest, 9, written) == (message, len(written))
    assert encode(MetadataRequest(topics=[MetadataRequestTopic(name="n" * 127)]), 9)[1:3] == b"\x80\x01"


def test_tagged_field_longer_than_127_bytes_has_a_longer_size() -> None:
    features = [SupportedFeatureKey(name=f"feature-{i:03}", min_version=0, max_version=1) for i in range(100)]
    message = ApiVersionsResponse(supported_features=features)
    written = encode(message, 3)
    assert written[7:11] == b"\x01\x00\xa5\x0d"  # one tag, tag 0, 1 + 100 * 17 = 1701 bytes
    assert decode(ApiVersionsResponse, 3, written) == (message, len(written))


def test_unknown_tags_are_skipped() -> None:
    written = bytes.fromhex("0000 01 00000000 04 01 08 0000000000000005 02 01 01 05 00 64 03 616263")
    message, end = decode(ApiVersionsResponse, 3, written)
    assert (message, end) == (ApiVersionsResponse(finalized_features_epoch=5), len(written))


def test_records_may_be_any_bytes_like_object() -> None:
    def request(records: Any) -> ProduceRequest:
        return ProduceRequest(
            topic_data=[TopicProduceData(name="t", partition_data=[PartitionProduceData(index=0, records=records)])]
        )

    expected = encode(request(b"batch"), 9)
    for records in (bytearray(b"batch"), memoryview(b"batch"), memoryview(b"xbatchx")[1:-1]):
        assert encode(request(records), 9) == expected


def test_tuples_are_taken_for_lists() -> None:
    topics: Any = (MetadataRequestTopic(name="a"),)
    assert encode(MetadataRequest(topics=topics), 1) == encode(MetadataRequest(topics=list(topics)), 1)


def test_fields_that_the_version_lacks_have_their_defaults() -> None:
    message, _ = decode(MetadataRequest, 0, bytes(4))
    assert message == MetadataRequest(topics=[], allow_auto_topic_creation=True)
    response, _ = decode(ApiVersionsResponse, 0, bytes(6))
    assert response.supported_features == []
    assert decode(ApiVersionsResponse, 0, bytes(6))[0].supported_features is not response.supported_features


def test_ignorable_value_is_dropped_where_the_version_lacks_the_field() -> None:
    assert encode(ApiVersionsResponse(throttle_time_ms=7), 0) == bytes(6)


def test_other_value_is_refused_where_the_version_lacks_the_field() -> None:
    with pytest.raises(ProtocolError) as caught:
        encode(MetadataRequest(allow_auto_topic_creation=False), 3)
    assert (caught.value.message, caught.value.field, caught.value.value, caught.value.limit) == (
        "MetadataRequest v3",
        "allow_auto_topic_creation",
        False,
        True,
    )
    encode(MetadataRequest(allow_auto_topic_creation=False), 4)


REFUSED: list[tuple[Message, int, str, str]] = [
    (MetadataRequest(topics=None), 0, "topics", "cannot carry"),
    (MetadataRequest(topics=[MetadataRequestTopic(name=None)]), 9, "topics[0].name", "cannot carry"),
    (
        MetadataRequest(topics=[MetadataRequestTopic(name="a"), MetadataRequestTopic(name="x" * 32768)]),
        9,
        "topics[1].name",
        "length 32768, at most 32767",
    ),
    (MetadataRequest(topics=[MetadataRequestTopic(name="\ud800")]), 1, "topics[0].name", "cannot be UTF-8"),
    (MetadataRequest(topics=[MetadataRequestTopic(topic_id=b"short")]), 12, "topics[0].topic_id", "5 bytes, not 16"),
    (ApiVersionsResponse(error_code=32768), 0, "error_code", "not between -32768 and 32767"),
    (ApiVersionsResponse(error_code=-(2**70)), 0, "error_code", "not between -32768 and 32767"),
    (ApiVersionsResponse(throttle_time_ms=2**31), 1, "throttle_time_ms", "not between"),
    (ApiVersionsResponse(finalized_features_epoch=2**63), 3, "finalized_features_epoch", "not between"),
    (ProducerSnapshot(crc=-1), 1, "crc", "not between 0 and 4294967295"),
]


@pytest.mark.parametrize(
    ("message", "version", "field", "text"), REFUSED, ids=[f"{row[2]}-{row[3]}" for row in REFUSED]
)
def test_values_that_cannot_be_written_are_named(message: Message, version: int, field: str, text: str) -> None:
    with pytest.raises(ProtocolError, match=text) as caught:
        encode(message, version)
    assert caught.value.field == field
    assert caught.value.message == f"{type(message).__name__} v{version}"


WRONG: list[tuple[str, Any]] = [
    ("topics", "ab"),
    ("topics", {}),
    ("topics", [1]),
    ("topics", [MetadataRequest()]),
    ("topics", [None]),
    ("topics", [MetadataRequestTopic(name=b"a")]),  # type: ignore[arg-type]
    ("topics", [MetadataRequestTopic(topic_id="x" * 16)]),  # type: ignore[arg-type]
    ("allow_auto_topic_creation", 1),
    ("allow_auto_topic_creation", None),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_values_of_a_wrong_type_are_refused(name: str, value: Any) -> None:
    message = MetadataRequest()
    setattr(message, name, value)
    with pytest.raises(ProtocolError, match="needs"):
        encode(message, 10)


def test_deleted_attribute_is_refused() -> None:
    message = MetadataRequest()
    del message.topics
    with pytest.raises(ProtocolError, match="not set"):
        encode(message, 1)


def test_changing_a_list_while_it_is_written_is_refused() -> None:
    class Meddler(int):
        def __eq__(self, other: object) -> bool:
            message.topics.clear()  # type: ignore[union-attr]
            return True

        __hash__ = int.__hash__

    topics = [MetadataRequestTopic(name="a") for _ in range(3)]
    message = MetadataRequest(topics=topics)
    topics[0].topic_id = Meddler()  # type: ignore[assignment]
    encode(message, 1)  # an ignorable field is not looked at
    message.include_topic_authorized_operations = Meddler()  # type: ignore[assignment]
    encode(message, 1)
    assert message.topics == []


def test_versions_outside_of_the_range_are_refused() -> None:
    for version in (-1, 14, 32767):
        with pytest.raises(UnsupportedVersionError, match="MetadataRequest has no version"):
            encode(MetadataRequest(), version)
        with pytest.raises(UnsupportedVersionError, match="only 0 to 13"):
            decode(MetadataRequest, version, bytes(100))


def test_only_whole_messages_are_taken() -> None:
    with pytest.raises(TypeError):
        encode(MetadataRequestTopic(), 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        decode(int, 1, b"")  # type: ignore[type-var]
    with pytest.raises(TypeError):
        decode(Message, 0, b"")


def test_offset_outside_of_the_data_is_refused() -> None:
    for offset in (-1, 5):
        with pytest.raises(ValueError, match="outside"):
            decode(MetadataRequest, 0, bytes(4), offset)

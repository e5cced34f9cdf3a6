"""Goal: the records of a broker's own topics are wrapped as Kafka wraps them, and broken ones are refused."""

from __future__ import annotations

from random import Random

import pytest

from pykafka_core.protocol.exceptions import ProtocolError, UnsupportedVersionError
from pykafka_core.protocol.message import Record
from pykafka_core.protocol.messages.metadata_request import MetadataRequest
from pykafka_core.protocol.records.framing import (
    decode_coordinator_key,
    decode_coordinator_value,
    decode_metadata_record,
    encode_coordinator_key,
    encode_coordinator_value,
    encode_metadata_record,
)
from pykafka_core.protocol.records.group_coordinator.group_metadata_key import GroupMetadataKey
from pykafka_core.protocol.records.group_coordinator.offset_commit_key import OffsetCommitKey
from pykafka_core.protocol.records.group_coordinator.offset_commit_value import OffsetCommitValue
from pykafka_core.protocol.records.metadata.feature_level_record import FeatureLevelRecord
from pykafka_core.protocol.records.metadata.topic_record import TopicRecord
from pykafka_core.protocol.records.registry import COORDINATOR_KEYS, COORDINATOR_VALUES, METADATA_RECORDS
from pykafka_core.protocol.records.transaction_coordinator.transaction_log_key import TransactionLogKey
from tests.protocol.builders import Builder, message_classes, versions_of

CLASSES = {cls.__name__: cls for cls in message_classes()}


def test_golden_metadata_record() -> None:
    record = FeatureLevelRecord(name="metadata.version", feature_level=33)
    data = bytes.fromhex("01 0c 00 11") + b"metadata.version" + bytes.fromhex("0021 00")
    assert encode_metadata_record(record) == data
    assert decode_metadata_record(data) == (record, 0)


def test_every_metadata_record_round_trips() -> None:
    assert len(METADATA_RECORDS) == 27
    for number, (_, name) in METADATA_RECORDS.items():
        cls = CLASSES[name]
        assert number == cls.API_KEY
        for version in versions_of(cls):
            record = Builder(Random(f"{name} {version}")).message(cls, version)
            assert isinstance(record, Record)
            data = encode_metadata_record(record, version)
            assert decode_metadata_record(memoryview(data)) == (record, version)


def test_broken_metadata_records_are_refused() -> None:
    data = encode_metadata_record(TopicRecord(name="t"))
    for size in range(len(data)):
        with pytest.raises(ProtocolError):
            decode_metadata_record(data[:size])
    with pytest.raises(ProtocolError, match="1 bytes follow a TopicRecord"):
        decode_metadata_record(data + b"\0")
    with pytest.raises(UnsupportedVersionError, match="frame version 2, only 1"):
        decode_metadata_record(b"\x02" + data[1:])
    with pytest.raises(UnsupportedVersionError, match="no metadata record type 6"):
        decode_metadata_record(b"\x01\x06\x00")
    with pytest.raises(UnsupportedVersionError, match="TopicRecord has no version 1"):
        decode_metadata_record(b"\x01\x02\x01" + data[3:])
    with pytest.raises(UnsupportedVersionError, match="record version"):
        decode_metadata_record(b"\x01\x02\x80\x80\x04")
    with pytest.raises(ProtocolError, match="more than 32 bits"):
        decode_metadata_record(b"\xff\xff\xff\xff\xff\x01")


def test_only_metadata_records_go_to_the_metadata_log() -> None:
    with pytest.raises(TypeError, match="OffsetCommitKey"):
        encode_metadata_record(OffsetCommitKey())
    with pytest.raises(TypeError, match="MetadataRequest"):
        encode_metadata_record(MetadataRequest())  # type: ignore[arg-type]


def test_golden_offset_commit() -> None:
    key = OffsetCommitKey(group="g", topic="t", partition=2)
    data = bytes.fromhex("0001 0001 67 0001 74 00000002")
    assert encode_coordinator_key(key) == data
    assert decode_coordinator_key("group", data) == key
    value = OffsetCommitValue(offset=5, leader_epoch=1, metadata="", commit_timestamp=7)
    data = bytes.fromhex("0003 0000000000000005 00000001 0000 0000000000000007")
    assert encode_coordinator_value(value, 3) == data
    assert decode_coordinator_value("group", key.API_KEY, data) == (value, 3)


@pytest.mark.parametrize("coordinator", ["group", "transaction", "share"])
def test_every_coordinator_record_round_trips(coordinator: str) -> None:
    keys, values = COORDINATOR_KEYS[coordinator], COORDINATOR_VALUES[coordinator]
    assert set(keys) == set(values)
    for key_type, (_, name) in keys.items():
        key = Builder(Random(name)).message(CLASSES[name], CLASSES[name].VERSION_MAX)
        assert isinstance(key, Record)
        assert decode_coordinator_key(coordinator, encode_coordinator_key(key)) == key
        cls = CLASSES[values[key_type][1]]
        for version in versions_of(cls):
            value = Builder(Random(f"{name} {version}")).message(cls, version)
            assert isinstance(value, Record)
            data = encode_coordinator_value(value, version)
            assert decode_coordinator_value(coordinator, key_type, data) == (value, version)


def test_broken_coordinator_records_are_refused() -> None:
    data = encode_coordinator_key(GroupMetadataKey(group="g"))
    for size in range(len(data)):
        with pytest.raises(ProtocolError):
            decode_coordinator_key("group", data[:size])
    with pytest.raises(ProtocolError, match="follow"):
        decode_coordinator_key("group", data + b"\0")
    with pytest.raises(UnsupportedVersionError, match="no group record key type 99"):
        decode_coordinator_key("group", b"\x00\x63")
    with pytest.raises(UnsupportedVersionError, match="no version 9"):
        decode_coordinator_value("group", 1, b"\x00\x09")
    with pytest.raises(ValueError, match="no coordinator 'grup', only group"):
        decode_coordinator_key("grup", data)


def test_the_same_key_type_means_another_record_elsewhere() -> None:
    data = encode_coordinator_key(TransactionLogKey(transactional_id="x"))
    assert type(decode_coordinator_key("transaction", data)) is TransactionLogKey

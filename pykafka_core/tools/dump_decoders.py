"""How kafka-dump-log shows keys and values: as text, as numbers, or as the records of an internal topic.

What cannot be decoded is said in the place of the record, and the dump goes on.

Source: org.apache.kafka.tools.DumpLogSegments, org.apache.kafka.tools.api.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

from pykafka_core.records import Record
from pykafka_core.tools.dump_files import DumpError
from pykafka_core.tools.record_json import json_text, struct_json

__all__ = ["Decoder", "control_text", "decoder_of"]

Decoder = Callable[[Record], tuple[str | None, str | None]]

STRING: Final = "StringDecoder"


def as_text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def as_number(size: int) -> Callable[[bytes], str]:
    def decode(data: bytes) -> str:
        if len(data) != size:
            raise DumpError("", "java.nio.BufferUnderflowException")
        return str(int.from_bytes(data, "big", signed=True))

    return decode


PLAIN: Final[dict[str, Callable[[bytes], str]]] = {
    "StringDecoder": as_text,
    "DefaultDecoder": as_text,
    "IntegerDecoder": as_number(4),
    "LongDecoder": as_number(8),
}
CONTROL_NAMES: Final = {
    2: "LeaderChange:",
    3: "SnapshotHeader",
    4: "SnapshotFooter",
    5: "KRaftVersion",
    6: "KRaftVoters",
}


def plain(name: str | None) -> Callable[[bytes], str]:
    """A decoder by the name of Kafka's class. Raises DumpError."""
    package, _, short = (name or "org.apache.kafka.tools.api.StringDecoder").rpartition(".")
    if package not in ("org.apache.kafka.tools.api", "kafka.serializer") or short not in PLAIN:
        raise DumpError("Failed to load decoder class", "java.lang.RuntimeException")
    return PLAIN[short]


def decoder_of(option: str | None, key_class: str | None, value_class: str | None) -> Decoder:
    """Raises DumpError."""
    match option:
        case "offsets-decoder":
            return coordinator_decoder("group")
        case "transaction-log-decoder":
            return coordinator_decoder("transaction")
        case "share-group-state-decoder":
            return coordinator_decoder("share")
        case "cluster-metadata-decoder":
            return decode_metadata
        case "remote-log-metadata-decoder":
            return decode_remote
    key_text, value_text = plain(key_class), plain(value_class)

    def decode(record: Record) -> tuple[str | None, str | None]:
        return (
            None if record.key is None else key_text(record.key),
            None if record.value is None else value_text(record.value),
        )

    return decode


def decode_metadata(record: Record) -> tuple[str | None, str | None]:
    from pykafka_core.protocol.exceptions import ProtocolError
    from pykafka_core.protocol.records.framing import decode_metadata_record

    try:
        found, version = decode_metadata_record(record.value or b"")
    except (ProtocolError, ValueError) as error:
        return None, f"Error at {record.offset}, skipping. {error}"
    name = type(found).__name__
    upper = "".join(f"_{letter}" if letter.isupper() and at else letter for at, letter in enumerate(name)).upper()
    return None, json_text({"type": upper, "version": version, "data": struct_json(found, version)})


def decode_remote(record: Record) -> tuple[str | None, str | None]:
    """Tiered storage is not there yet, so such records are only told apart by their sizes."""
    return None, f"Error at offset {record.offset}, skipping. {len(record.value or b'')} bytes of remote log metadata"


def coordinator_decoder(coordinator: str) -> Decoder:
    from pykafka_core.protocol.exceptions import ProtocolError
    from pykafka_core.protocol.records.framing import decode_coordinator_key, decode_coordinator_value
    from pykafka_core.protocol.records.registry import COORDINATOR_KEYS

    known = COORDINATOR_KEYS[coordinator]

    def decode(record: Record) -> tuple[str | None, str | None]:
        if record.key is None:
            raise DumpError(
                f"Failed to decode message at offset {record.offset} using the specified decoder (message had a "
                "missing key)",
                "java.lang.RuntimeException",
            )
        kind = int.from_bytes(record.key[:2], "big", signed=True)
        if len(record.key) >= 2 and kind not in known:
            return f"Unknown record type {kind} at offset {record.offset}, skipping.", None
        try:
            key = decode_coordinator_key(coordinator, record.key)
            key_text = json_text({"type": str(key.API_KEY), "data": struct_json(key, 0)})
            if record.value is None:
                return key_text, "<DELETE>"
            value, version = decode_coordinator_value(coordinator, key.API_KEY, record.value)
        except (ProtocolError, ValueError) as error:
            return f"Error at offset {record.offset}, skipping. {error}", None
        data = struct_json(value, version)
        if coordinator == "group" and key.API_KEY == 2 and data["protocolType"] == "consumer":
            show_members(data)
        return key_text, json_text({"version": str(version), "data": data})

    return decode


def show_members(group: dict[str, Any]) -> None:
    """Subscriptions and assignments of consumers, decoded in place where they can be."""
    from pykafka_core.protocol.messages.consumer_protocol_assignment import ConsumerProtocolAssignment
    from pykafka_core.protocol.messages.consumer_protocol_subscription import ConsumerProtocolSubscription

    for member in group["members"]:
        for name, kind in (("subscription", ConsumerProtocolSubscription), ("assignment", ConsumerProtocolAssignment)):
            decoded = embedded(member[name], kind)
            if decoded is not None:
                member[name] = decoded


def embedded(text: str, kind: type[Any]) -> dict[str, Any] | None:
    from pykafka_core.protocol._codec import decode
    from pykafka_core.protocol.exceptions import ProtocolError

    data = base64.b64decode(text)
    if len(data) < 2:
        return None
    version = int.from_bytes(data[:2], "big", signed=True)
    try:
        return struct_json(decode(kind, version, data, 2)[0], version)
    except (ProtocolError, ValueError):
        return None


def control_text(record: Record) -> str:
    """What a control record says. Raises DumpError."""
    from pykafka_core.protocol._codec import decode
    from pykafka_core.protocol.exceptions import ProtocolError

    if record.key is None or len(record.key) < 4:
        raise DumpError(
            "Invalid value size found for control record key. Must have at least 4 bytes, but found only "
            f"{len(record.key or b'')}",
            "org.apache.kafka.common.InvalidRecordException",
        )
    kind = int.from_bytes(record.key[2:4], "big", signed=True)
    value = record.value or b""
    if kind in (0, 1):
        epoch = int.from_bytes(value[2:6], "big", signed=True)
        return f" endTxnMarker: {('ABORT', 'COMMIT')[kind]} coordinatorEpoch: {epoch}"
    if kind not in CONTROL_NAMES:
        return f" controlType: UNKNOWN({kind})"
    version = int.from_bytes(value[:2], "big", signed=True)
    try:
        found = decode(control_class(kind), version, value)[0]
    except (ProtocolError, ValueError) as error:
        raise DumpError(str(error), "org.apache.kafka.common.InvalidRecordException") from error
    return f" {CONTROL_NAMES[kind]} {json_text(struct_json(found, version))}"


def control_class(kind: int) -> type[Any]:
    from pykafka_core.protocol.records.control.kraft_version_record import KRaftVersionRecord
    from pykafka_core.protocol.records.control.leader_change_message import LeaderChangeMessage
    from pykafka_core.protocol.records.control.snapshot_footer_record import SnapshotFooterRecord
    from pykafka_core.protocol.records.control.snapshot_header_record import SnapshotHeaderRecord
    from pykafka_core.protocol.records.control.voters_record import VotersRecord

    by_kind: dict[int, type[Any]] = {
        2: LeaderChangeMessage,
        3: SnapshotHeaderRecord,
        4: SnapshotFooterRecord,
        5: KRaftVersionRecord,
        6: VotersRecord,
    }
    return by_kind[kind]

"""Metadata records and control records as they stand in batches, and the version in which each is written.

A record is written in the version that the cluster's metadata.version asks for, so that any Kafka of that level reads
it. What that version cannot carry is left out, as Kafka leaves it out.

Control records (key: int16 version, int16 type) speak of the log itself: who leads it, who votes, where a snapshot
begins and ends.

Source: org.apache.kafka.server.common.MetadataVersion, org.apache.kafka.common.record.ControlRecordType, KIP-584,
KIP-630, KIP-853.
"""

from __future__ import annotations

import struct

from pykafka_core._dataclass import dataclass
from pykafka_core.metadata.errors import CorruptMetadataError, UnsupportedMetadataError
from pykafka_core.metadata.local_batches import BatchRecord
from pykafka_core.protocol._codec import decode, encode
from pykafka_core.protocol.exceptions import ProtocolError, UnsupportedVersionError
from pykafka_core.protocol.message import Record
from pykafka_core.protocol.records.framing import decode_metadata_record, encode_metadata_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

__all__ = [
    "METADATA_VERSION_DEFAULT",
    "METADATA_VERSION_MAX",
    "METADATA_VERSION_MIN",
    "Voter",
    "VoterSet",
    "control_key",
    "control_type",
    "decode_record",
    "decode_voters",
    "encode_record",
    "kraft_version_record",
    "leader_change_record",
    "read_kraft_version",
    "snapshot_footer_record",
    "snapshot_header_record",
    "voters_record",
]

METADATA_VERSION_MIN: Final = 7
"""3.3-IV3, the oldest that Apache Kafka 4 takes over."""
METADATA_VERSION_MAX: Final = 33
"""4.4-IV2."""
METADATA_VERSION_DEFAULT: Final = 30
"""4.3-IV0: new directories can be opened by Apache Kafka 4.3 and later."""

LEADER_CHANGE: Final = 2
SNAPSHOT_HEADER: Final = 3
SNAPSHOT_FOOTER: Final = 4
KRAFT_VERSION: Final = 5
KRAFT_VOTERS: Final = 6

_CONTROL_KEY: Final = struct.Struct(">hh")

# From which metadata.version on which version of a record type is written; types that are not here have version 0.
_VERSIONS: Final[dict[int, tuple[tuple[int, int], ...]]] = {
    0: ((30, 4), (17, 3), (8, 2), (7, 1)),  # RegisterBrokerRecord
    3: ((23, 2), (17, 1)),  # PartitionRecord
    5: ((23, 2), (17, 1)),  # PartitionChangeRecord
    17: ((30, 3), (17, 2), (7, 1)),  # BrokerRegistrationChangeRecord
}


def _version_for(record: Record, metadata_version: int) -> int:
    for level, version in _VERSIONS.get(record.API_KEY, ()):
        if metadata_version >= level:
            return version
    return 0


def _fit(record: Record, version: int) -> Record:
    """The record without the fields that this version does not have."""
    fitted = record
    for name, _, versions, _, _, default, _ in record.FIELDS:
        low = int(versions.partition("-")[0]) if versions else version + 1
        if low > version:
            if fitted is record:
                import copy

                fitted = copy.copy(record)
            setattr(fitted, name, [] if default == () else default)
    return fitted


def encode_record(record: Record, metadata_version: int) -> BatchRecord:
    """Key and value of a metadata record. Raises ValueError if it cannot be encoded."""
    version = _version_for(record, metadata_version)
    return None, encode_metadata_record(_fit(record, version), version)


def decode_record(value: bytes | None, offset: int) -> Record:
    """The metadata record in a value. Raises UnsupportedMetadataError or CorruptMetadataError, naming what it is and
    its offset."""
    if value is None:
        raise CorruptMetadataError(f"The metadata record at offset {offset} has no value.")
    try:
        record, _ = decode_metadata_record(value)
    except UnsupportedVersionError as error:
        raise UnsupportedMetadataError(
            f"The metadata record at offset {offset} was written by a newer Kafka: {error}."
        ) from error
    except ProtocolError as error:
        raise CorruptMetadataError(f"The metadata record at offset {offset} cannot be read: {error}.") from error
    return record


# ---- control records ------------------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True, kw_only=True)
class Voter:
    """One KRaft controller. `endpoints`: (listener name, host, port)."""

    voter_id: int
    directory_id: bytes
    endpoints: tuple[tuple[str, str, int], ...]


@dataclass(slots=True, frozen=True, kw_only=True)
class VoterSet:
    """What the log says about its voters: kraft.version 0 says nothing, they stand in the configuration (KIP-853)."""

    kraft_version: int = 0
    voters: tuple[Voter, ...] = ()


def control_key(kind: int) -> bytes:
    return _CONTROL_KEY.pack(0, kind)


def control_type(key: bytes | None, offset: int) -> int:
    if key is None or len(key) < _CONTROL_KEY.size:
        raise CorruptMetadataError(f"The control record at offset {offset} of the metadata has no type.")
    kind: int = _CONTROL_KEY.unpack_from(key)[1]
    return kind


def leader_change_record(node_id: int) -> BatchRecord:
    """This node leads, elected by its own vote."""
    from pykafka_core.protocol.records.control.leader_change_message import LeaderChangeMessage
    from pykafka_core.protocol.records.control.leader_change_message import Voter as VoterStruct

    message = LeaderChangeMessage(
        version=0,
        leader_id=node_id,
        voters=[VoterStruct(voter_id=node_id)],
        granting_voters=[VoterStruct(voter_id=node_id)],
    )
    return control_key(LEADER_CHANGE), encode(message, 0)


def snapshot_header_record(last_contained_timestamp_ms: int) -> BatchRecord:
    from pykafka_core.protocol.records.control.snapshot_header_record import SnapshotHeaderRecord

    header = SnapshotHeaderRecord(version=0, last_contained_log_timestamp=last_contained_timestamp_ms)
    return control_key(SNAPSHOT_HEADER), encode(header, 0)


def snapshot_footer_record() -> BatchRecord:
    from pykafka_core.protocol.records.control.snapshot_footer_record import SnapshotFooterRecord

    return control_key(SNAPSHOT_FOOTER), encode(SnapshotFooterRecord(version=0), 0)


def kraft_version_record(voter_set: VoterSet) -> BatchRecord:
    from pykafka_core.protocol.records.control.kraft_version_record import KRaftVersionRecord

    return control_key(KRAFT_VERSION), encode(KRaftVersionRecord(version=0, kraft_version=voter_set.kraft_version), 0)


def voters_record(voter_set: VoterSet) -> BatchRecord:
    from pykafka_core.protocol.records.control.voters_record import Endpoint, KRaftVersionFeature, VotersRecord
    from pykafka_core.protocol.records.control.voters_record import Voter as VoterStruct

    record = VotersRecord(
        version=0,
        voters=[
            VoterStruct(
                voter_id=voter.voter_id,
                voter_directory_id=voter.directory_id,
                endpoints=[Endpoint(name=name, host=host, port=port) for name, host, port in voter.endpoints],
                kraft_version_feature=KRaftVersionFeature(min_supported_version=0, max_supported_version=1),
            )
            for voter in voter_set.voters
        ],
    )
    return control_key(KRAFT_VOTERS), encode(record, 0)


def read_kraft_version(value: bytes | None) -> int:
    from pykafka_core.protocol.records.control.kraft_version_record import KRaftVersionRecord

    return decode(KRaftVersionRecord, 0, value or b"")[0].kraft_version


def decode_voters(value: bytes | None) -> tuple[Voter, ...]:
    from pykafka_core.protocol.records.control.voters_record import VotersRecord

    record = decode(VotersRecord, 0, value or b"")[0]
    return tuple(
        Voter(
            voter_id=voter.voter_id,
            directory_id=voter.voter_directory_id,
            endpoints=tuple((e.name, e.host, e.port) for e in voter.endpoints),
        )
        for voter in record.voters
    )


def encode_records(records: Iterable[Record], metadata_version: int) -> list[BatchRecord]:
    return [encode_record(record, metadata_version) for record in records]

"""Log directories made ready by hand, for a broker of ours or of Apache Kafka.

    plan = FormatPlan(cluster_id=..., node_id=1, directories=[...], metadata_directory=..., ...)
    features, records = plan.decide()    # raises FormatError, writes nothing
    plan.look()                          # raises FormatError, DirectoryError; which are empty
    plan.format(directory, records)      # one directory, durably

`meta.properties` comes last, so that a directory which has it is whole; everything is synced before it is named.

Source: org.apache.kafka.metadata.storage.Formatter, org.apache.kafka.metadata.properties.MetaPropertiesEnsemble,
KIP-853.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pykafka_core._dataclass import dataclass, field
from pykafka_core.metadata.directories import (
    BOOTSTRAP_CHECKPOINT,
    META_PROPERTIES,
    METADATA_DIRECTORY,
    write_meta_properties,
)
from pykafka_core.metadata.errors import FormatError
from pykafka_core.metadata.files import sync_directory
from pykafka_core.metadata.local_records import Voter, VoterSet
from pykafka_core.metadata.local_snapshot import SnapshotId, write_snapshot
from pykafka_core.metadata.properties_file import PropertiesError, parse_properties
from pykafka_core.metadata.release_versions import (
    DEFAULT_RELEASE,
    FEATURES,
    UNSTABLE_FROM,
    dependencies_of,
    level_of_release,
    release_of_level,
)
from pykafka_core.metadata.scram_argument import parse_scram_argument
from pykafka_core.metadata.uuids import random_uuid, uuid_from_string, uuid_to_string
from pykafka_core.protocol.message import Record
from pykafka_core.protocol.records.metadata.feature_level_record import FeatureLevelRecord

__all__ = ["FormatPlan", "InitialController", "StandInError", "parse_initial_controllers"]

SCRAM_FROM: Final = 11  # 3.5-IV2
METADATA_VERSION: Final = "metadata.version"
KRAFT_VERSION: Final = "kraft.version"


class StandInError(Exception):
    """Where Kafka's tool ends with an uncaught exception: its name, and its text."""

    def __init__(self, message: str, java_name: str = "java.lang.RuntimeException") -> None:
        super().__init__(message)
        self.java_name = java_name


class InitialController(NamedTuple):
    node_id: int
    host: str
    port: int
    directory_id: bytes


def parse_initial_controllers(text: str) -> list[InitialController]:
    """Read id@host:port:directory,... Raises StandInError."""
    return [_parse_controller(part.strip()) for part in text.strip().split(",") if part]


def _parse_controller(text: str) -> InitialController:
    def refuse(message: str) -> StandInError:
        return StandInError(message, "java.lang.IllegalArgumentException")

    id_text, at, rest = text.partition("@")
    if not at:
        raise refuse("No @ found in dynamic voter string.")
    if not id_text:
        raise refuse("Invalid @ at beginning of dynamic voter string.")
    if not id_text.removeprefix("-").isdecimal():
        raise refuse("Failed to parse node id in dynamic voter string.")
    if int(id_text) < 0:
        raise refuse(f"Invalid negative node id {id_text} in dynamic voter string.")
    if not rest:
        raise refuse("No hostname found after node id.")
    if rest.startswith("["):
        host, bracket, rest = rest[1:].partition("]")
        if not bracket:
            raise refuse("Hostname began with left bracket, but no right bracket was found.")
    else:
        host, colon, rest = rest.partition(":")
        if not colon:
            raise refuse("No colon following hostname could be found.")
        rest = ":" + rest
    if not rest.startswith(":"):
        raise refuse("Port section must start with a colon.")
    port_text, colon, directory_text = rest[1:].partition(":")
    if not colon:
        raise refuse("No colon following port could be found.")
    if not port_text.isdecimal():
        raise refuse("Failed to parse port in dynamic voter string.")
    if int(port_text) > 65535:
        raise refuse(f"Invalid port {port_text} in dynamic voter string.")
    try:
        directory_id = uuid_from_string(directory_text)
    except ValueError:
        raise refuse("Failed to parse directory ID in dynamic voter string.") from None
    return InitialController(int(id_text), host, int(port_text), directory_id)


@dataclass(slots=True, kw_only=True)
class FormatPlan:
    cluster_id: str
    node_id: int
    directories: Sequence[str]
    metadata_directory: str
    controller_listener: str
    release: str | None = None
    features: Mapping[str, int] = field(default_factory=dict)
    scram: Sequence[str] = ()
    initial_controllers: Sequence[InitialController] = ()
    is_dynamic: bool = False
    """The voters stand in the metadata log and not in the configuration."""
    unstable: bool = False
    levels: dict[str, int] = field(default_factory=dict)
    """What `decide` found."""

    @property
    def release_shown(self) -> str:
        return release_of_level(self.levels[METADATA_VERSION]) or ""

    def decide(self) -> list[Record]:
        """The levels of all features, and the first records of the metadata. Raises FormatError, StandInError."""
        level = self._metadata_version()
        for name in self.features:
            if name != METADATA_VERSION and name not in {each.name for each in FEATURES}:
                names = ", ".join(sorted(each.name for each in FEATURES))
                raise FormatError(f"Unsupported feature: {name}. Supported features are: {names}")
        levels = {**self.features, METADATA_VERSION: level}
        for feature in FEATURES:
            if feature.name == KRAFT_VERSION:
                levels[KRAFT_VERSION] = self._kraft_version(levels.get(KRAFT_VERSION))
            else:
                levels.setdefault(feature.name, feature.default_level(level))
        for feature in sorted(FEATURES, key=lambda each: each.name):
            _check_level(feature.name, levels, feature.level_max if self.unstable else feature.stable_max)
        self.levels = levels
        others = sorted(name for name in levels if name not in (METADATA_VERSION, KRAFT_VERSION) and levels[name])
        records: list[Record] = [
            FeatureLevelRecord(name=name, feature_level=levels[name]) for name in (METADATA_VERSION, *others)
        ]
        if self.scram and level < SCRAM_FROM:
            raise FormatError("SCRAM is only supported in metadata.version 3.5-IV2 or later.")
        records += [parse_scram_argument(each) for each in self.scram]
        return records

    def _metadata_version(self) -> int:
        asked = self.features.get(METADATA_VERSION)
        if asked is not None and self.release is not None:
            raise FormatError("Use --release-version instead of --feature metadata.version=X to avoid ambiguity.")
        if asked is not None:
            if release_of_level(asked) is None:
                raise StandInError(
                    f"No MetadataVersion with feature level {asked}. Valid feature levels are from 7 to 31.",
                    "java.lang.IllegalArgumentException",
                )
            level = asked
        else:
            found = level_of_release(self.release or DEFAULT_RELEASE)
            if found is None:
                raise FormatError(f"Unknown metadata.version '{self.release}'.")
            level = found
        if level >= UNSTABLE_FROM and not self.unstable:
            raise FormatError(f"metadata.version {release_of_level(level)} is not yet stable.")
        return level

    def _kraft_version(self, asked: int | None) -> int:
        if asked is None:
            return int(self.is_dynamic)
        if asked == 0 and self.is_dynamic:
            raise FormatError(
                "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, "
                "--initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try "
                "removing the --feature flag for kraft.version."
            )
        if asked and not self.is_dynamic:
            raise FormatError(
                f"Cannot set kraft.version to {asked} unless controller.quorum.voters is empty and one of the flags "
                "--standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers "
                "support, try using one of --standalone, --initial-controllers, or --no-initial-controllers and "
                "removing controller.quorum.voters."
            )
        return asked

    def look(self) -> tuple[list[str], list[str], list[str]]:
        """Which directories are empty, formatted, unreadable. Raises StandInError where one is another node's."""
        empty: list[str] = []
        formatted: list[str] = []
        unreadable: list[str] = []
        seen: dict[str, str] = {}
        for directory in sorted(self.directories):
            path = Path(directory) / META_PROPERTIES
            try:
                meta = parse_properties(path.read_bytes())
            except FileNotFoundError:
                empty.append(directory)
                continue
            except (OSError, PropertiesError):
                unreadable.append(directory)
                continue
            formatted.append(directory)
            self._verify(meta, path, directory, seen)
        return empty, formatted, unreadable

    def _verify(self, meta: Mapping[str, str], path: Path, directory: str, seen: dict[str, str]) -> None:
        version = meta.get("version", "0")
        if version == "1":
            for name in ("cluster.id", "node.id"):
                if name not in meta:
                    raise StandInError(f"{name} was not specified in {path}")
        elif version != "0":
            raise StandInError(f"Unknown meta.properties version number {version}")
        cluster_id = meta.get("cluster.id")
        if cluster_id is not None and cluster_id != self.cluster_id:
            raise StandInError(f"Invalid cluster.id in: {path}. Expected {self.cluster_id}, but read {cluster_id}")
        node_id = meta.get("node.id", meta.get("broker.id"))
        if node_id is not None and node_id != str(self.node_id):
            raise StandInError(
                f"Stored node id {node_id} doesn't match previous node id {self.node_id} in {path}. If you moved your "
                "data, make sure your configured node id matches. If you intend to create a new node, you should "
                "remove all data in your data directories."
            )
        directory_id = meta.get("directory.id")
        if directory_id is not None:
            if directory_id in seen:
                raise StandInError(
                    f"Duplicate directory ID {directory_id} found. It was the ID of {seen[directory_id]}, but also of "
                    f"{directory}"
                )
            seen[directory_id] = directory

    def kind_of(self, directory: str) -> str:
        """Kafka's word for what this directory will be."""
        if directory != self.metadata_directory:
            return "data directory"
        if not self.initial_controllers:
            return "metadata directory"
        return "dynamic metadata voter directory" if self._own_voter() else "dynamic metadata directory"

    def _own_voter(self) -> InitialController | None:
        return next((each for each in self.initial_controllers if each.node_id == self.node_id), None)

    def format(self, directory: str, records: Sequence[Record]) -> None:
        """Write all files of a directory. Raises OSError."""
        path = Path(directory)
        path.mkdir(parents=True, exist_ok=True)
        now_ms = time.time_ns() // 1_000_000
        version = self.levels[METADATA_VERSION]
        write_snapshot(
            path / BOOTSTRAP_CHECKPOINT,
            records,
            leader_epoch=0,
            timestamp_ms=now_ms,
            last_contained_timestamp_ms=0,
            metadata_version=version,
            voter_set=VoterSet(),
        )
        directory_id = _directory_id()
        if directory == self.metadata_directory and self.initial_controllers:
            own = self._own_voter()
            if own is not None:
                directory_id = own.directory_id
            metadata = path / METADATA_DIRECTORY
            metadata.mkdir(exist_ok=True)
            write_snapshot(
                metadata / SnapshotId(0, 0).file_name,
                (),
                leader_epoch=0,
                timestamp_ms=now_ms,
                last_contained_timestamp_ms=now_ms,
                metadata_version=version,
                voter_set=VoterSet(kraft_version=self.levels[KRAFT_VERSION], voters=self._voters()),
            )
            sync_directory(path)
        write_meta_properties(path, self.cluster_id, self.node_id, directory_id, {})
        sync_directory(path.absolute().parent)

    def _voters(self) -> tuple[Voter, ...]:
        return tuple(
            Voter(
                voter_id=each.node_id,
                directory_id=each.directory_id,
                endpoints=((self.controller_listener, each.host, each.port),),
            )
            for each in self.initial_controllers
        )


def _directory_id() -> bytes:
    """A random uuid whose text does not begin with a dash, as command lines take it."""
    while uuid_to_string(found := random_uuid()).startswith("-"):
        pass
    return found


def _check_level(name: str, levels: Mapping[str, int], level_max: int) -> None:
    level = levels[name]
    if not 0 <= level <= level_max:
        raise StandInError(f"No feature:{name} with feature level {level}", "java.lang.IllegalArgumentException")
    for other, needed in dependencies_of(name, level):
        if levels.get(other, 0) < needed:
            raise StandInError(
                f"{name} could not be set to {level} because it depends on {other} level {needed}",
                "java.lang.IllegalArgumentException",
            )

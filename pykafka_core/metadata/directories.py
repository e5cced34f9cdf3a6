"""The log directories of a broker: whose they are, and that nobody else uses them.

    directories = open_directories(config.log_dirs, node_id=config.node_id, controller_endpoint=("CONTROLLER",
    "localhost", 9093)) directories.cluster_id, directories.node_id, directories.metadata.path,
    directories.by_id(directory_id) directories.close()

Each directory bears `meta.properties` (cluster id, node id, its own directory id), `bootstrap.checkpoint` (feature
levels to start with) and, while a broker runs, a lock on `.lock`. The one for metadata holds `__cluster_metadata-0`.
Directories that are empty are formatted; `meta.properties` comes last, so that a directory which has it is whole.

Every refusal is a DirectoryError with one sentence, raised before anything is written.

Source: org.apache.kafka.metadata.properties.{MetaProperties,MetaPropertiesEnsemble},
org.apache.kafka.metadata.storage.Formatter, KIP-858.
"""

from __future__ import annotations

import errno
import os
import sys

from pykafka_core._dataclass import dataclass
from pykafka_core._path import Path
from pykafka_core._undo import Undo
from pykafka_core.metadata.errors import DirectoryError, UnusableDirectoryError
from pykafka_core.metadata.files import sync_directory, write_atomically
from pykafka_core.metadata.properties_file import PropertiesError, format_properties, parse_properties
from pykafka_core.metadata.uuids import random_uuid, uuid_from_string, uuid_to_string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Final

__all__ = [
    "METADATA_DIRECTORY",
    "LogDirectories",
    "LogDirectory",
    "lock_holder",
    "open_directories",
    "write_meta_properties",
]

METADATA_DIRECTORY: Final = "__cluster_metadata-0"
META_PROPERTIES: Final = "meta.properties"
PARTITION_METADATA: Final = "partition.metadata"
BOOTSTRAP_CHECKPOINT: Final = "bootstrap.checkpoint"
NODE_ID_DEFAULT: Final = 1

# Such locks belong to the process: a second broker inside this one would be given them too. Device and inode of each
# .lock.
_held: Final[set[tuple[int, int]]] = set()


@dataclass(slots=True, frozen=True, kw_only=True)
class LogDirectory:
    """One of the broker's directories, open and locked."""

    path: Path
    directory_id: bytes
    formatted: bool
    """It was empty, and was formatted just now."""


class LogDirectories:
    """All directories of one broker. Close it when nothing writes to them any more."""

    def __init__(
        self,
        cluster_id: str,
        node_id: int,
        directories: Sequence[LogDirectory],
        metadata: LogDirectory,
        locks: Undo,
        unusable: Mapping[Path, str],
    ) -> None:
        self.cluster_id: Final = cluster_id
        self.node_id: Final = node_id
        self.directories: Final = tuple(directories)
        """Where partitions may lie, in the order of log.dirs."""
        self.metadata: Final = metadata
        """Where the metadata log lies; one of `directories`, unless metadata.log.dir names another."""
        self.unusable: Final = dict(unusable)
        """Those of log.dirs that the system does not let us use, and why, in one sentence."""
        self._locks = locks

    def by_id(self, directory_id: bytes) -> LogDirectory | None:
        return next((each for each in self.directories if each.directory_id == directory_id), None)

    def close(self) -> None:
        """Give up the locks."""
        self._locks.close()


@dataclass(slots=True, frozen=True, kw_only=True)
class _Meta:
    """meta.properties of one directory; `raw` keeps what we do not know."""

    path: Path
    cluster_id: str
    node_id: int
    directory_id: bytes | None
    raw: Mapping[str, str]


def open_directories(
    paths: Sequence[Path],
    *,
    metadata_path: Path | None = None,
    node_id: int | None = None,
    cluster_id: str | None = None,
    controller_endpoint: tuple[str, str, int] = ("CONTROLLER", "localhost", 9093),
    features: Mapping[str, int] | None = None,
    before_writing: Callable[[Path, int], None] | None = None,
) -> LogDirectories:
    """Lock the directories, format those that are empty, and say whose they are.

    `metadata_path`: None for the first of `paths`. `node_id`, `cluster_id`: what must be, None for whatever is found,
    else 1 and a random id. `controller_endpoint` (listener name, host, port) and `features` (levels by name) go into
    a new metadata log. `before_writing`: called with the path and the node id of a metadata log that exists, before
    anything but the locks is written; what it raises leaves everything as it was.

    A directory that the system does not let us use is left out, unless it is the one for metadata or no other is left.
    Raises DirectoryError.
    """
    metadata_path = paths[0] if metadata_path is None else metadata_path
    everywhere = list(dict.fromkeys([metadata_path, *paths]))
    # Looked at twice: first so that a directory which is not ours is left as it is, then for good, with the locks in
    # hand.
    unusable: dict[Path, str] = {}
    _judge(everywhere, metadata_path, node_id, cluster_id, unusable)
    locks = Undo()
    try:
        for path in [path for path in everywhere if path not in unusable]:
            with _left_out(path, unusable, unless=path == metadata_path):
                try:
                    path.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise UnusableDirectoryError(f"Log directory {path} cannot be made: {error.strerror}.") from error
                locks.callback(_lock(path).close)
        everywhere = [path for path in everywhere if path not in unusable]
        metas, found_cluster_id, found_node_id = _judge(everywhere, metadata_path, node_id, cluster_id, unusable)
        for path in metas:
            with _left_out(path, unusable, unless=path == metadata_path):
                _check_partitions(path)
        if before_writing is not None and metadata_path in metas:
            before_writing(metadata_path, found_node_id)
        opened: dict[Path, LogDirectory] = {}
        for path in [path for path in everywhere if path not in unusable]:
            with _left_out(path, unusable, unless=path == metadata_path):
                meta = metas.get(path)
                directory_id = None if meta is None else meta.directory_id
                if directory_id is None:
                    directory_id = random_uuid()
                    raw = {} if meta is None else meta.raw
                    try:
                        if meta is None:
                            holds_metadata = path == metadata_path
                            _format(path, directory_id, found_node_id, holds_metadata, controller_endpoint, features)
                        write_meta_properties(path, found_cluster_id, found_node_id, directory_id, raw)
                    except OSError as error:
                        said = f"Log directory {path} cannot be formatted: {error.strerror}."
                        raise UnusableDirectoryError(said) from error
                opened[path] = LogDirectory(path=path, directory_id=directory_id, formatted=meta is None)
        usable = [opened[path] for path in paths if path in opened]
        if not usable:
            raise UnusableDirectoryError(next(iter(unusable.values())))
    except BaseException:
        locks.close()
        raise
    return LogDirectories(found_cluster_id, found_node_id, usable, opened[metadata_path], locks, unusable)


class _left_out:
    """Note that a directory cannot be used, where the broker can do without it."""

    def __init__(self, path: Path, unusable: dict[Path, str], *, unless: bool) -> None:
        self._path, self._unusable, self._unless = path, unusable, unless

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if self._unless or not isinstance(error, UnusableDirectoryError):
            return False
        self._unusable[self._path] = str(error)
        return True


# ---- what is there
# ----------------------------------------------------------------------------------------------------


def _judge(
    paths: Sequence[Path],
    metadata_path: Path,
    node_id: int | None,
    cluster_id: str | None,
    unusable: dict[Path, str],
) -> tuple[dict[Path, _Meta], str, int]:
    """The meta.properties that exist, the cluster id and the node id. Raises DirectoryError; writes nothing."""
    metas: dict[Path, _Meta] = {}
    for path in paths:
        with _left_out(path, unusable, unless=path == metadata_path):
            meta = _read_meta(path)
            if meta is None:
                _check_empty(path)
            else:
                metas[path] = meta
    cluster_source = node_source = "the configuration"
    seen: dict[bytes, Path] = {}
    for path, meta in metas.items():
        if cluster_id is None:
            cluster_id, cluster_source = meta.cluster_id, f"like {path}"
        elif meta.cluster_id != cluster_id:
            raise DirectoryError(
                f"Log directory {path} belongs to cluster {meta.cluster_id}, not to {cluster_id} {_as(cluster_source)}."
            )
        if node_id is None:
            node_id, node_source = meta.node_id, f"like {path}"
        elif meta.node_id != node_id:
            raise DirectoryError(
                f"Log directory {path} belongs to node {meta.node_id}, not to {node_id} {_as(node_source)}."
            )
        if meta.directory_id is not None:
            other = seen.setdefault(meta.directory_id, path)
            if other != path:
                raise DirectoryError(
                    f"Log directories {other} and {path} have the same directory.id "
                    f"{uuid_to_string(meta.directory_id)}: one is a copy of the other."
                )
    _check_metadata_place(metas, paths, metadata_path)
    return metas, cluster_id or uuid_to_string(random_uuid()), NODE_ID_DEFAULT if node_id is None else node_id


def _as(source: str) -> str:
    return source if source.startswith("like ") else f"as {source} says"


def _check_metadata_place(metas: Mapping[Path, _Meta], paths: Sequence[Path], metadata_path: Path) -> None:
    """Refuse to begin an empty metadata log beside one that exists, or beside directories that had one."""
    if _has_log(metadata_path):
        return
    for path in paths:
        if path != metadata_path and _has_log(path):
            raise DirectoryError(
                f"The metadata log lies in {path}, but metadata.log.dir, or the first of log.dirs, is {metadata_path}."
            )
    if metadata_path not in metas and metas:
        other = next(iter(metas))
        raise DirectoryError(
            f"Log directory {metadata_path} should hold the metadata log and is empty, "
            f"while {other} belongs to cluster {metas[other].cluster_id} already."
        )


def _has_log(path: Path) -> bool:
    try:
        return any(entry.name.endswith(".log") for entry in (path / METADATA_DIRECTORY).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _check_empty(path: Path) -> None:
    """A directory without meta.properties is formatted, unless it holds what somebody may want to keep."""
    try:
        entries = sorted(path.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnusableDirectoryError(f"Log directory {path} cannot be read: {error.strerror}.") from error
    for entry in entries:
        name = entry.name
        if not entry.is_dir() or name.startswith(".") or name == "lost+found":
            continue
        if name == METADATA_DIRECTORY and not _has_log(path):
            continue
        topic, _, number = name.rpartition("-")
        what = "partitions" if topic and number.isdecimal() else "other directories"
        raise DirectoryError(
            f"Log directory {path} holds {what} ({name}) but no {META_PROPERTIES}; it is left as it is."
        )


def _check_partitions(path: Path) -> None:
    """A `partition.metadata` of a version that is not known may say anything. One that says nothing is written anew
    later: a crash may have left it empty."""
    try:
        with os.scandir(path) as entries:
            names = [entry.path for entry in entries if entry.name.rpartition("-")[2].isdecimal()]
    except OSError as error:
        raise UnusableDirectoryError(f"Log directory {path} cannot be read: {error.strerror}.") from error
    for name in names:
        file = f"{name}/{PARTITION_METADATA}"
        try:
            handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue  # there need not be one, and what cannot be read is judged when it is needed
        try:
            text = os.read(handle, 1024)
        except OSError:
            continue
        finally:
            os.close(handle)
        if text.startswith(b"version: 0\n"):
            continue
        for line in text.splitlines():
            key, _, value = line.partition(b":")
            if key == b"version" and value.strip().isdigit() and int(value) != 0:
                raise DirectoryError(f"{file} has version {int(value)}, and only 0 is known.")


def _read_meta(path: Path) -> _Meta | None:
    file = path / META_PROPERTIES
    try:
        raw = parse_properties(file.read_bytes())
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise UnusableDirectoryError(f"Log directory {path} is not a directory.") from error
    except OSError as error:
        raise UnusableDirectoryError(f"{file} cannot be read: {error.strerror}.") from error
    except PropertiesError as error:
        raise DirectoryError(f"{file} cannot be read: {error}.") from error
    version = raw.get("version", "")
    if version == "0":
        raise DirectoryError(
            f"{file} was written by a Kafka that used ZooKeeper; migrate it to KRaft with Kafka 3.9 first."
        )
    if version != "1":
        raise DirectoryError(f"{file} has version {version or 'nothing'}, and only 1 is known.")
    cluster_id = raw.get("cluster.id", "")
    if not cluster_id:
        raise DirectoryError(f"{file} has no cluster.id.")
    text = raw.get("node.id", "")
    if not text.isdecimal() or int(text) > 0x7FFFFFFF:
        raise DirectoryError(f"{file} has the node.id {text!r}, which is no number from 0 to 2147483647.")
    try:
        directory_id = uuid_from_string(raw["directory.id"]) if "directory.id" in raw else None
    except ValueError as error:
        raise DirectoryError(f"{file} has a directory.id that is no uuid: {raw['directory.id']!r}.") from error
    return _Meta(path=path, cluster_id=cluster_id, node_id=int(text), directory_id=directory_id, raw=raw)


# ---- what is made
# -----------------------------------------------------------------------------------------------------


def write_meta_properties(
    path: Path, cluster_id: str, node_id: int, directory_id: bytes, kept: Mapping[str, str]
) -> None:
    """Make a directory a formatted one, durably. Raises OSError."""
    properties = dict(kept) | {
        "version": "1",
        "cluster.id": cluster_id,
        "node.id": str(node_id),
        "directory.id": uuid_to_string(directory_id),
    }
    write_atomically(path / META_PROPERTIES, format_properties(properties))


def _format(
    path: Path,
    directory_id: bytes,
    node_id: int,
    holds_metadata: bool,
    controller_endpoint: tuple[str, str, int],
    features: Mapping[str, int] | None,
) -> None:
    """Everything that a new directory has, but meta.properties."""
    from pykafka_core.metadata.local_bootstrap import write_bootstrap, write_first_voters

    # What holds metadata is synced as a whole below.
    write_bootstrap(path / BOOTSTRAP_CHECKPOINT, features or {}, name_durable=not holds_metadata)
    if holds_metadata:
        metadata = path / METADATA_DIRECTORY
        metadata.mkdir(exist_ok=True)
        write_first_voters(metadata, node_id, directory_id, controller_endpoint)
        sync_directory(path)


# ---- who else is there
# ------------------------------------------------------------------------------------------------


class _lock:
    """The lock on a directory: Kafka's own, so that either broker keeps the other out."""

    def __init__(self, directory: Path) -> None:
        path = directory / ".lock"
        # Asked before the file is opened: closing any descriptor of it would end the lock that is held.
        if _key(path) in _held:
            raise DirectoryError(f"Log directory {directory} is in use by another broker in this process.")
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UnusableDirectoryError(f"Log directory {directory} cannot be written: {error.strerror}.") from error
        try:
            os.lockf(self._fd, os.F_TLOCK, 0)
        except OSError as error:
            holder = _lock_holder(self._fd)
            os.close(self._fd)
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise DirectoryError(f"Log directory {directory} cannot be locked: {error.strerror}.") from error
            by = f"process {holder}" if holder else "another process"
            raise DirectoryError(f"Log directory {directory} is in use by {by}.") from error
        self._key = _key(path)
        _held.add(self._key)

    def close(self) -> None:
        _held.discard(self._key)
        os.close(self._fd)


def _key(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return (-1, -1)
    return (status.st_dev, status.st_ino)


def lock_holder(directory: Path) -> int | None:
    """The process that uses a log directory: its broker. None if nobody does, or the system does not tell."""
    try:
        fd = os.open(directory / ".lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _lock_holder(fd)
    finally:
        os.close(fd)


def _lock_holder(fd: int) -> int | None:
    """The process that holds the lock, where the system tells."""
    import fcntl
    import struct

    # struct flock: on Linux type, whence, start, length, pid; on macOS start, length, pid, type, whence.
    layout = "hhqqi4x" if sys.platform.startswith("linux") else "qqihh"
    asked = (fcntl.F_WRLCK, 0, 0, 0, 0) if sys.platform.startswith("linux") else (0, 0, 0, fcntl.F_WRLCK, 0)
    try:
        answer = struct.unpack(layout, fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(layout, *asked)))
    except OSError:
        return None
    holder: int = answer[4] if sys.platform.startswith("linux") else answer[2]
    return holder if holder > 0 else None

"""Whether the kernel that kept what an earlier process wrote is still the one that runs.

What a process has written is in the kernel's page cache whatever becomes of the process. A start that knows that only
the process died, and that this engine had opened every log of the directory before, need not read the logs again.

    .pykafka-core.boot     written once all logs of a log directory are open; names this boot and this mount

It is taken away before a clean stop, so that it never speaks for what another broker did afterwards, and when a write
or a sync has failed, because then the page cache may differ from the disk. It is not synced: after a power cut the
boot is another one, whatever the file says. Apache Kafka ignores it.

Naming the boot is not enough: a file system that was shut down, or taken away and given back, has lost its pages too.
Linux gives each mounted ext4, XFS, Btrfs and F2FS a directory in /sys/fs whose inode number is never used twice;
elsewhere the mount's own number does, which a restarted container does not have in common with the one before.

Thread: any. Source: none; Kafka scans after every unclean stop.
"""

from __future__ import annotations

import os
import sys

from pykafka_core._path import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["BOOT_FILE", "forget_boot", "identity_of", "is_same_boot", "note_boot"]

BOOT_FILE: Final = ".pykafka-core.boot"
VERSION: Final = "0"
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
MOUNTS: Final = Path("/proc/self/mountinfo")
SYSTEM: Final = Path("/sys/fs")
SYSTEM_KINDS: Final = ("ext4", "xfs", "btrfs", "f2fs")


def identity_of(directory: Path) -> str | None:
    """What is the same for as long as the kernel keeps what was written in a directory; None where nobody can tell."""
    try:
        device = directory.stat().st_dev
        boot, mount = (linux(device) if sys.platform.startswith("linux") else darwin(directory)) or ("", "")
    except (OSError, ValueError):
        return None
    return f"{boot} {device} {mount}" if boot and mount else None


def linux(device: int) -> tuple[str, str] | None:
    boot = BOOT_ID.read_text("ascii").strip()
    wanted = f"{os.major(device)}:{os.minor(device)}"
    found = None
    for line in MOUNTS.read_text("utf-8", "surrogateescape").splitlines():
        # number, parent, device, root, mount point, options, optional fields..., -, type, source, options
        head, _, tail = line.partition(" - ")
        number, _, here, *_ = head.split(" ")
        kind, source, *_ = tail.split(" ")
        if here == wanted:
            found = number, kind, source
    if found is None:
        # Btrfs subvolumes have devices of their own, which are no mount's.
        return None
    number, kind, source = found
    instance = None if kind not in SYSTEM_KINDS else superblock(kind, device, source)
    return boot, f"{kind}:{instance}" if instance is not None else f"mount:{number}"


def superblock(kind: str, device: int, source: str) -> int | None:
    """The number that this mounted file system alone bears."""
    names = [Path(source).name]
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if block.exists():
        names.insert(0, block.resolve().name)
    for name in names:
        try:
            return (SYSTEM / kind / name).stat().st_ino
        except OSError:
            continue
    return None


def darwin(directory: Path) -> tuple[str, str] | None:
    """kern.bootsessionuuid; a volume that is mounted anew gets another number in st_dev."""
    import ctypes

    library = ctypes.CDLL(None)
    if not hasattr(library, "sysctlbyname"):
        return None
    size = ctypes.c_size_t(64)
    value = ctypes.create_string_buffer(size.value)
    if library.sysctlbyname(b"kern.bootsessionuuid", value, ctypes.byref(size), None, 0) != 0:
        return None
    return value.value.decode("ascii"), f"volume:{os.statvfs(directory).f_fsid}"


def is_same_boot(directory: Path) -> bool:
    """Whether all that this engine wrote here since it had opened every log is still in the page cache."""
    try:
        version, said = (directory / BOOT_FILE).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return False
    return version == VERSION and said == identity_of(directory)


def note_boot(directory: Path) -> None:
    """Every log is open. Raises OSError."""
    identity = identity_of(directory)
    if identity is None:
        return
    temporary = directory / f"{BOOT_FILE}.tmp"
    temporary.write_text(f"{VERSION}\n{identity}\n", "utf-8")
    temporary.replace(directory / BOOT_FILE)


def forget_boot(directory: Path) -> None:
    """Let the next start read the logs again. Raises OSError."""
    (directory / BOOT_FILE).unlink(missing_ok=True)

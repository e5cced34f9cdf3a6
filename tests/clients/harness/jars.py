"""Apache Kafka's jars (fetched by ci/clients into build/) and the Java programs of this suite, compiled when needed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from harness.presence import MissingError

VERSION = "4.3.1"
ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("KC_CLIENTS_BUILD", ROOT / "build" / "clients"))
JARS = BUILD / f"kafka-{VERSION}"
SOURCES = ROOT / "tests" / "clients" / "java"
CLASSES = BUILD / "java-classes"

# Classes of Kafka, loaded and checked beforehand (made by shared_classes.py): a start costs half as much.
ARCHIVE = BUILD / f"kafka-{VERSION}.jsa"

QUICK = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
SMALL = ["-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]


def require() -> None:
    if not shutil.which("java") or not shutil.which("javac"):
        raise MissingError("no java and javac (JDK 17)")
    if not list(JARS.glob("kafka-clients-*.jar")):
        raise MissingError(f"no jars of Apache Kafka {VERSION} (ci/clients fetches them with mvn)")


def classpath() -> str:
    """Kafka's jars and our programs. The jars come first, as in the archive, which would otherwise not be used."""
    return f"{JARS}/*:{CLASSES}"


def quick() -> list[str]:
    """Java for many short lives beside a broker on a small machine. Goes with our class path only."""
    # Without the last word it would complain on its standard output about an archive that it cannot use.
    shared = [f"-XX:SharedArchiveFile={ARCHIVE}", "-Xlog:disable"] if ARCHIVE.exists() else []
    return [*QUICK, *shared]


def program(main: str) -> list[str]:
    return [*quick(), *SMALL, "-cp", classpath(), main]


def compile_programs() -> None:
    """javac, once per change of a source file."""
    require()
    sources = sorted(SOURCES.glob("*.java"))
    stamp = CLASSES / "stamp"
    if stamp.exists() and stamp.stat().st_mtime > max(s.stat().st_mtime for s in sources):
        return
    CLASSES.mkdir(parents=True, exist_ok=True)
    command = ["javac", "-Xlint:all", "-d", str(CLASSES), "-cp", f"{JARS}/*", *map(str, sources)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    stamp.touch()


def java(main: str, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a main class to its end; the caller looks at returncode, stdout and stderr."""
    require()
    command = [*program(main), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

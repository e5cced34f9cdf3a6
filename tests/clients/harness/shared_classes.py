"""Makes jars.ARCHIVE, from which the test JVMs start: `python -m harness.shared_classes`, tests/clients on the path.

One node of Apache Kafka is formatted, started, asked for its topics and stopped, and writes down at its end what it has
loaded. Java checks at each start that it and the jars are the ones of the archive, and otherwise does without; a file
beside it says of which they were, so that it is made aNEW. Made whole or not at all.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from harness import jars
from harness.broker import ApacheKafka

MADE_OF = jars.ARCHIVE.with_suffix(".of")
NEW = jars.ARCHIVE.with_suffix(".new")


class Learning(ApacheKafka):
    def jvm(self) -> list[str]:
        return [*super().jvm(), f"-XX:ArchiveClassesAtExit={NEW}"]


def parts() -> str:
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    names = sorted(f"{jar.name} {jar.stat().st_mtime_ns}" for jar in jars.JARS.glob("*.jar"))
    return "\n".join([java, str(jars.JARS), *names])


def make() -> None:
    jars.compile_programs()
    wanted = parts()
    if jars.ARCHIVE.exists() and MADE_OF.exists() and MADE_OF.read_text() == wanted:
        return
    jars.ARCHIVE.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        kafka = Learning(Path(folder) / "kafka")
        try:
            kafka.start()
            topics = jars.java("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", kafka.bootstrap, "--list")
            assert topics.returncode == 0, topics.stderr
        finally:
            kafka.stop(120)
        if NEW.exists():
            NEW.replace(jars.ARCHIVE)
            MADE_OF.write_text(wanted)


if __name__ == "__main__":
    make()

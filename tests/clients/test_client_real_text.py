"""Goal: real text goes through kcat line by line and comes back with the same SHA-256, also after a stop and start.

Method: text of installed files (KC_CLIENTS_TEXT_MB, 24 MB unless told) is produced as one record per line into one
partition and consumed from the beginning, twice: from the running broker, and after SIGTERM and a start on the same
directory. kcat drops empty lines and ends each record with a newline, so the text has neither empty lines nor an open
end. Each codec gets a share, which also shows that kcat's old librdkafka compresses towards us.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import text
from harness.broker import Broker
from harness.presence import absent
from harness.requests import create_topic, end_offsets

pytestmark = [pytest.mark.row("real text"), pytest.mark.timeout(1200)]
MEGABYTES = int(os.environ.get("KC_CLIENTS_TEXT_MB", "24"))


def sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def kcat(*arguments: str) -> None:
    done = subprocess.run(["kcat", *arguments], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def read_back(broker: Broker, topic: str, target: Path) -> str:
    with target.open("wb") as out:
        command = ["kcat", "-C", "-b", broker.bootstrap, "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-u",
                   "-X", "fetch.wait.max.ms=50", "-X", "check.crcs=true"]  # fmt: skip
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return sha256(target)


def test_real_text_comes_back_after_a_restart(own_broker: Callable[..., Broker], tmp_path: Path) -> None:
    if not shutil.which("kcat"):
        absent("no kcat (Debian package kcat)")
    source, target = tmp_path / "text", tmp_path / "back"
    lines = text.write(source, MEGABYTES << 20)
    wanted = sha256(source)
    broker = own_broker(properties=True, log_segment_bytes=64 << 20)
    topics = {"plain": "none", "packed": "zstd"}
    for topic, codec in topics.items():
        create_topic(broker.address, topic)
        kcat("-P", "-b", broker.bootstrap, "-t", topic, "-p", "0", "-z", codec, "-X", "acks=all",
             "-X", "enable.idempotence=true", "-X", "queue.buffering.max.kbytes=262144", "-l", str(source))  # fmt: skip
        assert end_offsets(broker.address, topic) == {0: lines}
        assert read_back(broker, topic, target) == wanted

    status = broker.stop()
    assert status == (143 if broker.target == "kafka" else 0)  # a JVM reports the signal
    broker.start()
    for topic in topics:
        assert end_offsets(broker.address, topic) == {0: lines}
        assert read_back(broker, topic, target) == wanted

"""A broker that takes its time to load groups: until a file is there.

    python -m tests.broker.loading_broker DIRECTORY PORT FILE SECONDS

SECONDS: how long an OffsetFetch waits for that (groups.LOAD_WAIT_S).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from pykafka_core.broker import groups, groups_load
from pykafka_core.broker.config import make_config
from pykafka_core.broker.main import run_broker


def load_when_there(file: Path) -> None:
    read = groups_load.read_partition

    def read_partition(log: Any) -> Any:
        while not file.exists():
            time.sleep(0.01)
        return read(log)

    groups_load.read_partition = read_partition


if __name__ == "__main__":
    directory, port, path, seconds = sys.argv[1:]
    load_when_there(Path(path))
    groups.LOAD_WAIT_S = float(seconds)  # type: ignore[misc]
    settings = {
        "listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "log.dirs": directory,
        "offsets.topic.num.partitions": "2",
    }
    sys.exit(run_broker(make_config(settings)))

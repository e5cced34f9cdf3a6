"""A Quix Streams program with exactly-once: counts the records of each key, keeps the counts in a state store, and says
number and count of each record in "counts".

    quix_counts.py BOOTSTRAP STATE_FOLDER

Whatever goes wrong ends the process: who started it starts another.
"""

import sys
from typing import Any

from quixstreams import Application


def main() -> None:
    bootstrap, folder = sys.argv[1:]
    common = {"reconnect.backoff.max.ms": 200, "metadata.recovery.strategy": "none"}
    app = Application(
        broker_address=bootstrap,
        consumer_group="quix",
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=0.1,
        commit_every=100,
        state_dir=folder,
        producer_extra_config=common | {"transaction.timeout.ms": 10_000},
        consumer_extra_config=common | {"session.timeout.ms": 2000, "heartbeat.interval.ms": 300},
        loglevel="INFO",
    )
    numbers = app.topic("numbers", key_deserializer="str", value_deserializer="str")
    counts = app.topic("counts", key_serializer="str", value_serializer="str")

    def count(value: str, state: Any) -> str:
        seen = state.get("seen", 0) + 1
        state.set("seen", seen)
        return f"{value}:{seen}"

    app.dataframe(numbers).apply(count, stateful=True).to_topic(counts)
    app.run()


if __name__ == "__main__":
    main()

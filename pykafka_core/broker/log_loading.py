"""Opening every log at the start of a broker.

After a clean stop there is little to do, and it is done at once. After any other, logs are opened side by side,
num.recovery.threads.per.data.dir for each log directory, while C reads without the GIL; lines in the log say how far
it has come. Where only the process has died, opening reads the tail of each log (see boot.py); else everything behind
its recovery point.

Thread: the caller's, who waits, and the pool's.
Source: org.apache.kafka.storage.internals.log.LogManager.loadLogs.
"""

from __future__ import annotations

import time

from pykafka_core._later_log import get_logger, release_lines
from pykafka_core.broker.errors import StoppedError
from pykafka_core.broker.topics import RunningTopic, Topics, native_log_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from typing import Any, Final

    from pykafka_core.broker.log_dirs import LogDirs
    from pykafka_core.broker.topic_configs import TopicSettings
    from pykafka_core.metadata.image import MetadataImage, TopicImage
    from pykafka_core.native import Partition

__all__ = ["load_topics"]

log = get_logger("kafka.log.LogManager")

PROGRESS_INTERVAL_S: Final = 5.0
STOP_INTERVAL_S: Final = 0.2


def load_topics(
    image: MetadataImage,
    *,
    topics: Topics,
    log_dirs: LogDirs,
    settings_of: Callable[[TopicImage], TopicSettings],
    broker_values: Mapping[str, Any],
    threads_per_directory: int,
    is_stopping: Callable[[], bool],
) -> list[RunningTopic]:
    """Open the log of every partition that the metadata knows. Raises StoppedError, OSError, EngineError."""
    started = time.monotonic()
    wanted = [(topic, settings_of(topic)) for topic in image.topics.values()]
    announce(log_dirs)
    if log_dirs.clean:
        found = [topics.opened(topic, settings, broker_values) for topic, settings in wanted]
    else:
        threads = max(1, threads_per_directory) * max(1, len(log_dirs.online))
        found = load_side_by_side(wanted, topics, log_dirs, broker_values, threads, is_stopping)
    unclean = ", ".join(str(directory.path) for directory in log_dirs.all if not directory.clean)
    log.info(
        "Loaded %d logs in %dms (unclean log dirs = ArrayBuffer(%s))",
        sum(len(topic.partitions) for topic in found),
        (time.monotonic() - started) * 1000,
        unclean,
    )
    return found


def announce(log_dirs: LogDirs) -> None:
    for directory in log_dirs.online:
        if directory.clean:
            log.debug("Skipping recovery of logs in %s since a clean shutdown file was found", directory.path)
        elif directory.process_died:
            log.info(
                "Looking at the tails only of all logs in %s: there is no clean shutdown file, but no more than the "
                "process has ended since they were written",
                directory.path,
            )
        else:
            log.info(
                "Attempting recovery for all logs in %s since no clean shutdown file was found", directory.path
            )


def load_side_by_side(
    wanted: Sequence[tuple[TopicImage, TopicSettings]],
    topics: Topics,
    log_dirs: LogDirs,
    broker_values: Mapping[str, Any],
    threads: int,
    is_stopping: Callable[[], bool],
) -> list[RunningTopic]:
    from concurrent.futures import ThreadPoolExecutor

    # This may take long, and shall be seen.
    release_lines()

    with ThreadPoolExecutor(threads, thread_name_prefix="log-recovery") as pool:
        opening: list[list[Future[Partition]]] = []
        for topic, settings in wanted:
            log_config = native_log_config(settings, broker_values)
            opening.append(
                [
                    pool.submit(topics.open_partition, topic, partition, log_config, compacted=settings.compacted)
                    for partition in topic.partitions
                ]
            )
        try:
            for line in progress([future for futures in opening for future in futures], log_dirs):
                if is_stopping():
                    raise StoppedError
                if line:
                    log.info("%s", line)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [
        topics.made(topic, settings, [future.result() for future in futures])
        for (topic, settings), futures in zip(wanted, opening, strict=True)
    ]


def progress(futures: Sequence[Future[Partition]], log_dirs: LogDirs) -> Iterator[str]:
    """Until all are done: "" now and then, and every few seconds a line. Raises what one of them failed with."""
    from concurrent.futures import FIRST_COMPLETED, wait

    started = spoken = time.monotonic()
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, timeout=STOP_INTERVAL_S, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        now = time.monotonic()
        if now - spoken < PROGRESS_INTERVAL_S:
            yield ""
            continue
        spoken = now
        read_mb = sum(directory.shared.scanned_bytes for directory in log_dirs.all) / 1e6
        yield (
            f"Recovering logs: {len(futures) - len(waiting)} of {len(futures)} done, {read_mb:,.0f} MB read in "
            f"{now - started:.0f} s"
        )

"""A broker under load is killed, its machine loses power, its disk fails; then each acknowledged record is looked for.

    python -m tests.crash.campaign kill|power|errors|txn|txn-power SECONDS [--seed N]

Each round has topics and a history of its own and is judged by the rules of history.py. The first round that breaks
one ends the campaign with status 1, the rule, and the seed; `--seed` plays that round first (without its clock).

kill    kill -9 at a random moment, several times a round, with raw producers and librdkafka's idempotent one
power   the file system under the broker is shut down without its journal being written out, as when the power goes:
        ext4 and XFS on loop devices that the round makes itself; a topic with flush.messages=1 loses nothing, one
        without only a tail
errors  the disk is full, a write fails, a sync fails, descriptors run out, the process is stopped for a while
txn, txn-power   kills and power cuts under transactions: txn_rounds.py
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import random
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tests.broker.processes import BrokerProcess, broker_process
from tests.broker.raw_client import RawClient, batch_of, create_topic, fetch, produce
from tests.crash.load import RawProducer, Recorder, drain, end_offset, librdkafka_producer
from tests.crash.txn_rounds import BrokenRule, txn_power_round, txn_round
from tests.ports import free_port

PARTITIONS: Final = 3
QUICK: Final = ("--override", "num.network.threads=2", "--override", "log.cleaner.enable=false")


def judge(recorder: Recorder, *, drained: bool, what: str) -> None:
    problems = recorder.history.problems(drained=drained, retries_may_repeat=False)
    if problems:
        raise BrokenRule("\n".join([what, *problems]))


@contextlib.contextmanager
def producing(
    recorder: Recorder, bootstrap: str, topic: str, chance: random.Random, count: int
) -> Iterator[list[RawProducer]]:
    producers = [
        RawProducer(recorder, bootstrap, topic, PARTITIONS, number, chance.getrandbits(32)) for number in range(count)
    ]
    for producer in producers:
        producer.start()
    try:
        yield producers
    finally:
        for producer in producers:
            producer.stopping.set()
        for producer in producers:
            producer.join(60)
            assert not producer.is_alive()


def await_progress(recorder: Recorder, more: int, alive: Callable[[], bool] = lambda: True) -> None:
    """Wait until so many more records are acknowledged."""
    goal, deadline = recorder.acknowledged + more, time.monotonic() + 60
    while recorder.acknowledged < goal:
        if time.monotonic() > deadline or not alive():
            raise BrokenRule(f"no progress: {recorder.acknowledged} acknowledged, refused {recorder.refused}")
        time.sleep(0.005)


def make_topic(bootstrap: str, name: str, **configs: object) -> None:
    with RawClient(bootstrap) as client:
        create_topic(client, name, PARTITIONS, **configs)


# ---- kill -9


def kill_round(place: Path, chance: random.Random) -> dict[str, int]:
    kills, port = chance.randint(3, 8), free_port()
    recorders = {name: Recorder() for name in ("plain", "flushed", "idempotent")}
    stopping = threading.Event()
    small = {"segment_bytes": 1 << 20, "index_interval_bytes": 512}
    with contextlib.ExitStack() as stack:
        for kill in range(kills):
            with broker_process(place, *QUICK, port=port) as broker:
                broker.await_ready()
                if kill == 0:
                    for name in recorders:
                        make_topic(
                            broker.bootstrap, name, **small, **({"flush_messages": 1} if name == "flushed" else {})
                        )
                    stack.enter_context(producing(recorders["plain"], broker.bootstrap, "plain", chance, 3))
                    stack.enter_context(producing(recorders["flushed"], broker.bootstrap, "flushed", chance, 2))
                    user = threading.Thread(
                        target=librdkafka_producer,
                        args=(recorders["idempotent"], broker.bootstrap, "idempotent", PARTITIONS, 0, 1, stopping),
                    )
                    user.start()
                    stack.callback(user.join)
                    stack.callback(stopping.set)
                await_progress(recorders["plain"], 20)
                time.sleep(chance.random() * 0.5)
                broker.stop(signal.SIGKILL)
        # The last start is not killed: whoever still waits for an answer gets it.
        with broker_process(place, *QUICK, port=port) as broker:
            broker.await_ready()
            for recorder in recorders.values():
                await_progress(recorder, 5)
            stack.close()
            for name, recorder in recorders.items():
                drain(recorder, broker.bootstrap, name, PARTITIONS, 1)
                judge(recorder, drained=True, what=f"{name} after {kills} kills")
            assert broker.stop() == 0
    return {"kills": kills, "acknowledged": sum(recorder.acknowledged for recorder in recorders.values())}


# ---- power cuts

SHUTDOWN: Final = 0x8004587D
"""EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN: _IOR('X', 125, u32)."""
NO_LOG_FLUSH: Final = 2


def run(*words: str | Path) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}")


@contextlib.contextmanager
def loop_file_system(folder: Path, kind: str, size_mib: int = 320) -> Iterator[Path]:
    """A file system of this kind in a file, mounted; it may be shut down and mounted again meanwhile."""
    image, mount = folder / f"{kind}.img", folder / kind
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(size_mib << 20)
    run(f"mkfs.{kind}", "-q", image)
    run("mount", "-o", "loop", image, mount)
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)


def cut_power(broker: BrokerProcess, mount: Path) -> None:
    """The broker stands still first: where there is no power, nobody hears an answer any more. Otherwise a sync that is
    under way may end, well or not, after the file system has gone."""
    broker.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, broker.process.pid, os.WSTOPPED)
    handle = os.open(mount, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    finally:
        os.close(handle)


def mount_again(folder: Path, mount: Path) -> None:
    run("umount", mount)
    image = folder / f"{mount.name}.img"
    deadline = time.monotonic() + 60
    # The killed broker's mount namespace, or one that another campaign has copied meanwhile, may hold the file system a
    # little longer; mounted again before that, it would be the one that was shut down.
    while subprocess.run(["losetup", "-j", image], capture_output=True, text=True, check=True).stdout:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{image} is still in use")
        time.sleep(0.01)
    run("mount", "-o", "loop", image, mount)


def power_round(place: Path, chance: random.Random) -> dict[str, int]:
    """Each life judges what the one before has left, and goes on until its own power cut."""
    kind, port, cuts = chance.choice(["ext4", "xfs"]), free_port(), 6
    acknowledged = lost = 0
    # Where process death would be told from a reboot, the broker must see another boot.
    boots = boots_of_their_own(place)
    before: dict[str, Recorder] = {}
    with loop_file_system(place, kind) as mount:
        for cut in range(cuts + 1):
            with broker_process(mount / "data", *QUICK, port=port, before_exec=next(boots)) as broker:
                broker.await_ready()
                for name, recorder in before.items():
                    seen = drain(recorder, broker.bootstrap, name, PARTITIONS, 1)
                    judge(recorder, drained=name.startswith("flushed"), what=f"{name} on {kind} after a power cut")
                    acknowledged += recorder.acknowledged
                    lost += max(recorder.acknowledged - seen, 0)
                    # It works on.
                    with RawClient(broker.bootstrap) as client:
                        (answer,) = produce(client, name, batch_of(b"on"))
                        assert answer.error_code == 0
                        assert end_offset(client, name, 0) == answer.base_offset + 1
                if cut == cuts:
                    assert broker.stop(chance.choice([signal.SIGKILL, signal.SIGTERM])) in (0, -signal.SIGKILL)
                    break
                before = {f"flushed-{cut}": Recorder(), f"plain-{cut}": Recorder()}
                for name in before:
                    flush = {"flush_messages": 1} if name.startswith("flushed") else {}
                    make_topic(broker.bootstrap, name, segment_bytes=1 << 20, **flush)
                flushed, plain = before.values()
                with (
                    producing(flushed, broker.bootstrap, f"flushed-{cut}", chance, 3),
                    producing(plain, broker.bootstrap, f"plain-{cut}", chance, 2),
                ):
                    await_progress(flushed, 20)
                    time.sleep(chance.random() * 0.3)
                    cut_power(broker, mount)
                    broker.stop(signal.SIGKILL)
            mount_again(place, mount)
    return {"power cuts": cuts, "acknowledged": acknowledged, "unsynced and lost": lost}


def boots_of_their_own(place: Path) -> Iterator[Callable[[], None] | None]:
    """Each start sees a boot id of its own, in a mount namespace of its own (`unshare -m` and a bind mount)."""
    number = 0
    while True:
        number += 1
        file = place / f"boot-id-{number}"
        file.write_text(f"00000000-0000-4000-8000-{number:012d}\n")
        yield lambda file=file: another_boot(file)


def another_boot(file: Path) -> None:
    clone_newns, ms_rec, ms_private, ms_bind = 0x20000, 0x4000, 1 << 18, 4096
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    target = b"/proc/sys/kernel/random/boot_id"
    for result in (
        libc.unshare(clone_newns),
        libc.mount(None, b"/", None, ms_rec | ms_private, None),
        libc.mount(str(file).encode(), target, None, ms_bind, None),
    ):
        if result != 0:
            raise OSError(ctypes.get_errno(), "no boot of its own")


# ---- errors of the disk


@contextlib.contextmanager
def small_disk(place: Path, size_mib: int) -> Iterator[Path]:
    mount = place / "small"
    mount.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", mount)
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)


def full_disk(place: Path, chance: random.Random) -> None:
    recorder, port = Recorder(), free_port()
    with small_disk(place, 24) as mount:
        ballast = mount / "ballast"
        ballast.write_bytes(bytes(chance.randint(4, 10) << 20))
        with broker_process(mount / "data", *QUICK, port=port) as broker:
            broker.await_ready()
            make_topic(broker.bootstrap, "t", segment_bytes=1 << 20)
            with producing(recorder, broker.bootstrap, "t", chance, 3):
                deadline = time.monotonic() + 60
                while not recorder.refused and time.monotonic() < deadline:
                    time.sleep(0.01)
                if set(recorder.refused) != {56}:
                    raise BrokenRule(f"a full disk was answered with {recorder.refused}")
                with RawClient(broker.bootstrap) as client:
                    for partition in range(PARTITIONS):
                        if end_offset(client, "t", partition):
                            fetch(client, "t", partition)
                ballast.unlink()
                await_progress(recorder, 50)
            drain(recorder, broker.bootstrap, "t", PARTITIONS, 1)
            broker.stop(chance.choice([signal.SIGKILL, signal.SIGTERM]))
        with broker_process(mount / "data", *QUICK, port=port) as broker:
            broker.await_ready()
            drain(recorder, broker.bootstrap, "t", PARTITIONS, 2)
            judge(recorder, drained=True, what="after a full disk")


def failing_call(call: str, error: str) -> Callable[[Path, random.Random], None]:
    """Every such call of the broker fails from a moment on: strace puts the error in its place."""

    def play(place: Path, chance: random.Random) -> None:
        recorder, port = Recorder(), free_port()
        with broker_process(place / "data", *QUICK, port=port) as broker:
            broker.await_ready()
            make_topic(broker.bootstrap, "t", segment_bytes=1 << 20, flush_messages=1)
            with producing(recorder, broker.bootstrap, "t", chance, 3):
                await_progress(recorder, 50)
                tracer = subprocess.Popen(
                    ["strace", "-f", "-qq", "-o", place / "trace", "-e", f"trace={call}",
                     "-e", f"inject={call}:error={error}", "-p", str(broker.process.pid)]
                )  # fmt: skip
                try:
                    # The only log directory has failed, so the broker ends by itself, as Apache Kafka halts.
                    status = broker.wait()
                finally:
                    tracer.terminate()
                    tracer.wait()
                if status == 0:
                    raise BrokenRule(f"{call}: {error}: the broker ended with status 0")
        with broker_process(place / "data", *QUICK, port=port) as broker:
            broker.await_ready()
            drain(recorder, broker.bootstrap, "t", PARTITIONS, 1)
            judge(recorder, drained=True, what=f"after {call} answered {error}")
            assert broker.stop() == 0

    play.__name__ = f"{call} {error}"
    return play


def few_descriptors(place: Path, chance: random.Random) -> None:
    recorder, port = Recorder(), free_port()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    with broker_process(place / "data", *QUICK, port=port, before_exec=limit) as broker:
        broker.await_ready()
        make_topic(broker.bootstrap, "t", segment_bytes=1 << 20)
        with producing(recorder, broker.bootstrap, "t", chance, 3), contextlib.ExitStack() as crowd:
            await_progress(recorder, 50)
            for _ in range(200):
                # Not waited for: what the broker cannot accept stays in the backlog, and the rest outside.
                client = crowd.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
            await_progress(recorder, 200)
        await_connection(broker)
        drain(recorder, broker.bootstrap, "t", PARTITIONS, 1)
        judge(recorder, drained=True, what="with few descriptors")
        assert broker.stop() == 0


def await_connection(broker: BrokerProcess) -> None:
    """The crowd has gone: new connections are taken again."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), RawClient(broker.bootstrap) as client:
            end_offset(client, "t", 0)
            return
        time.sleep(0.05)
    raise BrokenRule(f"no connection is accepted any more\n{broker.output}")


def paused(place: Path, chance: random.Random) -> None:
    recorder, port = Recorder(), free_port()
    with broker_process(place / "data", *QUICK, port=port) as broker:
        broker.await_ready()
        make_topic(broker.bootstrap, "t", segment_bytes=1 << 20)
        with producing(recorder, broker.bootstrap, "t", chance, 3):
            for _ in range(3):
                await_progress(recorder, 50)
                broker.process.send_signal(signal.SIGSTOP)
                time.sleep(chance.random() * 0.5)
                broker.process.send_signal(signal.SIGCONT)
            await_progress(recorder, 50)
        drain(recorder, broker.bootstrap, "t", PARTITIONS, 1)
        judge(recorder, drained=True, what="after pauses")
        assert broker.stop() == 0


ERRORS: Final[list[Callable[[Path, random.Random], None]]] = [
    full_disk,
    failing_call("fdatasync", "EIO"),
    failing_call("pwritev", "EIO"),
    few_descriptors,
    paused,
]


def error_round(place: Path, chance: random.Random) -> dict[str, int]:
    for number, play in enumerate(ERRORS):
        folder = place / str(number)
        folder.mkdir()
        play(folder, chance)
    return {"faults": len(ERRORS)}


def transactions_power_round(place: Path, chance: random.Random) -> dict[str, int]:
    return txn_power_round(
        place,
        chance,
        loop_file_system=loop_file_system,
        cut_power=cut_power,
        mount_again=mount_again,
        boots=boots_of_their_own,
    )


ROUNDS: Final = {
    "kill": kill_round,
    "power": power_round,
    "errors": error_round,
    "txn": txn_round,
    "txn-power": transactions_power_round,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=ROUNDS)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=None)
    words = parser.parse_args()
    seed = int(time.time()) if words.seed is None else words.seed
    until = time.monotonic() + words.seconds
    totals: dict[str, int] = {"rounds": 0}
    try:
        while totals["rounds"] == 0 or time.monotonic() < until:
            play(words.kind, seed, totals)
            seed += 1
    except BrokenRule:
        return 1
    finally:
        print(f"{words.kind}: {', '.join(f'{count} {what}' for what, count in totals.items())}", flush=True)
    return 0


def play(kind: str, seed: int, totals: dict[str, int]) -> None:
    """One round. Its files are left where something is wrong."""
    folder = Path(tempfile.mkdtemp(prefix="kc-crash-"))
    try:
        counts = ROUNDS[kind](folder, random.Random(seed))
    except BaseException as error:
        where = f"the files are left in {folder}"
        print(f"{kind}: seed {seed}: {type(error).__name__}: {error}\n{where}", file=sys.stderr)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    totals["rounds"] += 1
    for what, count in counts.items():
        totals[what] = totals.get(what, 0) + count


if __name__ == "__main__":
    sys.exit(main())

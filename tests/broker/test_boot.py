"""What a start believes after an unclean stop: all of it where only the process died, else what a scan confirms."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pykafka_core.broker import boot
from pykafka_core.broker.boot import BOOT_FILE, forget_boot, identity_of, is_same_boot, note_boot
from tests.broker.processes import broker_process
from tests.broker.raw_client import batch_of, create_topic, fetch, produce
from tests.ports import free_port

TAILS = "Looking at the tails only of all logs"
RECOVERY = "Attempting recovery for all logs"


def test_a_boot_is_known_again(tmp_path: Path) -> None:
    assert not is_same_boot(tmp_path)
    note_boot(tmp_path)
    if identity_of(tmp_path) is None:
        pytest.skip("this system does not tell one boot from another")
    assert is_same_boot(tmp_path)
    forget_boot(tmp_path)
    assert not is_same_boot(tmp_path)
    forget_boot(tmp_path)


@pytest.mark.parametrize(
    "damage", ["", "0\n", "0\nsomething else\n", "1\n{identity}\n", "0\n{identity}\nmore\n", "\xff\xfe"]
)
def test_what_is_no_note_of_this_boot_is_not_believed(tmp_path: Path, damage: str) -> None:
    (tmp_path / BOOT_FILE).write_text(damage.format(identity=identity_of(tmp_path)), "latin-1")
    assert not is_same_boot(tmp_path)


def test_another_boot_or_mount_is_another_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity_of(tmp_path)
    if before is None or not boot.BOOT_ID.exists():
        pytest.skip("another system tells in another way")
    other = tmp_path / "boot_id"
    other.write_text("00000000-0000-0000-0000-000000000000\n")
    with monkeypatch.context() as patched:
        patched.setattr(boot, "BOOT_ID", other)
        assert identity_of(tmp_path) not in (None, before)
    # Without the file system's own number the mount's does.
    with monkeypatch.context() as patched:
        patched.setattr(boot, "SYSTEM", tmp_path / "nowhere")
        assert "mount:" in (identity_of(tmp_path) or "")
    with monkeypatch.context() as patched:
        patched.setattr(boot, "MOUNTS", tmp_path / "nowhere")
        assert identity_of(tmp_path) is None


def test_a_killed_broker_is_believed_and_one_that_nobody_knows_of_is_not(tmp_path: Path) -> None:
    if identity_of(tmp_path) is None:
        pytest.skip("this system does not tell one boot from another")
    port = free_port()
    with broker_process(tmp_path, port=port) as broker:
        broker.await_ready()
        with broker.client() as client:
            create_topic(client, "t", 3, segment_bytes=1 << 20)
            for _ in range(40):
                produce(client, "t", *[batch_of(b"v" * 50_000) for _ in range(3)])
            before = fetch(client, "t", 0, 30)
        broker.stop(signal.SIGKILL)
    for expected, unexpected in ((TAILS, RECOVERY), (RECOVERY, TAILS), (TAILS, RECOVERY)):
        with broker_process(tmp_path, port=port) as broker:
            broker.await_ready()
            assert expected in broker.output
            assert unexpected not in broker.output
            with broker.client() as client:
                assert fetch(client, "t", 0, 30).startswith(before)
                last = fetch(client, "t", 0, 39)
                assert produce(client, "t", batch_of(b"more"))[0].base_offset >= 40
            broker.stop(signal.SIGKILL)
        if expected == TAILS:
            # A torn write, and nothing that speaks for it.
            (tmp_path / BOOT_FILE).unlink()
            newest = max((tmp_path / "t-0").glob("*.log"))
            with newest.open("ab") as file:
                file.write(last[: len(last) // 2])
    with broker_process(tmp_path, port=port) as broker:
        broker.await_ready()
        assert broker.stop() == 0
    assert not (tmp_path / BOOT_FILE).exists()
    assert (tmp_path / ".kafka_cleanshutdown").exists()


def test_a_record_waits_for_flush_ms_at_most(tmp_path: Path) -> None:
    words = ("--override", "log.flush.offset.checkpoint.interval.ms=50")
    with broker_process(tmp_path, *words) as broker:
        broker.await_ready()
        with broker.client() as client:
            create_topic(client, "timed", flush_ms=100)
            create_topic(client, "other")
            for topic in ("timed", "other"):
                assert produce(client, topic, batch_of(b"a", b"b"))[0].error_code == 0
        checkpoint = tmp_path / "recovery-point-offset-checkpoint"
        broker.await_condition(lambda: checkpoint.exists() and "timed 0 2" in checkpoint.read_text())
        assert "other 0 0" in checkpoint.read_text()
        assert broker.stop() == 0

"""Checkpoint files: Kafka's bytes, and what a damaged one is worth.

Method: the files are written and read as text.
"""

import pytest

from pykafka_core.broker.checkpoints import read_checkpoint, write_checkpoint

OFFSETS = {("a.b", 0): 17, ("a.b", 12): 0, ("_x", 3): 2**40}
TEXT = "0\n3\na.b 0 17\na.b 12 0\n_x 3 1099511627776\n"


def test_the_text_is_kafkas(tmp_path):
    path = tmp_path / "recovery-point-offset-checkpoint"
    write_checkpoint(path, OFFSETS)
    assert path.read_text() == TEXT
    assert read_checkpoint(path) == OFFSETS
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_none_at_all(tmp_path):
    path = tmp_path / "c"
    assert read_checkpoint(path) == {}
    write_checkpoint(path, {})
    assert path.read_text() == "0\n0\n"
    assert read_checkpoint(path) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "1\n0\n",
        "0\n2\nt 0 1\n",
        "0\n1\nt 0\n",
        "0\n1\nt 0 x\n",
        "0\n1\nt 0 1\nt 1 2\n",
        "zero\n",
        "0\n1\nt 0 1 2\n",
    ],
)
def test_a_damaged_file_is_not_used(tmp_path, text, caplog):
    path = tmp_path / "c"
    path.write_text(text)
    assert read_checkpoint(path) == {}
    assert str(path) in caplog.text


def test_bytes_that_are_no_text_are_not_used(tmp_path, caplog):
    path = tmp_path / "c"
    path.write_bytes(b"0\n1\n\xff\xfe 0 1\n")
    assert read_checkpoint(path) == {}
    assert str(path) in caplog.text

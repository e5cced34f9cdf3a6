"""pykafka_core._path: what it offers does what pathlib's does.

Method: texts of slashes, dots and letters, compared with `pathlib.PurePosixPath`; the calls to the system in a
temporary directory; and that the rest is handed to pathlib.
"""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path as StandardPath
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pykafka_core._path import Path

TEXTS = st.text(alphabet="/.ab-", max_size=9)


@given(TEXTS, TEXTS)
@example("", "")
@example("//a", "/b")
def test_names_are_those_of_pathlib(first: str, second: str) -> None:
    for made, expected in ((Path(first), PurePosixPath(first)), (Path(first) / second, PurePosixPath(first) / second)):
        assert str(made) == str(expected)
        assert made.name == expected.name
        assert str(made.parent) == str(expected.parent)
    below, beside = f"/r/{first}", f"/r/{second}"
    assert (Path(below) < Path(beside)) == (PurePosixPath(below) < PurePosixPath(beside))
    assert (Path(first) == Path(second)) == (PurePosixPath(first) == PurePosixPath(second))


def test_is_a_path_to_the_system_and_to_pathlib(tmp_path: StandardPath) -> None:
    path = Path(tmp_path) / "file"
    assert os.fspath(path) == str(path) == f"{path}" == str(tmp_path / "file")
    assert path == tmp_path / "file"
    assert tmp_path / "file" == path
    assert StandardPath(path) == tmp_path / "file"
    assert path != str(path)
    assert tmp_path / Path("file") == path
    assert {path: 1}[Path(str(path))] == 1
    assert pickle.loads(pickle.dumps(path)) == copy.deepcopy(path) == path
    assert path.with_name("other") == tmp_path / "other"
    assert Path("x").absolute() == StandardPath("x").absolute()


def test_files_come_and_go(tmp_path: StandardPath) -> None:
    path = Path(tmp_path)
    (path / "a/b").mkdir(parents=True)
    (path / "a").mkdir(exist_ok=True)
    with pytest.raises(FileExistsError):
        (path / "a").mkdir()
    (path / "f").write_text("ä\r\n\n", "utf-8")
    with pytest.raises(FileExistsError):
        (path / "f").mkdir(exist_ok=True)
    assert (path / "f").read_bytes() == "ä\r\n\n".encode()
    assert (path / "f").read_text() == (tmp_path / "f").read_text("utf-8") == "ä\n\n"
    with pytest.raises(UnicodeDecodeError):
        (path / "f").read_text("ascii")
    assert sorted(path.iterdir()) == [path / "a", path / "f"]
    assert (path / "f").rename(path / "g") == path / "g"
    assert (path / "g").replace(path / "f") == path / "f"
    assert (path / "f").exists()
    assert not (path / "f").is_dir()
    assert (path / "a").is_dir()
    assert not (path / "f" / "below").exists()
    assert (path / "f").stat().st_size == 5
    (path / "f").unlink()
    (path / "f").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (path / "f").unlink()
    (path / "link").symlink_to(path / "a")
    assert (path / "link").resolve() == (path / "a").resolve()


def test_what_a_disk_does_not_say_is_no_absence(tmp_path: StandardPath, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "stat", fail)
    with pytest.raises(OSError, match="Input/output"):
        Path(tmp_path).exists()
    with pytest.raises(OSError, match="Input/output"):
        Path(tmp_path).is_dir()


def test_the_rest_is_pathlibs(tmp_path: StandardPath) -> None:
    (Path(tmp_path) / "a.log").touch()
    assert list(Path(tmp_path).glob("*.log")) == [tmp_path / "a.log"]
    assert (Path(tmp_path) / "a.log").suffix == ".log"
    with pytest.raises(AttributeError):
        Path("a").there_is_no_such_thing  # noqa: B018
    assert not hasattr(Path("a"), "__there_is_no_such_thing__")


def test_does_without_pathlib() -> None:
    text = "import sys; from pykafka_core._path import Path; Path('a').exists(); print('pathlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"

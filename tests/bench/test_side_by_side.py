"""bench/compare: its arithmetic on samples that are known, its files, and its load against a broker."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import disk
from bench import side_by_side_report as report

ROOT = Path(__file__).resolve().parents[2]
LESS, MORE = report.Metric("cpu", "s/GB"), report.Metric("rate", "MB/s", more_is_better=True)
SAMPLES = {"ours": [1.0, 1.1, 0.9, 1.0], "other <x>": [4.0, 4.2, 3.8, 4.0]}


def test_ahead_is_above_one_where_the_first_broker_is_better() -> None:
    cheaper, slower = report.row_of("w", LESS, SAMPLES), report.row_of("w", MORE, SAMPLES)
    assert cheaper
    assert slower
    assert cheaper.spreads["ours"] == report.Spread(1.0, 0.9, 1.1, 4)
    ratio = cheaper.ahead["other <x>"]
    assert ratio.value == pytest.approx(4.0)
    assert 3.8 / 1.1 <= ratio.low < 4.0 < ratio.high <= 4.2 / 0.9
    assert slower.ahead["other <x>"].value == pytest.approx(0.25)


def test_a_broker_without_samples_is_told_as_such() -> None:
    row = report.row_of("w", LESS, {"ours": [1.0], "other": []})
    assert row
    assert report.table([row], ["ours", "other"]).splitlines()[-1] == "| w | s/GB | 1 (1 … 1, 1) | – | – |"
    assert report.row_of("w", LESS, {"ours": [], "other": []}) is None
    alone = report.row_of("w", LESS, {"ours": [], "other": [1.0]})
    assert alone
    assert not alone.ahead


def test_the_chart_is_svg_with_a_bar_for_each_median() -> None:
    rows = [row for metric in (LESS, MORE) if (row := report.row_of("w & v", metric, SAMPLES))]
    root = ET.fromstring(report.chart(rows, list(SAMPLES), "title"))
    name = "{http://www.w3.org/2000/svg}"
    legend, background = len(SAMPLES), 1
    bars = root.findall(f"{name}rect")
    assert len(bars) == len(rows) * len(SAMPLES) + legend + background
    widths = [float(bar.get("width", "")) for bar in bars if bar.get("x") == str(report.LEFT) and bar.get("y") != "34"]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)
    assert "other <x>" in [text.text for text in root.findall(f"{name}text")]


def test_the_results_have_a_place_for_the_table() -> None:
    text = (ROOT / "bench" / "RESULTS.md").read_text()
    once = report.between_markers(text, "| a |")
    assert "| a |" in once
    assert report.between_markers(once, "| b |") == report.between_markers(text, "| b |")
    with pytest.raises(ValueError, match="no place"):
        report.between_markers("nothing here", "| a |")


def test_a_command_is_told_without_the_paths_of_the_machine() -> None:
    told = report.without_paths(["--quick", "--broker", "x=/opt/x --port {port}", "--json", "out"])
    assert told == ["--quick", "--broker", "x=…", "--json", "out"]


@pytest.mark.skipif(sys.platform != "linux", reason="fallocate, sync_file_range")
@pytest.mark.parametrize("way", [pytest.param(way, id=f"{way.group}: {way.title}") for way in disk.ways()])
def test_each_way_to_the_disk_moves_what_it_says(
    way: disk.Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "SIZE", 4 * disk.MIB)
    monkeypatch.setattr(disk, "SYNCS", 2)
    monkeypatch.setattr(disk, "ROUNDS", 1)
    path = tmp_path / "disk"
    try:
        rate, cost = disk.measure(way, path)
    except OSError as error:  # a file system without O_DIRECT
        if error.errno != errno.EINVAL or "O_DIRECT" not in way.title:
            raise
        pytest.skip("no O_DIRECT here")
    assert rate > 0
    assert cost >= 0
    assert path.stat().st_size == (2 * way.piece if way.piece else disk.SIZE)


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="the CPU clock of another process, /proc")
def test_a_short_run_of_ours_measures_reading_and_writing(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    command = [
        sys.executable, "-m", "bench.side_by_side", "--brokers", "ours", "--workloads", "part100,c1k,rtt50,idle",
        "--seconds", "0.1", "--rounds", "1", "--warm-up", "0.1", "--json", str(out), "--fresh-memory-limit", "1000",
        "--no-disk",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": ".:tests/clients", "BENCH_DATA": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(lines) == 1 + 4 + 4 + 5 + 4, done.stdout
    assert '"samples": 2' in out.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]

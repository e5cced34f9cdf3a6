"""bench/compare: the same loads against several brokers in alternation, and what each costs them.

All brokers of a run are up at the same time, on one processor, the client on another. For each workload the order is
A B B A, as often as there are rounds, so that what drifts drifts for both. A sample is: a fresh topic, one run of the
load (bench/load.c), the broker's CPU clock before and after, topic deleted. Before and after it the cost of touching
256 MiB of fresh memory is measured: above 1 s/GB the sample says more about the machine than about the broker, and is
taken again, up to three times, and then left out. bench/RESULTS.md explains the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench.broker_process import machine, processors, touch_s_per_gb
from bench.disk import disk_table
from bench.side_by_side_brokers import SETTINGS, Measured, Other, Ours, make
from bench.side_by_side_report import Row, as_json, between_markers, chart, row_of, table, without_paths
from bench.side_by_side_samples import (
    ROOT,
    Found,
    cold_sample,
    compile_load,
    fill,
    reactors_sample,
    sample,
    serial,
    start_sample,
    topics,
)
from bench.side_by_side_workloads import (
    CORE_PERCENT,
    CPU_PER_GB,
    CPU_PER_REQUEST,
    FIRST_ANSWER,
    P99,
    RSS,
    WORKLOADS,
    Workload,
)

RESULTS, SVG = ROOT / "bench" / "RESULTS.md", ROOT / "bench" / "results.svg"
TOUCH_BYTES = 256 << 20
ATTEMPTS = 3

Samples = dict[str, dict[str, list[float]]]
"""Metric name, broker, values."""
Take = Callable[[Measured], Found]


# ---- a run


class Run:
    def __init__(self, options: argparse.Namespace, brokers: list[Measured], folder: Path) -> None:
        self.options, self.brokers, self.folder = options, brokers, folder
        self.touches: list[float] = []
        self.dropped = 0

    def order(self, workload: Workload, brokers: list[Measured]) -> list[Measured]:
        # A JVM takes seconds to start, and each start is much like the next.
        rounds = 1 if workload.mode == "start" and self.options.quick else int(self.options.rounds)
        return [*brokers, *reversed(brokers)] * min(rounds, workload.rounds_max)

    def steady(self, workload: Workload, broker: Measured, take: Take) -> Found | None:
        """A sample of a machine that was itself; None after so many attempts."""
        for _ in range(ATTEMPTS):
            before = touch_s_per_gb(TOUCH_BYTES)
            found = take(broker)
            touch = max(before, touch_s_per_gb(TOUCH_BYTES))
            self.touches.append(touch)
            good = touch <= self.options.fresh_memory_limit
            told = ", ".join(f"{m.unit} {found[m.name]:.4g}" for m in workload.metrics)
            remark = "" if good else ", DROPPED"
            print(f"{workload.name:11} {broker.label:12} {told}  [touch {touch:.2f} s/GB{remark}]", flush=True)
            if good:
                return found
            self.dropped += 1
        return None

    def fresh(self, broker: Measured, **settings: str | int) -> Measured:
        """The same kind with a directory of its own, formatted if it has to be."""
        directory = self.folder / f"fresh-{serial()}"
        if isinstance(broker, Other):
            return Other(directory, broker.label, broker.template)
        return type(broker)(directory, **SETTINGS, **settings)

    def rows(self, workload: Workload, brokers: list[Measured], take: Take) -> list[Row]:
        values: Samples = {m.name: {b.label: [] for b in self.brokers} for m in workload.metrics}
        for broker in self.order(workload, brokers):
            found = self.steady(workload, broker, take)
            for metric in workload.metrics if found else ():
                assert found
                values[metric.name][broker.label].append(found[metric.name])
        rows = [row_of(workload.title, metric, values[metric.name]) for metric in workload.metrics]
        return [row for row in rows if row]

    def plain(self, workload: Workload) -> list[Row]:
        if workload.mode in ("produce", "fetch"):
            for broker in self.brokers:
                sample(workload, broker, self.options.warm_up if broker.is_jvm else min(1.0, self.options.warm_up))
        return self.rows(workload, self.brokers, lambda broker: sample(workload, broker, self.options.seconds))

    def cold(self, workload: Workload) -> list[Row]:
        with ExitStack() as there:
            live, filled = {}, {}
            for broker in self.brokers:
                live[broker], cold = there.enter_context(topics(broker, workload, 2))
                filled[broker] = cold, fill(broker, cold, int(self.options.cold_gb * 1e9))
            return self.rows(
                workload,
                self.brokers,
                lambda broker: cold_sample(workload, broker, live[broker], filled[broker], self.options.seconds),
            )

    def reactors(self, workload: Workload) -> list[Row]:
        """Ours with two against ours with one."""
        ours = [broker for broker in self.brokers if isinstance(broker, Ours)]
        if not ours:
            return []
        with ExitStack() as running:
            pair = [self.fresh(ours[0], num_network_threads=count) for count in (1, 2)]
            for broker in pair:
                running.callback(broker.stop)
                broker.start()
                sample(workload, broker, min(1.0, self.options.warm_up))
            return self.rows(workload, ours, lambda _: reactors_sample(workload, *pair, self.options.seconds))

    def all(self, workloads: list[Workload]) -> list[Row]:
        rows: list[Row] = []
        with ExitStack() as running:
            if any(workload.mode != "start" for workload in workloads):
                for broker in self.brokers:
                    running.callback(broker.stop)
                    broker.start()
            for workload in workloads:
                if workload.mode == "start":  # the last one: alone on the machine
                    running.close()
                    rows += self.rows(workload, self.brokers, lambda broker: start_sample(self.fresh(broker)))
                elif workload.mode == "cold":
                    rows += self.cold(workload)
                elif workload.mode == "reactors":
                    rows += self.reactors(workload)
                else:
                    rows += self.plain(workload)
        return rows


def commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":!bench/RESULTS.md", ":!bench/results.svg")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (" with changes" if changed else "")


def parse(arguments: list[str]) -> argparse.Namespace:
    names = ", ".join(workload.name for workload in WORKLOADS)
    parser = argparse.ArgumentParser(prog="bench/compare", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="shorter and fewer samples, a JVM half warm: some five minutes"
    )
    parser.add_argument("--seconds", type=float, help="of one sample (1.5; quick: 0.7)")
    parser.add_argument("--rounds", type=int, help="A B B A so many times (3; quick: 1)")
    parser.add_argument(
        "--warm-up", type=float, help="seconds of each workload before its first sample, JVM only (6; quick: 3)"
    )
    parser.add_argument("--cold-gb", type=float, help="that the cold reader reads (5; quick: 1)")
    parser.add_argument("--workloads", help=f"some of {names}")
    parser.add_argument("--brokers", help="some of ours, kafka and the names given with --broker")
    parser.add_argument(
        "--broker",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="any other; {port} {data} {properties} are filled in, without CreateTopics {partitions} {sync} too",
    )
    parser.add_argument("--no-disk", action="store_true", help="leave out the table of the disk (bench/bench_disk.py)")
    parser.add_argument("--fresh-memory-limit", type=float, default=1.0, help="s/GB; beyond it a sample is dropped (1)")
    parser.add_argument("--json", type=Path, help="write everything here")
    parser.add_argument("--svg", type=Path, help="write the chart here")
    parser.add_argument("--write", action="store_true", help="put the table into bench/RESULTS.md, the chart beside it")
    options = parser.parse_args(arguments)
    for name, quick, full in (("seconds", 0.7, 1.5), ("rounds", 1, 3), ("warm_up", 3.0, 6.0), ("cold_gb", 1.0, 5.0)):
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else full)
        elif getattr(options, name) <= 0:
            parser.error(f"--{name.replace('_', '-')} must be above 0")
    for each in options.broker:
        if "=" not in each:
            parser.error(f"--broker wants NAME=COMMAND, not {each!r}")
    known = {workload.name for workload in WORKLOADS}
    wanted = options.workloads.split(",") if options.workloads else list(known)
    if not set(wanted) <= known:
        parser.error(f"--workloads may name {names}")
    options.chosen = [workload for workload in WORKLOADS if workload.name in wanted]
    return options


def main(arguments: list[str]) -> None:
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the brokers must not stay behind
    compile_load()
    about = {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "commit": commit(), **machine()}
    about["command"] = shlex.join(["bench/compare", *without_paths(arguments)])
    with tempfile.TemporaryDirectory(prefix="compare-", dir=os.environ.get("BENCH_DATA")) as folder:
        others = dict(each.split("=", 1) for each in options.broker)
        brokers = make(Path(folder), others, options.brokers.split(",") if options.brokers else None)
        pins = processors()
        if pins:
            os.sched_setaffinity(0, {pins[1]})
        run = Run(options, brokers, Path(folder))
        rows = run.all(options.chosen)
        disk = "" if options.no_disk else disk_table(Path(folder))
    labels = [broker.label for broker in brokers]
    touch = f"{min(run.touches):.2f} … {max(run.touches):.2f} s/GB"
    pinned = f"broker on cpu{pins[0]}, client on cpu{pins[1]}" if pins else "not pinned"
    text = "\n".join(
        [
            f"{about['date']}, commit {about['commit']}, `{about['command']}`. {about['processor']}, "
            f"{about['processors']} processors, Linux {about['kernel']}, Python {about['python']}; {pinned}; load at "
            f"the beginning {about['load'][0]:.1f}; fresh memory {touch}; {run.dropped} samples dropped.",
            "",
            table(rows, labels),
            *(["", disk] if disk else []),
        ]
    )
    print("\n" + text)
    main_rows = [
        row for row in rows if row.metric in (CPU_PER_GB, CPU_PER_REQUEST, P99, FIRST_ANSWER, CORE_PERCENT, RSS)
    ]
    # A round trip's bytes are no measure of its work, so the chart shows its requests.
    trips = {row.workload for row in rows if row.metric is CPU_PER_REQUEST}
    main_rows = [row for row in main_rows if not (row.metric is CPU_PER_GB and row.workload in trips)]
    picture = chart(main_rows, labels, f"bench/compare, {about['date']}, commit {about['commit']}")
    if options.json:
        whole = as_json(rows, about=about, touch_s_per_gb=run.touches, dropped=run.dropped)
        options.json.write_text(json.dumps(whole, indent=1) + "\n")
    if options.svg:
        options.svg.write_text(picture)
    if options.write:
        RESULTS.write_text(between_markers(RESULTS.read_text(), f"{text}\n\n![The same as bars]({SVG.name})"))
        SVG.write_text(picture)


if __name__ == "__main__":
    main(sys.argv[1:])

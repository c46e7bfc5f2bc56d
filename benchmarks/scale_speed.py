"""Make docs/scale_speed.md: does a record cost as much among 200,000 as among 20,000?

    .venv/bin/python benchmarks/scale_speed.py --cohort ptbxl --place /tmp/many
    .venv/bin/python benchmarks/scale_speed.py --cohort ptbxl --place /tmp/many --costs

The source is made on the fly from a cohort at 100 Hz (many_records.py): 5.6 GB at 200,000 records,
the cohort beside it 5 GB. Each step is the command that a user would type, in processes that are
watched from outside. One to two hours on two shared cores. With --costs only what a record costs in
the dearer steps, on 2,000 records, and what it takes on disk: some minutes. The figures are kept in
scale_speed.json.
"""

import argparse
import json
import os
import platform
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from many_records import write_records

from ecgcore.bench.ingest import MonitoredRun, monitor, monitor_python
from ecgcore.cohort.leakage import check_leakage
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import build_split
from ecgcore.workspace import Workspace

DOCS = Path(__file__).resolve().parents[1] / "docs"
KEPT = DOCS / "scale_speed.json"
SIZES = (20_000, 200_000)
NET = ["--model", "resnet1d", "--depth", "4", "--width", "8", "--batch-size", "64", "--epochs", "1"]
STEPS = {
    "ingest": "`ingest --no-measure`",
    "statistics": "`label audit`",
    "split": "split by patient and leak check",
    "epoch": f"`train --level all {' '.join(NET)}`",
}
SOME = 2_000
LARGE_NET = ["--model", "alexnet_m_se_gap", "--batch-size", "64", "--epochs", "1"]
COSTS = {
    "measured": "`ingest` (measured)",
    "large": f"`train --level all {' '.join(LARGE_NET)}`",
    "classify": "`classify --cohort NAME --run alexnet_m_se_gap --to FOLDER`",
}
FEW, STARTS = 100, "start"
"""The same steps on so few records tell what a command costs before it begins."""


@dataclass(frozen=True)
class Step:
    """What one step took at one size: seconds, processor seconds, MB of its largest process."""

    wall_s: float
    cpu_s: float
    largest_mb: float


def main() -> None:
    """Measure, and write the page; or split a cohort, as the step of that name does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cohort", default="ptbxl", help="a cohort at 100 Hz to repeat")
    parser.add_argument("--home", dest="workspace", help="its home; default ./workspace")
    parser.add_argument("--place", type=Path, required=True, help="a folder with 12 GB of room")
    parser.add_argument("--split", action="store_true", help="only split the cohort in --home")
    parser.add_argument("--costs", action="store_true", help="only what the dearer steps cost")
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    options = parser.parse_args()
    workspace = Workspace.find(options.workspace)
    if options.split:
        print(json.dumps(split("many", workspace)))
        return
    real = Cohort.open(options.cohort, workspace)
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if options.costs:
        kept |= costs(real, options.place)
    elif not options.page:
        kept |= {str(n): as_json(measured(real, n, options.place)) for n in SIZES}
        kept["load"] = os.getloadavg()[0]
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    (DOCS / "scale_speed.md").write_text(page(real, kept), "utf-8")


def as_json(steps: dict[str, Step]) -> dict[str, dict[str, float]]:
    """Return the JSON form of steps."""
    return {name: vars(step) for name, step in steps.items()}


def measured(real: Cohort, n: int, place: Path) -> dict[str, Step]:
    """Make a source of ``n`` records and take every step with it; remove what was made."""
    source, workspace = place / f"source-{n}", place / f"home-{n}"
    if not source.exists():  # one that is there may be used again
        write_records(real, n, source)
    at_home = ["--home", str(workspace)]
    commands = {
        "ingest": ["ingest", str(source), "--cohort", "many", "--no-measure", *at_home, "--json"],
        "statistics": ["label", "audit", "many", *at_home, "--json"],
        "split": ["--split", *at_home, "--place", str(place)],
        "epoch": ["train", "--cohort", "many", "--level", "all", *NET, *at_home, "--json"],
    }
    steps = {name: step(name, command, n) for name, command in commands.items()}
    shutil.rmtree(workspace)
    return steps


def step(name: str, command: list[str], n: int) -> Step:
    """Take one step, in processes of its own."""
    started_at = time.monotonic()
    # Two threads of one small network wait for each other where other work shares the cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    run = monitor_python([__file__, *command]) if name == "split" else monitor(command)
    if name in ("ingest", "measured") and run.answer["found"] != n:
        raise RuntimeError(f"{n} records were made and {run.answer['found']} found")
    result = Step(time.monotonic() - started_at, run.cpu_s, peak_mb(run))
    print(n, name, result, outcome_text(name, run), flush=True)
    return result


def peak_mb(run: MonitoredRun) -> float:
    """Return the peak anonymous memory of the largest process in MB."""
    if run.largest_mb is None:
        raise RuntimeError("this system does not report the anonymous memory of a process")
    return run.largest_mb


def outcome_text(name: str, run: MonitoredRun) -> str:
    """Return how many records an ingest read."""
    if name != "ingest":
        return ""
    answer = run.answer
    return f"{answer['read']} read, {len(answer['duplicates'])} duplicates"


def split(name: str, workspace: Workspace) -> dict[str, int]:
    """Split a cohort as ``train --level all`` does; return the records of each part."""
    cohort = Cohort.open(name, workspace)
    split_of_cohort = build_split(cohort, "all", "multilabel")
    if not check_leakage(cohort.index, split_of_cohort).passed:
        raise RuntimeError("the split leaks")
    return dict(Counter(split_of_cohort.part.tolist()))


def costs(real: Cohort, place: Path) -> dict[str, Any]:
    """Return what the dearer steps take on SOME records and on FEW, and bytes a record on disk."""
    figures: dict[str, Any] = {STARTS: as_json(measured(real, FEW, place))}
    for n in (FEW, SOME):
        source, workspace = place / f"source-{n}", place / f"home-{n}"
        if not source.exists():
            write_records(real, n, source)
        at_home = ["--home", str(workspace), "--json"]
        train = ["train", "--cohort", "many", "--level", "all", *at_home]
        answers = ["--run", "alexnet_m_se_gap", "--to", str(workspace / "answers")]
        commands = {
            "measured": ["ingest", str(source), "--cohort", "many", *at_home],
            "large": [*train, *LARGE_NET],
            "classify": ["classify", "--cohort", "many", *answers, *at_home],
        }
        figures[str(n)] = as_json({name: step(name, c, n) for name, c in commands.items()})
        if n == SOME:
            figures["bytes"] = bytes_of(workspace / "cohorts" / "many", n)
            figures["bytes"]["answers"] = size(workspace / "answers", "*") / n
        shutil.rmtree(workspace)
    return figures


def bytes_of(cohort: Path, n: int) -> dict[str, float]:
    """Return the bytes a record of each kind of file of a cohort's folder."""
    names = ("signals.npy", "measures.parquet", "fingerprints-*.npy", "index.parquet")
    kinds = {name: size(cohort / "shards", name) / n for name in names}
    return kinds | {
        "columns.arrow": size(cohort, "columns.arrow") / n,
        "private": size(cohort / "private", "*") / n,
    }


def size(folder: Path, name: str) -> int:
    """Return the bytes of all files of a name below a folder."""
    return sum(file.stat().st_size for file in folder.rglob(name) if file.is_file())


def page(real: Cohort, kept: dict[str, Any]) -> str:
    """Return the page from the stored figures."""
    return f"""# What a record costs among 20,000 and among 200,000

Recordings made from the {len(real):,} of `{real.name}` ({real.fs_hz:g} Hz, {real.duration_s:g} s,
12 leads), each copy rotated, stretched and scaled slightly so that none is a duplicate of another,
written as WFDB files (`benchmarks/many_records.py`). Made by `benchmarks/scale_speed.py` on
{os.cpu_count()} cores ({platform.machine()}). Other work shared them, so that wall time depends on
that work; CPU time is that of all processes of a step. Memory is anonymous memory (RssAnon) of the
largest process. Training used one thread: two wait for each other where cores are shared.

{sizes_table(kept) if {str(SIZES[0]), STARTS} <= kept.keys() else ""}
## What a million records cost

{costs_table(kept) if str(SOME) in kept else ""}"""


def sizes_table(kept: dict[str, Any]) -> str:
    """Return the table of both sizes, measured in one run."""
    heads = ["step", *(f"CPU ms a record at {n:,}" for n in SIZES), "ratio", "without start"]
    heads += [*(f"wall ms a record at {n:,}" for n in SIZES), "ratio"]
    heads += [f"peak MB at {n:,}" for n in SIZES]
    rows = []
    for name in STEPS:
        row = [STEPS[name]]
        for kind in ("cpu_s", "wall_s"):
            row += compared([kept[str(n)][name][kind] for n in SIZES])
            if kind == "cpu_s":
                starts_s = kept[STARTS][name]["cpu_s"]
                row.append(compared([kept[str(n)][name]["cpu_s"] - starts_s for n in SIZES])[2])
        rows.append([*row, *(f"{kept[str(n)][name]['largest_mb']:.0f}" for n in SIZES)])
    both = ["**together**"]
    for kind in ("cpu_s", "wall_s"):
        both += compared([sum(step[kind] for step in kept[str(n)].values()) for n in SIZES])
        both += [""] * (kind == "cpu_s")
    most = [max(step["largest_mb"] for step in kept[str(n)].values()) for n in SIZES]
    sizes = table(heads, [*rows, [*both, *(f"{mb:.0f}" for mb in most)]])
    return f"""{sizes}
Both sizes in one run; load average at its end {kept["load"]:.1f}. "Without start": the ratio after
subtracting the CPU time of the same step on {FEW} records from both.
If the load of other work changes between the sizes, wall time follows that load.
"""


def compared(seconds: list[float]) -> list[str]:
    """Return milliseconds a record at each size, and their ratio."""
    each = [1000 * s / n for s, n in zip(seconds, SIZES, strict=True)]
    return [f"{each[0]:.3f}", f"{each[1]:.3f}", f"{each[1] / each[0]:.2f}"]


def costs_table(kept: dict[str, Any]) -> str:
    """Return the hours of a core and the GB of disk that a million records take."""
    rows = []
    for names, few, many in ((STEPS, *SIZES), (COSTS, FEW, SOME)):
        for name, words in names.items():
            more_s = kept[str(many)][name]["cpu_s"] - kept[str(few)][name]["cpu_s"]
            ms = 1000 * more_s / (many - few)
            rows.append([words, f"{few:,} and {many:,}", f"{ms:.2f}", f"{ms / 3.6:.2f}"])
    heads = ["step", "records", "CPU ms a record", "core hours per million"]
    disk = [[f"`{name}`", f"{n:,.0f}", f"{n / 1000:.2f}"] for name, n in kept["bytes"].items()]
    return f"""{table(heads, rows)}
CPU time of all processes on the larger number of records minus that on the smaller, divided by
the difference of the numbers: the start of a command is excluded. An epoch is training on 60 % of
the records (70 % of those outside the holdout 15 %), and validation and test on the others, one
thread, no GPU.

{table(["on disk", "bytes a record", "GB per million"], disk)}"""


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Return a table whose columns after the first are numbers."""
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


if __name__ == "__main__":
    main()

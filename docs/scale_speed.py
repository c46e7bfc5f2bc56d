"""Make docs/scale_speed.md: does a record cost as much among 200,000 as among 20,000?

    .venv/bin/python docs/scale_speed.py --cohort ptbxl --place /tmp/many

The source is made on the fly from a cohort at 100 Hz (many_records.py): 5.6 GB at 200,000 records,
the cohort beside it 5 GB. Each step is the command that a user would type, in processes that are
watched from outside. One to two hours on two shared cores.
"""

import argparse
import json
import os
import platform
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from many_records import write_records

from ecgcore.bench.ingest import Watched, watch, watch_python
from ecgcore.cohort.leakage import check_sides
from ecgcore.cohort.levels import plan
from ecgcore.cohort.store import Cohort
from ecgcore.home import Home

DOCS = Path(__file__).resolve().parent
SIZES = (20_000, 200_000)
NET = ["--model", "resnet1d", "--depth", "4", "--width", "8", "--batch", "64", "--epochs", "1"]
STEPS = {
    "ingest": "`ingest --no-measure`",
    "statistics": "`label audit`",
    "split": "split by patient and leak check",
    "epoch": f"`train --level all {' '.join(NET)}`",
}


@dataclass(frozen=True)
class Step:
    """What one step took at one size: seconds, processor seconds, MB of its largest process."""

    wall_s: float
    cpu_s: float
    largest_mb: float


def main() -> None:
    """Measure, and write the page; or split a cohort, as the step of that name does."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--cohort", default="ptbxl", help="a cohort at 100 Hz to repeat")
    asked.add_argument("--home", default=None, help="its home; default ./workspace")
    asked.add_argument("--place", type=Path, required=True, help="a folder with 12 GB of room")
    asked.add_argument("--split", action="store_true", help="only split the cohort in --home")
    options = asked.parse_args()
    home = Home.find(options.home)
    if options.split:
        print(json.dumps(split("many", home)))
        return
    real = Cohort.open(options.cohort, home)
    steps = {n: measured(real, n, options.place) for n in SIZES}
    (DOCS / "scale_speed.json").write_text(
        json.dumps({n: {k: vars(s) for k, s in found.items()} for n, found in steps.items()})
    )
    (DOCS / "scale_speed.md").write_text(page(real, steps), "utf-8")


def measured(real: Cohort, n: int, place: Path) -> dict[str, Step]:
    """Make a source of ``n`` records and take every step with it; remove what was made."""
    source, home = place / f"source-{n}", place / f"home-{n}"
    if not source.exists():  # one that is there may be used again
        write_records(real, n, source)
    at_home = ["--home", str(home)]
    commands = {
        "ingest": ["ingest", str(source), "--cohort", "many", "--no-measure", *at_home, "--json"],
        "statistics": ["label", "audit", "many", *at_home, "--json"],
        "split": ["--split", *at_home, "--place", str(place)],
        "epoch": ["train", "--cohort", "many", "--level", "all", *NET, *at_home, "--json"],
    }
    steps = {name: step(name, command, n) for name, command in commands.items()}
    shutil.rmtree(home)
    return steps


def step(name: str, command: list[str], n: int) -> Step:
    """Take one step, in processes of its own."""
    began = time.monotonic()
    # Two threads of one small network wait for each other where other work shares the cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    seen = watch_python([__file__, *command]) if name == "split" else watch(command)
    if name == "ingest" and seen.answer["found"] != n:
        raise RuntimeError(f"{n} records were made and {seen.answer['found']} found")
    found = Step(time.monotonic() - began, seen.cpu_s, needed(seen))
    print(n, name, found, told(name, seen), flush=True)
    return found


def needed(seen: Watched) -> float:
    """Return the peak anonymous memory of the largest process in MB."""
    if seen.largest_mb is None:
        raise RuntimeError("this system does not tell a process's anonymous memory")
    return seen.largest_mb


def told(name: str, seen: Watched) -> str:
    """Return what became of the records."""
    if name != "ingest":
        return ""
    answer = seen.answer
    return f"{answer['read']} read, {len(answer['duplicates'])} duplicates"


def split(name: str, home: Home) -> dict[str, int]:
    """Split a cohort as ``train --level all`` does; return the records of each part."""
    cohort = Cohort.open(name, home)
    drawn = plan(cohort, "all", "multilabel")
    if not check_sides(cohort.index, drawn).passed:
        raise RuntimeError("the split leaks")
    return {part: int((drawn.part == part).sum()) for part in set(drawn.part.tolist())}


def page(real: Cohort, steps: dict[int, dict[str, Step]]) -> str:
    """Return the page."""
    few, many = SIZES
    heads = ["step", *(f"CPU ms a record at {n:,}" for n in SIZES), "ratio"]
    heads += [*(f"wall ms a record at {n:,}" for n in SIZES), "ratio"]
    heads += [f"peak MB of the largest process at {n:,}" for n in SIZES]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for name in STEPS:
        row = [STEPS[name]]
        for kind in ("cpu_s", "wall_s"):
            each = [1000 * getattr(steps[n][name], kind) / n for n in SIZES]
            row += [f"{each[0]:.2f}", f"{each[1]:.2f}", f"{each[1] / each[0]:.2f}"]
        row += [f"{steps[n][name].largest_mb:.0f}" for n in SIZES]
        lines.append("| " + " | ".join(row) + " |")
    table = "\n".join(lines)
    cpu = {n: sum(s.cpu_s for s in steps[n].values()) / n for n in SIZES}
    wall = {n: sum(s.wall_s for s in steps[n].values()) / n for n in SIZES}
    return f"""# What a record costs among 20,000 and among 200,000

Recordings made from the {len(real):,} of `{real.name}` ({real.fs_hz:g} Hz, {real.duration_s:g} s,
12 leads), each copy turned round, stretched and scaled a little so that none is another's
duplicate, written as WFDB files (`docs/many_records.py`). Both sizes one after the other by
`docs/scale_speed.py` on {os.cpu_count()} cores ({platform.machine()}), load average at the end
{os.getloadavg()[0]:.1f}: other work shared the cores, so wall time says what the others left. CPU
time is that of all processes of the step; memory is anonymous (RssAnon), of the largest process.

{table}

All steps together: CPU {1000 * cpu[few]:.2f} and {1000 * cpu[many]:.2f} ms a record, ratio
{cpu[many] / cpu[few]:.2f}; wall {1000 * wall[few]:.2f} and {1000 * wall[many]:.2f} ms, ratio
{wall[many] / wall[few]:.2f}. The training used one thread.
"""


if __name__ == "__main__":
    main()

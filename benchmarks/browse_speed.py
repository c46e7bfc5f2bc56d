"""Make docs/browse_speed.md: how quickly Browse answers on large cohorts.

    .venv/bin/python benchmarks/browse_speed.py --cohort ptbxl

``repeat_cohort`` makes a cohort of rows of a real index under new ids, with linked signals:
45,000 records take seconds and hardly any room. Each figure comes from a server of its own, through
its websocket (benchmarks/visitor.py) or a real Chromium. Takes some minutes.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from serving import running, serving
from visitor import Visitor

from ecgcore.atomic import atomic_dir, write_json
from ecgcore.cohort import measurements_table
from ecgcore.cohort.index import write_index
from ecgcore.cohort.listing import Filters, Listing
from ecgcore.cohort.listing_columns import load_columns
from ecgcore.cohort.private_paths import write_paths
from ecgcore.cohort.store import Cohort
from ecgcore.workspace import Workspace

DOCS = Path(__file__).resolve().parents[1] / "docs"
SIZES = (45_000, 200_000)
CHANGES = (
    ("browse_class", {"string_array_value": {"data": ["LVH"]}}),
    ("browse_sex", {"string_array_value": {"data": ["female"]}}),
    ("browse_class", {"string_array_value": {"data": []}}),
    ("browse_text", {"string_value": "bundle"}),
    ("browse_quality", {"string_array_value": {"data": ["nothing doubtful"]}}),
    ("browse_text", {"string_value": ""}),
    ("browse_age", {"double_array_value": {"data": [40, 60]}}),
    ("browse_age", {"double_array_value": {"data": [0, 90]}}),
    ("browse_sex", {"string_array_value": {"data": []}}),
)  # one filter changed after another; three of them leave most of the records
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cohort", default="ptbxl", help="a measured cohort to repeat")
    parser.add_argument("--home", dest="workspace", help="its home; default ./workspace")
    options = parser.parse_args()
    real = Cohort.open(options.cohort, Workspace.find(options.workspace))
    with tempfile.TemporaryDirectory(dir=real.folder.parents[1]) as folder:
        workspace = Workspace(Path(folder))
        rows = [
            measured_row(repeat_cohort(real, f"simulated-{n}", workspace, n), workspace)
            for n in SIZES
        ]
    (DOCS / "browse_speed.md").write_text(page(real, rows), "utf-8")


def measured_row(cohort: Cohort, workspace: Workspace) -> dict[str, str]:
    """Return one size's figures, in seconds."""
    with serving(workspace.path, Path(os.devnull)) as address:
        fresh_s = seconds(lambda: browser_opens(address, cohort, patience_s=300))
        filters_text, keys_text = warm_filters(address, cohort), warm_keys(address, cohort)
    with running(workspace.path) as (address, server):
        visitor, before_s = Visitor(address, 300), cpu_s(server.pid)
        whole_s = seconds(lambda: visitor.open("browse", cohort=cohort.name))
        server_s = cpu_s(server.pid) - before_s
        again_s = seconds(lambda: Visitor(address, 300).open("browse", cohort=cohort.name))
        visitor.leave()
    row = {
        "records": f"{len(cohort):,}",
        "cohort opened and listed": f"{seconds(lambda: open_and_list(cohort, workspace)):.2f}",
        "first page of a fresh server, complete (websocket)": f"{whole_s:.2f}",
        "server CPU time of that": f"{server_s:.2f}",
        "the next visitor's first page (websocket)": f"{again_s:.2f}",
        "first page of a fresh server, ECG drawn (Chromium)": f"{fresh_s:.2f}",
        "a filter changed, complete page (websocket)": filters_text,
        "a filter changed, count drawn (Chromium)": keys_text,
    }
    print(row, flush=True)
    return row


def cpu_s(pid: int) -> float:
    """Return the processor time of a process so far."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def open_and_list(cohort: Cohort, workspace: Workspace) -> None:
    """Open a cohort and build the table that Browse shows first."""
    listing = Listing(Cohort.open(cohort.name, workspace))
    listing.table(listing.select_rows(Filters())[:50_000], "core")


def warm_filters(address: str, cohort: Cohort) -> str:
    """Change filters one after another, as the server sees it; return median and longest."""
    visitor = Visitor(address, 300)
    visitor.open("browse", cohort=cohort.name)
    times_s = [
        seconds(lambda key=key, value=value: visitor.set(key, **value)) for key, value in CHANGES
    ]
    if errors := visitor.errors():
        raise RuntimeError("; ".join(errors))
    visitor.leave()
    return f"{statistics.median(times_s):.2f}, longest {max(times_s):.2f}"


def warm_keys(address: str, cohort: Cohort) -> str:
    """Press the keys of classes, as a visitor sees it; return median and longest."""
    counts = [int((Listing(cohort).states("core")[:, i] == 1).sum()) for i in range(5)]
    with tab(address, cohort, 300) as shown:
        times_s = []
        for i, count in enumerate(counts):
            for n_rows in (count, len(cohort)):  # the filter on, and off again
                shown.keyboard.press(str(i + 1))
                label = shown.get_by_text(f"{n_rows:,} of {len(cohort):,} records")
                times_s.append(seconds(label.wait_for))
                shown.wait_for_timeout(1500)
    return f"{statistics.median(times_s):.2f}, longest {max(times_s):.2f}"


def browser_opens(address: str, cohort: Cohort, patience_s: float) -> None:
    """Open Browse in Chromium and wait for an ECG."""
    with tab(address, cohort, patience_s):
        pass


@contextmanager
def tab(address: str, cohort: Cohort, patience_s: float) -> Iterator:
    """Yield a tab of Chromium with Browse open and an ECG drawn."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        shown = browser.new_page(viewport={"width": 1280, "height": 1000})
        shown.set_default_timeout(1000 * patience_s)
        shown.goto(f"{address}/browse?cohort={cohort.name}")
        shown.get_by_role("img", name="Twelve-lead ECG").wait_for()
        yield shown
        browser.close()


def seconds(action: Callable[[], object]) -> float:
    """Return the duration of an action in s."""
    started_at = time.perf_counter()
    action()
    return time.perf_counter() - started_at


def repeat_cohort(cohort: Cohort, name: str, workspace: Workspace, records: int) -> Cohort:
    """Create a cohort of a number of records by repeating those of another under new ids."""
    folder, sources = workspace.cohorts / name, cohort.meta["shards"]
    shards: list[str] = []
    n_written = 0
    while n_written < records:
        source = cohort.folder / "shards" / sources[len(shards) % len(sources)]
        shards.append(f"{len(shards):05d}")
        n_written += _repeat_shard(source, folder, shards[-1], records - n_written)
    meta = cohort.meta | {"name": name, "records": records, "patients": records, "shards": shards}
    write_json(folder / "cohort.json", meta | {"hash": f"simulated{records}"})
    load_columns(Cohort.open(name, workspace))  # as an ingest leaves them
    return Cohort.open(name, workspace)


def _repeat_shard(source: Path, folder: Path, name: str, max_records: int) -> int:
    """Copy at most ``max_records`` of a shard under new ids; return their number."""
    index = pd.read_parquet(source / "index.parquet").iloc[:max_records]
    index["record"] = [f"{name}-{record}" for record in index["record"]]
    index["patient"] = [f"{name}-{i}" for i in range(len(index))]
    signals = np.load(source / "signals.npy", mmap_mode="r")
    keep = np.arange(len(signals)) < max_records
    with atomic_dir(folder / "shards" / name) as new_shard:
        write_index(new_shard / "index.parquet", index.to_dict("records"), "")
        if keep.all():
            os.link(source / "signals.npy", new_shard / "signals.npy")
        else:
            np.save(new_shard / "signals.npy", signals[keep])
        measurements_table.copy(source, new_shard, keep)
    row = {"path": "", "stamp": "", "status": "read", "reason": "", "of": "", "fs_hz": 100.0}
    write_paths(folder, name, (row | {"key": r, "record": r} for r in index["record"]))
    return len(index)


def page(real: Cohort, rows: list[dict[str, str]]) -> str:
    """Return the page."""
    heads = list(rows[0])
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---:" for _ in heads) + " |"]
    lines += ["| " + " | ".join(row.values()) + " |" for row in rows]
    table = "\n".join(lines)
    return f"""# How quickly Browse answers on large cohorts

Seconds. Simulated cohorts: {len(real):,} records of `{real.name}` repeated under new ids. Made by
`benchmarks/browse_speed.py` on {os.cpu_count()} cores ({platform.machine()}), load average at the
end {os.getloadavg()[0]:.1f} (other work shared the cores). "Complete" means that the page's
script has finished, including the ECG and its measurements; on a fresh server the network's image
follows once torch is loaded. Chromium's first page includes its own start and the loading of
Streamlit's scripts. Medians over {len(CHANGES)} changes through the websocket, and 10 keys in
Chromium.

{table}

The table sends at most 50,000 rows to the browser; filters, counts and stepping use all of them.
The columns of lists are in one file next to the shards (`columns.arrow`, written by every ingest),
which is memory-mapped, so that opening takes the same time at any size; a record's measurements are
those stored at ingest, so that a fresh server need not load the measuring code.
"""


if __name__ == "__main__":
    main()

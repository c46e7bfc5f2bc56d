"""Make docs/load.md: twenty simultaneous visitors on one dashboard, and memory after two hundred.

    .venv/bin/python benchmarks/load.py

The server runs on its own workspace with the example cohort. Of the twenty visitors, two are real
Chromium tabs and the others have no browser (benchmarks/visitor.py): twenty browsers would measure
browsers. Each visitor opens Browse, goes to Classify and, all at the same moment, uploads an ECG of
its own. Each answer is checked against that of `ecgcore classify`. Takes about two minutes.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from serving import running
from visitor import Visitor

DOCS = Path(__file__).resolve().parents[1] / "docs"
EXAMPLES = DOCS.parent / "examples" / "ptb-xl"
SHIPPED = ("alexnet_gap", "alexnet_m_se_gap")
VISITORS, BROWSERS, ROUNDS, WARM = 20, 2, 10, 9
MIXED = (0, 5)  # rounds with browsers among the visitors
TIMEOUT_S = 180
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
Answers = dict[str, list[str]]  # record → sorted probabilities of both networks, three decimals
Times = dict[str, float]


def main() -> None:
    """Measure, and write the page."""
    headers = sorted(EXAMPLES.rglob("*.hea"))[:VISITORS]
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "home"
        run_command(workspace, "ingest", str(EXAMPLES), "--cohort", "examples")
        expected = answers(workspace, headers)
        with running(workspace) as (address, process):
            warm = [alone(address, header, expected) for header in headers[: WARM + 1]][1:]
            rounds, memory, busy_s = [], [], cpu_s(process.pid)
            for done in range(ROUNDS):
                rounds.append(at_once(address, headers, expected, BROWSERS if done in MIXED else 0))
                memory.append(rss_anon_mb(process.pid))
                print(f"round {done + 1}: {line(rounds[-1])}; {memory[-1]:.0f} MB", flush=True)
            busy_s = (cpu_s(process.pid) - busy_s) / (VISITORS * ROUNDS)
    (DOCS / "load.md").write_text(page(warm, rounds, memory, busy_s), "utf-8")


def run_command(workspace: Path, *command: str) -> str:
    """Return the output of an ecgcore command."""
    return subprocess.run(
        [sys.executable, "-m", "ecgcore", *command, "--home", str(workspace)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def answers(workspace: Path, headers: list[Path]) -> Answers:
    """Return the probabilities that `ecgcore classify` gives for each record."""
    by_record: Answers = {header.stem: [] for header in headers}
    for run in SHIPPED:
        lines = run_command(workspace, "classify", *map(str, headers), "--run", run, "--json")
        for row in map(json.loads, lines.splitlines()):
            by_record[row["record"]] += [f"{p:.3f}" for p in row["probabilities"].values()]
    return {name: sorted(values) for name, values in by_record.items()}


def alone(address: str, header: Path, expected: Answers) -> Times:
    """Return the times of a single visitor."""
    return light(address, header, expected, Barrier(1))


def at_once(address: str, headers: list[Path], expected: Answers, browsers: int) -> list[Times]:
    """Return the times of twenty visitors who do the same simultaneously."""
    together = Barrier(len(headers))

    def visit(index: int) -> Times:
        run_visit = browser if index < browsers else light
        return run_visit(address, headers[index], expected, together)

    with ThreadPoolExecutor(len(headers)) as pool:
        return list(pool.map(visit, range(len(headers))))


def light(address: str, header: Path, expected: Answers, together: Barrier) -> Times:
    """Visit without a browser; return the seconds to each point, from opening or upload."""
    visitor, times = Visitor(address, TIMEOUT_S), Times()
    together.wait()
    start = time.monotonic()
    visitor.open("browse")
    times["browse"] = time.monotonic() - start
    errors = visitor.errors()
    visitor.open("classify")
    together.wait(TIMEOUT_S)
    start = time.monotonic()
    files = {file.name: file.read_bytes() for file in (header, header.with_suffix(".dat"))}
    visitor.upload("classify_files", files, until=lambda v: bool(v.elements("plotly_chart")))
    times["answer"] = time.monotonic() - start
    chart = json.loads(visitor.elements("plotly_chart")[0].spec)
    texts = [text for trace in chart["data"] for text in trace.get("text", [])]
    visitor.wait()
    times["map"] = time.monotonic() - start
    errors += visitor.errors()
    visitor.leave()
    check(header.stem, texts, errors, expected)
    return times


def browser(address: str, header: Path, expected: Answers, together: Barrier) -> Times:
    """Visit in a Chromium tab."""
    from playwright.sync_api import expect, sync_playwright

    times, errors = Times(), []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS
        )
        tab = chromium.new_page(viewport={"width": 1280, "height": 1000})
        tab.set_default_timeout(1000 * TIMEOUT_S)
        expect.set_options(timeout=1000 * TIMEOUT_S)
        tab.on("pageerror", lambda error: errors.append(str(error)))
        together.wait()
        start = time.monotonic()
        tab.goto(f"{address}/browse")
        expect(tab.get_by_role("img", name="Twelve-lead ECG")).to_be_visible()
        times["browse"] = time.monotonic() - start
        tab.get_by_role("link", name="Classify").click()
        file_input = tab.get_by_test_id("stFileUploaderDropzoneInput")
        file_input.wait_for(state="attached")
        together.wait(TIMEOUT_S)
        start = time.monotonic()
        file_input.set_input_files([header, header.with_suffix(".dat")])
        bars = tab.locator(".barlayer .bartext, .barlayer text")
        expect(bars).to_have_count(len(expected[header.stem]))
        times["answer"] = time.monotonic() - start
        texts = bars.all_text_contents()
        expect(tab.get_by_text("Behind the trace")).to_be_visible()
        times["map"] = time.monotonic() - start
        errors += tab.get_by_test_id("stException").all_inner_texts()
        chromium.close()
    check(header.stem, texts, errors, expected)
    return times


def check(name: str, texts: list[str], errors: list[str], expected: Answers) -> None:
    """Stop if a visitor saw an error or another record's answer."""
    if errors:
        raise SystemExit(f"{name}: {errors}")
    if sorted(texts) != expected[name]:
        raise SystemExit(f"{name}: the page shows {sorted(texts)}, expected {expected[name]}")


def rss_anon_mb(pid: int) -> float:
    """Return a process's anonymous memory in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def line(visits: list[Times]) -> str:
    """Return median, 90th percentile and maximum of each time, in s."""
    texts = []
    for point in visits[0]:
        values = [visit[point] for visit in visits]
        p90 = statistics.quantiles(values, n=10, method="inclusive")[-1]
        texts.append(f"{point} {statistics.median(values):.2f} / {p90:.2f} / {max(values):.2f}")
    return ", ".join(texts)


def page(warm: list[Times], rounds: list[list[Times]], memory: list[float], busy_s: float) -> str:
    """Return the page's text."""
    names = {
        "browse": "Browse opened",
        "answer": "upload → class of both networks",
        "map": "upload → Grad-CAM behind the trace, page complete",
    }
    mixed, lights = (
        [visit for done, visits in enumerate(rounds) for visit in visits if (done in MIXED) is kind]
        for kind in (True, False)
    )
    columns = {
        f"alone, {len(warm)} visits": warm,
        f"{VISITORS} at once, {BROWSERS} of them Chromium, {len(MIXED)} rounds": mixed,
        f"{VISITORS} at once, no browser, {len(rounds) - len(MIXED)} rounds": lights,
    }
    rows = [
        f"| {label} | "
        + " | ".join(figures([v[point] for v in c]) for c in columns.values())
        + " |"
        for point, label in names.items()
    ]
    growth = memory[-1] / memory[0] - 1
    cores = len(os.sched_getaffinity(0))
    return f"""# Twenty visitors at once

Made by `benchmarks/load.py`: one server, the shipped pair, {VISITORS} sessions, each with an ECG of
its own, for which `ecgcore classify` gives a different answer. All {VISITORS * ROUNDS} answers
equalled those of the command to three decimals, and no page showed an error. Seconds: median /
90th percentile / maximum; the server was warm (one visit before). The browsers wait for pixels,
the others for the server's messages.

| | {" | ".join(columns)} |
|---|{"--:|" * len(columns)}
{chr(10).join(rows)}

Goals: median answer at most 3 s with {VISITORS} at once; class and map at most 1.5 s alone.

The server's own memory (RssAnon) was {memory[0]:.0f} MB after {VISITORS} uploads and
{memory[-1]:.0f} MB after {VISITORS * ROUNDS} ({growth:+.0%}; goal: within 15 %):
{", ".join(f"{mb:.0f}" for mb in memory)} MB after each twenty.

A visit, from Browse to the complete page with its map, took the server {busy_s:.2f} s of one core.

Measured on {cores} cores ({platform.machine()}) shared with other work: load average
{os.getloadavg()[0]:.1f} over the last minute; server and visitors ran at nice {os.nice(0)}. Python
{platform.python_version()}.
"""


def figures(values: list[float]) -> str:
    """Return median / 90th percentile / maximum."""
    p90 = statistics.quantiles(values, n=10, method="inclusive")[-1]
    return f"{statistics.median(values):.2f} / {p90:.2f} / {max(values):.2f}"


if __name__ == "__main__":
    main()

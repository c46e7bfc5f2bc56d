"""Benchmark of ingest: recordings a second, and memory.

The command runs in processes of its own, which are monitored from outside. Without a folder of
recordings the example ECGs are repeated, each copy rotated in time by another shift, so that no
copy is a duplicate.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from ecgcore import resources
from ecgcore.errors import EcgError, RequestError
from ecgcore.records.discover import find_records
from ecgcore.records.metadata.ptbxl import TABLE
from ecgcore.records.metadata.tables import METADATA_TABLES, find_above

EXAMPLES = resources.EXAMPLES
RECORDS = {"plain": 2400, "measured": 800}
SERIES = (1000, 10_896)
_POLL_S = 0.1
_SHIFT_SAMPLES = 37


@dataclass(frozen=True)
class MonitoredRun:
    """Answer and resource use of a command.

    Attributes
    ----------
    cpu_s
        Processor seconds of all its processes.
    largest_mb, all_mb
        Peak anonymous memory (RssAnon) of its largest process and of all together; None where the
        system does not report it.
    """

    answer: dict[str, Any]
    cpu_s: float
    largest_mb: float | None
    all_mb: float | None


def bench_ingest(data: Path | None = None, full: bool = False) -> dict[str, Any]:
    """Measure ``ecgcore ingest``.

    Parameters
    ----------
    data
        A folder of WFDB records; by default the example ECGs, repeated.
    full
        Also measure the memory at 1,000 and 10,896 records.

    Returns
    -------
    dict
        ``records_per_s`` (``plain`` without and ``measured`` with measurements and beats),
        ``cpu_ms_per_record`` (likewise; hardly affected by other work on the machine),
        ``memory_mb`` (records → peak RssAnon of the largest process, while measuring),
        ``memory_all_mb`` (of all processes together), ``records``, ``cores``, ``load``.
    """
    if data is not None and not data.is_dir():
        raise RequestError(f"There is no folder {data}.")
    with tempfile.TemporaryDirectory(prefix="ecgcore-bench-") as folder:
        root = Path(folder)
        runs = {kind: _run_ingest(data, n, root, kind == "measured") for kind, n in RECORDS.items()}
        series = {n: _run_ingest(data, n, root, True) for n in SERIES} if full else {}
    watched = series or {runs["measured"].answer["found"]: runs["measured"]}
    return {
        "records_per_s": {k: round(_per_s(run), 1) for k, run in runs.items()},
        "cpu_ms_per_record": {k: round(_cpu_ms(run), 2) for k, run in runs.items()},
        "memory_mb": {str(n): run.largest_mb for n, run in watched.items()},
        "memory_all_mb": {str(n): run.all_mb for n, run in watched.items()},
        "records": {k: run.answer["found"] for k, run in runs.items()},
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _per_s(run: MonitoredRun) -> float:
    return run.answer["found"] / max(run.answer["seconds"], 1e-3)


def _cpu_ms(run: MonitoredRun) -> float:
    return 1000 * run.cpu_s / run.answer["found"]


def _run_ingest(data: Path | None, n: int, root: Path, measured: bool) -> MonitoredRun:
    """Ingest ``n`` records from a temporary folder into a temporary workspace."""
    folder, workspace = root / "in", root / "workspace"
    repeat_examples(n, folder) if data is None else link_records(data, n, folder)
    option = "--measure" if measured else "--no-measure"
    command = ["ingest", str(folder), "--cohort", "bench"]
    try:
        return monitor([*command, option, "--home", str(workspace), "--json"])
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(workspace, ignore_errors=True)


def repeat_examples(n: int, folder: Path) -> None:
    """Write ``n`` records in PTB-XL's layout: the examples, and copies rotated in time."""
    rows = pd.read_csv(EXAMPLES / TABLE)
    headers = {int(path.stem[:5]): path for path in find_records([EXAMPLES])}
    rows = rows[rows["ecg_id"].isin(headers)]
    copies = []
    for number in range(1, n + 1):
        turn, index = divmod(number - 1, len(rows))
        row = rows.iloc[index]
        subfolder = folder / "records100" / f"{number // 1000 * 1000:05d}"
        header = headers[int(row.ecg_id)]
        _write_rotated(header, subfolder, f"{number:05d}_lr", turn * _SHIFT_SAMPLES)
        copies.append(row.to_dict() | {"ecg_id": number, "patient_id": number})
    pd.DataFrame(copies).to_csv(folder / TABLE, index=False)


def _write_rotated(header: Path, folder: Path, name: str, shift_samples: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = header.read_text().replace(header.stem, name)
    (folder / f"{name}.hea").write_text(text)
    samples = np.fromfile(header.with_suffix(".dat"), "<i2").reshape(-1, 12)
    np.roll(samples, shift_samples, axis=0).tofile(folder / f"{name}.dat")


def link_records(data: Path, n: int, folder: Path) -> None:
    """Link the first ``n`` WFDB records of a folder, and the tables above them, into another."""
    headers = [p for p in islice(find_records([data]), n) if p.suffix == ".hea"]
    if not headers:
        raise RequestError(f"{data} holds no WFDB record (.hea with .dat or .mat).")
    tables = {table for name in METADATA_TABLES if (table := find_above(headers[0], name))}
    for file in (*tables, *(file for header in headers for file in _files(header))):
        is_inside = file.is_relative_to(data)
        link = folder / (file.relative_to(data) if is_inside else file.name)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            _link(file, link)


def _files(header: Path) -> Iterator[Path]:
    yield header
    yield from (f for s in (".dat", ".mat") if (f := header.with_suffix(s)).is_file())


def _link(file: Path, link: Path) -> None:
    try:
        os.link(file, link)
    except OSError:  # another disk
        shutil.copyfile(file, link)


def monitor(command: list[str]) -> MonitoredRun:
    """Run an ``ecgcore`` command (``["ingest", …, "--json"]``) and monitor its processes."""
    return monitor_python(["-m", "ecgcore", *command])


def monitor_python(arguments: list[str]) -> MonitoredRun:
    """Run Python with these arguments and monitor it; its last line of stdout is JSON."""
    largest_kb, all_kb, cpu_s = 0, 0, dict[int, float]()
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = psutil.Popen([sys.executable, *arguments], stdout=stdout, stderr=stderr)
        while process.poll() is None:
            kb = [_sample(member, cpu_s) for member in _family(process)]
            largest_kb, all_kb = max(largest_kb, *kb, 0), max(all_kb, sum(kb))
            time.sleep(_POLL_S)
        for file in (stdout, stderr):
            file.seek(0)
        if process.returncode:
            reason = stderr.read().decode(errors="replace").strip()
            raise EcgError(f"`{' '.join(arguments[:3])}` failed: {reason}")
        answer = json.loads(stdout.read().splitlines()[-1])
    mb = (round(largest_kb / 1000, 1), round(all_kb / 1000, 1)) if largest_kb else (None, None)
    return MonitoredRun(answer, sum(cpu_s.values()), *mb)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _sample(process: psutil.Process, cpu_s: dict[int, float]) -> int:
    """Record the processor time of a process and return its anonymous memory in kB."""
    try:
        times = process.cpu_times()
        cpu_s[process.pid] = times.user + times.system
        return _anonymous_kb(process.pid)
    except psutil.NoSuchProcess:
        return 0


def _anonymous_kb(pid: int) -> int:
    """Return RssAnon of a process in kB, 0 where the system does not report it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), 0)

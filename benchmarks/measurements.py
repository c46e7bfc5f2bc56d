"""Write the figures of docs/measurements.md: our intervals compared with those of others.

    .venv/bin/python benchmarks/measurements.py data

The text above the line FIGURES is written by hand and preserved. Reads the recordings unpacked in
``data`` (LUDB and PTB-XL are required, vendors' files optional); takes two minutes of one core.
"""

import ast
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ecgcore.bench.measurements import INTERVALS, bench_measurements, reference_of
from ecgcore.errors import UnreadableRecord
from ecgcore.evaluation.markdown import table as table_of
from ecgcore.measurement import delineation, p_wave, spatial_velocity
from ecgcore.measurement.delineation import Fiducials, delineate
from ecgcore.measurement.measurements import Measurements, measure
from ecgcore.measurement.median_beat import median_beat
from ecgcore.measurement.rhythm import median_rr_s, rr_change
from ecgcore.measurement.rpeaks import r_peaks
from ecgcore.records.discover import find_records
from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.records.resample import resample_signal

PAGE = Path(__file__).resolve().parents[1] / "docs" / "measurements.md"
FIGURES = "<!-- what follows is made by benchmarks/measurements.py -->\n"
GOALS = {"qrs_ms": (8, 25, 0.75), "pr_ms": (7, 22, 0.80), "qt_ms": (10, 45, 0.75)}
PARAMETERS = [
    (spatial_velocity, "QRS_HZ"),
    (spatial_velocity, "P_HZ"),
    (spatial_velocity, "T_HZ"),
    (delineation, "QRS_ONSET_REST"),
    (delineation, "QRS_OFFSET_REST"),
    (delineation, "QRS_NOISE"),
    (delineation, "QRS_FAST"),
    (delineation, "VALLEY"),
    (delineation, "WIDEST_S"),
    (delineation, "T_REST"),
    (delineation, "T_NOISE"),
    (delineation, "T_FAST"),
    (p_wave, "ONSET_REST"),
    (p_wave, "NOISE"),
    (p_wave, "HIGHEST_REST"),
    (p_wave, "ALIKE"),
    (p_wave, "STANDS_OUT"),
]
OUTERMOST_HEAD = ("interval", "records", "median / 90th percentile / correlation", "bias, ms")
MAX_RECORDS = 400
"""Records of one kind, at most."""


class AnnotatedRecord(NamedTuple):
    """A record of LUDB, and the intervals of its annotations."""

    record: Record
    intervals_ms: dict[str, float]


def main(data: Path) -> None:
    """Measure, and write docs/measurements.md."""
    ludb = [
        AnnotatedRecord(read_record(path), reference_of(path).intervals_ms)
        for path in sorted((data / "ludb").rglob("*.hea"))
    ]
    method, _ = PAGE.read_text(encoding="utf-8").split(FIGURES)
    parts = [
        method + FIGURES,
        annotation_errors(bench_measurements(data / "ludb")),
        altered_records(ludb),
        sensitivity(ludb),
        two_rates(data / "ptb-xl"),
        statements(data / "ptb-xl"),
        long_qrs(data / "ludb/ludb.csv", ludb),
        machines(data / "formats"),
        speed(data / "ptb-xl"),
    ]
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def annotation_errors(answer: dict[str, Any]) -> str:
    """Return the errors against LUDB's annotations."""
    rows = []
    for name, goal in GOALS.items():
        parts = (answer["intervals"], *answer["halves"])
        errors = [
            f"{part[name]['median_ms']} / {part[name]['percentile_90_ms']} / {part[name]['r']}"
            for part in parts
        ]
        of_all = answer["intervals"][name]
        limits = f"≤ {goal[0]} / ≤ {goal[1]} / ≥ {goal[2]}"
        rows.append([name, of_all["n"], of_all["missing"], limits, *errors, of_all["bias_ms"]])
    head = ("interval", "records", "missing", "goal", "all", "1st half", "2nd half", "bias, ms")
    outermost = [
        (name, of["n"], f"{of['median_ms']} / {of['percentile_90_ms']} / {of['r']}", of["bias_ms"])
        for name, of in answer["outermost"].items()
    ]
    return f"""
## Against a cardiologist's marks

`ecgcore bench measurements --data data/ludb`: {answer["records"]} records of the Lobachevsky
database. The reference is each beat's onset and end at the 10th and the 90th percentile of the
marks of its leads. Median and 90th percentile of the absolute error in ms, and the correlation; a
missing value counts as infinitely wrong. The halves are every other record.

{table_of(head, rows)}
Against the outermost marks, the earliest onset and the latest end in any lead, which is how
intervals are defined and which one lead's mark decides:

{table_of(OUTERMOST_HEAD, outermost)}
The rate is within 2/min in {answer["rate_within_2_bpm"]:.0%} over the beats that are marked. Of
{answer["without_p"]} records without a marked P wave, {answer["p_found_where_none"]} were given a
PR interval. Measuring took {answer["ms_per_record"]} ms of one core a record of 10 s at 500 Hz.
"""


def errors_ms(
    annotated: list[AnnotatedRecord], intervals: list[dict[str, float | None]]
) -> list[str]:
    """Return the median absolute error by interval, as text."""
    errors = []
    for name in INTERVALS:
        of_interval = [
            np.inf if (value := ours[name]) is None else abs(value - one.intervals_ms[name])
            for one, ours in zip(annotated, intervals, strict=True)
            if not np.isnan(one.intervals_ms[name])
        ]
        errors.append(f"{np.percentile(of_interval, 50, method='higher'):.1f}")
    return errors


def altered_records(ludb: list[AnnotatedRecord]) -> str:
    """Return the errors on altered records."""
    rng = np.random.default_rng(0)
    alterations: dict[str, Callable[[Record], Record]] = {
        "as they are": lambda r: r,
        "resampled to 100 Hz": lambda r: at_rate(r, 100),
        "resampled to 1000 Hz": lambda r: at_rate(r, 1000),
        "their middle 5 s": lambda r: cut(r, 2.5, 5),
        "from 0.3 s on": lambda r: cut(r, 0.3, 10),
        "with 20 µV of white noise": lambda r: noisy(r, 0.02, rng),
        "with 50 µV of white noise": lambda r: noisy(r, 0.05, rng),
    }
    rows = []
    for name, alter in alterations.items():
        measured = [measure(alter(one.record)) for one in ludb]
        rows.append([name, *errors_ms(ludb, [m.as_json() for m in measured])])
    return f"""
The same records altered; median absolute error in ms against the same marks:

{table_of(("records", *INTERVALS), rows)}"""


def at_rate(record: Record, fs_hz: float) -> Record:
    """Return a record at another rate."""
    signal_mv = resample_signal(record.signal_mv, record.fs_hz, fs_hz)
    return replace(record, signal_mv=signal_mv, fs_hz=fs_hz)


def cut(record: Record, start_s: float, duration_s: float) -> Record:
    """Return a part of a record."""
    start, stop = round(start_s * record.fs_hz), round((start_s + duration_s) * record.fs_hz)
    return replace(record, signal_mv=record.signal_mv[:, start:stop])


def noisy(record: Record, noise_mv: float, rng: np.random.Generator) -> Record:
    """Return a record with noise."""
    noise = rng.normal(0, noise_mv, record.signal_mv.shape)
    return replace(record, signal_mv=(record.signal_mv + noise).astype(np.float32))


def sensitivity(ludb: list[AnnotatedRecord]) -> str:
    """Return the errors with each parameter a quarter smaller and larger."""
    beats: list[tuple[Any, float | None, float]] = []
    for one in ludb:
        peaks_s = r_peaks(one.record.signal_mv, one.record.fs_hz)
        beat = median_beat(one.record.signal_mv, one.record.fs_hz, peaks_s)
        beats.append((beat, median_rr_s(peaks_s), rr_change(peaks_s)))

    def current_errors() -> list[str]:
        return errors_ms(ludb, [intervals(delineate(*beat)) for beat in beats])

    rows = []
    for module, name in PARAMETERS:
        row = [f"`{module.__name__.split('.')[-1]}.{name}`", f"{getattr(module, name):g}"]
        for factor in (0.75, 1.25):
            with scaled_parameter(module, name, factor):
                row.append(" / ".join(current_errors()))
        rows.append(row)
    return f"""
## Sensitivity to each parameter

Median absolute errors of QRS / PR / QT in ms on LUDB
({" / ".join(current_errors())} with the values in use), with one parameter a quarter smaller and a
quarter larger. The low-pass of QRS moves both of its ends; its thresholds belong to it.

{table_of(("parameter", "value", "× 0.75", "× 1.25"), rows)}"""


@contextmanager
def scaled_parameter(module: Any, name: str, factor: float) -> Iterator[None]:
    """Multiply a parameter within a block."""
    value = getattr(module, name)
    setattr(module, name, value * factor)
    spatial_velocity._responses.cache_clear()
    try:
        yield
    finally:
        setattr(module, name, value)
        spatial_velocity._responses.cache_clear()


def intervals(fiducials: Fiducials) -> dict[str, float | None]:
    """Return the intervals of a median beat in ms."""

    def ms(start: float | None, stop: float | None) -> float | None:
        return None if start is None or stop is None else 2 * (stop - start)

    return {
        "qrs_ms": ms(fiducials.qrs_onset, fiducials.qrs_offset),
        "pr_ms": ms(fiducials.p_onset, fiducials.qrs_onset),
        "qt_ms": ms(fiducials.qrs_onset, fiducials.t_offset),
    }


def two_rates(ptbxl: Path) -> str:
    """Return the agreement of recordings that exist at 100 and 500 Hz."""
    low = {path.stem[:5]: path for path in (ptbxl / "records100").rglob("*.hea")}
    pairs = [
        (measure(read_record(low[path.stem[:5]])), measure(read_record(path)))
        for path in sorted((ptbxl / "records500").rglob("*.hea"))
    ]
    rows = []
    for name in ("rate_bpm", *INTERVALS, "axis_deg", "sokolow_lyon_mv", "cornell_mv"):
        both = np.array([[number(m, name) for m in pair] for pair in pairs])
        known = ~np.isnan(both)
        difference = (both[:, 0] - both[:, 1])[known.all(axis=1)]
        values = [*np.percentile(np.abs(difference), [50, 90, 100]), np.median(difference)]
        n_single = int((known[:, 0] != known[:, 1]).sum())
        rows.append([name, len(difference), n_single, *(f"{value:.2f}" for value in values)])
    head = ("value", "records", "at one rate only", "median difference", "90 %", "largest", "bias")
    return f"""
## The same recording at 100 and at 500 Hz

{len(pairs)} recordings of PTB-XL; differences in the value's own unit, bias 100 minus 500 Hz.
Voltages are a little lower at 100 Hz: 50 Hz is all that is left of a peak.

{table_of(head, rows)}"""


def number(measured: Measurements, name: str) -> float:
    """Return a value, NaN where there is none."""
    value = getattr(measured, name)
    return np.nan if value is None else value


def statements(ptbxl: Path) -> str:
    """Return the measurements by the statements of PTB-XL's experts."""
    table = pd.read_csv(ptbxl / "ptbxl_database.csv").set_index("ecg_id")
    codes = table["scp_codes"].map(ast.literal_eval)
    path_of = {int(p.stem[:5]): p for p in (ptbxl / "records100").rglob("*.hea")}
    wide = {"CLBBB", "CRBBB", "ILBBB", "IRBBB", "IVCD", "PACE", "WPW"}
    kinds: dict[str, Callable[[dict[str, float]], bool]] = {
        "normal ECG (NORM ≥ 80)": lambda c: c.get("NORM", 0) >= 80,
        "no normal ECG, no conduction disorder": lambda c: "NORM" not in c and not wide & c.keys(),
        "incomplete RBBB": lambda c: c.get("IRBBB", 0) >= 80,
        "complete RBBB": lambda c: c.get("CRBBB", 0) >= 80,
        "complete LBBB": lambda c: c.get("CLBBB", 0) >= 80,
        "atrial fibrillation (AFIB)": lambda c: "AFIB" in c,
        "atrial flutter (AFLT)": lambda c: "AFLT" in c,
        "other tachycardia (PSVT, SVTAC)": lambda c: bool({"PSVT", "SVTAC"} & c.keys()),
        "third-degree AV block (3AVB)": lambda c: "3AVB" in c,
        "paced (PACE)": lambda c: "PACE" in c,
    }
    rows = []
    for name, is_it in kinds.items():
        ids = [i for i in codes.index[codes.map(is_it)] if i in path_of]
        ids = ids[:: max(1, len(ids) // MAX_RECORDS)][:MAX_RECORDS]
        rows.append([name, len(ids), *described([measure(read_record(path_of[i])) for i in ids])])
    head = (
        "stated",
        "records",
        "QRS, ms: 5 %, median, 95 %",
        "≥ 120 ms",
        "PR, ms",
        "no PR",
        "QTcF, ms",
        "axis > 90°",
    )
    return f"""
## By the statements of PTB-XL's experts

At 100 Hz, at most {MAX_RECORDS} records of each kind, evenly over the database. Five hundred normal
ECGs influenced the choice of QRS onset and offset between LUDB's and the machines' marks; nothing
else was chosen on them.

{table_of(head, rows)}"""


def long_qrs(table: Path, ludb: list[AnnotatedRecord]) -> str:
    """Return the QRS durations of LUDB's annotations in records with normal conduction."""
    stated = pd.read_csv(table).set_index("ID")["Conduction abnormalities"]
    plain = [one for one in ludb if pd.isna(stated[int(one.record.name)])]
    theirs = np.array([one.intervals_ms["qrs_ms"] for one in plain])
    ours = np.array([number(measure(one.record), "qrs_ms") for one in plain])
    return f"""
LUDB's cardiologist marks QRS complexes long: of his {len(plain)} records without a stated
conduction disorder {np.mean(theirs >= 120):.0%} reach 120 ms by his marks (median
{np.median(theirs):.0f} ms; {np.mean(ours >= 120):.0%} and {np.median(ours):.0f} ms by ours).
Machines mark them shorter (below). Ours lie between the two, nearer to his: keep this in mind when
applying the limit of 120 ms. Labels by criteria also require the shape.
"""


def described(some: list[Measurements]) -> list[str]:
    """Return QRS, PR and QTc of some records, as text."""
    qrs, pr, qtc = (
        np.array([number(m, name) for m in some])
        for name in ("qrs_ms", "pr_ms", "qtc_fridericia_ms")
    )

    def spread(values: np.ndarray) -> str:
        if np.isnan(values).all():
            return "–"
        spots = np.percentile(values[~np.isnan(values)], [5, 50, 95])
        return ", ".join(f"{spot:.0f}" for spot in spots)

    return [
        spread(qrs),
        f"{np.mean(qrs >= 120):.1%}",
        spread(pr),
        f"{np.isnan(pr).mean():.1%}",
        spread(qtc),
        f"{np.mean(np.array([number(m, 'axis_deg') for m in some]) > 90):.1%}",
    ]


def machines(formats: Path) -> str:
    """Return the machines' own values with ours, one row for each recording."""
    names = ("rate_bpm", *INTERVALS, "axis_deg")
    rows: list[list[str]] = []
    differences: list[list[float]] = []
    seen: set[tuple[float | str | None, ...]] = set()
    for path in find_records([formats]):
        try:
            record = read_record(path)
        except UnreadableRecord:
            continue
        machine = tuple(record.machine.get(name) for name in names)
        if not any(machine[1:]) or machine in seen:
            continue
        seen.add(machine)
        ours = measure(record)
        differences.append(
            [
                number(ours, name) - (np.nan if theirs is None else float(theirs))
                for name, theirs in zip(names, machine, strict=True)
            ]
        )
        both = [
            f"{as_integer(getattr(ours, name))} ({as_integer(theirs)})"
            for name, theirs in zip(names, machine, strict=True)
        ]
        rows.append([f"`{path.relative_to(formats)}`", *both])
    rows.append(
        ["median of ours minus theirs", *(f"{v:+.0f}" for v in np.nanmedian(differences, axis=0))]
    )
    return f"""
## Compared with the machines' own

Vendors' example files, ours (the machine's). `liryc_hl7aecg_example.xml` is a drawing, not a heart.

{table_of(("file", *names), rows)}"""


def as_integer(value: float | str | None) -> str:
    """Return a value without decimals."""
    return "–" if value is None else f"{float(value):.0f}"


def speed(ptbxl: Path) -> str:
    """Return the time per record."""
    rows = []
    for fs_hz in (100, 500):
        paths = sorted((ptbxl / f"records{fs_hz}").rglob("*.hea"))[:80]
        times_ms = []
        for record in map(read_record, paths):
            start = time.process_time()
            measure(record)
            times_ms.append(1000 * (time.process_time() - start))
        rows.append([f"{fs_hz} Hz", *(f"{spot:.1f}" for spot in np.percentile(times_ms, [50, 95]))])
    head = ("10 s at", "median", "95 %")
    return f"\n## Time\n\nms of one core a record:\n\n{table_of(head, rows)}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))

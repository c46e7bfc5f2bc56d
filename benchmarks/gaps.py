"""Write docs/gaps.md: measurements and answers of recordings with gaps, short and slow ones.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/gaps.py data

Whole recordings of PTB-XL are compared with themselves after seconds were taken out. The figures
are stored in docs/gaps.json; those "before" were written by this script with ``--before``, run on
the code before gaps were recognised. Takes three minutes of one core.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecgcore.evaluation.markdown import table
from ecgcore.inference.classify import classify_records
from ecgcore.inference.model import load_model
from ecgcore.measurement.measurements import Measurements, measure
from ecgcore.measurement.quality_gate import PASSES, gate
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS, Record
from ecgcore.records.resample import resample_signal

DOCS = Path(__file__).resolve().parents[1] / "docs"
FIGURES, PAGE = DOCS / "gaps.json", DOCS / "gaps.md"
SEED, N_MEASURED, N_CLASSIFIED, N_SLOW = 7, 200, 300, 80
GAPS_S = (1, 2, 3)
MISSING, FLAT = "missing", "flat"
CROPS_S = (7.5, 5, 4, 3, 2.5, 1.5)
RATES_HZ = (50, 60, 65, 75, 90, 100)
NETWORKS = ("resnet1d_scaled", "alexnet_gap")
MEASURED = {"rate_bpm": "rate, /min", "qtc_bazett_ms": "QTcB, ms", "qrs_ms": "QRS, ms"}
WAVES = {"pr_ms": "PR, ms", "qrs_ms": "QRS, ms", "qt_ms": "QT, ms", "sokolow_lyon_mv": "S–L, mV"}
GROUPS = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11))
Change = Callable[[Record, np.random.Generator], Record]


def main() -> None:
    """Measure, store the figures, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--before", action="store_true", help="only measure, for comparison")
    arguments = parser.parse_args()
    slow = list(_sound(arguments.data / "ptb-xl/records500", N_SLOW))
    records100 = arguments.data / "ptb-xl/records100"
    sound = list(_sound(records100, N_MEASURED))
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    figures["before" if arguments.before else "now"] = measured_gaps(sound)
    if not arguments.before:
        figures |= {"leads": measured_leads(slow), "rates": measured_rates(slow)}
        figures["answers"] = answers(list(_sound(records100, N_CLASSIFIED)))
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if not arguments.before:
        PAGE.write_text(page(figures), encoding="utf-8")


def _sound(folder: Path, n: int) -> Iterator[Record]:
    """Yield up to ``n`` records, in an order fixed by SEED, that pass the quality gate."""
    paths = sorted(folder.rglob("*.hea"))
    for i in np.random.default_rng(SEED).permutation(len(paths)):
        record = read_record(paths[i])
        if gate(record).verdict == PASSES:
            yield record
            n -= 1
        if not n:
            return


def with_gap(gap_s: float, kind: str) -> Change:
    """Return a function that takes ``gap_s`` seconds out at a random place inside a record."""

    def change(record: Record, rng: np.random.Generator) -> Record:
        start = round(rng.uniform(0.5, record.duration_s - gap_s - 0.5) * record.fs_hz)
        signal_mv = record.signal_mv.copy()
        signal_mv[:, start : start + round(gap_s * record.fs_hz)] = 0 if kind == FLAT else np.nan
        return replace(record, signal_mv=signal_mv)

    return change


def without_leads(leads: range, fill_mv: float) -> Change:
    """Return a function that takes 2.5 s out of some leads."""

    def change(record: Record, rng: np.random.Generator) -> Record:
        signal_mv = record.signal_mv.copy()
        signal_mv[list(leads), round(4 * record.fs_hz) : round(6.5 * record.fs_hz)] = fill_mv
        return replace(record, signal_mv=signal_mv)

    return change


def in_turn(*rhythm: str) -> Change:
    """Return a function that keeps 2.5 s of each lead, in four groups, and rhythm strips."""

    def change(record: Record, rng: np.random.Generator) -> Record:
        signal_mv = np.full_like(record.signal_mv, np.nan)
        quarter = signal_mv.shape[1] // len(GROUPS)
        for number, leads in enumerate(GROUPS):
            window = slice(number * quarter, (number + 1) * quarter)
            signal_mv[list(leads), window] = record.signal_mv[list(leads), window]
        for lead in map(LEADS.index, rhythm):
            signal_mv[lead] = record.signal_mv[lead]
        return replace(record, signal_mv=signal_mv)

    return change


def cropped(duration_s: float) -> Change:
    """Return a function that keeps the first seconds."""
    return lambda record, rng: replace(
        record, signal_mv=record.signal_mv[:, : round(duration_s * record.fs_hz)]
    )


def resampled(fs_hz: float) -> Change:
    """Return a function that resamples a record."""
    return lambda record, rng: replace(
        record, signal_mv=resample_signal(record.signal_mv, record.fs_hz, fs_hz), fs_hz=fs_hz
    )


def measured_gaps(records: list[Record]) -> dict:
    """Return the differences that a gap of each length and kind makes."""
    return {
        f"{gap_s} s {kind}": differences(records, with_gap(gap_s, kind), MEASURED)
        for gap_s in GAPS_S
        for kind in (MISSING, FLAT)
    }


def measured_leads(records: list[Record]) -> dict:
    """Return the differences that leads missing for a while, or recorded in turn, make."""
    changes = {
        "limb leads missing for 2.5 s": without_leads(range(6), np.nan),
        "limb leads flat for 2.5 s": without_leads(range(6), 0),
        "chest leads missing for 2.5 s": without_leads(range(6, 12), np.nan),
        "chest leads flat for 2.5 s": without_leads(range(6, 12), 0),
        "3×4, rhythm strips II, V1, V5": in_turn("II", "V1", "V5"),
        "3×4, rhythm strip II": in_turn("II"),
        "3×4, no rhythm strip": in_turn(),
        "first 5 s": cropped(5),
        "first 2.5 s": cropped(2.5),
    }
    return {name: differences(records, change, MEASURED) for name, change in changes.items()}


def measured_rates(records: list[Record]) -> dict:
    """Return the differences that a lower sampling rate makes."""
    return {str(hz): differences(records, resampled(hz), MEASURED | WAVES) for hz in RATES_HZ}


def differences(records: list[Record], change: Change, names: dict[str, str]) -> dict:
    """Return for each measurement how far it lies from the whole record's.

    ``n`` records have both; ``median`` and ``p95`` are of the absolute differences.
    """
    rng = np.random.default_rng(SEED)
    pairs = [(measure(record), measure(change(record, rng))) for record in records]
    return {name: _summary(pairs, name) for name in names}


def _summary(pairs: list[tuple[Measurements, Measurements]], name: str) -> dict:
    values = [(getattr(whole, name), getattr(part, name)) for whole, part in pairs]
    size = np.array([abs(part - whole) for whole, part in values if None not in (whole, part)])
    if not len(size):
        return {"n": 0}
    return {"n": len(size), "median": float(np.median(size)), "p95": float(np.percentile(size, 95))}


def answers(records: list[Record]) -> dict:
    """Return how far each network's probabilities move, and how often its answer changes."""
    changes = {f"first {crop_s:g} s": cropped(crop_s) for crop_s in CROPS_S}
    changes |= {f"{s} s {kind}": with_gap(s, kind) for s in GAPS_S for kind in (MISSING, FLAT)}
    return {name: _moves(records, changes, name) for name in NETWORKS}


def _moves(records: list[Record], changes: dict[str, Change], name: str) -> dict:
    network = load_model(name)
    whole = classify_records(records, network)
    moves = {}
    for words, change in changes.items():
        rng = np.random.default_rng(SEED)
        part = classify_records([change(record, rng) for record in records], network)
        size = [
            max(
                abs(b["probabilities"][code] - a["probabilities"][code]) for code in network.classes
            )
            for a, b in zip(whole, part, strict=True)
        ]
        pairs = list(zip(whole, part, strict=True))
        moves[words] = {
            "median": float(np.median(size)),
            "p95": float(np.percentile(size, 95)),
            "top": float(np.mean([a["top"] != b["top"] for a, b in pairs])),
            "called": float(np.mean([a["called"] != b["called"] for a, b in pairs])),
        }
    return moves


HEAD = """# Gaps, short and slow recordings

Recordings of PTB-XL that pass the quality gate, compared with themselves after seconds were taken
out: absolute differences, median and 95th percentile. Research use only.

This page is written by `.venv/bin/python benchmarks/gaps.py data`.

## How a gap is treated

A gap is a stretch of {shortest} s or more in which no lead has a signal: missing, or flat to 5 µV
in all leads at once (`ecgcore/measurement/gaps.py`). The line between simulated beats is flat,
too, and is not a gap; nor is a calibration pulse. Beats are not sought in a gap, and intervals
from the last beat before it to the first after it are not counted: rate, RR irregularity,
premature beats and the RR of QTc come from the others. Where some leads are missing, the others
vote on the beats. A lead recorded for less than half of the time (3×4) has the median of its few
beats, if another is recorded throughout; else only the rhythm is measured. Networks get a gap of
either kind as missing: without ink or as 0 mV (drawn as a line, 3 s changed a third of the most
probable classes of `alexnet_gap`). The quality flag `gap` states the seconds, the gate is
doubtful. Where half of the leads or more are flat at once for {flat_leads} s, they have no vote on
the beats.
"""
RATES = """
## Slow recordings

{n} recordings at 500 Hz, resampled. Below 75 Hz only the rhythm is measured: before this version
QRS came out 56 ms longer at 50 Hz, 26 ms at 60 Hz, 10 ms at 65 Hz and 2 ms at 75 Hz (median of 60
records).

"""
ANSWERS = """
## Answers of the networks

{n} recordings of 10 s. The largest change of a class's probability, and the share of records in
which the most probable class, and the classes called present, change. A shorter recording is
filled with missing values. A recording shorter than the network's input says so in the answer's
notes; below 5 s, where a fifth of the calls of `alexnet_gap` changes, the quality flag `short`
makes the gate doubtful.

"""


def page(figures: dict) -> str:
    """Return the page of stored figures."""
    from ecgcore.measurement.gaps import FLAT_LEADS_S, SHORTEST_GAP_S

    parts = [HEAD.format(shortest=SHORTEST_GAP_S, flat_leads=FLAT_LEADS_S)]
    parts.append(f"\n## Measurements of {N_MEASURED} recordings with a gap, 100 Hz\n\n")
    sides = {"before": figures["before"], "now": figures["now"]}
    rows = {f"{kind}, {side}": sides[side][kind] for kind in sides["now"] for side in sides}
    parts.append(_measured_table(rows, MEASURED))
    parts.append("\n## Leads missing or recorded in turn, 500 Hz\n\n")
    parts.append(_measured_table(figures["leads"], MEASURED))
    n_slow = figures["rates"]["100"]["rate_bpm"]["n"]
    parts.append(RATES.format(n=n_slow))
    rates = {f"{hz} Hz": row for hz, row in figures["rates"].items()}
    parts.append(_measured_table(rates, MEASURED | WAVES))
    parts.append(ANSWERS.format(n=N_CLASSIFIED))
    parts.append(_answers_table(figures["answers"]))
    return "".join(parts)


def _measured_table(rows: dict[str, dict], names: dict[str, str]) -> str:
    head = ["recording", "measured", *(f"{words}: median (95 %)" for words in names.values())]
    lines = []
    for words, row in rows.items():
        cells = [_cell(row[name]) for name in names]
        lines.append([words, row["rate_bpm"]["n"], *cells])
    return table(head, lines)


def _cell(summary: dict) -> str:
    if not summary["n"]:
        return "not measured"
    return f"{summary['median']:.2f} ({summary['p95']:.1f})"


def _answers_table(figures: dict) -> str:
    head = ["network", "recording", "median", "95 %", "top class changes", "called changes"]
    changed = ("top", "called")
    return table(
        head,
        (
            [
                name,
                words,
                f"{m['median']:.3f}",
                f"{m['p95']:.2f}",
                *(f"{m[k]:.1%}" for k in changed),
            ]
            for name, moves in figures.items()
            for words, m in moves.items()
        ),
    )


if __name__ == "__main__":
    main()

"""Write docs/quality.md: every threshold with its source, and the flags raised on real data.

    .venv/bin/python benchmarks/quality_rates.py data

Reads the recordings unpacked in ``data`` (PTB-XL's folds 1–5 are required, the others optional);
takes two minutes of one core.
"""

import csv
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.cohort.duplicates import find_duplicates
from ecgcore.cohort.fingerprints import MIN_LIKENESS, as_table, fingerprint, likeness
from ecgcore.errors import UnreadableRecord
from ecgcore.evaluation.markdown import table as table_of
from ecgcore.measurement.lead_reversal import CORRECTIONS
from ecgcore.measurement.quality import quality
from ecgcore.records.discover import find_records
from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.records.resample import resample_signal

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "PTB-XL, folds 1–5, 100 Hz": "ptb-xl/records100",
    "PTB-XL, 500 Hz": "ptb-xl/records500",
    "CPSC": "challenge-2021/cpsc_2018",
    "CPSC-Extra": "challenge-2021/cpsc_2018_extra",
    "Georgia": "challenge-2021/georgia",
    "PTB-XL of the Challenge": "challenge-2021/ptb-xl",
    "Chapman–Ningbo": "ecg-arrhythmia",
    "LUDB": "ludb",
    "CODE-15": "code-15",
    "SPH": "sph",
    "Chapman, denoised": "chapman-figshare",
}
TRAPS = {
    "ptb-xl/records100": ["12722_lr"],
    "ecg-arrhythmia": ["JS11438", "JS20004", "JS20008", "JS45542", "JS45544", "JS45551"],
    "code-15/wfdb": ["1111554"],
    "formats/edf": ["contec_0000050.ECG"],
    "formats/wfdb/derived": ["nogain_named"],
}
_LAWS = {"einthoven", "goldberger"}
GAINS = (0.001, 0.1, 5, 5.96, 10, 1000)


def main(data: Path) -> None:
    """Measure, and write docs/quality.md."""
    ptbxl = list(records(data / "ptb-xl/records100"))
    metadata = pd.read_csv(data / "ptb-xl/ptbxl_database.csv").set_index("ecg_id")
    rows = metadata.loc[[int(record.name[:5]) for record in ptbxl]]
    late = [r for r, fold in zip(ptbxl, rows["strat_fold"], strict=True) if fold >= 4]
    parts = [
        opening(),
        thresholds(),
        rates(data, ptbxl),
        remarks(ptbxl, rows),
        laws(ptbxl),
        reversals(late),
        gains(late),
        traps(data),
        speed(data),
        likenesses(data, ptbxl),
    ]
    (ROOT / "docs/quality.md").write_text("\n".join(parts), encoding="utf-8")


def records(folder: Path) -> Iterator[Record]:
    """Yield the records of a folder that can be read."""
    for path in find_records([folder]):
        try:
            yield read_record(path)
        except UnreadableRecord:
            continue


def codes(record: Record) -> set[str]:
    """Return the codes of a record's flags."""
    return {flag.code for flag in quality(record)}


def opening() -> str:
    """Return the introduction of the page."""
    return """# What is doubtful about a recording

Automatic checks, unconfirmed; research use only. A flag rejects nothing: it shows what to look at.
`ecgcore classify … --json` lists flags as `quality` ("code: words"), cohorts store them with the
measurements, and Browse and Classify show them.

This page is written by `.venv/bin/python benchmarks/quality_rates.py data`; the thresholds are read
from `ecgcore/measurement/quality.csv`, the maps of the reversal check
from `ecgcore/measurement/lead_reversal.csv`.

The flag `gap` states seconds without a signal in any lead, `too_short` and `short` too little of
one, `slow` a low sampling rate, `altered` a file whose own checks deny its content. What gaps,
short and slow recordings do to measurements and answers: [gaps](gaps.md). The gate refuses
`too_short`, `gain` and more than three leads without a signal; any other flag makes it doubtful.
"""


def thresholds() -> str:
    """Return the table of thresholds."""
    with (ROOT / "ecgcore/measurement/quality.csv").open(encoding="utf-8", newline="") as file:
        rows = [[f"`{r['code']}`", r["what"], r["threshold"], r["unit"], r["source"]]
                for r in csv.DictReader(file)]  # fmt: skip
    head = ("threshold", "quantity", "value", "unit", "source")
    return "\n## Thresholds\n\n" + table_of(head, rows)


def rates(data: Path, ptbxl: list[Record]) -> str:
    """Return the rate of each flag, by source."""
    counted = {}
    for name, folder in FOLDERS.items():
        of_source = ptbxl if folder == "ptb-xl/records100" else list(records(data / folder))
        if of_source:
            flags = [codes(record) for record in of_source]
            every = Counter(code for some in flags for code in some)
            counted[name] = (len(of_source), sum(map(bool, flags)), every)
    shown = sorted({code for _, _, every in counted.values() for code in every})
    rows = [
        [name, n, f"{any_flag / n:.1%}", *(f"{every[code] / n:.2%}" for code in shown)]
        for name, (n, any_flag, every) in counted.items()
    ]
    return f"""
## How often each is raised

Share of the records of each source as published; most of these records are of good quality, so that
the shares are upper bounds of the false flags.

{table_of(("source", "records", "any", *shown), rows)}"""


def remarks(ptbxl: list[Record], rows: pd.DataFrame) -> str:
    """Return the agreement of flags with the remarks of PTB-XL's annotators."""
    flags = [codes(record) for record in ptbxl]
    lines = []
    for code, remark in (("baseline", "baseline_drift"), ("noise", "static_noise"),
                         ("noise", "burst_noise")):  # fmt: skip
        flagged = np.array([code in some for some in flags])
        stated = rows[remark].notna().to_numpy()
        lines.append(
            [f"`{code}`", f"`{remark}` ({stated.sum():,})", f"{flagged[stated].mean():.1%}",
             f"{1 - flagged[~stated].mean():.1%}"]
        )  # fmt: skip
    head = ("flag", "PTB-XL's remark (records)", "flagged of those with it", "not of those without")
    return f"""
## Compared with PTB-XL's own remarks

{table_of(head, lines)}
The remarks note any drift and any noise, even faint; the flags begin at 15 mm and 1 mm on paper.
The remark `static_noise` says little about 20–45 Hz: at 100 Hz mains hum is filtered out.
"""


def laws(ptbxl: list[Record]) -> str:
    """Return the records of PTB-XL that break Einthoven's or Goldberger's law."""
    rows = [
        [record.name, "; ".join(str(f) for f in quality(record) if f.code in _LAWS)]
        for record in ptbxl
        if codes(record) & _LAWS
    ]
    return "\n## Records of PTB-XL that break a law\n\n" + table_of(("record", "flag"), rows)


def exchanged(record: Record, electrodes: str) -> Record:
    """Return a record as it would be with two limb electrodes exchanged."""
    one, two, three = CORRECTIONS[electrodes] @ record.signal_mv[:3]
    limbs = [one, two, three, -(one + two) / 2, (one - three) / 2, (two + three) / 2]
    signal = np.concatenate([np.stack(limbs), record.signal_mv[6:]]).astype(np.float32)
    return replace(record, signal_mv=signal)


def reversals(late: list[Record]) -> str:
    """Return the detection rates of exchanged electrodes, on records not used for fitting."""
    rows = []
    as_is = ["".join(map(str, quality(record))) for record in late]
    for electrodes in CORRECTIONS:
        message = f"electrodes of {electrodes} exchanged"
        detected = np.mean(
            [message in "".join(map(str, quality(exchanged(r, electrodes)))) for r in late]
        )
        false = np.mean([message in flags for flags in as_is])
        rows.append([electrodes, f"{detected:.2%}", f"{1 - false:.2%}"])
    any_false = np.mean(["reversal:" in flags for flags in as_is])
    return f"""
## Exchanged limb electrodes

{len(late):,} records of PTB-XL's folds 4–5 with a simulated exchange (the maps were fitted, and
the thresholds chosen, on folds 1–3).

{table_of(("exchanged", "flagged, with these electrodes named", "not flagged as they are"), rows)}
As they are, {any_false:.2%} of these records are flagged; some may be true: 14144, 21686 and 21687
look exchanged, though no reader noted it. An exchange of the right leg with an arm leaves II or
III nearly flat; no record of PTB-XL is below that threshold. **An exchange of left arm and left leg
is not detected**: it resembles an axis deviation (at a specificity of 99 % four in ten would be
found). Chest electrodes are not checked either.
"""


def gains(late: list[Record]) -> str:
    """Return the detection rate of a wrong gain."""
    some = late[::10]
    rows = []
    for gain in GAINS:
        wrong = [replace(r, signal_mv=r.signal_mv * np.float32(gain)) for r in some]
        rows.append([f"× {gain:g}", f"{np.mean(['gain' in codes(r) for r in wrong]):.1%}"])
    return f"""
## Wrong gain

{len(some)} records of PTB-XL's folds 4–5, multiplied (× 5: a header without a gain, read as 200
units a mV instead of 1000; × 5.96: an EDF that states 29.8 µV a unit instead of 5). Factors that
leave plausible voltages cannot be detected.

{table_of(("factor", "flagged `gain`"), rows)}"""


def traps(data: Path) -> str:
    """Return the flags of recordings with known faults."""
    rows = []
    for folder, names in TRAPS.items():
        by_name = {path.stem: path for path in find_records([data / folder])}
        rows += [
            [f"`{folder}/{name}`", "; ".join(map(str, quality(read_record(by_name[name]))))]
            for name in names
            if name in by_name
        ]
    scaled = []
    for record in records(data / "ludb"):
        spans = np.ptp(record.signal_mv, axis=1, keepdims=True)
        scaled.append(codes(replace(record, signal_mv=record.signal_mv / spans)))
    laws = np.mean([bool(some & _LAWS) for some in scaled])
    gain = np.mean(["gain" in some for some in scaled])
    return f"""
## Known traps

{table_of(("recording", "flags"), rows)}
LUDB at its published gain (each lead scaled to 1 mV): `gain` in {gain:.0%} of {len(scaled)}
records, `einthoven` or `goldberger` in {laws:.0%}; as read here (1 µV a unit) in none.
"""


def speed(data: Path) -> str:
    """Return the time per record."""
    rows = []
    for fs_hz, folder in ((100, "ptb-xl/records100/00000"), (500, "ptb-xl/records500")):
        some = list(records(data / folder))[:80]
        for name, work in (("quality", quality), ("fingerprint", _fingerprint)):
            times_ms = []
            for record in some:
                start = time.process_time()
                work(record)
                times_ms.append(1000 * (time.process_time() - start))
            rows.append([name, f"{fs_hz} Hz", f"{np.median(times_ms):.1f}"])
    return "\n## Time\n\n" + table_of(("what", "rate", "ms of one core a record (median)"), rows)


def _fingerprint(record: Record) -> bytes:
    return fingerprint(record.signal_mv, record.fs_hz)


def likenesses(data: Path, ptbxl: list[Record]) -> str:
    """Return the copies found by fingerprint, and the errors."""
    others = [*records(data / "ptb-xl/records500"), *records(data / "challenge-2021/ptb-xl")]
    everything = [*ptbxl, *others]
    prints = [_fingerprint(record) for record in everything]
    ids = [int(record.name.removeprefix("HR")[:5]) for record in everything]
    matrix = np.frombuffer(b"".join(prints), np.int8).reshape(len(prints), -1).astype(np.float32)
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)
    true, false = _extremes(matrix, np.array(ids))
    start = time.process_time()
    groups = find_duplicates([as_table(prints)])
    elapsed_s = time.process_time() - start
    wrong = [{ids[i] for i in group} for group in groups if len({ids[i] for i in group}) > 1]
    twice = {i for i, n in Counter(ids).items() if n > 1}
    detected = {ids[group[0]] for group in groups}
    copies = "; ".join(f"{a} and {b} ({like:.3f})" for like, a, b in false[:3])
    return f"""
## The same recording twice

A fingerprint of 512 bytes a record (`ecgcore/cohort/fingerprints.py`); two records are the same
recording from a likeness of {MIN_LIKENESS}. Among {len(prints):,} records ({len(ptbxl):,} of
PTB-XL at 100 Hz, {len(others)} at 500 Hz from PTB-XL and from the Challenge's `HR…`):

* {len(twice)} recordings occur more than once; {len(twice & detected)} of them are found, and
  {len(wrong)} pairs of different recordings with them. All pairs were also compared: the least
  similar copies have {true:.3f}; the most similar different recordings are {copies}.
* PTB-XL itself contains no recording twice.
* `find_duplicates` took {elapsed_s:.1f} s.

{_changed(data)}
Not recognised, by design: a copy that starts at another time or is delayed by a filter by more than
about 3 ms; copies that overlap by less than 5 s.
"""


def _extremes(matrix: np.ndarray, ids: np.ndarray) -> tuple[float, list[tuple[float, int, int]]]:
    """Return the least likeness of copies, and the pairs of different recordings most alike."""
    least, likest = 1.0, []
    for start in range(0, len(matrix), 1000):
        like = matrix[start : start + 1000] @ matrix.T
        copies = ids[start : start + 1000, None] == ids[None]
        least = min(least, float(like[copies].min()))
        like[copies] = -1
        for i, j in np.argwhere(like > 0.85):
            if start + i < j:
                likest.append((float(like[i, j]), int(ids[start + i]), int(ids[j])))
    return least, sorted(likest, reverse=True)


def _changed(data: Path) -> str:
    """Return the likeness of altered copies of real records at 500 Hz."""
    some = list(records(data / "ptb-xl/records500"))
    alterations = {
        **{f"at {hz} Hz": (lambda mv, hz=hz: (resample_signal(mv, 500, hz), hz))
           for hz in (100, 128, 250, 257, 360, 1000)},
        "every fifth sample": lambda mv: (mv[:, ::5], 100),
        "× 0.2": lambda mv: (mv * 0.2, 500),
        "rounded to 20 µV": lambda mv: (np.round(mv * 50) / 50, 500),
        "with 20 µV of noise": lambda mv: (
            mv + np.random.default_rng(0).normal(0, 0.02, mv.shape), 500
        ),
        "2 ms later": lambda mv: (mv[:, 1:], 500),
        "4 ms later": lambda mv: (mv[:, 2:], 500),
    }  # fmt: skip
    rows = []
    for name, alter in alterations.items():
        like = [likeness(_fingerprint(r), fingerprint(*alter(r.signal_mv))) for r in some]
        rows.append([name, f"{min(like):.3f}", f"{np.mean(np.array(like) >= MIN_LIKENESS):.0%}"])
    return table_of(("80 records of PTB-XL at 500 Hz, and a copy", "least likeness", "same"), rows)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))

"""Write docs/cases.md: files of the kinds that people report as read wrongly, and the answers.

.venv/bin/python benchmarks/cases.py --data data/cases --before before.json
    --originals data/formats/wfdb/cinc2021/E07500.hea data/ptb-xl/records100/00000/00001_lr.hea

``--json`` prints the answers instead, for use as ``--before`` with another version of ecgcore.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.evaluation.markdown import table
from ecgcore.measurement.quality_gate import gate
from ecgcore.records.discover import find_records
from ecgcore.records.read import read_record
from ecgcore.records.record import Record

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cases.md"
TOLERANCE_UV = 2.5
HEAD = """# Files of the kinds that people report as read wrongly

{n} recordings, most of them made from a public 12-lead ECG (E07500 of Georgia, CC BY 4.0) in forms
that users of ECG software report: leads in other spellings and orders, rates in odd places, missing
seconds, median beats, cut and altered files. *Same*: the original's signal to {tolerance:g} µV at
its rate. *Other, said*: another recording, or an altered one, with notes or quality flags. *Other*:
the same without a note, as it should be for whole recordings of other patients. *Refused*: one
line. The last column is the answer of version 0.1.0.
Written by `python benchmarks/cases.py`. Research use only.

"""


def main() -> None:
    """Read every recording, and write the page or print the answers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="a folder of recordings")
    parser.add_argument("--originals", type=Path, nargs="+", required=True, help="what they show")
    parser.add_argument("--before", type=Path, help="answers of another version, by --json")
    parser.add_argument("--json", action="store_true", help="print the answers")
    options = parser.parse_args()
    originals = [read_record(path) for path in options.originals]
    answers = {
        str(path.relative_to(options.data)): answer(path, originals)
        for path in find_records([options.data])
    }
    if options.json:
        print(json.dumps(answers))
        return
    before = json.loads(options.before.read_text()) if options.before else {}
    rows = [
        (file, now[0], now[1], before.get(file, ["not listed"])[0]) for file, now in answers.items()
    ]
    rows += [
        (file, "not listed", "", then[0]) for file, then in before.items() if file not in answers
    ]
    text = HEAD.format(n=len(answers), tolerance=TOLERANCE_UV)
    text += table(("answer", "recordings", "before"), counts(answers, before)) + "\n"
    text += table(("file", "answer", "notes and quality flags, or the reason", "before"), rows)
    PAGE.write_text(text, "utf-8")


def answer(path: Path, originals: list[Record]) -> tuple[str, str]:
    """Return ``same``, ``other, said``, ``other`` or ``refused``, and notes or the reason."""
    try:
        record = read_record(path)
    except UnreadableRecord as error:
        return "refused", str(error)
    verdict = gate(record)
    words = [*record.notes, *verdict.reasons]
    gist = f"{record.duration_s:g} s at {record.fs_hz:g} Hz; gate {verdict.verdict}"
    if any(is_same(record, original) for original in originals):
        return "same", "; ".join([gist, *words])
    return "other, said" if words else "other", "; ".join([gist, *words])


def is_same(record: Record, truth: Record) -> bool:
    """Return whether a record holds the truth's samples, all of them."""
    if record.fs_hz != truth.fs_hz or record.signal_mv.shape != truth.signal_mv.shape:
        return False
    difference_mv = np.abs(record.signal_mv - truth.signal_mv)
    return bool(
        np.nanmax(difference_mv) * 1000 <= TOLERANCE_UV and not np.isnan(difference_mv).any()
    )


def counts(*answers: dict[str, tuple[str, str]]) -> list[tuple[object, ...]]:
    """Return rows of how many recordings were answered in which way."""
    kinds = [Counter(kind for kind, _ in group.values()) for group in answers]
    return [(name, *(kind[name] for kind in kinds)) for name in sorted(set().union(*kinds))]


if __name__ == "__main__":
    main()

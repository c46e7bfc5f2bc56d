"""Agreement of criteria labels with the expert labels of PTB-XL, and the page docs/labels.md.

Thresholds that their sources leave open were chosen on folds 1 to 3; results are shown for folds 4
and 5. Expert labels are not the truth here, but another reader.
"""

import csv
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.cohort.label_audit import audit_cohort
from ecgcore.cohort.store import Cohort
from ecgcore.errors import RequestError
from ecgcore.labels.agreement import agreement
from ecgcore.labels.classes import CODES
from ecgcore.labels.criteria import THRESHOLD_SETS, criteria_rows, criteria_states

TUNED_ON, SHOWN_ON = (1, 2, 3), (4, 5)
RATE_EDGES_BPM = (0, 45, 50, 55, 60, 65, 70, 80, 90, 100, 105, 110, 120, 400)


def bench_labels(cohort: Cohort) -> dict[str, Any]:
    """Compare criteria with expert labels (core tier) on a cohort with published folds.

    Returns
    -------
    dict
        ``cohort``, ``records``; ``folds`` (part → folds and records); ``agreement`` (part → set of
        thresholds → class → counts, sensitivity, specificity, for the classes that the set
        defines); ``rates`` (label → records by measured rate); ``audit`` (see ``label audit``).

    Raises
    ------
    RequestError
        The cohort has no folds, or was not measured.
    """
    fold = cohort.index["fold"].to_numpy(np.float64, na_value=np.nan)
    if not cohort.is_measured or not np.isin(SHOWN_ON, fold).all():
        raise RequestError(
            f"Cohort '{cohort.name}' is not measured or has no folds 4 and 5; ingest PTB-XL: "
            "ecgcore ingest path/to/ptb-xl --cohort ptbxl."
        )
    parts = {"tuned": np.isin(fold, TUNED_ON), "shown": np.isin(fold, SHOWN_ON)}
    states = {name: criteria_states(cohort.measures, cohort.index, name) for name in THRESHOLD_SETS}
    expert = cohort.states("core")
    return {
        "cohort": cohort.name,
        "records": len(cohort),
        "folds": {
            "tuned": {"folds": TUNED_ON, "records": int(parts["tuned"].sum())},
            "shown": {"folds": SHOWN_ON, "records": int(parts["shown"].sum())},
        },
        "agreement": {
            part: {
                name: _agreement(expert[rows], states[name][rows], name) for name in THRESHOLD_SETS
            }
            for part, rows in parts.items()
        },
        "rates": _rates(cohort.measures["rate_bpm"], expert, parts["shown"]),
        "audit": audit_cohort(cohort),
    }


def _agreement(expert: np.ndarray, criteria: np.ndarray, name: str) -> dict[str, dict[str, Any]]:
    """Return the agreement for the classes that a set of thresholds defines itself."""
    own = {line.code_class for line in criteria_rows() if line.set == name}
    compared = agreement(expert, criteria)
    return {code: compared[code].as_json() for code in CODES if code in own}


def _rates(rate_bpm: pd.Series, expert: np.ndarray, rows: np.ndarray) -> dict[str, dict[str, int]]:
    """Return the histogram of measured rates of what experts call bradycardia, normal, …"""
    groups = {code: expert[:, CODES.index(code)] == 1 for code in ("SBRAD", "NSR", "STACH")}
    groups["none of the three"] = ~np.any(list(groups.values()), axis=0)
    names = [f"{a} to {b - 1}" for a, b in pairwise(RATE_EDGES_BPM)]
    names[0], names[-1] = f"below {RATE_EDGES_BPM[1]}", f"{RATE_EDGES_BPM[-2]} or more"
    return {
        name: dict(zip(names, _histogram(rate_bpm[rows & group]), strict=True))
        for name, group in groups.items()
    }


def _histogram(rate_bpm: pd.Series) -> list[int]:
    return np.histogram(rate_bpm.dropna(), RATE_EDGES_BPM)[0].tolist()


def document(answer: dict[str, Any]) -> str:
    """Return docs/labels.md from the answer of ``bench_labels``."""
    parts = [
        _HEAD.format(**answer),
        _unknown_text(answer["audit"]["classes"]["core"]),
        _thresholds_text(),
        _agreement_text(answer),
        _rates_text(answer["rates"]),
        _published_text(),
        _rules_text(answer["audit"]),
        _TAIL,
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


_HEAD = """
# Labels

Made by `ecgcore bench labels --cohort {cohort} --to docs/labels.md`, after
`ecgcore ingest path/to/ptb-xl --cohort {cohort}`, from {records:,} records of PTB-XL
(Wagner et al. 2020, doi:10.13026/kfzx-aw45). Research use only.

A record's labels come from the statements in its source (`expert`) or from its measurements
(`criteria`). Both are tables: `ecgcore/labels/statements.csv` and `ecgcore/labels/criteria.csv`.
`ecgcore label audit COHORT` counts what became of every statement, `ecgcore label explain RECORD`
names the statement or the measurement, threshold and source behind each label of one record.

Measurements are automatic and unconfirmed, and so are criteria labels. If a value was not
measured, the class is unknown. If sex or age is unknown, the stricter threshold applies, and the
explanation says so.
"""
_TAIL = """
## Where the tables depart from what one might expect

* Challenge code 704997005 (inferior ST segment depression) states a depression explicitly: it
  counts as STD in the core tier.
* AHA codes (SPH) are read with their modifiers: `145+362` is ST depression, `160+330` an acute and
  `160+332` an old infarction. Without a modifier an infarction's age is unknown: broad tier, and
  unknown in the core tier.
* Chapman's figshare table uses three codes that are missing from its own list: RAHV, LRRI, JPS.
* PTB-XL's `INJ…` are subendocardial injuries: STD in `paper10`, MI in `ptbxl5`, as in its table
  and in the benchmark.
* "Bundle branch block", "ventricular hypertrophy" and "bradycardia" without further detail leave
  the classes in question unknown.

## Where the criteria are simpler than their sources

* LBBB (AHA/ACCF/HRS part III) requires late R peaks in V5 and V6: one of them is enough here,
  because the other may have no R wave. Notches and slurs are not measured.
* RBBB (same source) also accepts an S longer than R in I and V6: here only 40 ms count.
* ST levels are those of the median beat at J; a single record cannot show that a change is new.
* A paced rhythm is not recognised, and atrial flutter with a regular response may count as
  sinus tachycardia.
* For a class that a set does not define, the paper's thresholds apply.

## Label sets

`paper10` as above. `ptbxl5` and `ptbxl71` follow Strodthoff et al. 2021
(doi:10.1109/JBHI.2020.3022989): a statement counts at any likelihood, a class that is not
stated is absent, and a record without a diagnostic statement is not used for `ptbxl5`.
"""


_UNKNOWN = """
## What a weaker statement says of the core class

An incomplete bundle branch block is no complete one: the core class is absent. An infarction of
stadium II, II–III or of unknown age may be acute, and voltage criteria for left ventricular
hypertrophy are the paper's own definition of it: neither makes a core label, and neither rules it
out. Such a class is **unknown** in the core tier, is left out of loss and metrics, and is present
in the broad tier. Before this rule, it counted as absent.

STEMI in PTB-XL is therefore an *acute infarction, stated*: one of stadium I or I–II, or beside a
stated ST elevation. Stadium III is old, hence absent. The source states no STEMI as such.

LUDB states left ventricular hypertrophy in 108 of 200 records, and voltages hardly tell them apart
(Sokolow-Lyon AUC 0.55): its LVH is marked as doubtful wherever a label is explained.
"""


def _unknown_text(of_core: dict[str, dict[str, int]]) -> str:
    """Return the rule on ``possible`` statements and, by class, the records that it changes."""
    rows = [_UNKNOWN.strip(), ""]
    rows += [*_row("class", "present", "absent before", "absent now", "unknown now"), _rule(5)]
    for code in ("LVH", "STEMI"):
        present, absent, unknown = (of_core[s][code] for s in ("present", "absent", "unknown"))
        rows += _row(code, *(f"{n:,}" for n in (present, absent + unknown, absent, unknown)))
    return "\n".join(rows)


def _thresholds_text() -> str:
    rows = ["## Thresholds", "", "A class is present if all terms of one of its criteria hold."]
    rows += ["", *_row("set", "class", "criterion (tier)", "term", "who", "source"), _rule(6)]
    for line in criteria_rows():
        where = f" in {' '.join(line.leads)} ({line.combine})" if line.leads else ""
        term = f"{line.term}: {line.measure}{where} {line.comparison} {line.threshold:g}"
        who = " ".join(word for word in (line.sex, _age(line.age)) if word != "any") or "all"
        labels = (line.set, line.code_class, f"{line.criterion} ({line.tier})")
        rows += _row(
            *labels, f"{term} {'' if line.unit == 'yes' else line.unit}", who, line.citation
        )
    return "\n".join(rows)


def _age(age: str) -> str:
    if age.endswith("-"):
        return f"from {age[:-1]} years"
    return f"below {age[1:]} years" if age.startswith("-") else age


def _agreement_text(answer: dict[str, Any]) -> str:
    tuned, shown = answer["folds"]["tuned"], answer["folds"]["shown"]
    rows = [
        "## Criteria against experts",
        "",
        f"Chosen on folds 1 to 3 ({tuned['records']:,} records), tested on folds 4 and 5 "
        f"({shown['records']:,}). Core tier. Intervals: Wilson, 95 %. The last two columns are the "
        "same on folds 1 to 3.",
        "",
        *_row(
            *("set", "class", "both", "expert only", "criteria only", "neither", "not measured"),
            *("sensitivity", "specificity", "sens. tuned", "spec. tuned"),
        ),
        _rule(11),
    ]
    for name, classes in answer["agreement"]["shown"].items():
        for code, one in classes.items():
            before = answer["agreement"]["tuned"][name][code]
            counts = [one[key] for key in ("both", "expert_only", "criteria_only", "neither")]
            rows += _row(
                *(name, code, *counts, one["not_measured"]),
                _with_interval(one["both"], one["expert_only"]),
                _with_interval(one["neither"], one["criteria_only"]),
                *(_share(before["sensitivity"]), _share(before["specificity"])),
            )
    return "\n".join([*rows, "", _READING])


_READING = """
Readers state STD, STEMI, LVH and RVH for more reasons than these thresholds (T waves, Q waves, the
history, patterns in other leads), and voltages and ST levels beyond them occur without a
statement: published criteria perform likewise, see below. NSR requires everything at once, so that
every slightly wrong measurement loses some records. A premature beat in ten seconds is often not
stated.
"""


def _rates_text(rates: dict[str, dict[str, int]]) -> str:
    normal = rates["NSR"]
    slow = sum(n for name, n in normal.items() if name.split()[-1].isdigit() and _upper(name) < 60)
    rows = [
        "## Measured rate by stated rhythm",
        "",
        "Folds 4 and 5, beats per minute. PTB-XL's readers state plain sinus rhythm for many rates "
        "of 50 to 59: at the paper's limit of 60 the specificity for bradycardia cannot be higher. "
        f"Of the records labelled NSR, {slow:,} of {sum(normal.values()):,} "
        f"({slow / max(sum(normal.values()), 1):.0%}) are below 60/min: NSR here is a stated "
        "normal ECG, not a rate of 60 to 100.",
        "",
        *_row("rate", *rates),
        _rule(1 + len(rates)),
    ]
    for name in next(iter(rates.values())):
        rows += _row(name, *(f"{counts[name]}" for counts in rates.values()))
    return "\n".join(rows)


def _upper(name: str) -> int:
    """Return the upper end of a range of rates such as "55 to 59" or "below 45"."""
    return int(name.split()[-1])


def _published_text() -> str:
    rows = [
        "## What the criteria's own literature reports",
        "",
        "Against imaging or the final diagnosis, not against another reader of the same ECG: a "
        "different question from ours, for orientation only.",
        "",
        *_row("class", "criterion", "reference", "sensitivity", "specificity", "source"),
        _rule(6),
    ]
    with (Path(__file__).parent / "published_criteria.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows += _row(*row.values())
    rows += ["", "For ECT we know of no such figure; bundle branch blocks are defined by ECG."]
    return "\n".join(rows)


def _rules_text(audit: dict[str, Any]) -> str:
    rows = [
        "## What the rules of exclusive targets do",
        "",
        "Records with exactly one class, after each rule.",
        "",
        *_row("rule", *CODES),
        _rule(1 + len(CODES)),
    ]
    for rule, counts in audit["rules"].items():
        rows += _row(rule, *counts.values())
    contradictions = [f"* {n}: {words}" for words, n in audit["contradictions"].items()]
    doubts = [f"* {n}: {words}" for words, n in audit["doubts"].items()]
    rows += ["", "## Contradictions and doubts", "", "Numbers of records; labels are not changed."]
    return "\n".join([*rows, "", *contradictions, *doubts])


def _with_interval(part: int, rest: int) -> str:
    from statsmodels.stats.proportion import proportion_confint

    if not part + rest:
        return "n/a (0 records)"
    low, high = proportion_confint(part, part + rest, method="wilson")
    return f"{part / (part + rest):.3f} ({low:.3f} to {high:.3f})"


def _share(share: float | None) -> str:
    return "n/a" if share is None else f"{share:.3f}"


def _row(*cells: Any) -> list[str]:
    return ["| " + " | ".join(str(cell) for cell in cells) + " |"]


def _rule(n: int) -> str:
    return "|" + "---|" * n

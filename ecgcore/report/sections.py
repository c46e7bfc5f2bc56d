"""Sections of a report, in the order of TRIPOD+AI: methods, results, discussion, provenance."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore.calibration.calibration import BINNING, OUT_OF_FOLD_NOTE, calibration_metrics
from ecgcore.calibration.referral import referral_report
from ecgcore.comparison.text import few_records_warning, p_text
from ecgcore.evaluation.subgroups import FEW
from ecgcore.evaluation.text import METRIC_TITLES, number, with_range
from ecgcore.imaging import geometry_from_json
from ecgcore.labels.label_sets import LabelSet, label_set
from ecgcore.models import model_info
from ecgcore.report.facts import Facts, Side

CHECKLIST = Path(__file__).with_name("checklist.csv")
BY_AUTHOR = "for the author of a study to say"


@dataclass(frozen=True)
class Section:
    """A heading with blocks below it, of the kinds that the page's template draws."""

    id: str
    title: str
    blocks: list[dict[str, Any]]


def sections(facts: Facts) -> list[Section]:
    """Return all sections of a report."""
    numbered = [
        Section("purpose", "Purpose and question", _purpose(facts)),
        Section("data", "Source of data and participants", _data(facts)),
        Section("outcome", "Outcome: labels", _outcome(facts)),
        Section("predictors", "Predictors: network input", _predictors(facts)),
        Section("split", "Split, sample size, missing data", _split(facts)),
        Section("models", "Models and training", _models(facts)),
        Section("performance", "Performance", _performance(facts)),
        Section("classes", "Performance by class", _classes(facts)),
        Section("calibration", "Calibration", _calibration(facts)),
        Section("subgroups", "Subgroups and fairness", _subgroups(facts)),
        Section("failures", "Failures and disagreements", _failures(facts)),
        Section("limits", "Limits", _limits(facts)),
        Section("provenance", "Provenance", _provenance(facts)),
    ]
    titles = {section.id: f"{i}. {section.title}" for i, section in enumerate(numbered, 1)}
    return [*numbered, Section("checklist", "Checklist: TRIPOD+AI and CLAIM", _checklist(titles))]


def text(words: str) -> dict[str, Any]:
    """Return a paragraph."""
    return {"kind": "text", "text": words}


def bullets(lines: Iterable[str]) -> dict[str, Any]:
    """Return a list."""
    return {"kind": "list", "lines": list(lines)}


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]], *, figures: bool = True
) -> dict[str, Any]:
    """Return a table; a row's first cell is its heading, ``figures`` are aligned to the right."""
    lines = list(rows)
    return {"kind": "table", "caption": caption, "head": head, "lines": lines, "figures": figures}


def figure(name: str, alt: str, caption: str) -> dict[str, Any]:
    """Return a figure of ``figures.FIGURES``."""
    return {"kind": "figure", "name": name, "alt": alt, "caption": caption}


def pairs(lines: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return names and values."""
    return {"kind": "pairs", "lines": list(lines)}


def _purpose(facts: Facts) -> list[dict]:
    a, b = facts.sides
    all_classes = _label_set(a).classes
    classes = ", ".join(f"{c.code} ({c.name})" for c in all_classes[:10])
    warning = few_records_warning(facts.comparison)
    return [
        *([text(warning)] if warning else []),
        text(
            f"Does {b.name} (B) read 12-lead ECGs better than {a.name} (A)? Both predict, from one "
            f"recording of {a.meta['input']['duration_s']:g} s, the classes {classes}"
            f"{' and more' if len(all_classes) > 10 else ''}."
        ),
        text("Intended use: research on existing recordings. Not for clinical decisions."),
    ]


def _label_set(side: Side) -> LabelSet:
    return label_set(side.run.config.label_set)


def _data(facts: Facts) -> list[dict]:
    meta = facts.sides[0].meta
    cohort = meta["cohort"]
    blocks = [
        text(
            f"Cohort “{cohort['name']}” (hash {cohort['hash']}), {cohort['fs_hz']:g} Hz, "
            f"{meta['input']['duration_s']:g} s a record. Names, birth dates and recording dates "
            "are dropped when files are read; patient ids are stored as keyed hashes, ages are "
            "capped at 90."
        ),
    ]
    if facts.cohort is None:
        missing = "The cohort is not in this workspace, or has changed: no flow and no ages."
        return [*blocks, text(missing)]
    blocks.append(_flow_of_records(facts, len(facts.cohort)))
    return [*blocks, *_demographics(facts)]


def _flow_of_records(facts: Facts, readable: int) -> dict[str, Any]:
    split, exclusions = facts.sides[0].meta["split"], facts.exclusions or {}
    total = readable + sum(exclusions.values())
    rows = [
        ("found", f"{total:,}", "recordings in the folders that were read"),
        *(("lost", f"{n:,}", why) for why, n in exclusions.items()),
        ("readable", f"{readable:,}", "records of the cohort"),
        *(("lost", f"{n:,}", why) for why, n in split["left_out"].items()),
        ("used", f"{sum(split['records'].values()):,}", "records of run A, all parts"),
    ]
    return table("Flow of records (run A)", ("", "records", "content, or reason"), rows)


def _demographics(facts: Facts) -> list[dict]:
    records = facts.demographics
    if records is None:
        return []
    age = records["age"].dropna()
    ages = (
        f"median {age.median():.0f} (quartiles {age.quantile(0.25):.0f} to "
        f"{age.quantile(0.75):.0f}), not known in {records['age'].isna().sum():,}"
    )
    return [
        pairs(
            [
                ("sources", _counts(records["source"])),
                ("age, years", ages),
                ("sex", _counts(records["sex"].fillna("not known"))),
            ]
        )
    ]


def _counts(values: pd.Series) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in values.value_counts().items())


def _outcome(facts: Facts) -> list[dict]:
    side, meta = facts.sides[0], facts.sides[0].meta
    config, labels = side.run.config, meta["labels"]
    source = {
        "expert": "the sources' statements",
        "criteria": f"automatic measurements against thresholds ({labels.get('thresholds')})",
    }.get(labels["policy"], labels["policy"])
    convention = _label_set(side).convention
    rows = [(c, f"{m['n']:,}", f"{m['known']:,}") for c, m in side.evaluation["classes"].items()]
    return [
        text(
            f"Label set {config.label_set}, {config.label_tier} tier, target mode "
            f"{meta['target_mode']}; labels by {source}; hash of the label tables "
            f"{labels['hash']}. {convention[0].upper()}{convention[1:]}. "
            "Unknown labels are left out of loss and metrics."
        ),
        table("Labels of the scored records", ("class", "present", "known"), rows),
    ]


def _predictors(facts: Facts) -> list[dict]:
    return [bullets(f"{side.letter}: {_input(side.meta)}" for side in facts.sides)]


def _input(meta: dict[str, Any]) -> str:
    run_input = meta["input"]
    leads = f"{len(meta['leads'])} leads ({', '.join(meta['leads'])}) at {run_input['fs_hz']:g} Hz"
    if "layout" not in run_input:
        return f"{leads}, the signals in mV."
    height, width = run_input["size"]
    scale = geometry_from_json(run_input)
    return (
        f"{leads}, drawn as “{run_input['layout']}”, {width}×{height} pixels, "
        f"{scale.px_per_s:.3g} px/s and {scale.px_per_mv:.3g} px/mV, never autoscaled."
    )


def _split(facts: Facts) -> list[dict]:
    rows = []
    for side in facts.sides:
        split = side.meta["split"]
        for part, n in split["records"].items():
            rows.append((f"{side.letter}: {part}", f"{n:,}", f"{split['patients'][part]:,}"))
    notes = dict.fromkeys(n for side in facts.sides for n in side.meta["split"]["notes"])
    return [
        text("No patient and no signal is in two parts. " + " ".join(notes)),
        table("Records and patients per part", ("part", "records", "patients"), rows),
        text(
            "Missing samples are drawn as no ink, or read as the zero line; unknown labels are "
            f"masked. {' '.join(map(_fitted_on, facts.sides))}"
        ),
        *([bullets(facts.comparison["flags"])] if facts.comparison["flags"] else []),
    ]


def _fitted_on(side: Side) -> str:
    """Return the source of a run's epoch, temperature and thresholds."""
    if side.is_out_of_fold:
        return f"{side.letter}: {OUT_OF_FOLD_NOTE} The number of epochs belongs to the recipe."
    return f"{side.letter}: epoch, temperature and thresholds come from validation."


def _models(facts: Facts) -> list[dict]:
    a, b = facts.sides
    differ = ", ".join(name.replace("_", " ") for name in facts.comparison["config_differences"])
    rows = [
        *_rows_of_both(*(_network(side, facts.comparison["cost"]) for side in facts.sides)),
        *_rows_of_both(a.settings, b.settings),
        *_rows_of_both(_training_result(a), _training_result(b)),
    ]
    return [
        text(f"Settings that differ: {differ or 'none'}."),
        table("The two runs", ("", "A", "B"), rows, figures=False),
        figure(
            "training",
            "Two panels: loss of training and validation by epoch, and validation macro AUC by "
            "epoch, of both runs; a dot marks the best epoch",
            "Training. The weights are those of the epoch with the highest validation macro AUC "
            "(dot), or of the last epoch without validation.",
        ),
    ]


def _rows_of_both(a: Mapping[str, str], b: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(name, value, b[name]) for name, value in a.items()]


def _network(side: Side, cost: dict[str, dict]) -> dict[str, str]:
    model, letter = side.meta["model"], side.letter.lower()
    return {
        "network": f"{model}: {model_info(model).title}",
        "parameters": f"{cost['parameters'][letter]:,}",
        "multiply-adds a record": f"{cost['multiply_adds'][letter] / 1e9:.3f} G",
    }


def _training_result(side: Side) -> dict[str, str]:
    status = side.run.status
    return {
        "best epoch": str(status["best_epoch"]),
        "its validation macro AUC": number(side.best["val_macro_auc"]),
        "device, precision": f"{status.get('device')}, {status.get('precision')}",
    }


def _performance(facts: Facts) -> list[dict]:
    c, evaluation = facts.comparison, facts.sides[0].evaluation
    rows = []
    for metric, title in METRIC_TITLES.items():
        sides = [_with_interval(side.evaluation, metric) for side in facts.sides]
        change = with_range(c["differences"][metric], signed=True)
        rows.append((title, *sides, change, number(evaluation["baseline"][metric])))
    test = c["mcnemar"]
    return [
        text(facts.finding),
        table(
            "Both runs, their difference and the naive baseline, with 95 % intervals",
            ("metric", "A", "B", "B − A", "baseline"),
            rows,
        ),
        text(
            f"Accuracy is over {evaluation['accuracy_of']}. The baseline answers "
            f"{evaluation['baseline']['form']}. McNemar ({test['form']}): only A "
            f"right {test['only_a_right']:,}, only B right {test['only_b_right']:,}, "
            f"p {_p_equation(test['p'])}."
        ),
        figure(
            "confusions",
            "Confusion matrices of A and of B, and A minus B, counts in the cells",
            evaluation["confusion_title"] + ". Colour: share of the row.",
        ),
    ]


def _p_equation(p: float | None) -> str:
    words = p_text(p)
    return words if words.startswith("<") else f"= {words}"


def _with_interval(evaluation: Mapping[str, Any], metric: str) -> str:
    if metric == "macro_auc":
        return with_range(evaluation["macro_auc"])
    return with_range(evaluation["intervals"][metric])


def _classes(facts: Facts) -> list[dict]:
    evaluation = facts.sides[0].evaluation
    return [
        _class_table(facts),
        figure("differences", "Difference of AUC by class with 95 % interval", "AUC, B − A."),
        figure(
            "roc", "ROC curves by class, both runs in each panel, with their AUC", "ROC curves."
        ),
        figure("pr", "Precision-recall curves by class, both runs", "Precision–recall curves."),
        _operating_points(facts),
        bullets(
            [
                *evaluation["notes"],
                *(f"{code}: {why}" for code, why in evaluation["not_available"].items()),
            ]
        ),
    ]


def _class_table(facts: Facts) -> dict[str, Any]:
    a, b = (side.evaluation["classes"] for side in facts.sides)
    measures = {"precision": "precision", "recall": "recall", "f1": "F1", "auc": "AUC"}
    rows = []
    for code, test in facts.comparison["delong"].items():
        values = (number(of_side[code][m]) for m in measures for of_side in (a, b))
        change = with_range(facts.comparison["class_differences"][code]["auc"], signed=True)
        p = test["why"] or p_text(test["p_holm"])
        rows.append((code, f"{a[code]['n']:,}", *values, change, p))
    heads = (head for name in measures.values() for head in (f"{name} A", "B"))
    return table(
        "Each class: present records, both runs, and the test of the AUCs",
        ("class", "n", *heads, "AUC, B − A", "p (DeLong, Holm)"),
        rows,
    )


def _operating_points(facts: Facts) -> dict[str, Any]:
    """Return the table of sensitivity, specificity and predictive values."""
    a, b = (side.utility["operating"] for side in facts.sides)
    rows = [
        (
            code,
            *(with_range(of[code][m]) for m in ("sensitivity", "specificity") for of in (a, b)),
            *(number(of[code][m]["value"]) for m in ("ppv", "npv") for of in (a, b)),
        )
        for code in a
        if code in b
    ]
    heads = ("sensitivity A", "B", "specificity A", "B", "PPV A", "B", "NPV A", "B")
    caption = "Operating points at each run's thresholds, predictive values at this prevalence"
    return table(caption, ("class", *heads), rows)


def _calibration(facts: Facts) -> list[dict]:
    metrics = [calibration_metrics(side.scores) for side in facts.sides]
    names = {
        "ece": "ECE, mean over classes",
        "ece_pooled": "ECE, all cells",
        "brier": "Brier score",
    }
    temperatures = [side.run.calibration["temperature"] for side in facts.sides]
    referral = [_referral(side) for side in facts.sides]
    rows = [
        ("temperature", *("none" if t is None else f"{t:.3f}" for t in temperatures)),
        *((words, *(number(m[key]) for m in metrics)) for key, words in names.items()),
        *_rows_of_both(*referral),
    ]
    return [
        text(f"{' '.join(map(_temperature_source, facts.sides))} ECE over {BINNING}."),
        table("Calibration on the scored records", ("", "A", "B"), rows),
        figure(
            "reliability",
            "Reliability diagram of both runs: observed share against probability",
            "Reliability over all known cells; the dotted line is perfect.",
        ),
    ]


def _temperature_source(side: Side) -> str:
    source = "out of fold" if side.is_out_of_fold else "on validation alone"
    return f"{side.letter}: temperature fitted {source}."


def _referral(side: Side) -> dict[str, str]:
    """Return the effect of the run's referral band on these records."""
    band = side.run.calibration["refer"]
    report = referral_report(side.scores, band) if band else {}
    return {
        "answered, not referred": number(report.get("answered")),
        "all right, of all": number(report.get("right")),
        "all right, of those answered": number(report.get("right_answered")),
    }


def _subgroups(facts: Facts) -> list[dict]:
    a, b = (side.utility["subgroups"] for side in facts.sides)
    if a is None or b is None:
        return [text("Not known: neither the runs nor a cohort here describe these records.")]
    rows = [
        (
            f"{trait}: {name}",
            f"{group['n']:,}{' (few)' if group['few'] else ''}",
            *(with_range(of[trait][name][m]) for m in ("macro_auc", "macro_f1") for of in (a, b)),
            str(len(group["over"])),
        )
        for trait, groups in a.items()
        for name, group in groups.items()
    ]
    head = ("group", "n", "macro AUC A", "B", "macro-F1 A", "B", "classes")
    return [
        text(
            "Macro means are over the classes that occur in the group, so groups with different "
            f"classes are not comparable. Fewer than {FEW} records are too few to judge."
        ),
        table("By age band, sex, source and signal quality, with 95 % intervals", head, rows),
    ]


def _failures(facts: Facts) -> list[dict]:
    rows = [
        (d["record"], *(", ".join(d[k]) or "none" for k in ("truth", "a", "b")), d["right"])
        for d in facts.shown_disagreements
    ]
    n = len(facts.comparison["disagreements"])
    return [
        text(
            f"The runs predict different classes for {n:,} of {facts.comparison['n_common']:,} "
            "records. Records on which only one run is right come first, then those whose "
            f"probabilities differ most; the first {len(rows)}:"
        ),
        table("Disagreements", ("record", "stated", "A predicts", "B predicts", "right"), rows),
    ]


def _limits(facts: Facts) -> list[dict]:
    a = facts.sides[0]
    limits = [
        "Labels are the sources' statements or follow from measurements; nobody re-read these "
        "ECGs.",
        "One training a side: intervals over patients hold for these trained networks and do not "
        "include the variation between seeds. `ecgcore compare A1,A2,A3 B1,B2,B3` compares "
        "several seeds a side.",
    ]
    few = [c for c, m in a.evaluation["classes"].items() if 0 < m["n"] < FEW]
    if few:
        limits.append(f"Fewer than {FEW} present records: {', '.join(few)}.")
    if a.meta["split"]["records"].get("holdout") and facts.part == "test":
        limits.append("The runs' own test part is small; the holdout fold is more reliable.")
    return [bullets(limits)]


def _provenance(facts: Facts) -> list[dict]:
    rows = []
    for side in facts.sides:
        meta = side.meta
        rows += [
            (f"run {side.letter}", f"{side.run.id}, trained {meta['created']}"),
            (f"split {side.letter}", meta["split"]["hash"]),
            *((f"{name} {side.letter}, SHA-256", digest) for name, digest in side.hashes.items()),
            (f"versions {side.letter}", ", ".join(f"{k} {v}" for k, v in meta["versions"].items())),
        ]
    command = f"ecgcore report {facts.sides[0].run.id} {facts.sides[1].run.id} --part {facts.part}"
    common = [
        ("cohort", "{name}, hash {hash}".format(**facts.sides[0].meta["cohort"])),
        ("labels", str(facts.sides[0].meta["labels"]["hash"])),
        ("made by", f"ecgcore {facts.version}: {command}"),
    ]
    return [pairs([*common, *rows])]


def _checklist(titles: dict[str, str]) -> list[dict]:
    with CHECKLIST.open(encoding="utf-8", newline="") as file:
        items = list(csv.DictReader(file))
    rows = [
        (f"{i['guideline']} {i['item']}", i["topic"], titles.get(i["section"], BY_AUTHOR))
        for i in items
    ]
    return [
        text(
            "Sections that answer the items of TRIPOD+AI (Collins et al. 2024, "
            "doi:10.1136/bmj-2023-078378) and CLAIM (Tejani et al. 2024, doi:10.1148/ryai.240300). "
            "Topics in our words."
        ),
        table("Items", ("item", "topic", "section"), rows),
    ]

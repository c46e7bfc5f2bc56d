"""Sections of a report on methods: question, data, labels, input, split, models."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ecgcore.comparison.text import few_records_warning
from ecgcore.evaluation.text import number
from ecgcore.imaging import geometry_from_json
from ecgcore.labels.label_sets import LabelSet
from ecgcore.models import model_info
from ecgcore.report import statements
from ecgcore.report.blocks import bullets, figure, pairs, table, text
from ecgcore.report.data_sources import NOT_STATED
from ecgcore.report.facts import Facts, Side


def purpose(facts: Facts) -> list[dict]:
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
    return side.run.label_set


def data(facts: Facts) -> list[dict]:
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
        blocks.append(text("The cohort is not in this workspace, or has changed: no flow."))
    else:
        blocks.append(_flow_of_records(facts, len(facts.cohort)))
    return [*blocks, *_demographics(facts), *_data_sources(facts)]


def _data_sources(facts: Facts) -> list[dict]:
    """Return place, dates, eligibility, citation and licence of each database."""
    rows = [
        (s.title, s.location, s.dates or NOT_STATED, s.setting, s.citation, s.licence, s.address)
        for s in facts.data_sources
    ]
    head = ("database", "place", "dates", "who, and which ECGs", "citation", "licence", "address")
    blocks = [table("Databases of the scored records", head, rows, figures=False)] if rows else []
    if facts.unknown_sources:
        named = ", ".join(facts.unknown_sources)
        words = "The author describes place, dates and eligibility of"
        blocks.append(text(f"{words}: {named}."))
    eligible = "Eligible here: every recording of 12 leads that could be read and has a label."
    return [*blocks, text(f"{eligible} Nothing was excluded for its signal quality.")]


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
    records = facts.traits
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


def outcome(facts: Facts) -> list[dict]:
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
            f"{labels['hash']}{_imported(labels)}. {convention[0].upper()}{convention[1:]}. "
            "Unknown labels are left out of loss and metrics."
        ),
        table("Labels of the scored records", ("class", "present", "known"), rows),
    ]


def _imported(labels: dict[str, Any]) -> str:
    version = labels.get("version")
    return f"; version {version} of the labels imported into the cohort" if version else ""


def predictors(facts: Facts) -> list[dict]:
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


def split(facts: Facts) -> list[dict]:
    rows = []
    for side in facts.sides:
        split = side.meta["split"]
        for part, n in split["records"].items():
            rows.append((f"{side.letter}: {part}", f"{n:,}", f"{split['patients'][part]:,}"))
    notes = dict.fromkeys(n for side in facts.sides for n in side.meta["split"]["notes"])
    return [
        text(" ".join([*map(statements.scored_records, facts.sides), *notes])),
        bullets(statements.sample_size(facts)),
        table("Records and patients per part", ("part", "records", "patients"), rows),
        text(
            "Missing data: missing samples are drawn as no ink, or read as the zero line; unknown "
            "labels are left out of loss and metrics."
        ),
        *([bullets(facts.comparison["flags"])] if facts.comparison["flags"] else []),
    ]


def models(facts: Facts) -> list[dict]:
    a, b = facts.sides
    differ = ", ".join(name.replace("_", " ") for name in facts.comparison["config_differences"])
    rows = [
        *rows_of_both(*(_network(side, facts.comparison["cost"]) for side in facts.sides)),
        *rows_of_both(*(side.settings | _explained_settings(side) for side in facts.sides)),
        *rows_of_both(_training_result(a), _training_result(b)),
    ]
    return [
        text(f"Settings that differ: {differ or 'none'}."),
        table("The two runs", ("", "A", "B"), rows, figures=False),
        figure(
            "training",
            "Two panels: loss of training and validation by epoch, and validation macro AUC by "
            "epoch, of both runs; a dot marks the best epoch",
            f"Training. Kept weights: {'; '.join(map(statements.kept_epoch, facts.sides))}.",
        ),
        text("Class imbalance. " + " ".join(map(statements.class_balance, facts.sides))),
        text(
            "Output: a probability of each class. Thresholds. "
            + " ".join(map(statements.thresholds, facts.sides))
        ),
        text("No model was updated or recalibrated on the records scored after this."),
    ]


def _explained_settings(side: Side) -> dict[str, str]:
    """Return settings whose stored word says too little, and facts beside the settings."""
    return {
        "Split by": statements.split_way(side),
        "Loss": statements.loss(side),
        "Start from": statements.initialisation(side),
        "Teacher": statements.teacher(side),
    }


def rows_of_both(a: Mapping[str, str], b: Mapping[str, str]) -> list[tuple[str, str, str]]:
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

"""The sections of a report, in the order of TRIPOD+AI: methods, results, discussion, provenance."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgcore.calibration.calibration import BINNING, OUT_OF_FOLD_NOTE, calibration_metrics
from ecgcore.calibration.referral import referral_report
from ecgcore.comparison.text import p_text
from ecgcore.evaluation.text import number, with_range
from ecgcore.imaging import geometry_from_json
from ecgcore.labels.label_sets import label_set
from ecgcore.models import model_info
from ecgcore.report.facts import Facts, Side

METRICS = {"accuracy": "Accuracy", "macro_f1": "Macro-F1", "macro_auc": "Macro AUC"}
CHECKLIST = Path(__file__).with_name("checklist.csv")
BY_AUTHOR = "for the author of a study to say"


@dataclass(frozen=True)
class Section:
    """A heading and what stands below: blocks as the page's template knows them."""

    id: str
    title: str
    blocks: list[dict[str, Any]]


def sections(facts: Facts) -> list[Section]:
    """Return all sections of a report."""
    made = [
        Section("purpose", "Purpose and question", _purpose(facts)),
        Section("data", "Source of data and participants", _data(facts)),
        Section("outcome", "Outcome: labels", _outcome(facts)),
        Section("predictors", "Predictors: what the networks read", _predictors(facts)),
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
    titles = {section.id: f"{i}. {section.title}" for i, section in enumerate(made, 1)}
    return [*made, Section("checklist", "Checklist: TRIPOD+AI and CLAIM", _checklist(titles))]


def text(words: str) -> dict[str, Any]:
    """Return a paragraph."""
    return {"kind": "text", "text": words}


def listed(lines: Iterable[str]) -> dict[str, Any]:
    """Return a list."""
    return {"kind": "list", "lines": list(lines)}


def table(
    caption: str, head: Sequence[str], lines: Iterable[Sequence[Any]], *, figures: bool = True
) -> dict[str, Any]:
    """Return a table; the first cell of a row is its heading, ``figures`` stand to the right."""
    lines = list(lines)
    return {"kind": "table", "caption": caption, "head": head, "lines": lines, "figures": figures}


def figure(name: str, alt: str, caption: str) -> dict[str, Any]:
    """Return a figure of ``drawings.FIGURES``."""
    return {"kind": "figure", "name": name, "alt": alt, "caption": caption}


def pairs(lines: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return names and values."""
    return {"kind": "pairs", "lines": list(lines)}


def _purpose(facts: Facts) -> list[dict]:
    a, b = facts.sides
    classes = ", ".join(f"{c.code} ({c.name})" for c in _label_set(a).classes[:10])
    return [
        text(
            f"Does {b.name} (B) read 12-lead ECGs better than {a.name} (A)? Both answer, for one "
            f"recording of {a.meta['input']['duration_s']:g} s, the classes {classes}"
            f"{' and more' if len(_label_set(a).classes) > 10 else ''}."
        ),
        text("Intended use: research on recordings that are there already. No clinical decision."),
    ]


def _label_set(side: Side) -> Any:
    return label_set(side.run.config.label_set)


def _data(facts: Facts) -> list[dict]:
    meta = facts.sides[0].meta
    cohort = meta["cohort"]
    blocks = [
        text(
            f"Cohort “{cohort['name']}” (hash {cohort['hash']}), {cohort['fs_hz']:g} Hz, "
            f"{meta['input']['duration_s']:g} s a record. Names and birth dates are dropped when "
            "files are read, patient ids stored as keyed hashes, ages capped at 90, dates dropped."
        ),
    ]
    if facts.cohort is None:
        return [*blocks, text("The cohort is not in this home (or has changed): no flow, no ages.")]
    lost = facts.losses or {}
    readable = len(facts.cohort)
    flow = [
        ("found", readable + sum(lost.values()), "recordings in the folders that were read"),
        *((f"− {n:,}", n, why) for why, n in lost.items()),
        ("readable", readable, "records of the cohort"),
        *((f"− {n:,}", n, why) for why, n in meta["split"]["left_out"].items()),
        ("used", sum(meta["split"]["records"].values()), "records of run A, all parts"),
    ]
    lines = [(step if step[0] != "−" else "lost", f"{n:,}", why) for step, n, why in flow]
    blocks.append(table("Flow of records (run A)", ("", "records", "what, or why not"), lines))
    return [*blocks, *_people(facts)]


def _people(facts: Facts) -> list[dict]:
    people = facts.people
    if people is None:
        return []
    age = people["age"].dropna()
    sexes = people["sex"].fillna("not known").value_counts()
    return [
        pairs(
            [
                ("sources", _counted(people["source"].value_counts())),
                ("age, years", f"median {age.median():.0f} (quartiles {age.quantile(0.25):.0f} to "
                 f"{age.quantile(0.75):.0f}), not known in {people['age'].isna().sum():,}"),
                ("sex", _counted(sexes)),
            ]
        )
    ]  # fmt: skip


def _counted(counts: Any) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def _outcome(facts: Facts) -> list[dict]:
    side, meta = facts.sides[0], facts.sides[0].meta
    config, labels = side.run.config, meta["labels"]
    policy = {
        "expert": "what the sources state",
        "criteria": f"automatic measurements against thresholds ({labels.get('thresholds')})",
    }
    states = side.evaluation["classes"]
    lines = [(c, f"{m['n']:,}", f"{m['known']:,}") for c, m in states.items()]
    return [
        text(
            f"Label set {config.label_set}, {config.label_tier} tier, target mode "
            f"{meta['target_mode']}; labels by {policy.get(labels['policy'], labels['policy'])}; "
            f"tables' hash {labels['hash']}. {_label_set(side).convention[0].upper()}"
            f"{_label_set(side).convention[1:]}. Unknown is left out of loss and metrics."
        ),
        table("Labels of the scored records", ("class", "present", "known"), lines),
    ]


def _predictors(facts: Facts) -> list[dict]:
    return [listed(f"{side.letter}: {_input(side.meta)}" for side in facts.sides)]


def _input(meta: dict[str, Any]) -> str:
    given = meta["input"]
    leads = f"{len(meta['leads'])} leads ({', '.join(meta['leads'])}) at {given['fs_hz']:g} Hz"
    if "layout" not in given:
        return f"{leads}, the signals in mV."
    height, width = given["size"]
    scale = geometry_from_json(given)
    return (
        f"{leads}, drawn as “{given['layout']}”, {width}×{height} pixels, "
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
        text("No patient and no signal is on two sides. " + " ".join(notes)),
        table("Records and patients a part", ("part", "records", "patients"), rows),
        text(
            "Missing samples are drawn as no ink, or read as the zero line; unknown labels are "
            f"masked. {' '.join(map(_fitted, facts.sides))}"
        ),
        *([listed(facts.comparison["flags"])] if facts.comparison["flags"] else []),
    ]


def _fitted(side: Side) -> str:
    """Say where a run's epoch, temperature and thresholds come from."""
    if side.is_out_of_fold:
        return f"{side.letter}: {OUT_OF_FOLD_NOTE} The number of epochs belongs to the recipe."
    return f"{side.letter}: epoch, temperature and thresholds come from validation."


def _models(facts: Facts) -> list[dict]:
    a, b = facts.sides
    differ = ", ".join(name.replace("_", " ") for name in facts.comparison["config_differences"])
    settings = [(name, value, b.settings[name]) for name, value in a.settings.items()]
    networks = [_network(side, facts.comparison["cost"]) for side in facts.sides]
    columns = networks, [_kept(side) for side in facts.sides]
    network, kept = ([(name, of_a[name], of_b[name]) for name in of_a] for of_a, of_b in columns)
    return [
        text(f"Settings that differ: {differ or 'none'}."),
        table("The two runs", ("", "A", "B"), [*network, *settings, *kept], figures=False),
        figure(
            "training",
            "Two panels: loss of training and validation by epoch, and validation macro AUC by "
            "epoch, of both runs; a dot marks the epoch that was kept",
            "Training. The epoch with the highest validation macro AUC is kept (dot); the last one "
            "where nothing validates.",
        ),
    ]


def _network(side: Side, cost: dict[str, dict]) -> dict[str, str]:
    model, letter = side.meta["model"], side.letter.lower()
    return {
        "network": f"{model}: {model_info(model).title}",
        "parameters": f"{cost['parameters'][letter]:,}",
        "multiply-adds a record": f"{cost['multiply_adds'][letter] / 1e9:.3f} G",
    }


def _kept(side: Side) -> dict[str, str]:
    status = side.run.status
    return {
        "best epoch": str(status["best_epoch"]),
        "its validation macro AUC": number(side.best["val_macro_auc"]),
        "device, precision": f"{status.get('device')}, {status.get('precision')}",
    }


def _performance(facts: Facts) -> list[dict]:
    c = facts.comparison
    rows = []
    for metric, name in METRICS.items():
        sides = [_with_interval(side.evaluation, metric) for side in facts.sides]
        change = with_range(c["differences"][metric], signed=True)
        base = number(facts.sides[0].evaluation["baseline"][metric])
        rows.append((name, *sides, change, base))
    test = c["mcnemar"]
    return [
        text(facts.finding),
        table(
            "Both runs, their difference and the naive baseline, with 95 % intervals",
            ("metric", "A", "B", "B − A", "baseline"), rows,
        ),
        text(
            f"Accuracy is over {facts.sides[0].evaluation['accuracy_of']}. The baseline answers "
            f"{facts.sides[0].evaluation['baseline']['form']}. McNemar ({test['form']}): only A "
            f"right {test['only_a_right']:,}, only B right {test['only_b_right']:,}, "
            f"p {_equals(test['p'])}."
        ),
        figure(
            "confusions", "Confusion matrices of A and of B, and A minus B, counts in the cells",
            facts.sides[0].evaluation["confusion_title"] + ". Colour: share of the row.",
        ),
    ]  # fmt: skip


def _equals(p: float | None) -> str:
    said = p_text(p)
    return said if said.startswith("<") else f"= {said}"


def _with_interval(evaluation: Any, metric: str) -> str:
    if metric == "macro_auc":
        return with_range(evaluation["macro_auc"])
    return with_range(evaluation["intervals"][metric])


def _classes(facts: Facts) -> list[dict]:
    c = facts.comparison
    a, b = (side.evaluation["classes"] for side in facts.sides)
    rows = [
        (
            code, f"{a[code]['n']:,}",
            *(number(of[code][m]) for m in ("precision", "recall", "f1", "auc") for of in (a, b)),
            with_range(c["class_differences"][code]["auc"], signed=True),
            test["why"] or p_text(test["p_holm"]),
        )
        for code, test in c["delong"].items()
    ]  # fmt: skip
    head = (
        "class", "n", "precision A", "B", "recall A", "B", "F1 A", "B", "AUC A", "B",
        "AUC, B − A", "p (DeLong, Holm)",
    )  # fmt: skip
    notes = [
        *facts.sides[0].evaluation["notes"],
        *facts.sides[0].evaluation["not_available"].items(),
    ]
    return [
        table("Each class: present records, both runs, and the test of the AUCs", head, rows),
        figure("differences", "Difference of AUC by class with 95 % interval", "AUC, B − A."),
        figure(
            "roc", "ROC curves by class, both runs in each panel, with their AUC", "ROC curves."
        ),
        figure("pr", "Precision-recall curves by class, both runs", "Precision–recall curves."),
        _operating(facts),
        listed(n if isinstance(n, str) else f"{n[0]}: {n[1]}" for n in notes),
    ]


def _operating(facts: Facts) -> dict[str, Any]:
    """Return the table of what the runs' decisions are worth."""
    a, b = (side.use["operating"] for side in facts.sides)
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
    found = [calibration_metrics(side.scores) for side in facts.sides]
    names = {
        "ece": "ECE, mean over classes",
        "ece_pooled": "ECE, all cells",
        "brier": "Brier score",
    }
    rows = [(words, *(number(f[key]) for f in found)) for key, words in names.items()]
    temperatures = [side.run.calibration["temperature"] for side in facts.sides]
    rows.insert(0, ("temperature", *("none" if t is None else f"{t:.3f}" for t in temperatures)))
    referring = [_referring(side) for side in facts.sides]
    rows += [(name, *(of.get(name, "n/a") for of in referring)) for name in referring[0]]
    return [
        text(f"Temperatures are fitted on validation alone. ECE over {BINNING}."),
        table("Calibration on the scored records", ("", "A", "B"), rows),
        figure(
            "reliability", "Reliability diagram of both runs: observed share against probability",
            "Reliability over all known cells; the dotted line is perfect.",
        ),
    ]  # fmt: skip


def _referring(side: Side) -> dict[str, str]:
    """Return what the run's "uncertain, refer" band does to these records."""
    band = side.run.calibration["refer"]
    found = referral_report(side.scores, band) if band else {}
    return {
        "answered, not referred": number(found.get("answered")),
        "all right, of all": number(found.get("right")),
        "all right, of those answered": number(found.get("right_answered")),
    }


def _subgroups(facts: Facts) -> list[dict]:
    a, b = (side.use["subgroups"] for side in facts.sides)
    if a is None or b is None:
        return [text("Not known: neither the runs nor a cohort here say whose records these are.")]
    rows = [
        (
            f"{trait}: {name}", f"{group['n']:,}{' (few)' if group['few'] else ''}",
            *(with_range(of[trait][name][m]) for m in ("macro_auc", "macro_f1") for of in (a, b)),
            str(len(group["over"])),
        )
        for trait, groups in a.items()
        for name, group in groups.items()
    ]  # fmt: skip
    head = ("group", "n", "macro AUC A", "B", "macro-F1 A", "B", "classes")
    return [
        text(
            "Macro means are over the classes that the group has, so that groups with different "
            "classes are not alike. Fewer than 20 records are too few to tell."
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
            f"The runs call different classes on {n:,} of {facts.comparison['n_common']:,} "
            "records. First those on which only one of them is right, then those whose "
            f"probabilities differ most; the first {len(rows)}:"
        ),
        table("Disagreements", ("record", "stated", "A calls", "B calls", "right"), rows),
    ]


def _limits(facts: Facts) -> list[dict]:
    a = facts.sides[0]
    said = [
        "Labels are what sources state or what measurements say; nobody read these ECGs again.",
        "One training a side: intervals over patients hold for these trained networks, not for the "
        "luck of another start. Several seeds a side are compared by `ecgcore study levels`.",
    ]
    few = [c for c, m in a.evaluation["classes"].items() if 0 < m["n"] < 20]
    if few:
        said.append(f"Fewer than 20 present records: {', '.join(few)}.")
    if a.meta["split"]["records"].get("holdout") and facts.part == "test":
        said.append("The runs' own test part is small; the holdout fold is the firmer ground.")
    return [listed(said)]


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
    again = [
        ("cohort", "{name}, hash {hash}".format(**facts.sides[0].meta["cohort"])),
        ("labels", str(facts.sides[0].meta["labels"]["hash"])),
        ("made by", f"ecgcore {facts.version}: {command}"),
    ]
    return [pairs([*again, *rows])]


def _checklist(titles: dict[str, str]) -> list[dict]:
    with CHECKLIST.open(encoding="utf-8", newline="") as file:
        items = list(csv.DictReader(file))
    rows = [
        (f"{i['guideline']} {i['item']}", i["topic"], titles.get(i["section"], BY_AUTHOR))
        for i in items
    ]
    return [
        text(
            "Where the items of TRIPOD+AI (Collins et al. 2024, doi:10.1136/bmj-2023-078378) and "
            "CLAIM (Tejani et al. 2024, doi:10.1148/ryai.240300) are answered. Topics in our words."
        ),
        table("Items", ("item", "topic", "section"), rows),
    ]

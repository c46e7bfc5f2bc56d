"""Sections of a report, in the order of TRIPOD+AI: methods, results, discussion, provenance."""

from ecgcore.evaluation.subgroups import FEW
from ecgcore.report.blocks import Section, bullets, pairs, table, text
from ecgcore.report.checklist import checklist
from ecgcore.report.facts import Facts
from ecgcore.report.failure_sections import external, failures
from ecgcore.report.methods import data, models, outcome, predictors, purpose, split
from ecgcore.report.results import calibration, classes, performance, subgroups


def sections(facts: Facts) -> list[Section]:
    """Return all sections of a report."""
    numbered = [
        Section("purpose", "Purpose and question", purpose(facts)),
        Section("data", "Source of data and participants", data(facts)),
        Section("outcome", "Outcome: labels", outcome(facts)),
        Section("predictors", "Predictors: network input", predictors(facts)),
        Section("split", "Split, sample size, missing data", split(facts)),
        Section("models", "Models and training", models(facts)),
        Section("performance", "Performance", performance(facts)),
        Section("classes", "Performance by class", classes(facts)),
        Section("calibration", "Calibration", calibration(facts)),
        Section("subgroups", "Subgroups and fairness", subgroups(facts)),
        Section("external", "Other records", external(facts)),
        Section("failures", "Failures and disagreements", failures(facts)),
        Section("limits", "Limits", _limits(facts)),
        Section("provenance", "Provenance", _provenance(facts)),
    ]
    titles = {section.id: f"{i}. {section.title}" for i, section in enumerate(numbered, 1)}
    return [
        *numbered,
        Section("checklist", "Checklist: TRIPOD+AI and CLAIM", _checklist(facts, titles)),
    ]


def _limits(facts: Facts) -> list[dict]:
    a = facts.sides[0]
    limits = [
        "Labels are the sources' statements or follow from measurements; nobody re-read these "
        "ECGs for this report.",
        "One training a side: intervals over patients hold for these trained networks and do not "
        "include the variation between seeds. `ecgcore compare A1,A2,A3 B1,B2,B3` compares "
        "several seeds a side.",
        *_limits_of_origin(facts),
    ]
    few = [c for c, m in a.evaluation["classes"].items() if 0 < m["n"] < FEW]
    if few:
        limits.append(f"Fewer than {FEW} present records: {', '.join(few)}.")
    if a.meta["split"]["records"].get("holdout") and facts.part == "test":
        limits.append("The runs' own test part is small; the holdout fold is more reliable.")
    return [bullets(limits)]


def _limits_of_origin(facts: Facts) -> list[str]:
    """Return what follows from how the scored records relate to those of the training."""
    lines = []
    if len(facts.sources) == 1:
        lines.append(
            f"All scored records come from one database ({facts.sources[0]}), as those of the "
            "training: other hospitals' recordings are read worse."
        )
    if any(side.is_out_of_fold for side in facts.sides):
        lines.append(
            "Out of fold, networks of the same recipe were scored, not the released weights; "
            "thresholds were chosen on the scored records, which flatters precision, recall and F1 "
            "of rare classes. Areas under curves need no threshold."
        )
    if facts.traits is not None and "validated" in facts.traits:
        share = (facts.traits["validated"] != "by a human").mean()
        if share > 0:
            lines.append(
                f"In {share:.0%} of the scored records no human validated the labels; these are "
                "easier (see the subgroups)."
            )
    return lines


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
        ("data", ", ".join(s.address for s in facts.data_sources) or "for the author"),
        ("code", f"Python package ecgcore {facts.version}, MIT licence"),
        ("made by", f"ecgcore {facts.version}: {command}"),
    ]
    return [pairs([*common, *rows])]


def _checklist(facts: Facts, titles: dict[str, str]) -> list[dict]:
    items = checklist(facts, titles)
    return [
        text(
            "How far this report answers the items of TRIPOD+AI (Collins et al. 2024, "
            "doi:10.1136/bmj-2023-078378) and CLAIM (Tejani et al. 2024, doi:10.1148/ryai.240300). "
            "Topics in our words."
        ),
        table("Items", ("item", "topic", "state", "where"), items),
    ]

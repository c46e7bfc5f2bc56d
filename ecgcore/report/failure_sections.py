"""Sections of a report on other records, and on records read wrongly."""

from typing import Any

from ecgcore.evaluation.text import number, with_range
from ecgcore.paper.draw import page_svg
from ecgcore.report.blocks import picture, table, text
from ecgcore.report.facts import Facts
from ecgcore.report.failures import SharedMiss, class_failures, shared_misses

SHOWN_ECGS = 10


def external(facts: Facts) -> list[dict]:
    """Return the figures on other cohorts that are kept with the networks."""
    rows = [
        (
            f"{side.letter}: {', '.join(one['sources'])}",
            f"{one['n']:,}",
            with_range(one["macro_auc"]),
            str(len(one["classes"])),
        )
        for side in facts.sides
        for one in side.external
    ]
    if not rows:
        return [text("Neither network was scored on records of another source for this report.")]
    head = ("sources", "n", "macro AUC", "classes")
    return [table("Records of other sources, never trained on", head, rows)]


def failures(facts: Facts) -> list[dict]:
    rows = [
        (d["record"], *(", ".join(d[k]) or "none" for k in ("truth", "a", "b")), d["right"])
        for d in facts.shown_disagreements
    ]
    n = len(facts.comparison["disagreements"])
    return [
        _class_failures(facts),
        *_shared_misses(facts),
        text(
            f"The runs predict different classes for {n:,} of {facts.comparison['n_common']:,} "
            "records. Records on which only one run is right come first, then those whose "
            f"probabilities differ most; the first {len(rows)}:"
        ),
        table("Disagreements", ("record", "stated", "A predicts", "B predicts", "right"), rows),
    ]


def _class_failures(facts: Facts) -> dict[str, Any]:
    rows = [
        (one.code, *(f"{n:,}" for n in (one.present, *one.missed, *one.false)))
        for one in class_failures(facts)
    ]
    head = ("class", "present", "missed by A", "by B", "by both", "false by A", "by B", "by both")
    return table("Mistakes about each class, at each run's thresholds", head, rows)


def _shared_misses(facts: Facts) -> list[dict]:
    """Return for each class the record that both miss furthest, drawn where its ECG is here."""
    misses = [*shared_misses(facts)]
    if not misses:
        return [text("No stated class is missed by both networks.")]
    rows = [(m.code, m.record, number(m.p_a), number(m.p_b)) for m in misses]
    caption = "Missed by both: of each class the record with the lowest probabilities"
    head = ("class", "record", "probability A", "B")
    shown = [table(caption, head, rows)]
    if facts.cohort is None:
        return [*shown, text("Their ECGs are not drawn: the cohort is not in this workspace.")]
    return [*shown, *(_ecg(facts, miss) for miss in misses[:SHOWN_ECGS])]


def _ecg(facts: Facts, miss: SharedMiss) -> dict[str, Any]:
    svg = page_svg(facts.cohort.record(miss.record))  # type: ignore[union-attr]
    words = f"Stated {miss.code}, which both networks miss: record {miss.record}."
    return picture(svg, f"12-lead ECG of record {miss.record}", words)

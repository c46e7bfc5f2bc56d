"""A cohort as a whole: exclusion flow, refused files, and the audit of its labels."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import draw, figures_cohort
from dashboard.components import ingest_view
from dashboard.data import cached_browse
from ecgcore.labels.classes import CODES


def show(cohort: str) -> None:
    """Show the exclusion flow, the refused files and the label audit of a cohort."""
    audit = cached_browse.audit(cohort)
    show_flow(audit["flow"])
    show_refused(cohort)
    show_classes(audit)
    show_rules(audit["rules"])
    show_statements(audit["statements"])
    show_agreement(audit["criteria"])
    show_doubts(audit)


def show_flow(counts: dict[str, Any]) -> None:
    """Show found → readable → labelled → used, with the reasons for each loss."""
    used = counts["used"]["exclusive"]["used"]
    st.subheader("From files to records for training")
    st.write(
        f"Of {counts['found']:,} files found, {counts['readable']:,} are records of this cohort; "
        f"{counts['labelled']:,} of them are labelled, and {used:,} have exactly one class, as the "
        "paper's target mode requires."
    )
    chart = figures_cohort.exclusion_flow(counts)
    draw.figure(chart, "browse_flow", "Files found, readable, labelled, used")
    losses = [
        ("unreadable, or a copy", counts["not_readable"]),
        ("not labelled", counts["not_labelled"]),
    ]
    losses += [
        (f"not used ({mode})", step["left_out"])
        for mode, step in counts["used"].items()
        if step["left_out"]
    ]
    rows = [(step, reason, n) for step, reasons in losses for reason, n in reasons.items()]
    _show_counts(rows, ("Lost as", "Reason"), "Records", "Reasons for losses at each step")


def show_refused(cohort: str) -> None:
    """Show the refused files by record id."""
    st.subheader("Refused files")
    rows = cached_browse.rejected_files(cohort)
    if not rows:
        st.caption("None: every file is a record or a copy of one.")
        return
    ingest_view.show_refused(rows, len(rows), "browse_refused")


def show_classes(audit: dict[str, Any]) -> None:
    """Show the records of each class under each label source."""
    st.subheader("Records of each class by label source")
    core, broad = audit["classes"]["core"], audit["classes"]["broad"]
    columns = {
        "expert, core": core["present"],
        "expert, broad": broad["present"],
        "unknown (core)": core["unknown"],
        "exactly one class": audit["flow"]["used"]["exclusive"]["classes"],
    }
    columns |= {
        f"criteria, {thresholds}": {code: by_class[code]["criteria"] for code in CODES}
        for thresholds, by_class in audit["criteria"].items()
    }
    rows = pd.DataFrame(columns, index=list(CODES)).map("{:,}".format)
    draw.table(rows, "Records of each class under each label source")
    st.caption(
        "Criteria: automatic measurements against published thresholds, unconfirmed."
        if audit["criteria"]
        else "Not measured: no criteria labels. Ingest the folder again with measurements."
    )


def show_rules(counts: dict[str, dict[str, int]]) -> None:
    """Show the records with exactly one class after each rule of the exclusive target mode."""
    st.subheader("Records with exactly one class, after each rule")
    rows = pd.DataFrame(counts).T[list(CODES)].map("{:,}".format)
    draw.table(rows, "Records with exactly one class after each rule of the exclusive targets")


def show_statements(statements: list[dict[str, Any]]) -> None:
    """Show the number of records of each statement, and the labels that it became."""
    st.subheader("Statements and the labels they became")
    rows = [
        {
            "statement": f"{statement['system']} {statement['code']}",
            "words": statement["words"] or "in no table",
            "records": statement["records"],
            "became": "; ".join(f"{n:,} {fate}" for fate, n in statement["became"].items()),
        }
        for statement in statements
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="browse_statements",
        height=320,
        alt="Statements with their records and the labels they became",
        column_config={"records": st.column_config.NumberColumn(format="localized")},
    )


def show_agreement(criteria: dict[str, dict[str, Any]]) -> None:
    """Show the agreement of labels from measurements with the experts' labels."""
    if not criteria:
        return
    st.subheader("Criteria against the experts (core tier)")
    thresholds = st.segmented_control(
        "Thresholds",
        list(criteria),
        default=next(iter(criteria)),
        required=True,
        key="browse_thresholds",
    )
    rows = {
        code: {
            "both": f"{counts['both']:,}",
            "expert only": f"{counts['expert_only']:,}",
            "criteria only": f"{counts['criteria_only']:,}",
            "not measured": f"{counts['not_measured']:,}",
            "sensitivity": draw.number(counts["sensitivity"]),
            "specificity": draw.number(counts["specificity"]),
        }
        for code, counts in criteria[thresholds].items()
    }
    draw.table(pd.DataFrame(rows).T, "Agreement of criteria labels with the experts'")


def show_doubts(audit: dict[str, Any]) -> None:
    """Show contradictions between statements, and labels that a measurement makes doubtful."""
    st.subheader("Contradictions and doubts")
    kinds = (("contradiction", audit["contradictions"]), ("doubt", audit["doubts"]))
    rows = [(kind, words, n) for kind, counts in kinds for words, n in counts.items()]
    if rows:
        _show_counts(rows, ("Kind", "Description"), "Records", "Contradictions and doubts")
    else:
        st.caption("None.")


def _show_counts(
    rows: list[tuple[str, str, int]], heads: tuple[str, str], number: str, alt: str
) -> None:
    if rows:
        table = pd.DataFrame(rows, columns=[*heads, number]).set_index(heads[0])
        draw.table(table.assign(**{number: table[number].map("{:,}".format)}), alt, (heads[1],))

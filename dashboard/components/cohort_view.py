"""A cohort as a whole: what became of the files found, what was refused, what the labels are."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import draw, figures_cohort
from dashboard.components import ingest_view
from dashboard.data import cached_browse
from ecgcore.labels.classes import CODES


def show(cohort: str) -> None:
    """Show the exclusion flow, what was refused, and the audit of the labels."""
    found = cached_browse.audit(cohort)
    flow(found["flow"])
    refused(cohort)
    classes(found)
    rules(found["rules"])
    statements(found["statements"])
    agreement(found["criteria"])
    doubts(found)


def flow(told: dict[str, Any]) -> None:
    """Show found → readable → labelled → used, with the reasons for each loss."""
    used = told["used"]["exclusive"]["used"]
    st.subheader("From files to records that a network learns from")
    st.write(
        f"Of {told['found']:,} files found {told['readable']:,} are records of this cohort, "
        f"{told['labelled']:,} of them are labelled, and {used:,} have one class alone, as the "
        "paper's target mode asks for."
    )
    draw.figure(figures_cohort.flow(told), "browse_flow", "Files found, readable, labelled, used")
    lost = [("unreadable, or a copy", told["not_readable"]), ("not labelled", told["not_labelled"])]
    lost += [
        (f"not used ({mode})", one["left_out"])
        for mode, one in told["used"].items()
        if one["left_out"]
    ]
    rows = [(step, why, n) for step, reasons in lost for why, n in reasons.items()]
    _counts(rows, ("Lost as", "Why"), "Records", "Why records were lost at each step")


def refused(cohort: str) -> None:
    """Show the files that were refused, by record id."""
    st.subheader("Refused files")
    rows = cached_browse.refused(cohort)
    if not rows:
        st.caption("None: each file that was found is a record, or a copy of one.")
        return
    ingest_view.refused(rows, len(rows), "browse_refused")


def classes(found: dict[str, Any]) -> None:
    """Show the records of each class under each label source."""
    st.subheader("Records of each class, policy beside policy")
    core, broad = found["classes"]["core"], found["classes"]["broad"]
    exclusive = found["flow"]["used"]["exclusive"]["classes"]
    columns = {
        "expert, core": core["present"], "expert, broad": broad["present"],
        "unknown (core)": core["unknown"], "one class alone": exclusive,
    } | {f"criteria, {name}": {c: of[c]["criteria"] for c in CODES}
         for name, of in found["criteria"].items()}  # fmt: skip
    rows = pd.DataFrame(columns, index=list(CODES)).map("{:,}".format)
    draw.table(rows, "Records of each class under each label source")
    st.caption(
        "Criteria: automatic measurements against published thresholds, unconfirmed."
        if found["criteria"]
        else "Not measured: no criteria labels. Ingest the folder again with measuring."
    )


def rules(told: dict[str, dict[str, int]]) -> None:
    """Show the records with one class alone after each rule of the target mode exclusive."""
    st.subheader("Records with exactly one class, after each rule")
    rows = pd.DataFrame(told).T[list(CODES)].map("{:,}".format)
    draw.table(rows, "Records with exactly one class after each rule of the exclusive targets")


def statements(told: list[dict[str, Any]]) -> None:
    """Show what was stated how often, and what became of it."""
    st.subheader("What was stated, and what became of it")
    rows = [
        {
            "statement": f"{one['system']} {one['code']}",
            "words": one["words"] or "in no table",
            "records": one["records"],
            "became": "; ".join(f"{n:,} {fate}" for fate, n in one["became"].items()),
        }
        for one in told
    ]
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, key="browse_statements", height=320,
        alt="Statements with their records and what they became",
        column_config={"records": st.column_config.NumberColumn(format="localized")},
    )  # fmt: skip


def agreement(told: dict[str, dict[str, Any]]) -> None:
    """Show how labels from measurements agree with the experts'."""
    if not told:
        return
    st.subheader("Criteria against the experts (core tier)")
    name = st.segmented_control(
        "Thresholds", list(told), default=next(iter(told)), required=True, key="browse_thresholds"
    )
    rows = {
        code: {
            "both": f"{one['both']:,}", "expert only": f"{one['expert_only']:,}",
            "criteria only": f"{one['criteria_only']:,}",
            "not measured": f"{one['not_measured']:,}",
            "sensitivity": draw.number(one["sensitivity"]),
            "specificity": draw.number(one["specificity"]),
        }
        for code, one in told[name].items()
    }  # fmt: skip
    draw.table(pd.DataFrame(rows).T, "Agreement of criteria labels with the experts'")


def doubts(found: dict[str, Any]) -> None:
    """Show contradictions between statements, and labels that a measurement doubts."""
    st.subheader("Contradictions and doubts")
    kinds = (("contradiction", found["contradictions"]), ("doubt", found["doubts"]))
    rows = [(kind, words, n) for kind, counted in kinds for words, n in counted.items()]
    if rows:
        _counts(rows, ("Kind", "What"), "Records", "Contradictions and doubts")
    else:
        st.caption("None.")


def _counts(
    rows: list[tuple[str, str, int]], heads: tuple[str, str], number: str, alt: str
) -> None:
    if rows:
        shown = pd.DataFrame(rows, columns=[*heads, number]).set_index(heads[0])
        draw.table(shown.assign(**{number: shown[number].map("{:,}".format)}), alt, (heads[1],))

"""Classify: upload one or several ECGs, or try an example, and see the networks' answers and maps.

Uploads stay in memory and are deleted with the session; names in them are not shown.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components import answer_view, controls, uploads
from dashboard.data import cached, cached_uploads
from dashboard.plain_text import csv_of, message
from ecgcore import RESEARCH_USE_ONLY
from ecgcore.errors import EcgError
from ecgcore.runs.run import Run

if TYPE_CHECKING:
    from ecgcore.inference.inputs import ClassifierInput

REFERRAL = {True: "refer", False: "", None: "n/a"}
Answers = dict[str, list[dict[str, Any]]]  # network name → its answer to each ECG


def choose_ecgs() -> uploads.UploadResult:
    """Show the file uploader and the examples; return the uploads, else the chosen example."""
    result = uploads.upload("classify")
    example = st.pills(
        "or try an example",
        list(cached.examples()),
        key="classify_example",
        bind=state.URL,
        help="Real ECGs from PTB-XL (CC BY 4.0), one for each class by its expert statements. A "
        "network may have been trained on them; see its run.",
    )
    if result.ecgs or result.refused or not example:
        return result
    record = cached.example(example)
    state.store_uploads({record.name: record})
    return uploads.UploadResult({record.name: record})


def classify(ecgs: "Mapping[str, ClassifierInput]", runs: Mapping[str, Run]) -> Answers:
    """Return each network's answer to each ECG, in order; show progress if there are many."""
    answers: Answers = {name: [] for name in runs}
    inputs, total = list(ecgs.values()), len(ecgs) * len(runs)
    bar = st.progress(0.0) if total > 2 * cached_uploads.BATCH else None
    for name, run in runs.items():
        for start in range(0, len(inputs), cached_uploads.BATCH):
            batch = inputs[start : start + cached_uploads.BATCH]
            answers[name] += cached_uploads.answers(run.id, batch)
            if bar:
                share = sum(map(len, answers.values())) / total
                bar.progress(share, f"{name}: {len(answers[name])} of {len(inputs)} ECGs")
    if bar:
        bar.empty()
    return answers


def answer_table(names: list[str], answers: Answers) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return one row per file, and the format of the probability columns."""
    columns: dict[str, list] = {"file": names}
    first = next(iter(answers.values()))
    columns["quality gate"] = [answer["gate"] for answer in first]
    columns["quality"] = ["; ".join(answer["quality"]) for answer in first]
    if any(answer["notes"] for answer in first):
        columns["notes"] = ["; ".join(answer["notes"]) for answer in first]
    formats = {}
    for name, rows in answers.items():
        columns[f"{name}: most probable"] = accepted_values(rows, "top")
        columns[f"{name}: refer"] = [REFERRAL[r] for r in accepted_values(rows, "refer")]
        columns[f"{name}: error"] = [row["error"] for row in rows]
        codes: list[str] = next((list(row["raw"]) for row in rows if row["raw"]), [])
        for key, suffix in (("probabilities", ""), ("raw", " raw")):
            for code in codes:
                column = f"{name}: {code}{suffix}"
                columns[column] = [p and p.get(code) for p in accepted_values(rows, key)]
                formats[column] = st.column_config.NumberColumn(format="%.3f")
    return pd.DataFrame(columns).dropna(axis=1, how="all"), formats


def accepted_values(answers: list[dict[str, Any]], key: str) -> list:
    """Return one value of each answer, None where the quality gate refused the recording."""
    return [answer[key] if answer["gate"] != "refused" else None for answer in answers]


def choose_file(table: pd.DataFrame, formats: dict[str, Any]) -> str:
    """Show the table with a download; return the selected file, at first the first one."""
    raw = [column for column in table if column.endswith(" raw")]
    event = st.dataframe(
        table.drop(columns=raw),
        hide_index=True,
        key="classify_table",
        on_select="rerun",
        column_config=formats,
        selection_mode="single-row",
        alt="Answers for each file",
    )
    st.download_button(
        "Download as CSV",
        csv_of(table.assign(notice=RESEARCH_USE_ONLY)),
        "classified.csv",
        "text/csv",
        icon=":material/download:",
        key="classify_csv",
        on_click="ignore",
    )
    selected = event.selection.rows
    return table["file"].iloc[selected[0] if selected else 0]


st.title("Classify")
st.write("Classify your own ECGs and see where each network found evidence for its answer.")
available = controls.classifying_runs()
if not available:
    st.info("There is no trained network yet. Train one first; it can then be used here at once.")
    controls.link("Train both", "train", "model_training")
    st.stop()
result = choose_ecgs()
chosen = controls.choose_runs("Networks (one or two)", "classify_runs", available)
for reason in result.refused:
    st.error(message(reason))
if not result.ecgs or not chosen:
    if not result.refused:
        st.info("Choose a network and upload an ECG, or try an example.")
    st.stop()
try:
    runs = dict(zip(controls.short_names(chosen), chosen, strict=True))
    answers = classify(result.ecgs, runs)
    names = list(result.ecgs)
    file = choose_file(*answer_table(names, answers)) if len(names) > 1 else names[0]
    index = names.index(file)
    of_file = {name: rows[index] for name, rows in answers.items()}
    answer_view.show(result.ecgs[file], of_file, runs)
except EcgError as error:
    st.error(message(error))

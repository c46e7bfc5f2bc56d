"""Classify: what do the networks say about an ECG, and where do they look? Upload one or several,
or try an example. Uploads stay in memory and go with the session; names in them are not shown."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components import answer_view, controls, uploads
from dashboard.data import cached, cached_uploads
from ecgcore import RESEARCH_USE_ONLY
from ecgcore.errors import EcgError
from ecgcore.runs.run import Run

if TYPE_CHECKING:
    from ecgcore.inference.inputs import ClassifierInput

REFER = {True: "refer", False: "", None: "n/a"}
Said = dict[str, list[dict[str, Any]]]


def brought() -> uploads.UploadResult:
    """Return what the visitor brings: uploads, else the example that was chosen."""
    given = uploads.ask("classify")
    example = st.pills(
        "or try an example", list(cached.examples()), key="classify_example", bind=state.URL,
        help="Real ECGs of PTB-XL (CC BY 4.0), one a class by its expert statements. A network "
        "may have been trained on them: see its run.",
    )  # fmt: skip
    if given.sights or given.refused or not example:
        return given
    record = cached.example(example)
    state.keep_uploads({record.name: record})
    return uploads.UploadResult({record.name: record})


def ask(sights: "Mapping[str, ClassifierInput]", runs: Mapping[str, Run]) -> Said:
    """Return each network's answer to each ECG, in order; many are asked in parts."""
    said: Said = {name: [] for name in runs}
    asked, total = list(sights.values()), len(sights) * len(runs)
    bar = st.progress(0.0) if total > 2 * cached_uploads.CHUNK else None
    for name, run in runs.items():
        for start in range(0, len(asked), cached_uploads.CHUNK):
            part = asked[start : start + cached_uploads.CHUNK]
            said[name] += cached_uploads.answers(run.id, part)
            if bar:
                done = sum(map(len, said.values()))
                bar.progress(done / total, f"{name}: {len(said[name])} of {len(asked)} ECGs")
    if bar:
        bar.empty()
    return said


def table(names: list[str], said: Said) -> str:
    """Show a row a file and return the one to look at; a refused one has no answer."""
    columns: dict[str, list] = {"file": names}
    first = next(iter(said.values()))
    columns["quality gate"] = [a["gate"] for a in first]
    columns["quality"] = ["; ".join(a["quality"]) for a in first]
    decimals = {}
    for name, answers in said.items():
        fit = [a["gate"] != "refused" for a in answers]
        columns[f"{name}: most probable"] = told(answers, fit, "top")
        columns[f"{name}: refer"] = [REFER[r] for r in told(answers, fit, "refer")]
        columns[f"{name}: error"] = [a["error"] for a in answers]
        codes: list[str] = next((list(a["raw"]) for a in answers if a["raw"]), [])
        for kind, label in (("probabilities", ""), ("raw", " raw")):
            for code in codes:
                columns[f"{name}: {code}{label}"] = [
                    p and p.get(code) for p in told(answers, fit, kind)
                ]
                decimals[f"{name}: {code}{label}"] = st.column_config.NumberColumn(format="%.3f")
    return _shown(pd.DataFrame(columns).dropna(axis=1, how="all"), decimals)


def told(answers: list[dict[str, Any]], fit: list[bool], key: str) -> list:
    """Return one field of each answer, None where the gate refuses it."""
    return [a[key] if f else None for a, f in zip(answers, fit, strict=True)]


def _shown(rows: pd.DataFrame, decimals: dict[str, Any]) -> str:
    raw = [name for name in rows if name.endswith(" raw")]
    shown = st.dataframe(
        rows.drop(columns=raw), hide_index=True, key="classify_table", on_select="rerun",
        column_config=decimals, selection_mode="single-row", alt="Answers for each file",
    )  # fmt: skip
    st.download_button(
        "Download as CSV", rows.assign(notice=RESEARCH_USE_ONLY).to_csv(index=False),
        "classified.csv", "text/csv",
        icon=":material/download:", key="classify_csv", on_click="ignore",
    )  # fmt: skip
    chosen = shown.selection.rows
    return rows["file"].iloc[chosen[0] if chosen else 0]


st.title("Classify")
st.write("What do the networks say about an ECG, and where do they look?")
there = controls.answering()
if not there:
    st.info("There is no trained network yet. Train one first; it can answer here at once.")
    controls.link("Train both", "train", "model_training")
    st.stop()
given = brought()
chosen = controls.choose_runs("Networks (one or two)", "classify_runs", there)
for why in given.refused:
    st.error(why)
if not given.sights or not chosen:
    if not given.refused:
        st.info("Choose a network and an ECG, or try an example.")
    st.stop()
try:
    runs = dict(zip(controls.short_names(chosen), chosen, strict=True))
    said = ask(given.sights, runs)
    names = list(given.sights)
    name = table(names, said) if len(names) > 1 else names[0]
    place = names.index(name)
    answer_view.show(given.sights[name], {n: a[place] for n, a in said.items()}, runs)
except EcgError as error:
    st.error(str(error))

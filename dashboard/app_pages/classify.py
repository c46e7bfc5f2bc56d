"""Classify: what do the networks say about an ECG, and where do they look? Upload one or several,
or try an example. Uploads stay in memory and go with the session; names in them are not shown."""

import pandas as pd
import streamlit as st

from dashboard import cached, controls, draw, figures, palette, paper, state
from ecgcore import RESEARCH_USE_ONLY
from ecgcore.errors import EcgError
from ecgcore.records.record import Record
from ecgcore.training.run import Run

REFER = {True: "refer", False: "", None: "n/a"}


def asked() -> tuple[dict[str, Record], dict[str, str]]:
    """Return the records to classify (name → record), and what cannot be read (name → why)."""
    uploaded = st.file_uploader(
        "ECG files: WFDB (.hea with its .mat or .dat), CSV, .mat, HDF5, DICOM, aECG, MUSE, "
        "CardioSoft, Philips, SCP-ECG, EDF, ISHNE, or a .zip of them; one or several",
        accept_multiple_files=True, key="classify_files",
    )  # fmt: skip
    with st.expander("A file that states neither its rate nor its leads"):
        fs_hz = st.number_input(
            "Rate, Hz", 50.0, 2000.0, None, key="classify_fs_hz", placeholder="as the file states"
        )
        in_order = st.checkbox(
            "Its twelve columns are I, II, III, aVR, aVL, aVF, V1 to V6", key="classify_in_order"
        )
    example = st.pills(
        "or try an example", list(cached.examples()), key="classify_example", bind=state.URL,
        help="Real ECGs of PTB-XL (CC BY 4.0), one a class by its expert statements. A network "
        "may have been trained on them: see its run.",
    )  # fmt: skip
    if uploaded:
        files = {file.name: file.getvalue() for file in uploaded}
        found = cached.read_upload(files, fs_hz, in_order)
        read = {name: r for name, r in found if isinstance(r, Record)}
        state.keep_uploads(read)
        return read, {name: str(r) for name, r in found if not isinstance(r, Record)}
    if example:
        record = cached.example(example)
        state.keep_uploads({record.name: record})
        return {record.name: record}, {}
    return {}, {}


def table(records: dict[str, Record], by_run: dict[str, list[dict]]) -> str:
    """Show a row a record and return the one to look at."""
    columns: dict[str, list] = {"record": list(records)}
    decimals = {}
    for name, answers in by_run.items():
        columns[f"{name}: most probable"] = [a["top"] for a in answers]
        columns[f"{name}: refer"] = [REFER[a["refer"]] for a in answers]
        for code in answers[0]["probabilities"]:
            columns[f"{name}: {code}"] = [a["probabilities"][code] for a in answers]
            decimals[f"{name}: {code}"] = st.column_config.NumberColumn(format="%.3f")
    rows = pd.DataFrame(columns)
    shown = st.dataframe(
        rows, hide_index=True, key="classify_table", on_select="rerun", column_config=decimals,
        selection_mode="single-row", alt="Probabilities of each record",
    )  # fmt: skip
    st.download_button(
        "Download as CSV", rows.assign(notice=RESEARCH_USE_ONLY).to_csv(index=False),
        "classified.csv", "text/csv",
        icon=":material/download:", key="classify_csv", on_click="ignore",
    )  # fmt: skip
    chosen = shown.selection.rows
    return rows["record"].iloc[chosen[0] if chosen else 0]


def verdict(answers: dict[str, dict]) -> str:
    """Return in one sentence what the networks say."""
    tops = {name: a["top"] for name, a in answers.items()}
    parts = [f"{name} {a['probabilities'][a['top']]:.3f}" for name, a in answers.items()]
    if len(set(tops.values())) == 1:
        code = next(iter(tops.values()))
        return f"Most probable: **{controls.class_name(code)}** ({', '.join(parts)})."
    said = [f"{name} says **{code}**" for name, code in tops.items()]
    return f"The networks differ: {', '.join(said)} ({', '.join(parts)})."


def show(record: Record, answers: dict[str, dict], runs: dict[str, Run]) -> None:
    """Show the answer first, then the ECG, then where the network looked."""
    st.write(verdict(answers))
    said = f"Its source states {', '.join(cached.stated(record)) or 'none of the classes'}."
    worth = "; ".join(
        f"{name} reads {controls.sight(run)}: {controls.worth(run)}" for name, run in runs.items()
    )
    st.caption(f"Record {record.name}. {said if record.statements else ''} {worth}.")
    draw.quality(cached.quality(record))
    called = {
        name: " and ".join(cached.called(run.id, answers[name]["probabilities"])) or "none"
        for name, run in runs.items()
        if run.meta["target_mode"] == "multilabel"
    }
    if called:
        told = "; ".join(f"{name} calls {codes}" for name, codes in called.items())
        st.caption(f"At each class's threshold {told}.")
    if len({run.meta["target_mode"] for run in runs.values()}) > 1:
        st.caption("One network chooses one class (sums to 1), the other judges each by itself.")
    if doubt := {name: a["uncertain"] for name, a in answers.items() if a["refer"]}:
        told = "; ".join(f"{n} about {', '.join(c) or 'every class'}" for n, c in doubt.items())
        st.warning(f"Uncertain: refer. Not sure is {told}.", icon=":material/person_search:")
    colours = list(palette.MODEL[state.is_dark()].values())
    bars = {name: answer["probabilities"] for name, answer in answers.items()}
    drawn = figures.probabilities(bars, colours[: len(bars)])
    draw.figure(drawn, "classify_bars", "Calibrated probability of each class by each network")
    name, answer = list(answers.items())[-1]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        how = paper.choices(record, "classify") | {"measured": cached.measured(record)}
    page = st.empty()  # the ECG at once, what lies behind its traces as soon as it is there
    with page:
        draw.paper(record, state.is_dark(), **how)
    found = cached.explain(runs[name].id, record, answer["top"], "gradcam")
    with page:
        draw.explained_paper(record, state.is_dark(), found, **how)
    st.caption(f"Behind the trace: Grad-CAM of {name} for {answer['top']}. {found.message}")
    looked_at = {"saliency_class": answer["top"]}
    controls.link("See the maps", "saliency", "center_focus_strong", looked_at)


st.title("Classify")
st.write("What do the networks say about an ECG, and where do they look?")
there = controls.answering()
if not there:
    st.info("There is no trained network yet. Train one first; it can answer here at once.")
    controls.link("Train both", "train", "model_training")
    st.stop()
chosen = controls.choose_runs("Networks (one or two)", "classify_runs", there)
records, unreadable = asked()
for why in unreadable.values():
    st.error(why)
if not records or not chosen:
    if not unreadable:
        st.info("Choose a network and an ECG, or try an example.")
    st.stop()
try:
    runs = dict(zip(controls.short_names(chosen), chosen, strict=True))
    by_run = {n: cached.answers(r.id, list(records.values())) for n, r in runs.items()}
    name = table(records, by_run) if len(records) > 1 else next(iter(records))
    place = list(records).index(name)
    show(records[name], {n: a[place] for n, a in by_run.items()}, runs)
except EcgError as error:
    st.error(str(error))

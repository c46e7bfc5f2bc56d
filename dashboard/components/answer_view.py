"""One ECG and the networks' answers: the classes first, then the relevance map."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures, palette, paper
from dashboard.charts.figures_answers import Side, answer_bars
from dashboard.components import controls
from dashboard.data import cached, cached_uploads
from dashboard.plain_text import message
from ecgcore.evaluation.ranked_classes import ranked_classes
from ecgcore.imaging.png import NetworkImage
from ecgcore.measurement.quality_gate import DOUBTFUL, REFUSED
from ecgcore.records.record import Record
from ecgcore.runs.run import Run

Answers = Mapping[str, dict[str, Any]]
"""Network name → its answer."""
NO_SIGNAL = "no signal"
N_PROBABLE = 3  # classes listed after the most probable one
MAX_NAMED = 8  # classes named in a sentence
MAX_BARS = 12


def show(ecg: Record | NetworkImage, answers: Answers, runs: Mapping[str, Run]) -> None:
    """Show the answer first, then the ECG, then the relevance map."""
    for name, answer in answers.items():
        if answer["error"]:
            st.error(message(f"{name}: {answer['error']}"))
    answers = {name: answer for name, answer in answers.items() if not answer["error"]}
    verdict, reasons = _quality_gate(ecg)
    has_answer = bool(answers) and verdict != REFUSED
    if has_answer:
        st.markdown(f"{finding(answers, runs)}  \n{_calls(answers)}")
        _show_ranked(answers, runs)
        _show_referral(ecg, answers, runs)
    _show_quality_gate(verdict, reasons)
    _describe(ecg, {name: runs[name] for name in answers})
    if has_answer:
        _show_bars(answers, runs)
        _show_map(ecg, answers, runs)
    elif isinstance(ecg, Record):
        paper.show(ecg, "classify", cached.measurements(ecg))


def finding(answers: Answers, runs: Mapping[str, Run]) -> str:
    """Return the networks' answers in one sentence."""
    tops = {name: controls.class_title(a["top"], runs[name]) for name, a in answers.items()}
    probabilities = ", ".join(
        f"{name} {a['probabilities'][a['top']]:.3f}" for name, a in answers.items()
    )
    if len(set(tops.values())) == 1:
        return f"Most probable: **{next(iter(tops.values()))}** ({probabilities})."
    statements = ", ".join(f"{name} says **{title}**" for name, title in tops.items())
    if len(_by_classes(answers)) > 1:
        return f"The networks answer different classes: {statements} ({probabilities})."
    return f"The networks differ: {statements} ({probabilities})."


def _calls(answers: Answers) -> str:
    """Return the classes called present, each at its own threshold."""
    calls = {
        name: ", ".join(f"**{code}**" for code in answer["called"]) or "**none**"
        for name, answer in answers.items()
    }
    text = "; ".join(f"{name} {codes}" for name, codes in calls.items())
    if len(set(calls.values())) == 1:
        text = next(iter(calls.values()))
    return f"Called, each class at its own threshold: {text}."


def _show_ranked(answers: Answers, runs: Mapping[str, Run]) -> None:
    """Name the classes that reach their threshold but are not called, and how such calls fared."""
    for name, answer in answers.items():
        ranked = ranked_classes(runs[name].evaluation)
        if answer["ranked"]:
            named = "; ".join(
                f"**{code}** {answer['probabilities'][code]:.3f}, {ranked[code].right:,} of "
                f"{ranked[code].calls:,} such answers on test records were right"
                for code in answer["ranked"]
            )
            st.warning(f"{name} ranks high but does not call: {named}.", icon=":material/sort:")


def _by_classes(answers: Answers) -> list[list[str]]:
    """Return the network names, grouped by the classes that they answer."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, answer in answers.items():
        groups.setdefault(tuple(answer["probabilities"]), []).append(name)
    return list(groups.values())


def _list_classes(codes: Sequence[str], by_class: Mapping[str, float]) -> str:
    """Return class codes as text; of many, their number and the most probable ones."""
    if len(codes) <= MAX_NAMED:
        return ", ".join(codes)
    first = sorted(codes, key=lambda code: -by_class[code])[:N_PROBABLE]
    return f"{len(codes)} of {len(by_class)} classes (most probable: {', '.join(first)})"


def _show_referral(ecg: Record | NetworkImage, answers: Answers, runs: Mapping[str, Run]) -> None:
    """Show which networks refer the ECG for review, and how reliable the others are."""
    if referring := {name: answer for name, answer in answers.items() if answer["refer"]}:
        text = "; ".join(
            f"{name} about {_list_classes(a['uncertain'], a['probabilities']) or 'every class'}"
            for name, a in referring.items()
        )
        st.warning(f"Flagged for review. Uncertain: {text}.", icon=":material/person_search:")
    if confident := [name for name, answer in answers.items() if answer["refer"] is False]:
        texts = [_reliability_text(name, runs[name], ecg) for name in confident]
        reliability = "; ".join(text for text in texts if text)
        st.caption(
            f"Not flagged for review by {' and '.join(confident)}: no class is in its uncertain "
            "range. This does not rule out disease"
            f"{f': {reliability}' if reliability else ''}."
        )


def _reliability_text(name: str, run: Run, ecg: Record | NetworkImage) -> str:
    """Return how often answers that were not flagged were right, for a source of the training.

    Of another source's recording no share is stated: it is lower there, and not known.
    """
    sources = cached_uploads.training_sources(run.id)
    if not isinstance(ecg, Record) or ecg.source not in sources:
        known = f" ({', '.join(sorted(sources))})" if sources else ""
        return (
            f"how often {name} is right about such recordings is not known, since this one is not "
            f"known to come from a source that it was trained on{known}"
        )
    referral = (run.evaluation or {}).get("refer") or {}
    if referral.get("right_answered") is None:
        return ""
    percent = 100 * referral["right_answered"]
    return f"{name} had every class right in {percent:.0f} % of its test records not flagged"


def _quality_gate(ecg: Record | NetworkImage) -> tuple[str, tuple[str, ...]]:
    """Return the quality gate's verdict and reasons; a network image has no signal to judge."""
    if isinstance(ecg, NetworkImage):
        return NO_SIGNAL, ()
    result = cached_uploads.quality_gate(ecg)
    return result["verdict"], result["reasons"]


def _show_quality_gate(verdict: str, reasons: tuple[str, ...]) -> None:
    if verdict == REFUSED:
        st.error(
            f"No answer: this recording is not fit for interpretation ({'; '.join(reasons)}). "
            "Correct the file, or record the ECG again.",
            icon=":material/block:",
        )
    elif verdict == DOUBTFUL:
        st.warning(f"Quality: {'; '.join(reasons)}", icon=":material/troubleshoot:")
    elif verdict == NO_SIGNAL:
        st.caption("Quality: not assessed, because a network image contains no signal.")
    else:
        st.caption("Quality: the automatic checks raised no flag.")


def _describe(ecg: Record | NetworkImage, runs: Mapping[str, Run]) -> None:
    """Show the record's name and statements, and the networks' input and scores."""
    text = f"Record {ecg.name}."
    if isinstance(ecg, Record) and ecg.statements:
        stated = ", ".join(cached.stated_classes(ecg)) or "none of the classes"
        text += f" Its source states {stated}."
    if ecg.notes:
        text += f" Note: {'; '.join(ecg.notes)}."
    networks = "; ".join(
        f"{name} reads {controls.input_text(run)}: {controls.performance_text(run)}"
        for name, run in runs.items()
    )
    st.caption(f"{text} {networks}." if networks else text)
    if isinstance(ecg, Record):
        trained = [n for n, run in runs.items() if cached_uploads.was_trained_on(run.id, ecg)]
        if trained:
            st.caption(
                f"{' and '.join(trained)} {'was' if len(trained) == 1 else 'were'} trained on this "
                "record: the answer here does not show how well new records are classified."
            )
    if len({run.meta["target_mode"] for run in runs.values()}) > 1:
        st.caption(
            "One network chooses exactly one class (its probabilities sum to 1); the other judges "
            "each class separately."
        )


def _show_bars(answers: Answers, runs: Mapping[str, Run]) -> None:
    """Show a bar chart for each set of classes, and tables of the called and probable ones."""
    left, right = st.columns(2, gap="medium")
    with left:
        raw = st.toggle("Raw values beside calibrated", key="classify_raw", bind=state.URL)
        colours = dict(zip(answers, palette.MODEL[state.is_dark()].values(), strict=False))
        for i, names in enumerate(_by_classes(answers)):
            codes = _classes_to_plot({name: answers[name] for name in names}, i)
            sides = {
                name: _side(answers[name], colours[name], runs[name].id, codes, raw)
                for name in names
            }
            alt = (
                f"Calibrated probability of each class by {' and '.join(names)}, thresholds, "
                "uncertain ranges"
            )
            draw.figure(answer_bars(sides, state.is_dark()), f"classify_bars_{i}", alt)
    with right:
        _show_tables(answers, runs)


def _classes_to_plot(answers: Answers, index: int) -> list[str]:
    """Return the classes to plot: of many, the most probable by any network unless all are on."""
    by_class = next(iter(answers.values()))["probabilities"]
    highest = {code: max(a["probabilities"][code] for a in answers.values()) for code in by_class}
    if len(highest) <= MAX_BARS:
        return list(highest)
    plot_all = st.toggle(
        f"All {len(highest)} classes, not the {MAX_BARS} most probable",
        key=f"classify_all_{index}",
        bind=state.URL,
    )
    by_probability = sorted(highest, key=lambda code: -highest[code])
    return list(highest) if plot_all else by_probability[:MAX_BARS]


def _side(
    answer: Mapping[str, Any], colour: str, run_id: str, codes: Sequence[str], raw: bool
) -> Side:
    def select(by_class: Mapping[str, Any]) -> dict[str, Any]:
        return {code: by_class[code] for code in codes if code in by_class}

    return Side(
        select(answer["probabilities"]),
        colour,
        select(cached_uploads.thresholds(run_id)),
        select(cached_uploads.uncertain_bands(run_id)),
        select(answer["raw"]) if raw else None,
    )


def _show_tables(answers: Answers, runs: Mapping[str, Run]) -> None:
    """Show the classes that each network calls and the most probable others, with test results."""
    for name, answer in answers.items():
        run, by_class = runs[name], answer["probabilities"]
        order = sorted(by_class, key=lambda code: (code not in answer["called"], -by_class[code]))
        thresholds = cached_uploads.thresholds(run.id)
        tested = (run.evaluation or {}).get("classes", {})
        rows = {
            controls.class_title(code, run): {
                "probability": f"{by_class[code]:.3f}",
                "threshold": draw.number(thresholds.get(code)),
                "answer": _call_text(code, answer),
                "recall, precision (n)": _test_text(tested.get(code, {})),
            }
            for code in order[: max(N_PROBABLE + 1, len(answer["called"]))]
        }
        st.caption(f"{name}: classes called, then the most probable others")
        alt = f"Classes called and most probable by {name}"
        draw.table(pd.DataFrame(rows).T, alt, ("answer",))
    st.caption(
        "Recall: the share of a class's test records that were called. Precision: the share of "
        "calls on test records that were right. n: test records of the class."
    )


def _call_text(code: str, answer: Mapping[str, Any]) -> str:
    call = "called" if code in answer["called"] else "no"
    call = "ranked high, not called" if code in answer["ranked"] else call
    return f"{call}, uncertain" if code in (answer["uncertain"] or ()) else call


def _test_text(tested: Mapping[str, Any]) -> str:
    """Return recall and precision of a class on a network's own test records."""
    if not tested.get("n"):
        return "n/a"
    recall, precision = (draw.number(tested[name], 2) for name in ("recall", "precision"))
    return f"{recall}, {precision} ({tested['n']:,})"


def _show_map(ecg: Record | NetworkImage, answers: Answers, runs: Mapping[str, Run]) -> None:
    """Show the ECG at once, and the map behind its traces as soon as it is computed."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name, code = _choose_map(answers)
        options = paper.choose_layout(ecg, "classify") if isinstance(ecg, Record) else {}
    if isinstance(ecg, NetworkImage):
        explanation = cached.explain(runs[name].id, ecg, code, "grad_cam")
        alt = f"Network image with the map of {name} for {code}"
        if explanation.map is None:
            draw.network_image(explanation.image, alt)
        else:
            draw.relevance_image(explanation.image, explanation.map, alt)
    else:
        options |= {"measurements": cached.measurements(ecg)}
        explanation = _map_on_paper(ecg, runs[name].id, code, options)
    st.caption(f"Behind the trace: Grad-CAM of {name} for {code}. {explanation.message}")
    if any(explanation.lead_relevance.values()):
        colours = dict(zip(answers, palette.MODEL[state.is_dark()].values(), strict=False))
        chart = figures.lead_relevance({name: explanation.lead_relevance}, [colours[name]])
        draw.figure(chart, "classify_leads", f"Share of relevance by lead for {code}, {name}")
    controls.link(
        "Look closer: other methods, trust",
        "saliency",
        "center_focus_strong",
        {"saliency_class": code},
    )


def _choose_map(answers: Answers) -> tuple[str, str]:
    """Show controls for the map; return the network and the class."""
    names = list(answers)
    state.ensure_option("classify_map_of", names, names[-1])
    if len(names) > 1:
        st.segmented_control("Map of", names, required=True, key="classify_map_of", bind=state.URL)
    name = st.session_state["classify_map_of"]
    by_class = answers[name]["probabilities"]
    codes = sorted(by_class, key=lambda code: -by_class[code])
    current = (answers[name]["record"], codes)
    if st.session_state.get("classify_class_of") != current:
        st.session_state["classify_class_of"] = current  # another ECG: its most probable class
        st.session_state["classify_class"] = codes[0]
    st.selectbox("for class", codes, index=None, key="classify_class", width=120)
    return name, st.session_state["classify_class"]


def _map_on_paper(record: Record, run_id: str, code: str, options: dict[str, Any]) -> Any:
    """Draw the page, and once more with the map behind the traces when it is computed."""
    page = st.empty()
    request = (cached.BY_CONTENT[Record](record), run_id, code)
    if st.session_state.get("classify_explained") != request:
        with page:
            draw.paper(record, state.is_dark(), **options)
    explanation = cached.explain(run_id, record, code, "grad_cam")
    st.session_state["classify_explained"] = request
    with page:
        draw.explained_paper(record, state.is_dark(), explanation, **options)
    return explanation

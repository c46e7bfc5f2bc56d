"""One ECG and what the networks say of it: the class at once, the map after it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.asking import cached, cached_visits
from dashboard.drawing import draw, figures, palette, paper
from dashboard.drawing.figures_answers import Side, answers
from dashboard.parts import controls
from ecgcore.imaging.png import Picture
from ecgcore.measure.gate import DOUBTFUL, REFUSED
from ecgcore.records.record import Record
from ecgcore.training.run import Run

Answers = Mapping[str, dict[str, Any]]
NEXT = 3  # classes that are named beside the most probable
MOST_NAMED = 8  # in a sentence
MOST_DRAWN = 12


def show(sight: Record | Picture, said: Answers, runs: Mapping[str, Run]) -> None:
    """Show the answer first, then the ECG, then where the network looked."""
    for name, answer in said.items():
        if answer["error"]:
            st.error(f"{name}: {answer['error']}")
    said = {name: answer for name, answer in said.items() if not answer["error"]}
    verdict, reasons = _gate(sight)
    if said and verdict != REFUSED:
        st.markdown(finding(said, runs))
        _doubt(said)
    _told_gate(verdict, reasons)
    _about(sight, {name: runs[name] for name in said})
    if said and verdict != REFUSED:
        _bars(said, runs)
        _explained(sight, said, runs)
    elif isinstance(sight, Record):
        paper.show(sight, "classify", cached.measured(sight))


def finding(said: Answers, runs: Mapping[str, Run]) -> str:
    """Return in one sentence what the networks say."""
    tops = {name: controls.class_name(a["top"], runs[name]) for name, a in said.items()}
    parts = ", ".join(f"{name} {a['probabilities'][a['top']]:.3f}" for name, a in said.items())
    if len(set(tops.values())) == 1:
        return f"Most probable: **{next(iter(tops.values()))}** ({parts})."
    told = ", ".join(f"{name} says **{words}**" for name, words in tops.items())
    if len(_by_classes(said)) > 1:
        return f"Asked for different classes, {told} ({parts})."
    return f"The networks differ: {told} ({parts})."


def _by_classes(said: Answers) -> list[list[str]]:
    """Return the names of networks, those together that answer the same classes."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, answer in said.items():
        groups.setdefault(tuple(answer["probabilities"]), []).append(name)
    return list(groups.values())


def _named(codes: Sequence[str], by_class: Mapping[str, float]) -> str:
    """Return classes in words; of many their number and the most probable of them."""
    if len(codes) <= MOST_NAMED:
        return ", ".join(codes)
    first = sorted(codes, key=lambda code: -by_class[code])[:NEXT]
    return f"{len(codes)} of {len(by_class)} classes (most probable: {', '.join(first)})"


def _doubt(said: Answers) -> None:
    if doubt := {name: a for name, a in said.items() if a["refer"]}:
        told = "; ".join(
            f"{name} about {_named(a['uncertain'], a['probabilities']) or 'every class'}"
            for name, a in doubt.items()
        )
        st.warning(f"Uncertain: refer. Not sure is {told}.", icon=":material/person_search:")
    elif all(a["refer"] is False for a in said.values()):
        st.caption("Sure enough: no probability lies in a band in which the networks often err.")


def _gate(sight: Record | Picture) -> tuple[str, tuple[str, ...]]:
    if isinstance(sight, Picture):
        return "picture", ()
    found = cached_visits.gate(sight)
    return found["verdict"], found["reasons"]


def _told_gate(verdict: str, reasons: tuple[str, ...]) -> None:
    if verdict == REFUSED:
        st.error(
            f"No answer: this recording is not fit to be read ({'; '.join(reasons)}). Correct the "
            "file, or record it again.", icon=":material/block:",
        )  # fmt: skip
    elif verdict == DOUBTFUL:
        st.warning(f"Quality: {'; '.join(reasons)}", icon=":material/troubleshoot:")
    elif verdict == "picture":
        st.caption("A picture holds no signal whose quality could be judged.")
    else:
        st.caption("Quality: nothing doubtful found by the automatic checks.")


def _about(sight: Record | Picture, runs: Mapping[str, Run]) -> None:
    """Say which record it is, what its source states, and how good the networks are."""
    told = f"Record {sight.name}."
    if isinstance(sight, Record) and sight.statements:
        told += f" Its source states {', '.join(cached.stated(sight)) or 'none of the classes'}."
    if sight.notes:
        told += f" Note: {'; '.join(sight.notes)}."
    worth = "; ".join(
        f"{n} reads {controls.sight(r)}: {controls.worth(r)}" for n, r in runs.items()
    )
    st.caption(f"{told} {worth}." if worth else told)
    if len({run.meta["target_mode"] for run in runs.values()}) > 1:
        st.caption("One network chooses one class (sums to 1), the other judges each by itself.")


def _bars(said: Answers, runs: Mapping[str, Run]) -> None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        raw = st.toggle("Raw values beside calibrated", key="classify_raw", bind=state.URL)
        colours = dict(zip(said, palette.MODEL[state.is_dark()].values(), strict=False))
        for place, names in enumerate(_by_classes(said)):
            codes = _shown_classes({name: said[name] for name in names}, place)
            sides = {
                name: _side(said[name], colours[name], runs[name].id, codes, raw) for name in names
            }
            alt = (
                f"Calibrated probability of each class by {' and '.join(names)}, thresholds, "
                "uncertain bands"
            )
            draw.figure(answers(sides, state.is_dark()), f"classify_bars_{place}", alt)
    with right:
        _alternatives(said, runs)


def _shown_classes(said: Answers, place: int) -> list[str]:
    """Return the classes to draw: of many the most probable by any network, all if asked."""
    by_class = next(iter(said.values()))["probabilities"]
    highest = {code: max(a["probabilities"][code] for a in said.values()) for code in by_class}
    if len(highest) <= MOST_DRAWN:
        return list(highest)
    all_of_them = st.toggle(
        f"All {len(highest)} classes, not the {MOST_DRAWN} most probable",
        key=f"classify_all_{place}", bind=state.URL,
    )  # fmt: skip
    first = sorted(highest, key=lambda code: -highest[code])
    return list(highest) if all_of_them else first[:MOST_DRAWN]


def _side(
    answer: Mapping[str, Any], colour: str, run_id: str, codes: Sequence[str], raw: bool
) -> Side:
    def kept(by_class: Mapping[str, Any]) -> dict[str, Any]:
        return {code: by_class[code] for code in codes if code in by_class}

    return Side(
        kept(answer["probabilities"]), colour, kept(cached_visits.thresholds(run_id)),
        kept(cached_visits.bands(run_id)), kept(answer["raw"]) if raw else None,
    )  # fmt: skip


def _alternatives(said: Answers, runs: Mapping[str, Run]) -> None:
    """Name each network's most probable classes, and what it calls at its thresholds."""
    for name, answer in said.items():
        by_class = answer["probabilities"]
        first = sorted(by_class, key=lambda code: -by_class[code])[: NEXT + 1]
        called = cached_visits.thresholds(runs[name].id)
        rows = {
            controls.class_name(code, runs[name]): {
                "probability": f"{by_class[code]:.3f}",
                "at its threshold": _called(code, by_class[code], called),
                "certain": "no" if code in (answer["uncertain"] or ()) else "yes",
            }
            for code in first
        }
        st.caption(f"{name}: top alternatives")
        left = ("at its threshold", "certain")
        draw.table(pd.DataFrame(rows).T, f"Most probable classes by {name}", left)

    called_by = {
        name: _named(cached.called(runs[name].id, a["probabilities"]), a["probabilities"]) or "none"
        for name, a in said.items()
        if cached_visits.thresholds(runs[name].id)
    }
    if called_by:
        told = "; ".join(f"{name} calls {codes}" for name, codes in called_by.items())
        st.caption(f"At each class's threshold {told}.")


def _called(code: str, p: float, thresholds: Mapping[str, float]) -> str:
    if code not in thresholds:
        return "n/a"
    return "called" if p >= thresholds[code] else "not called"


def _explained(sight: Record | Picture, said: Answers, runs: Mapping[str, Run]) -> None:
    """Show the ECG at once, and what lies behind its traces as soon as it is there."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name, code = _asked_about(said)
        how = paper.choices(sight, "classify") if isinstance(sight, Record) else {}
    if isinstance(sight, Picture):
        found = cached.explain(runs[name].id, sight, code, "grad_cam")
        alt = f"The picture, with the map of {name} for {code}"
        if found.map is None:
            draw.network_image(found.image, alt)
        else:
            draw.relevance_image(found.image, found.map, alt)
    else:
        found = _on_paper(sight, runs[name].id, code, how | {"measured": cached.measured(sight)})
    st.caption(f"Behind the trace: Grad-CAM of {name} for {code}. {found.message}")
    if any(found.lead_relevance.values()):
        colours = dict(zip(said, palette.MODEL[state.is_dark()].values(), strict=False))
        bars = figures.lead_relevance({name: found.lead_relevance}, [colours[name]])
        draw.figure(bars, "classify_leads", f"Share of relevance by lead for {code}, {name}")
    looked_at = {"saliency_class": code}
    controls.link("Look closer: other methods, trust", "saliency", "center_focus_strong", looked_at)


def _asked_about(said: Answers) -> tuple[str, str]:
    """Let the visitor choose whose map of which class is behind the traces."""
    names = list(said)
    state.settle("classify_map_of", names, names[-1])
    if len(names) > 1:
        st.segmented_control("Map of", names, required=True, key="classify_map_of", bind=state.URL)
    name = st.session_state["classify_map_of"]
    by_class = said[name]["probabilities"]
    codes = sorted(by_class, key=lambda code: -by_class[code])
    if st.session_state.get("classify_class_of") != (asked := (said[name]["record"], codes)):
        st.session_state["classify_class_of"] = asked  # another ECG: its own most probable class
        st.session_state["classify_class"] = codes[0]
    st.selectbox("for class", codes, index=None, key="classify_class", width=120)
    return name, st.session_state["classify_class"]


def _on_paper(record: Record, run_id: str, code: str, how: dict[str, Any]) -> Any:
    """Draw the page, and again with the map behind the traces once it is there."""
    page = st.empty()
    asked = (cached.BY_CONTENT[Record](record), run_id, code)
    if st.session_state.get("classify_explained") != asked:
        with page:
            draw.paper(record, state.is_dark(), **how)
    found = cached.explain(run_id, record, code, "grad_cam")
    st.session_state["classify_explained"] = asked
    with page:
        draw.explained_paper(record, state.is_dark(), found, **how)
    return found

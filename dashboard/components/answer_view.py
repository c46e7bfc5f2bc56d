"""One ECG and what the networks say of it: the class at once, the map after it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures, palette, paper
from dashboard.charts.figures_answers import Side, answers
from dashboard.components import controls
from dashboard.data import cached, cached_uploads
from ecgcore.imaging.png import NetworkImage
from ecgcore.measure.quality_gate import DOUBTFUL, REFUSED
from ecgcore.records.record import Record
from ecgcore.runs.run import Run

Answers = Mapping[str, dict[str, Any]]
NEXT = 3  # classes that are named beside the most probable
MOST_NAMED = 8  # in a sentence
MOST_DRAWN = 12


def show(sight: Record | NetworkImage, said: Answers, runs: Mapping[str, Run]) -> None:
    """Show the answer first, then the ECG, then where the network looked."""
    for name, answer in said.items():
        if answer["error"]:
            st.error(f"{name}: {answer['error']}")
    said = {name: answer for name, answer in said.items() if not answer["error"]}
    verdict, reasons = _gate(sight)
    if said and verdict != REFUSED:
        st.markdown(f"{finding(said, runs)}  \n{_calls(said)}")
        _doubt(said, runs)
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


def _calls(said: Answers) -> str:
    """Return what the networks call present, each class at its threshold."""
    calls = {
        name: ", ".join(f"**{code}**" for code in a["called"]) or "**none**"
        for name, a in said.items()
    }
    told = "; ".join(f"{name} {codes}" for name, codes in calls.items())
    if len(set(calls.values())) == 1:
        told = next(iter(calls.values()))
    return f"Called, each class at its own threshold: {told}."


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


def _doubt(said: Answers, runs: Mapping[str, Run]) -> None:
    if doubt := {name: a for name, a in said.items() if a["refer"]}:
        told = "; ".join(
            f"{name} about {_named(a['uncertain'], a['probabilities']) or 'every class'}"
            for name, a in doubt.items()
        )
        st.warning(f"Uncertain: refer. In doubt: {told}.", icon=":material/person_search:")
    if sure := [name for name, a in said.items() if a["refer"] is False]:
        proved = "; ".join(told for name in sure if (told := _right(name, runs[name])))
        st.caption(
            f"Not referred by {' and '.join(sure)}: no probability lies in a band in which it "
            f"often errs. That is no proof of health{f': {proved}' if proved else ''}."
        )


def _right(name: str, run: Run) -> str:
    """Say how often a network was wholly right about the test records that it did not refer."""
    told = (run.evaluation or {}).get("refer") or {}
    if told.get("right_answered") is None:
        return ""
    share = 100 * told["right_answered"]
    return f"of its test records not referred {name} had every class right in {share:.0f} %"


def _gate(sight: Record | NetworkImage) -> tuple[str, tuple[str, ...]]:
    if isinstance(sight, NetworkImage):
        return "picture", ()
    found = cached_uploads.gate(sight)
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


def _about(sight: Record | NetworkImage, runs: Mapping[str, Run]) -> None:
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
    if isinstance(sight, Record):
        knows = [n for n, run in runs.items() if cached_uploads.was_trained_on(run.id, sight)]
        if knows:
            st.caption(
                f"{' and '.join(knows)} learnt from this very record: what is said of it here "
                "tells nothing of how others are read."
            )
    if len({run.meta["target_mode"] for run in runs.values()}) > 1:
        st.caption("One network chooses one class (sums to 1), the other judges each by itself.")


def _bars(said: Answers, runs: Mapping[str, Run]) -> None:
    left, right = st.columns(2, gap="medium")
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
        kept(answer["probabilities"]), colour, kept(cached_uploads.thresholds(run_id)),
        kept(cached_uploads.bands(run_id)), kept(answer["raw"]) if raw else None,
    )  # fmt: skip


def _alternatives(said: Answers, runs: Mapping[str, Run]) -> None:
    """Name what each network calls, then what is most probable, and how it did on its tests."""
    for name, answer in said.items():
        run, by_class = runs[name], answer["probabilities"]
        order = sorted(by_class, key=lambda code: (code not in answer["called"], -by_class[code]))
        thresholds = cached_uploads.thresholds(run.id)
        tested = (run.evaluation or {}).get("classes", {})
        rows = {
            controls.class_name(code, run): {
                "probability": f"{by_class[code]:.3f}",
                "threshold": draw.number(thresholds.get(code)),
                "answer": _answer(code, answer),
                "found, right (n)": _proved(tested.get(code, {})),
            }
            for code in order[: max(NEXT + 1, len(answer["called"]))]
        }
        st.caption(f"{name}: what it calls, then what is most probable")
        alt = f"Classes called and most probable by {name}"
        draw.table(pd.DataFrame(rows).T, alt, ("answer",))
    st.caption(
        "Found: the share of a class's test records that were called so. Right: of the test "
        "records called so, the share that were. n: test records of the class."
    )


def _answer(code: str, answer: Mapping[str, Any]) -> str:
    called = "called" if code in answer["called"] else "no"
    return f"{called}, in doubt" if code in (answer["uncertain"] or ()) else called


def _proved(tested: Mapping[str, Any]) -> str:
    """Return how a class fared on a network's own test records."""
    if not tested.get("n"):
        return "n/a"
    found, right = (draw.number(tested[name], 2) for name in ("recall", "precision"))
    return f"{found}, {right} ({tested['n']:,})"


def _explained(sight: Record | NetworkImage, said: Answers, runs: Mapping[str, Run]) -> None:
    """Show the ECG at once, and what lies behind its traces as soon as it is there."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name, code = _asked_about(said)
        how = paper.choices(sight, "classify") if isinstance(sight, Record) else {}
    if isinstance(sight, NetworkImage):
        found = cached.explain(runs[name].id, sight, code, "grad_cam")
        alt = f"The picture, with the map of {name} for {code}"
        if found.map is None:
            draw.network_image(found.image, alt)
        else:
            draw.relevance_image(found.image, found.map, alt)
    else:
        how |= {"measurements": cached.measured(sight)}
        found = _on_paper(sight, runs[name].id, code, how)
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

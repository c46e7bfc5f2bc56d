"""Compare: two runs on the same records. Is the difference real, where is it, and on which
records do they disagree?"""

import json

import pandas as pd
import streamlit as st

from dashboard import cached_runs, controls, draw, figures, palette, state
from ecgcore import RESEARCH_USE_ONLY
from ecgcore.comparison.text import finding, p_text
from ecgcore.errors import EcgError

METRICS = {"accuracy": "Accuracy", "macro_f1": "Macro-F1", "macro_auc": "Macro AUC"}
ALL_CLASSES = "All classes"
ROC_PX = 540


def headline(found: dict) -> None:
    """Show both runs' metrics, the naive baseline, and B − A with its interval and p."""
    sides = [found["evaluations"][side] for side in "ab"]
    rows = {}
    for metric, name in METRICS.items():
        a, b = (s[metric]["value"] if metric == "macro_auc" else s[metric] for s in sides)
        change = found["differences"][metric]
        rows[name] = {
            "A": draw.number(a), "B": draw.number(b),
            "B − A": draw.number(change["value"]), "95 % interval": draw.span(change),
            "p": p_text(found["mcnemar"]["p"]) if metric == "accuracy" else "",
            "naive baseline": draw.number(sides[0]["baseline"][metric]),
        }  # fmt: skip
    draw.table(pd.DataFrame(rows).T, "Metrics of both runs and their difference")
    test = found["mcnemar"]
    st.caption(
        f"{found['n_common']:,} common records of {found['patients']:,} patients; intervals by "
        f"bootstrap over patients. p: McNemar ({test['form']}): only A right "
        f"{test['only_a_right']:,}, only B right {test['only_b_right']:,}. Accuracy and matrices: "
        f"{sides[0]['accuracy_of']}. {cached_runs.looks(found['a'], found['b'], found['part'])}"
    )


def classes(found: dict) -> None:
    """Show each class's records, AUCs, F1, and the test of the AUCs' difference."""
    a, b = (found["evaluations"][side] for side in "ab")
    rows = {}
    for code, test in found["delong"].items():
        change = found["class_differences"][code]["auc"]
        rows[code] = {
            "n": f"{a['classes'][code]['n']:,}",
            "F1 A": draw.number(a["classes"][code]["f1"]),
            "F1 B": draw.number(b["classes"][code]["f1"]),
            "AUC A": draw.number(a["classes"][code]["auc"]),
            "AUC B": draw.number(b["classes"][code]["auc"]),
            "B − A": draw.number(change["value"]), "95 % interval": draw.span(change),
            "p (Holm)": p_text(test["p_holm"]),
        }  # fmt: skip
    draw.table(pd.DataFrame(rows).T, "F1 and AUC of each class, and their difference")
    why = {t["why"] for t in found["delong"].values() if t["why"]}
    forms = {t["form"] for t in found["delong"].values() if t["p"] is not None}
    notes = [*sorted(forms), *sorted(why), *found["evaluations"]["a"]["notes"]]
    missing = [f"{code}: {reason}" for code, reason in a["not_available"].items()]
    st.caption(". ".join(n.rstrip(".") for n in [*notes, *missing]) + ".")


def roc(found: dict, names: list[str], part: str, colours: list[str]) -> None:
    """Show the ROC curves: of all classes beside each other, or of one class in one figure."""
    curves = cached_runs.roc(found["a"], found["b"], part)
    options = [ALL_CLASSES, *dict.fromkeys(["macro", "micro", *curves[0]])]
    chosen = st.selectbox("Curve", options, key="compare_curve", bind=state.URL)
    if chosen != ALL_CLASSES:
        sides = {n: c[chosen] for n, c in zip(names, curves, strict=True) if chosen in c}
        drawn = figures.roc_of_runs(sides, colours, f"{chosen}, one against the rest")
        draw.figure(drawn, "compare_roc", f"ROC curves of both runs for {chosen}", ROC_PX)
        return
    for side, column, name, drawn in zip("ab", st.columns(2), names, curves, strict=True):
        with column:
            figure = figures.roc_of_classes(drawn, f"{side.upper()} · {name}")
            alt = f"ROC curves of every class, {name}"
            draw.figure(figure, f"compare_roc_{side}", alt, ROC_PX)


def matrices(found: dict, names: list[str]) -> None:
    """Show both confusion matrices and A − B."""
    codes, dark = list(found["evaluations"]["a"]["classes"]), state.is_dark()
    left, middle, right = st.columns(3)
    for side, column, name in zip("ab", (left, middle), names, strict=True):
        with column:
            st.markdown(f"**{side.upper()} · {name}**")
            counts = found["evaluations"][side]["confusion"]
            drawn = figures.confusion(counts, codes, dark)
            draw.figure(drawn, f"compare_confusion_{side}", f"Confusion matrix of {name}")
    with right:
        st.markdown("**A − B** (orange: more in A, blue: more in B)")
        drawn = figures.confusion_difference(found["confusion_a_minus_b"], codes, dark)
        draw.figure(drawn, "compare_confusion_difference", "Confusion matrix A minus B")


def disagreements(found: dict, cohort: str) -> None:
    """List the records that the runs call differently; a selected one opens in Browse."""
    details = found["disagreement_details"]
    st.subheader(f"Disagreements: {len(details):,} of {found['n_common']:,} records")
    if not details:
        return
    rows = pd.DataFrame(details)
    for column in ("truth", "a", "b"):
        rows[column] = [" ".join(codes) or "none" for codes in rows[column]]
    rows["right"] = rows["right"].replace({"a": "A", "b": "B"})
    shown = st.dataframe(
        rows,
        hide_index=True,
        height=260,
        key="compare_disagreements",
        on_select="rerun",
        selection_mode="single-row",
        alt="Records that the two runs call differently",
        column_config={
            "record": "Record", "truth": "Label", "a": "A says", "b": "B says", "right": "Right",
        },
    )  # fmt: skip
    if not shown.selection.rows:
        st.caption("Select a record to see its ECG.")
        return
    looked_at = {state.COHORT: cohort, state.RECORD: rows["record"].iloc[shown.selection.rows[0]]}
    with st.container(horizontal=True):
        name = looked_at[state.RECORD]
        controls.link(f"See {name} in Browse", "browse", "ecg", looked_at)
        controls.link("Where did they look?", "saliency", "center_focus_strong", looked_at)


st.title("Compare")
runs = cached_runs.comparable()
if len(runs) < 2:
    st.info("A comparison takes two finished runs. Train the plain and the M-SE network first.")
    controls.link("Train both", "train", "model_training")
    st.stop()
first_a, first_b = cached_runs.latest_pair() or (runs[1], runs[0])
left, middle, right = st.columns([3, 3, 2])
with left:
    a = controls.choose_run("A", state.RUN_A, runs, first_a)
with middle:
    b = controls.choose_run("B", state.RUN_B, runs, first_b)
with right:
    part = st.selectbox(
        "Records", list(controls.PARTS), key="compare_part", bind=state.URL,
        help="; ".join(f"{part}: {words}" for part, words in controls.PARTS.items()),
    )  # fmt: skip
try:
    found = cached_runs.compare(a.id, b.id, part)
except EcgError as error:
    st.error(str(error))
    st.stop()
colours = list(palette.MODEL[state.is_dark()].values())
names = controls.short_names([a, b])
st.write(finding(found))
for flag in found["flags"]:
    st.warning(flag, icon=":material/flag:")
headline(found)
st.subheader("By class")
classes(found)
st.subheader("ROC")
roc(found, names, part, colours)
st.subheader("Confusion")
matrices(found, names)
disagreements(found, a.meta["config"]["cohort"])
downloads = st.container(horizontal=True)
downloads.download_button(
    "Download report", lambda: cached_runs.report(a.id, b.id, part),
    f"report-{a.id}-{b.id}.html", "text/html", type="primary",
    key="compare_report", icon=":material/description:", on_click="ignore",
    help="One page with methods, figures, failures and a checklist; made when clicked.",
)  # fmt: skip
downloads.download_button(
    "Download as JSON", json.dumps(found | {"notice": RESEARCH_USE_ONLY}),
    f"compare-{a.id}-{b.id}.json", "application/json",
    key="compare_json", icon=":material/download:", on_click="ignore",
)  # fmt: skip

"""Write docs/explanation.md: relevance of trained networks against chance.

    .venv/bin/python benchmarks/explanation.py --cohort ptbxl --records 10

Real records of fold 4, which is part of the training data of the shipped pair, as are all folds.
The results are kept in docs/explanation.csv, a row a record; existing rows are not computed again,
so that an interrupted run resumes (delete the rows of a network that has changed). Ten records a
class take about five minutes on one core.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ecgcore.cohort.store import Cohort
from ecgcore.explanation.api import explain
from ecgcore.explanation.methods import METHODS
from ecgcore.explanation.target import Target
from ecgcore.inference.model import load_model
from ecgcore.labels.classes import CODES
from ecgcore.records.record import LEADS
from ecgcore.workspace import Workspace

PAGE, ROWS = (
    Path(__file__).resolve().parents[1] / "docs" / f"explanation{end}" for end in (".md", ".csv")
)
RUNS, CLASSES, FOLD = ("alexnet_gap", "alexnet_m_se_gap"), ("LBBB", "RBBB", "ECT"), 4


def main() -> None:
    """Compute missing rows, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", default="ptbxl")
    parser.add_argument("--records", type=int, default=10, help="of each class, 0: none anew")
    parser.add_argument("--home", type=Path, dest="workspace")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = pd.read_csv(ROWS).to_dict("records") if ROWS.exists() else []
    done = {(row["run"], row["class"], str(row["record"])) for row in rows}
    workspace = Workspace.find(arguments.workspace)
    for row in real_rows(workspace, arguments.cohort, arguments.records, done):
        rows.append(row)
        pd.DataFrame(rows).to_csv(ROWS, index=False, float_format="%.4f")
    PAGE.write_text(page(pd.DataFrame(rows)), encoding="utf-8")


def real_rows(workspace: Workspace, cohort_name: str, records: int, done: set) -> Iterator[dict]:
    """Yield the relevance of each shipped network in real records of each class."""
    cohort = Cohort.open(cohort_name, workspace)
    states, in_fold = cohort.states("core"), (cohort.index["fold"] == FOLD).to_numpy()
    for name in RUNS if records else ():
        classifier = load_model(name, workspace)
        for code in CLASSES:
            rows = np.flatnonzero(in_fold & (states[:, CODES.index(code)] == 1))[:records]
            for record in (cohort.record(int(row)) for row in rows):
                if (name, code, record.name) not in done:
                    yield relevance_row(classifier, record, code)


def relevance_row(classifier, record, code: str) -> dict:
    """Return the shares of relevance by wave and on early beats, and Grad-CAM's over leads."""
    explanation = explain(classifier, record, code, "integrated_gradients")
    cam = explain(classifier, record, code, "grad_cam")
    leads = np.array([share for share in cam.lead_relevance.values() if share is not None])
    row = {"run": classifier.run_id, "class": code, "record": record.name}
    for wave, share in (explanation.wave_relevance or {}).items():
        row |= {f"{wave}": share, f"{wave}_time": explanation.wave_time[wave]}
    target = Target.of(classifier, record, code)
    early = np.zeros(target.signal.shape[2], bool)
    for (start, stop), is_early in zip(target.waves.edges, target.waves.early, strict=True):
        early[start:stop] |= bool(is_early)
    if early.any() and explanation.by_lead_time is not None:
        steps = explanation.by_lead_time.sum(axis=0)
        at = (np.arange(len(steps)) + 0.5) * len(early) / len(steps)
        row |= {"early": steps[early[at.astype(int)]].sum() / steps.sum()}
        row |= {"early_time": early.mean()}
    if len(leads):
        entropy = -np.sum(leads[leads > 0] * np.log(leads[leads > 0]))
        row |= {"cam_most": leads.max(), "cam_leads": float(np.exp(entropy))}
    return row


HEAD = """# Where networks look

Made by `benchmarks/explanation.py` from real records (fold {fold} of PTB-XL, on which the shipped
pair was trained); all rows are in `docs/explanation.csv`. Methods: {methods}. Whether a map can be
trusted is checked record by record, see [trust.md](trust.md).

## Relevance by wave, against chance

Integrated gradients through the drawing down to the signal; positive relevance, one pixel column
(45 ms) of a lead per part. *Time* is the share of the record that the wave takes, its expected
share by chance. Medians over the records with evidence for the class. The QRS complex also has
most of the amplitude, so that even untrained networks place more relevance there than its time
(53 % in 14 %): these figures show where a network looks; the verdict tests whether training made it
do so.

"""


def page(rows: pd.DataFrame) -> str:
    """Return the page of all rows."""
    real = rows[rows["run"].isin(RUNS)]
    parts = [HEAD.format(fold=FOLD, methods=", ".join(f"`{name}`" for name in METHODS))]
    parts.append("| network | class | n | QRS | time | T | time | QRS above its time |\n")
    parts.append("|---|---|--:|--:|--:|--:|--:|--:|\n")
    for (run, code), of in real.dropna(subset=["QRS"]).groupby(["run", "class"]):
        cells = [f"{of[c].median():.0%}" for c in ("QRS", "QRS_time", "T", "T_time")]
        above = f"{(of['QRS'] > of['QRS_time']).sum()} of {len(of)}"
        parts.append(f"| {run} | {code} | {len(of)} | {' | '.join(cells)} | {above} |\n")
    parts.append("\nOn the early or aberrant beats, in records of ECT that have some:\n\n")
    parts.append("| network | n | share of relevance | share of time | above chance |\n")
    parts.append("|---|--:|--:|--:|--:|\n")
    for run, of in real[(real["class"] == "ECT")].dropna(subset=["early"]).groupby("run"):
        above = f"{(of['early'] > of['early_time']).sum()} of {len(of)}"
        medians = f"{of['early'].median():.0%} | {of['early_time'].median():.0%}"
        parts.append(f"| {run} | {len(of)} | {medians} | {above} |\n")
    parts.append(
        "\n## Grad-CAM's spread over leads\n\nA cell of the shipped networks spans 769 ms "
    )
    parts.append(f"and 1.3 leads. Even shares would be {1 / len(LEADS):.0%} in 12 leads.\n\n")
    parts.append(
        "| network | class | n | largest share of a lead | effective leads (exp entropy) |\n"
    )
    parts.append("|---|---|--:|--:|--:|\n")
    for (run, code), of in real.dropna(subset=["cam_most"]).groupby(["run", "class"]):
        medians = f"{of['cam_most'].median():.0%} | {of['cam_leads'].median():.1f}"
        parts.append(f"| {run} | {code} | {len(of)} | {medians} |\n")
    return "".join(parts)


if __name__ == "__main__":
    main()

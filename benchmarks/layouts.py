"""Write docs/layouts.md: accuracy by image layout and size, by class, on validation records.

    .venv/bin/python benchmarks/layouts.py RUN RUN …

The other runs are compared with the first. Each is trained in the same way on PTB-XL's folds 1–3,
with the epoch chosen on fold 4 (about half an hour on two cores):

    ecgcore train --cohort ptbxl --model alexnet_m_se_gap --level all --split folds --epochs 8 \\
        --optimizer adamw --learning-rate 0.0005 --seed 1 --layout clinical --size 224
"""

import sys
from pathlib import Path

from ecgcore.comparison.compare import compare
from ecgcore.errors import RequestError
from ecgcore.evaluation.evaluate import evaluate_run
from ecgcore.evaluation.markdown import table
from ecgcore.evaluation.text import number, with_interval
from ecgcore.labels.classes import CODES
from ecgcore.runs.run import Run, find_run
from ecgcore.workspace import Workspace

PAGE = Path(__file__).resolve().parents[1] / "docs" / "layouts.md"
IMAGE_SETTINGS = {"layout", "size", "rhythm"}
HEAD = """# Which image reads best

`alexnet_m_se_gap`, trained with the same settings except for the image:
{recipe}.
Scored on the validation records ({n:,} records of {patients:,} patients), on which each run's epoch
was also chosen; no test record was used. Intervals: 95 %, patients resampled. One seed per image:
the intervals describe these trained networks, not the variation between seeds.

{best} reads best over all classes. The default is `stacked` 224×224.

"""


def main(runs: list[Run]) -> None:
    """Check that the runs differ in the image only, and write the page."""
    first, *others = runs
    for run in others:
        ours, theirs = (vars(r.config) for r in (first, run))
        if other := {k for k in ours if ours[k] != theirs[k]} - IMAGE_SETTINGS:
            raise RequestError(f"{run.id} differs from {first.id} in {', '.join(sorted(other))}.")
    evaluations = [evaluate_run(run, "validation").as_json() for run in runs]
    config = first.config
    recipe = (
        f"{config.optimizer}, learning rate {config.learning_rate:g}, batch {config.batch_size}, "
        f"{config.epochs} epochs, seed {config.seed}"
    )
    names = [image_name(run) for run in runs]
    parts = [
        HEAD.format(
            recipe=recipe,
            n=evaluations[0]["n"],
            patients=evaluations[0]["patients"],
            best=max(
                zip(evaluations, names, strict=True), key=lambda pair: pair[0]["macro_auc"]["value"]
            )[1],
        ),
        overall(runs, names, evaluations),
        "\nAUC by class:\n\n",
        by_class(names, evaluations),
        f"\nDifference to {names[0]} on the same records:\n\n",
        differences(first, others, names[1:]),
    ]
    PAGE.write_text("".join(parts), encoding="utf-8")
    print("".join(parts))


def image_name(run: Run) -> str:
    """Return layout and size of a run's image."""
    height, width = run.config.sides_px
    return f"`{run.config.layout}` {height}×{width}"


def overall(runs: list[Run], names: list[str], evaluations: list[dict]) -> str:
    """Return the scores over all classes."""
    rows = [
        (
            name,
            str(run.status["best_epoch"]),
            with_interval(e["macro_auc"]),
            number(e["macro_f1"]),
            number(e["accuracy"]),
            f"{run.history['seconds'].sum() / 60:.0f}",
        )
        for run, name, e in zip(runs, names, evaluations, strict=True)
    ]
    head = (
        "image",
        "best epoch",
        "macro AUC",
        "macro F1",
        "accuracy",
        "minutes (shared machine)",
    )
    return table(head, rows)


def by_class(names: list[str], evaluations: list[dict]) -> str:
    """Return the AUC of each class, the highest in bold."""
    rows = []
    for code in CODES:
        aucs = [e["classes"][code]["auc"] for e in evaluations]
        best = max(auc for auc in aucs if auc is not None)
        cells = [f"**{number(auc)}**" if auc == best else number(auc) for auc in aucs]
        rows.append((code, str(evaluations[0]["classes"][code]["n"]), *cells))
    return table(("class", "records", *names), rows)


def differences(first: Run, others: list[Run], names: list[str]) -> str:
    """Return the paired differences to the first run."""
    rows = []
    for run, name in zip(others, names, strict=True):
        difference = compare(first, run, "validation").as_json()["differences"]
        rows.append(
            (
                name,
                with_interval(difference["macro_auc"], signed=True),
                with_interval(difference["macro_f1"], signed=True),
            )
        )
    return table(("image", "macro AUC", "macro F1"), rows)


if __name__ == "__main__":
    main([find_run(reference, Workspace.find()) for reference in sys.argv[1:]])

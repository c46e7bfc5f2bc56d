"""Release of a finished run: weights in half precision, scores, and a model card."""

import shutil
from pathlib import Path

import torch

from ecgcore.atomic import atomic_dir
from ecgcore.errors import RequestError
from ecgcore.inference.card_facts import store_figures
from ecgcore.inference.model_card import model_card, write_card
from ecgcore.runs.run import Run
from ecgcore.runs.split import FILE as SPLIT
from ecgcore.runs.split import OLD_FILE as OLD_SPLIT
from ecgcore.runs.weights import read_tensors, write_tensors

COPIED_FILES = (
    "run.json",
    "status.json",
    "history.jsonl",
    "calibration.json",
    "predictions.parquet",
    "evaluation.json",
    SPLIT,
    OLD_SPLIT,
)
"""Files of a release next to weights and card."""
OPTIONAL_FILES = (SPLIT, OLD_SPLIT)
"""Of the split a run has the new or the old file; the earliest versions wrote none."""


def write_release(run: Run, to: Path, attribution: str = "") -> int:
    """Write a finished run as a shipped model.

    Weights are stored as float16 (BatchNorm's counters as they are) and computed in float32.

    Parameters
    ----------
    run
        The finished run.
    to
        Folder to write; an earlier release there is replaced.
    attribution
        Source and licence of the training data, for the card.

    Returns
    -------
    int
        Size of the folder in bytes.

    Raises
    ------
    RequestError
        The run is not done, half precision cannot hold its weights, or ``to`` is no release.
    """
    require_release_folder(to)
    if run.evaluation is None:
        raise RequestError(
            f"Run {run.id} is {run.status['state']}; only a run that is done can be released."
        )
    weights, _ = read_tensors(run.weights)
    halved = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    if not all(torch.isfinite(v).all() for v in halved.values()):
        raise RequestError(f"Run {run.id} has weights that half precision cannot hold.")
    with atomic_dir(to) as folder:
        for name in COPIED_FILES:
            if (run.folder / name).exists() or name not in OPTIONAL_FILES:
                shutil.copyfile(run.folder / name, folder / name)
        released_weights = Run(folder).weights
        write_tensors(released_weights, halved)
        released_weights.chmod(0o644)  # as readable as the other files
        store_figures(Run(folder))
        write_card(folder, model_card(Run(folder), to.resolve().name, attribution))
    return sum(file.stat().st_size for file in to.iterdir())


def require_release_folder(to: Path) -> None:
    """Refuse a folder that holds anything but a shipped model."""
    is_release = (to / "run.json").is_file() and (to / "README.md").is_file()
    if to.exists() and not is_release and not (to.is_dir() and not any(to.iterdir())):
        raise RequestError(
            f"{to} exists and is no shipped model, so it is not replaced; name a new folder."
        )

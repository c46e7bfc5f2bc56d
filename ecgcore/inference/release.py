"""Release of a finished run: weights in half precision, scores, and a model card."""

import shutil
from pathlib import Path
from typing import Any

import torch

from ecgcore.atomic import atomic_dir, write_atomic
from ecgcore.calibration.calibration import FITTED_ON, OUT_OF_FOLD
from ecgcore.errors import RequestError
from ecgcore.evaluation.text import report_text
from ecgcore.runs.config import ResolvedConfig, settings_in_words
from ecgcore.runs.run import Run
from ecgcore.runs.split import FILE as SPLIT
from ecgcore.runs.split import OLD_FILE as OLD_SPLIT
from ecgcore.runs.weights import read_tensors, write_tensors
from ecgcore.version import RESEARCH_USE_ONLY

SCORE_HEADINGS = {FITTED_ON: "## Test records", OUT_OF_FOLD: "## Out of fold"}
"""Heading above the scores, by the records of the calibration."""
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
"""Files of a release next to weights and card. Of the split a run has the new or the old file; the
earliest versions wrote none."""


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
            if (run.folder / name).exists() or name not in (SPLIT, OLD_SPLIT):
                shutil.copyfile(run.folder / name, folder / name)
        released_weights = Run(folder).weights
        write_tensors(released_weights, halved)
        released_weights.chmod(0o644)  # as readable as the other files
        _write_card(folder, model_card(run, to.resolve().name, attribution))
    return sum(file.stat().st_size for file in to.iterdir())


def require_release_folder(to: Path) -> None:
    """Refuse a folder that holds anything but a shipped model."""
    is_release = (to / "run.json").is_file() and (to / "README.md").is_file()
    if to.exists() and not is_release and not (to.is_dir() and not any(to.iterdir())):
        raise RequestError(
            f"{to} exists and is no shipped model, so it is not replaced; name a new folder."
        )


def update_card(run: Run) -> None:
    """Rewrite a shipped model's card from its stored figures; a run without a card gets none."""
    file = run.folder / "README.md"
    if file.exists():
        _write_card(run.folder, model_card(run, run.id, _attribution(file.read_text("utf-8"))))


def _write_card(folder: Path, card: str) -> None:
    write_atomic(folder / "README.md", lambda path: path.write_text(card, encoding="utf-8"))


def _attribution(card: str) -> str:
    """Return the text between the table and the scores of a card."""
    above = card.partition("\n## ")[0]
    return above.rpartition("|\n")[2].strip()


def model_card(run: Run, name: str, attribution: str) -> str:
    """Return a model's card: network, training data, settings and scores."""
    meta, status = run.meta, run.status
    config, records = run.config, meta["split"]["records"]
    rows = "\n".join(
        f"| {name} | {value} |"
        for name, value in (
            ("network", f"`{meta['model']}`, {meta['parameters']:,} parameters"),
            ("input", _input_line(meta["input"])),
            ("output", f"{', '.join(meta['classes'])}; {meta['target_mode']}"),
            ("labels", _labels_line(meta, config)),
            ("cohort", f"{meta['cohort']['name']}, hash `{meta['cohort']['hash']}`"),
            ("records", ", ".join(f"{n:,} {part}" for part, n in records.items())),
            ("best epoch", f"{status['best_epoch']} of {config.epochs}, in {status['precision']}"),
            ("run", f"`{meta['run']}`, {meta['created'][:10]}"),
            ("stored as", "float16; computed in float32"),
        )
    )
    settings = "\n".join(f"| {n} | {value} |" for n, value in settings_in_words(config).items())
    minutes = run.history["seconds"].sum() / 60
    return (
        f"# {name}\n\n{RESEARCH_USE_ONLY}\n\n"
        f"Trained for {minutes:.0f} minutes on {_device(status['device'])}. "
        f"{_calibration_line(run.calibration)}"
        f"\n\n| | |\n|---|---|\n{rows}\n\n{attribution}\n\n"
        f"{SCORE_HEADINGS.get(run.calibration['from'], SCORE_HEADINGS[FITTED_ON])}\n\n"
        f"```text\n{report_text(run.evaluation or {}).strip()}\n```\n\n"
        f"## Settings\n\n| | |\n|---|---|\n{settings}\n"
    )


def _device(name: str) -> str:
    return "a CPU" if name == "cpu" else name


def _labels_line(meta: dict[str, Any], config: ResolvedConfig) -> str:
    source = "expert statements"
    if meta["labels"]["policy"] == "criteria":
        source = f"criteria ({meta['labels']['thresholds']}) applied to measurements"
    return f"{config.label_set} from {source}, {config.label_tier} tier"


def _calibration_line(fitted: dict[str, Any]) -> str:
    if fitted["temperature"] is None:
        return "Its probabilities are not calibrated."
    refer = fitted["refer"]
    parts = [f"temperature {fitted['temperature']:.3f}", "decision thresholds"]
    parts += [] if refer is None else [f"a referral band (alpha {refer['alpha']:g})"]
    return f"Calibrated on {fitted['from']} records: {', '.join(parts)}."


def _input_line(settings: dict[str, Any]) -> str:
    signal = f"12 leads, {settings['duration_s']:g} s at {settings['fs_hz']:g} Hz"
    if cutoff_hz := settings.get("highpass_hz"):
        signal += f" above {cutoff_hz:g} Hz"
    if "layout" not in settings:
        return f"{signal}, as signals in mV"
    height, width = settings["size"]
    return f"{signal}, drawn as `{settings['layout']}` images of {width}×{height} pixels"

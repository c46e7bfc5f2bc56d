"""Ship a finished run: weights in half precision, scores, and a card that says what it is."""

import shutil
from pathlib import Path
from typing import Any

import torch

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.atomic import atomic_dir, write_atomic
from ecgcore.calibration.calibration import FITTED_ON, OUT_OF_FOLD
from ecgcore.errors import RequestError
from ecgcore.evaluation.text import report_text
from ecgcore.runs.config import ResolvedConfig
from ecgcore.runs.provenance import FILE as LEARNT
from ecgcore.runs.run import Run
from ecgcore.runs.weights import read_tensors, write_tensors

SCORES = {FITTED_ON: "## Test records", OUT_OF_FOLD: "## Out of fold"}
"""The heading above the scores, by what the calibration comes from."""
KEPT = (
    "run.json",
    "status.json",
    "history.jsonl",
    "calibration.json",
    "predictions.parquet",
    "evaluation.json",
    LEARNT,
)


def ship(run: Run, to: Path, attribution: str = "") -> int:
    """Write a finished run as a model to ship; return the folder's size in bytes.

    Weights are stored as float16 (BatchNorm's counters as they are) and computed in float32.
    ``attribution`` names the training data's source and licence on the card.

    Raises
    ------
    RequestError
        The run is not done, half precision cannot hold its weights, or ``to`` is something else.
    """
    need_room(to)
    if run.evaluation is None:
        raise RequestError(
            f"Run {run.id} is {run.status['state']}; only a run that is done can be shipped."
        )
    weights, _ = read_tensors(run.weights)
    halved = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    if not all(torch.isfinite(v).all() for v in halved.values()):
        raise RequestError(f"Run {run.id} has weights that half precision cannot hold.")
    with atomic_dir(to) as folder:
        for name in KEPT:
            if (run.folder / name).exists() or name != LEARNT:  # earlier versions kept none
                shutil.copyfile(run.folder / name, folder / name)
        shipped = Run(folder).weights
        write_tensors(shipped, halved)
        shipped.chmod(0o644)  # as readable as what lies beside it
        card = card_of(run, to.resolve().name, attribution)
        write_atomic(folder / "README.md", lambda path: path.write_text(card, encoding="utf-8"))
    return sum(file.stat().st_size for file in to.iterdir())


def need_room(to: Path) -> None:
    """Refuse to write a shipped model where something else is."""
    is_model = (to / "run.json").is_file() and (to / "README.md").is_file()
    if to.exists() and not is_model and not (to.is_dir() and not any(to.iterdir())):
        raise RequestError(
            f"{to} is there and is no shipped model, so it is not replaced; name a new folder."
        )


def renew_card(run: Run) -> None:
    """Write a shipped model's card anew, after its scores changed; a run without one has none."""
    file = run.folder / "README.md"
    if file.exists():
        card = card_of(run, run.id, _attribution_in(file.read_text("utf-8")))
        write_atomic(file, lambda path: path.write_text(card, encoding="utf-8"))


def _attribution_in(card: str) -> str:
    """Return what stands between the table and the scores."""
    above = card.partition("\n## ")[0]
    return above.rpartition("|\n")[2].strip()


def card_of(run: Run, name: str, attribution: str) -> str:
    """Return a model's card: what it is, what it was trained on, how, and what it scored."""
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
            ("records", ", ".join(f"{n} {part}" for part, n in records.items())),
            ("recipe", _recipe_line(config, status)),
            ("run", f"`{meta['run']}`, {meta['created'][:10]}"),
            ("stored as", "float16; computed in float32"),
        )
    )
    minutes = run.history["seconds"].sum() / 60
    return (
        f"# {name}\n\n{RESEARCH_USE_ONLY}\n\n"
        f"Trained for {minutes:.0f} minutes on a {status['device']}. "
        f"{_calibration_line(run.calibration)}"
        f"\n\n| | |\n|---|---|\n{rows}\n\n{attribution}\n\n"
        f"{SCORES.get(run.calibration['from'], SCORES[FITTED_ON])}\n\n"
        f"```text\n{report_text(run.evaluation or {}).strip()}\n```\n"
    )


def _labels_line(meta: dict[str, Any], config: ResolvedConfig) -> str:
    by = "expert statements"
    if meta["labels"]["policy"] == "criteria":
        by = f"criteria ({meta['labels']['thresholds']}) from measurements"
    return f"{config.label_set} by {by}, {config.label_tier} tier"


def _calibration_line(fitted: dict[str, Any]) -> str:
    if fitted["temperature"] is None:
        return "Its probabilities are not calibrated."
    refer = fitted["refer"]
    said = "" if refer is None else f", and a band to refer (alpha {refer['alpha']:g})"
    return (
        f"Its probabilities are calibrated: temperature {fitted['temperature']:.3f}, thresholds"
        f"{said} from {fitted['from']} records."
    )


def _input_line(given: dict[str, Any]) -> str:
    recorded = f"12 leads, {given['duration_s']:g} s at {given['fs_hz']:g} Hz"
    if "layout" not in given:
        return f"{recorded}, the signals in mV"
    height, width = given["size"]
    return f"{recorded}, drawn as `{given['layout']}`, {width}×{height} pixels"


def _recipe_line(config: ResolvedConfig, status: dict[str, Any]) -> str:
    taught = f", taught by `{config.teacher}`" if config.teacher else ""
    return (
        f"{config.optimizer}, learning rate {config.learning_rate:g} ({config.schedule}), "
        f"weight decay {config.weight_decay:g}, batch {config.batch_size}, {config.epochs} "
        f"epochs, best {status['best_epoch']}, {status['precision']}, seed {config.seed}, "
        f"augmentation {config.augmentation}, running average {config.ema_decay:g}{taught}"
    )

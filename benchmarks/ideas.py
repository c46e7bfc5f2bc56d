"""Ideas for better networks on signals, each judged on validation records: docs/studies/ideas.

    .venv/bin/python benchmarks/ideas.py train --home WORKSPACE [--only 'se*']
    .venv/bin/python benchmarks/ideas.py answer --home WORKSPACE   (again, with the stored weights)
    .venv/bin/python benchmarks/ideas.py page

Needs PTB-XL's folds 1 to 8 as cohort `ptbxl` (`ecgcore ingest data/ptb-xl --cohort ptbxl`).
Networks train on some of folds 1 to 6 and answer fold 7; fold 8 stays for calibration. A finished
arm is a JSON file with its answers beside it, so that the next call trains what is missing.
"""

import argparse
import json
import time
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout
from idea_arms import ARMS, NETWORKS, Arm
from ideas_page import PAGE, write_page
from safetensors.torch import load_file, save_file
from scipy.special import expit
from torch.nn import functional

from ecgcore.bench.perturbations import PERTURBATIONS
from ecgcore.calibration.calibration import with_probabilities
from ecgcore.calibration.scores import Scores
from ecgcore.calibration.thresholds import best_f1_thresholds
from ecgcore.cohort.store import Cohort
from ecgcore.evaluation.subgroups import VALIDATED, cohort_traits
from ecgcore.imaging.high_pass import high_pass
from ecgcore.labels.classes import CODES
from ecgcore.labels.code_tables import statement_rules
from ecgcore.records.record import Record
from ecgcore.records.resample import resample_record
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.recipes import recipe_settings
from ecgcore.training.augmentation import Batch
from ecgcore.training.augmenter import Augmenter
from ecgcore.training.optim import lr_factor, make_ema, make_optimizer, set_learning_rate
from ecgcore.training.sampler import EpochSampler
from ecgcore.workspace import Workspace

VALIDATION_FOLD = 7
CELLS = PAGE.parent / "cells"
AUXILIARY_WEIGHTS = {"statements": 0.5, "age": 0.1, "sex": 0.1}
AGE_SCALE = 16.0  # years, about a standard deviation
PREDICTION_BATCH = 64
STEADY = ("starts 200 ms", "gain × 1.05", "baseline wander", "muscle noise", "LA–LL", "without V2")
STEADY_STEP = 4  # every fourth validation record


class Data:
    """Signals and targets of a cohort, in memory."""

    def __init__(self, cohort: Cohort, rows: np.ndarray) -> None:
        self.fs_hz, self.rows = cohort.fs_hz, rows
        self.signal_mv = torch.from_numpy(cohort.signals(rows))
        self.index = cohort.index.iloc[rows].reset_index(drop=True)
        states = cohort.states("core")[rows]
        self.targets = np.where(states < 0, np.nan, states).astype(np.float32)
        self.statements = cohort.states(label_set="ptbxl71")[rows].astype(np.float32)
        self.is_validated = (cohort_traits(cohort, rows)[VALIDATED] == "by a human").to_numpy()
        first = cohort.index.groupby("patient")["record"].min()
        self.patient = self.index["patient"].map(first).to_numpy(str)

    def training_targets(self, arm: Arm) -> np.ndarray:
        """Return (N, 10) targets, followed by the auxiliary ones."""
        targets = self.targets
        if arm.unknown_is_absent:
            weak = [CODES.index("STEMI"), CODES.index("LVH")]
            targets = targets.copy()
            targets[:, weak] = np.nan_to_num(targets[:, weak])
        if arm.soft:
            targets = soft_targets(self.index["statements"], targets)
        if arm.auxiliary:
            age = self.index["age"].to_numpy(np.float32, na_value=np.nan)
            sex = self.index["sex"].map({"male": 0.0, "female": 1.0}).to_numpy(np.float32)
            extra = [self.statements, (age[:, None] - 60) / AGE_SCALE, sex[:, None]]
            targets = np.concatenate([targets, *extra], axis=1)
        return targets.astype(np.float32)

    def weights(self, arm: Arm) -> np.ndarray:
        """Return (N,) weights of the records in the loss."""
        return np.where(self.is_validated, 1.0, arm.not_validated).astype(np.float32)


def soft_targets(statements: pd.Series, targets: np.ndarray) -> np.ndarray:
    """Return targets that are a statement's likelihood where it has one from 1 to 99."""
    softened = targets.copy()
    for row, text in enumerate(statements):
        for system, code, likelihood in json.loads(text):
            for rule in statement_rules().get((system, code), ()):
                is_core = rule.tier in ("core", "normal", "normal_with_sinus", "by_stadium")
                column = CODES.index(rule.code_class) if rule.code_class else -1
                if is_core and likelihood and column >= 0 and not np.isnan(targets[row, column]):
                    is_other = targets[row, column] == 0 and likelihood >= 50
                    if not is_other:  # NORM beside a finding: absent all the same
                        softened[row, column] = likelihood / 100
    return softened


def loss_of(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the mean loss: classes, and the auxiliary outputs where there are any."""
    n = len(CODES)
    loss = masked_mean(logits[:, :n], targets[:, :n], weights)
    if targets.shape[1] > n:
        scale = AUXILIARY_WEIGHTS
        loss = loss + scale["statements"] * masked_mean(logits[:, n:-2], targets[:, n:-2], weights)
        known = ~targets[:, -2].isnan()
        age = functional.huber_loss(logits[known, -2], targets[known, -2])
        sex = masked_mean(logits[:, -1:], targets[:, -1:], weights)
        loss = loss + scale["age"] * age + scale["sex"] * sex
    return loss


def masked_mean(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the weighted mean cross-entropy of the known targets."""
    weight = (~targets.isnan()) * weights[:, None]
    losses = functional.binary_cross_entropy_with_logits(
        logits, targets.nan_to_num(0.0), reduction="none"
    )
    return (losses * weight).sum() / weight.sum().clamp(min=1)


def train(arm: Arm, data: Data) -> tuple[torch.nn.Module, list[dict]]:
    """Train an arm with the settings of the recipe ``strong`` otherwise; return its average."""
    settings = recipe_settings("strong", "resnet1d_scaled") | {"epochs": arm.epochs}
    if arm.learning_rate is not None:
        settings["learning_rate"] = arm.learning_rate
    config = TrainConfig(cohort="ptbxl", model="resnet1d_scaled", seed=arm.seed, **settings)
    config = config.resolve()
    torch.manual_seed(arm.seed)
    targets, weights = torch.from_numpy(data.training_targets(arm)), data.weights(arm)
    model = NETWORKS[arm.network](targets.shape[1])
    optimizer, average = make_optimizer(model, config), make_ema(model, config.ema_decay)
    sampler, augmenter = EpochSampler(data.targets, arm.seed), Augmenter(arm.augmentation, arm.seed)
    rng = np.random.default_rng(arm.seed)
    steps, step, history = arm.epochs * sampler.batches(config.batch_size), 0, []
    for epoch in range(arm.epochs):
        started, cpu_started, losses = time.monotonic(), time.process_time(), []
        model.train()
        rows = sampler.epoch_rows(config.batch_size)
        for start in range(0, len(rows), config.batch_size):
            batch_rows = rows[start : start + config.batch_size]
            batch = augmenter(Batch(data.signal_mv[batch_rows], data.fs_hz, targets[batch_rows]))
            inputs = high_pass(batch.signal_mv, data.fs_hz, arm.highpass_hz)
            inputs, mixed_targets = mixed(inputs, batch.targets, arm.mixup, rng)
            factor = lr_factor(step, steps, config.schedule, config.warmup_fraction)
            set_learning_rate(optimizer, config.learning_rate * factor)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(inputs)
            loss = loss_of(logits.float(), mixed_targets, torch.from_numpy(weights[batch_rows]))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
            optimizer.step()
            average.update_parameters(model)
            losses.append(float(loss.detach()))
            step += 1
        seconds = time.monotonic() - started
        history.append({"epoch": epoch + 1, "loss": np.mean(losses), "seconds": round(seconds, 1)})
        history[-1]["cpu_seconds"] = round(time.process_time() - cpu_started, 1)
        print(f"  {history[-1]}", flush=True)
    return average.module, history


def mixed(
    inputs: torch.Tensor, targets: torch.Tensor, alpha: float, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each record mixed with another of the batch; a class unknown in either is unknown."""
    if not alpha:
        return inputs, targets
    share = float(rng.beta(alpha, alpha))
    order = torch.from_numpy(rng.permutation(len(inputs)))
    inputs = inputs.nan_to_num(0.0)
    return (
        share * inputs + (1 - share) * inputs[order],
        share * targets + (1 - share) * targets[order],
    )


@torch.no_grad()
def logits_of(
    model: torch.nn.Module, signal_mv: torch.Tensor, fs_hz: float, arm: Arm
) -> np.ndarray:
    """Return (N, 10) logits of signals (N, 12, T)."""
    model.eval()
    batches = high_pass(signal_mv, fs_hz, arm.highpass_hz).split(PREDICTION_BATCH)
    return torch.cat([model(batch)[:, : len(CODES)] for batch in batches]).numpy()


def steadiness(model: torch.nn.Module, data: Data, arm: Arm, logits: np.ndarray) -> dict:
    """Return the share of records of which any call changes, at thresholds of best F1."""
    answers_of = with_probabilities(table_of(data, logits), CODES, "multilabel")
    thresholds = best_f1_thresholds(Scores.from_predictions(answers_of, CODES, "multilabel"))
    cuts = np.array([thresholds[code] for code in CODES])
    records = [Record(mv, data.fs_hz, "") for mv in data.signal_mv[::STEADY_STEP].numpy()]
    called = expit(logits[::STEADY_STEP]) >= cuts
    shares = {}
    for perturbation in PERTURBATIONS:
        if perturbation.name.startswith(STEADY):
            rng = np.random.default_rng(0)
            changed = [
                resample_record(perturbation.change(r, rng), data.fs_hz, 10) for r in records
            ]
            signal_mv = torch.from_numpy(np.stack([record.signal_mv for record in changed]))
            now = expit(logits_of(model, signal_mv, data.fs_hz, arm)) >= cuts
            shares[perturbation.name] = float((now != called).any(axis=1).mean())
    return shares


def table_of(data: Data, logits: np.ndarray) -> pd.DataFrame:
    """Return answers as a table of predictions."""
    table = pd.DataFrame({"record": data.index["record"], "patient": data.patient, "part": "test"})
    for column, code in enumerate(CODES):
        labels = {f"y_{code}": data.targets[:, column], f"z_{code}": logits[:, column]}
        table = table.assign(**labels)
    return table.assign(validated=data.is_validated)


def store(name: str, arm: Arm, model: torch.nn.Module, history: list[dict], data: Data) -> None:
    """Write the result of an arm: its answers to the validation fold, then its description."""
    logits = logits_of(model, data.signal_mv, data.fs_hz, arm)
    table = table_of(data, logits).drop(columns="part")
    types = {f"y_{code}": np.int8 for code in CODES} | {f"z_{code}": np.float16 for code in CODES}
    table = table.fillna({f"y_{code}": -1 for code in CODES}).astype(types)
    table.to_parquet(CELLS / f"{name}.parquet", compression="zstd", index=False)
    content = {"arm": asdict(arm), "validation_fold": VALIDATION_FOLD, "history": history}
    content["parameters"] = sum(p.numel() for p in model.parameters())
    content["steadiness"] = steadiness(model, data, arm, logits)
    (CELLS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def train_missing(home: Path, only: str, threads: int) -> None:
    """Train the arms that are not finished, one after another."""
    torch.set_num_threads(threads)
    cohort = Cohort.open("ptbxl", Workspace(home))
    fold = cohort.index["fold"].to_numpy(float)
    validation = Data(cohort, np.flatnonzero(fold == VALIDATION_FOLD))
    weights = home / "ideas"
    weights.mkdir(exist_ok=True)
    CELLS.mkdir(parents=True, exist_ok=True)
    for name, arm in ARMS.items():
        if (CELLS / f"{name}.json").exists() or not fnmatch(name, only):
            continue
        try:
            with FileLock(weights / f"{name}.lock").acquire(blocking=False):
                print(f"{name}: {arm.idea}", flush=True)
                rows = np.flatnonzero(np.isin(fold, arm.folds))
                model, history = train(arm, Data(cohort, rows))
                save_file(model.state_dict(), weights / f"{name}.safetensors")
                store(name, arm, model, history, validation)
                write_page(CELLS)
        except Timeout:
            continue  # another process is training it


def store_again(home: Path) -> None:
    """Answer the validation fold again with the weights of the finished arms."""
    cohort = Cohort.open("ptbxl", Workspace(home))
    fold = cohort.index["fold"].to_numpy(float)
    validation = Data(cohort, np.flatnonzero(fold == VALIDATION_FOLD))
    for file in sorted(CELLS.glob("*.json")):
        content = json.loads(file.read_text("utf-8"))
        arm = Arm(**content["arm"] | {"folds": tuple(content["arm"]["folds"])})
        weights = load_file(home / "ideas" / f"{file.stem}.safetensors")
        outputs = len(weights["head.1.bias"])
        model = NETWORKS[arm.network](outputs)
        model.load_state_dict(weights)
        store(file.stem, arm, model, content["history"], validation)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("train", "answer", "page"))
    parser.add_argument("--home", type=Path, default=Path("workspace"))
    parser.add_argument("--only", default="*")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if options.action == "train":
        train_missing(options.home, options.only, options.threads)
    elif options.action == "answer":
        store_again(options.home)
    write_page(CELLS)

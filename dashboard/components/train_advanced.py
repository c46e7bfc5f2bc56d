"""Train: the settings under "more": labels, learning, pictures, start and machine."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.data import cached, cached_runs
from ecgcore.imaging import LAYOUTS
from ecgcore.labels.label_sets import SETS as LABEL_SETS
from ecgcore.labels.targets import MODES
from ecgcore.records.record import LEADS
from ecgcore.runs.config import (
    AUGMENTATIONS,
    CLASS_BALANCES,
    OPTIMIZERS,
    PRECISIONS,
    SCHEDULES,
    SPLITS,
    TIERS,
    TrainConfig,
)

BOTH = ["alexnet", "alexnet_m_se"]
LEVELS, OWN = ["204", "440", "all", "own"], "own"
BY_LEVEL, FRESH, NOBODY = "by level", "fresh weights", "nobody"
PAPER = TrainConfig(cohort="")
SHAPE = ("depth", "width", "kernel")
THRESHOLDS = {"paper": "paper", "aha2009": "AHA 2009", "udmi2018": "UDMI 2018"}

Settings = dict[str, Any]


def key_of(name: str) -> str:
    """Return the key of a setting's control, which is its name in the URL."""
    return f"train_{name}"


def first_of(name: str) -> Any:
    """Return what a control holds at first: the paper's protocol."""
    special = {
        "level": "204", "records": 300, "networks": BOTH, "target_mode": BY_LEVEL, "pretrained": FRESH,
        "teacher": NOBODY,
    }  # fmt: skip
    return special[name] if name in special else getattr(PAPER, name)


def one_of(label: str, name: str, options: Sequence[str], **how: Any) -> Any:
    """Let the visitor choose one option of a setting."""
    first = list(options).index(first_of(name))
    return st.selectbox(label, options, index=first, key=key_of(name), bind=state.URL, **how)


def number(label: str, name: str, least: float, most: float, **how: Any) -> Any:
    """Let the visitor choose a number; empty where the setting may be left to the network."""
    return st.number_input(
        label, least, most, first_of(name), key=key_of(name), bind=state.URL, **how
    )


def labels(cohort: str) -> Settings:
    """Let the visitor choose which labels, and how records are split."""
    a, b, c, d, e = st.columns(5)
    with a:
        label_set = one_of(
            "Classes", "label_set", LABEL_SETS,
            help="paper10: the paper's ten. ptbxl5, ptbxl71: PTB-XL's superclasses and statements.",
        )  # fmt: skip
    own = label_set != "paper10"
    with b:
        label_source = one_of(
            "Labels by", "label_source", ["expert", "criteria"], disabled=own,
            help="expert: what the source states. criteria: measurements against thresholds; "
            "automatic, unconfirmed.",
        )  # fmt: skip
    by_criteria = label_source == "criteria" and not own
    with c:
        if by_criteria:
            thresholds = one_of(
                "Thresholds", "thresholds", list(THRESHOLDS), format_func=THRESHOLDS.__getitem__
            )
            label_tier = PAPER.label_tier
        else:
            label_tier = one_of(
                "Statements", "label_tier", TIERS, disabled=own, help="broad: the weaker ones, too."
            )
            thresholds = PAPER.thresholds
    with d:
        mode = one_of(
            "Target mode", "target_mode", [BY_LEVEL, *MODES],
            help="By level: exclusive (one class a record, the paper's) for a number of records, "
            "multilabel for all.",
        )  # fmt: skip
    with e:
        split = one_of(
            "Split by", "split", _ways_to_split(cohort),
            help="patient: 70/15/15 beside an untouched fold. folds: as published. source:NAME: "
            "that source tests, the others train; records known to be in both are left out.",
        )  # fmt: skip
    return {
        "label_set": label_set,
        "label_source": "criteria" if by_criteria else "expert",
        "thresholds": thresholds,
        "label_tier": PAPER.label_tier if own else label_tier,
        "target_mode": None if mode == BY_LEVEL else mode,
        "split": split,
    }


def _ways_to_split(cohort: str) -> list[str]:
    """Return the ways to split a cohort: one of several sources may be left out to test."""
    sources = next(c.sources for c in cached.cohorts() if c.name == cohort)
    return [*SPLITS, *(f"source:{name}" for name in sources if len(sources) > 1)]


def learning() -> Settings:
    """Let the visitor choose how it learns."""
    a, b, c, d, e = st.columns(5)
    by_network = {"placeholder": "by network", "format": "%g"}
    with a:
        epochs = number("Epochs", "epochs", 1, 500)
        optimizer = one_of("Optimiser", "optimizer", list(OPTIMIZERS))
        class_balance = one_of(
            "Rare classes", "class_balance", CLASS_BALANCES,
            help="weights: they weigh more in the loss. sampling: their records come more often.",
        )  # fmt: skip
    with b:
        batch_size = number("Batch, records", "batch_size", 2, 512)
        rate = number(
            "Learning rate", "learning_rate", 0.0, 1.0, **by_network,
            help="By network: the rate at which it trains, found by the same search for each.",
        )  # fmt: skip
        smoothing = number("Label smoothing", "label_smoothing", 0.0, 0.5, step=0.05)
    with c:
        seed = number("Seed", "seed", 0, 10_000)
        decay = number(
            "Weight decay", "weight_decay", 0.0, 1.0, placeholder="by optimiser", format="%g"
        )
        dropout = number("Dropout", "dropout", 0.0, 0.95, **by_network)
    with d:
        schedule = one_of("Schedule", "schedule", SCHEDULES)
        clip = number(
            "Longest gradient", "grad_clip", 0.001, 1000.0, placeholder="any", format="%g"
        )
        patience = number(
            "Patience, epochs", "patience", 1, 500, placeholder="none",
            help="Stop after so many epochs without a better validation macro AUC.",
        )  # fmt: skip
    with e:
        warmup_fraction = number("Warm-up, share", "warmup_fraction", 0.0, 0.5, step=0.05)
        ema_decay = number(
            "Average of weights", "ema_decay", 0.0, 0.9999, step=0.001, format="%g",
            help="Decay a step of a running average of the weights, which is kept; 0: none.",
        )  # fmt: skip
        augmentation = one_of(
            "Augmentation", "augmentation", AUGMENTATIONS,
            help="Of training records only. standard: shift, crop, gain, wander, noise, a lead "
            "lost, warp. targeted: also mixed near the ST and voltage borderlines.",
        )  # fmt: skip
    return {
        "epochs": epochs, "optimizer": optimizer, "class_balance": class_balance, "batch_size": batch_size,
        "learning_rate": rate, "label_smoothing": smoothing, "seed": seed, "weight_decay": decay,
        "dropout": dropout, "schedule": schedule, "grad_clip": clip, "patience": patience,
        "warmup_fraction": warmup_fraction, "ema_decay": ema_decay, "augmentation": augmentation,
    }  # fmt: skip


def pictures() -> Settings:
    """Let the visitor choose the image, and the shape of a network on signals."""
    networks = st.session_state.get(key_of("networks"), BOTH)
    inputs = {cached_runs.networks()[name].input for name in networks}
    a, b, c, d, e = st.columns(5)
    off = inputs == {"signal"}
    with a:
        layout = one_of(
            "Image layout", "layout", LAYOUTS, disabled=off,
            help="stacked: twelve rows. clinical: 3×4 above a rhythm strip. panels: each lead's "
            "median beat above a rhythm strip. Browse shows each.",
        )  # fmt: skip
    with b:
        size = number(
            "Image side, px", "size", 67, 1024, disabled=off,
            help="alexnet with its dense layers reads 224 px alone; _gap takes any.",
        )  # fmt: skip
    found: Settings = {"layout": layout, "size": size}
    if "resnet1d" not in networks:
        with c:
            rhythm = one_of("Rhythm lead", "rhythm", LEADS, disabled=off or layout == "stacked")
        return found | {"rhythm": rhythm if layout != "stacked" else PAPER.rhythm}
    for column, name, words, least in zip(
        (c, d, e), SHAPE, ("depth, blocks", "width, channels", "kernel, samples"), (4, 8, 3),
        strict=True,
    ):  # fmt: skip
        with column:
            found[name] = number(f"resnet1d {words}", name, least, 512, placeholder="by default")
    return found


def start_and_machine() -> Settings:
    """Let the visitor choose what it starts from, and how it computes."""
    a, b, c, d = st.columns([3, 2, 3, 2])
    with a:
        pretrained = one_of(
            "Start from", "pretrained", [FRESH, *cached_runs.with_weights()],
            help="Fine-tuning: the weights of that run are the start, its pictures are used.",
        )  # fmt: skip
    with b:
        trunk = number(
            "Trunk rate, share", "backbone_lr_factor", 0.0, 1.0, step=0.1,
            disabled=pretrained == FRESH, help="Of all but the head, as a share; 0 freezes it.",
        )  # fmt: skip
    with c:
        teacher = one_of(
            "Taught by", "teacher", [NOBODY, *cached_runs.with_weights()],
            help="That run's answers to the training records are learnt from beside the labels: an "
            "image network learns more by those of one that reads the signals. It must not have "
            "learnt from patients that are validated or tested here.",
        )  # fmt: skip
    with d:
        precision = one_of(
            "Precision", "precision", PRECISIONS, help="auto: bfloat16 where the device has it."
        )
    fresh = pretrained == FRESH
    return {
        "pretrained": None if fresh else pretrained,
        "backbone_lr_factor": 1.0 if fresh else trunk,
        "teacher": None if teacher == NOBODY else teacher,
        "precision": precision,
    }

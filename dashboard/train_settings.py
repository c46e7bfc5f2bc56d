"""Train: what is asked for. The paper's protocol as it stands, the rest under "more"."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import streamlit as st

from dashboard import cached, cached_runs, controls, state
from ecgcore.imaging import LAYOUTS
from ecgcore.labels.sets import SETS as LABEL_SETS
from ecgcore.labels.targets import MODES
from ecgcore.records.record import LEADS
from ecgcore.training.config import (
    AUGMENTS,
    BALANCES,
    OPTIMISERS,
    PRECISIONS,
    SCHEDULES,
    SPLITS,
    TIERS,
    TrainConfig,
)

BOTH = ["alexnet", "alexnet_m_se"]
LEVELS, OWN = ["204", "440", "all", "own"], "own"
BY_LEVEL, FRESH = "by level", "fresh weights"
PAPER = TrainConfig(cohort="")
IMAGE_SETTINGS = ("layout", "size", "rhythm")
SHAPE = ("depth", "width", "kernel")
THRESHOLDS = {"paper": "paper", "aha2009": "AHA 2009", "udmi2018": "UDMI 2018"}

Settings = dict[str, Any]


def ask() -> list[TrainConfig]:
    """Let the visitor choose; return one training a network."""
    settings = _records()
    networks = st.container()
    with st.expander("More settings"):
        settings |= _labels(settings["cohort"])
        settings |= _learning()
        settings |= _pictures()
        settings |= _start_and_machine()
        st.button(
            "Back to the paper's protocol", icon=":material/undo:", key="train_reset",
            on_click=_reset,
        )  # fmt: skip
        _say_what_differs(settings)
    with networks:
        chosen = _networks(settings["init"])
    return [_of(network, settings) for network in chosen]


def _say_what_differs(settings: Settings) -> None:
    """Say how far the settings are those of the paper's protocol."""
    known = {"level": LEVELS[:2], "seed": [settings["seed"]]}  # any seed, and its two levels
    differ = [
        name.replace("_", " ")
        for name, value in settings.items()
        if name != "cohort" and value not in known.get(name, [getattr(PAPER, name)])
    ]
    if differ:
        st.caption(f"Not as in the paper's protocol: {', '.join(differ)}.")
    else:
        st.caption("This is the paper's protocol.")


def _key(name: str) -> str:
    return f"train_{name}"


def _first(name: str) -> Any:
    """Return what a control holds at first: the paper's protocol."""
    special = {
        "level": "204", "records": 300, "networks": BOTH, "target_mode": BY_LEVEL, "init": FRESH,
    }  # fmt: skip
    return special[name] if name in special else getattr(PAPER, name)


def _reset() -> None:
    """Put every setting back; the cohort stays."""
    names = {f.name for f in fields(TrainConfig)} - {"cohort", "model"} | {"records", "networks"}
    for name in names:
        if _key(name) in st.session_state:
            st.session_state[_key(name)] = _first(name)


def _one_of(label: str, name: str, options: Sequence[str], **how: Any) -> Any:
    """Let the visitor choose one option of a setting."""
    first = list(options).index(_first(name))
    return st.selectbox(label, options, index=first, key=_key(name), bind=state.URL, **how)


def _number(label: str, name: str, least: float, most: float, **how: Any) -> Any:
    """Let the visitor choose a number; empty where the setting may be left to the network."""
    return st.number_input(label, least, most, _first(name), key=_key(name), bind=state.URL, **how)


def _records() -> Settings:
    """Let the visitor choose cohort and level."""
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    with left:
        cohort = controls.choose_cohort()
    with middle:
        level = st.segmented_control(
            "Level, records", LEVELS, default="204", required=True, key=_key("level"),
            bind=state.URL, help="204 and 440 are the paper's: as many of each class. own: a "
            "number of yours. all: every record with a label, several classes a record.",
        )  # fmt: skip
    if level == OWN:
        with right:
            level = str(_number("Records", "records", 10, 100_000, step=10))
    return {"cohort": cohort, "level": level}


def _networks(init: str | None) -> list[str]:
    """Let the visitor choose networks; what starts from a run is of that run's network."""
    known = cached_runs.networks()
    if init is not None:
        model = cached_runs.run(init).meta["model"]
        st.caption(f"Network: {model}, as run {init} has it; it also reads the same pictures.")
        return [model]
    names = [*BOTH, *(name for name in known if name not in BOTH)]
    return st.pills(
        "Networks", names, default=BOTH, selection_mode="multi", key=_key("networks"),
        bind=state.URL, help="_gap: global average pooling instead of the two large dense layers, "
        "the paper's own remedy against overfitting; smaller and quicker. _bn, _se: only one of "
        "what M-SE adds. resnet1d reads signals instead of images.",
    )  # fmt: skip


def _labels(cohort: str) -> Settings:
    """Let the visitor choose which labels, and how records are split."""
    a, b, c, d, e = st.columns(5)
    with a:
        label_set = _one_of(
            "Classes", "label_set", LABEL_SETS,
            help="paper10: the paper's ten. ptbxl5, ptbxl71: PTB-XL's superclasses and statements.",
        )  # fmt: skip
    own = label_set != "paper10"
    with b:
        policy = _one_of(
            "Labels by", "policy", ["expert", "criteria"], disabled=own,
            help="expert: what the source states. criteria: measurements against thresholds; "
            "automatic, unconfirmed.",
        )  # fmt: skip
    by_criteria = policy == "criteria" and not own
    with c:
        if by_criteria:
            thresholds = _one_of(
                "Thresholds", "thresholds", list(THRESHOLDS), format_func=THRESHOLDS.__getitem__
            )
            tier = PAPER.tier
        else:
            tier = _one_of(
                "Statements", "tier", TIERS, disabled=own, help="broad: the weaker ones, too."
            )
            thresholds = PAPER.thresholds
    with d:
        mode = _one_of(
            "Target mode", "target_mode", [BY_LEVEL, *MODES],
            help="By level: exclusive (one class a record, the paper's) for a number of records, "
            "multilabel for all.",
        )  # fmt: skip
    with e:
        split = _one_of(
            "Split by", "split", _ways_to_split(cohort),
            help="patient: 70/15/15 beside an untouched fold. folds: as published. source:NAME: "
            "that source tests, the others train; records known to be in both are left out.",
        )  # fmt: skip
    return {
        "label_set": label_set,
        "policy": "criteria" if by_criteria else "expert",
        "thresholds": thresholds,
        "tier": PAPER.tier if own else tier,
        "target_mode": None if mode == BY_LEVEL else mode,
        "split": split,
    }


def _ways_to_split(cohort: str) -> list[str]:
    """Return the ways to split a cohort: one of several sources may be left out to test."""
    sources = next(c.sources for c in cached.cohorts() if c.name == cohort)
    return [*SPLITS, *(f"source:{name}" for name in sources if len(sources) > 1)]


def _learning() -> Settings:
    """Let the visitor choose how it learns."""
    a, b, c, d, e = st.columns(5)
    by_network = {"placeholder": "by network", "format": "%g"}
    with a:
        epochs = _number("Epochs", "epochs", 1, 500)
        optimiser = _one_of("Optimiser", "optimiser", list(OPTIMISERS))
        balance = _one_of(
            "Rare classes", "balance", BALANCES,
            help="weights: they weigh more in the loss. sampling: their records come more often.",
        )  # fmt: skip
    with b:
        batch = _number("Batch, records", "batch", 2, 512)
        rate = _number(
            "Learning rate", "learning_rate", 0.0, 1.0, **by_network,
            help="By network: the rate at which it trains, found by the same search for each.",
        )  # fmt: skip
        smoothing = _number("Label smoothing", "label_smoothing", 0.0, 0.5, step=0.05)
    with c:
        seed = _number("Seed", "seed", 0, 10_000)
        decay = _number(
            "Weight decay", "weight_decay", 0.0, 1.0, placeholder="by optimiser", format="%g"
        )
        dropout = _number("Dropout", "dropout", 0.0, 0.95, **by_network)
    with d:
        schedule = _one_of("Schedule", "schedule", SCHEDULES)
        clip = _number(
            "Longest gradient", "clip_norm", 0.001, 1000.0, placeholder="any", format="%g"
        )
        patience = _number(
            "Patience, epochs", "patience", 1, 500, placeholder="none",
            help="Stop after so many epochs without a better validation macro AUC.",
        )  # fmt: skip
    with e:
        warm_up = _number("Warm-up, share", "warm_up", 0.0, 0.5, step=0.05)
        average = _number(
            "Average of weights", "average", 0.0, 0.9999, step=0.001, format="%g",
            help="Decay a step of a running average of the weights, which is kept; 0: none.",
        )  # fmt: skip
        augment = _one_of(
            "Augmentation", "augment", AUGMENTS,
            help="Of training records only. standard: shift, crop, gain, wander, noise, a lead "
            "lost, warp. targeted: also mixed near the ST and voltage borderlines.",
        )  # fmt: skip
    return {
        "epochs": epochs, "optimiser": optimiser, "balance": balance, "batch": batch,
        "learning_rate": rate, "label_smoothing": smoothing, "seed": seed, "weight_decay": decay,
        "dropout": dropout, "schedule": schedule, "clip_norm": clip, "patience": patience,
        "warm_up": warm_up, "average": average, "augment": augment,
    }  # fmt: skip


def _pictures() -> Settings:
    """Let the visitor choose the image, and the shape of a network on signals."""
    networks = st.session_state.get(_key("networks"), BOTH)
    inputs = {cached_runs.networks()[name].input for name in networks}
    a, b, c, d, e = st.columns(5)
    off = inputs == {"signal"}
    with a:
        layout = _one_of(
            "Image layout", "layout", LAYOUTS, disabled=off,
            help="stacked: twelve rows. clinical: 3×4 above a rhythm strip. panels: each lead's "
            "median beat above a rhythm strip. Browse shows each.",
        )  # fmt: skip
    with b:
        size = _number(
            "Image side, px", "size", 67, 1024, disabled=off,
            help="alexnet with its dense layers reads 224 px alone; _gap takes any.",
        )  # fmt: skip
    found: Settings = {"layout": layout, "size": size}
    if "resnet1d" not in networks:
        with c:
            rhythm = _one_of("Rhythm lead", "rhythm", LEADS, disabled=off or layout == "stacked")
        return found | {"rhythm": rhythm if layout != "stacked" else PAPER.rhythm}
    for column, name, words, least in zip(
        (c, d, e), SHAPE, ("depth, blocks", "width, channels", "kernel, samples"), (4, 8, 3),
        strict=True,
    ):  # fmt: skip
        with column:
            found[name] = _number(f"resnet1d {words}", name, least, 512, placeholder="by default")
    return found


def _start_and_machine() -> Settings:
    """Let the visitor choose what it starts from, and how it computes."""
    a, b, c = st.columns([3, 1, 1])
    with a:
        init = _one_of(
            "Start from", "init", [FRESH, *cached_runs.with_weights()],
            help="Fine-tuning: the weights of that run are the start, its pictures are used.",
        )  # fmt: skip
    with b:
        trunk = _number(
            "Rate of the trunk, share", "trunk_rate", 0.0, 1.0, step=0.1,
            disabled=init == FRESH, help="Of all but the head, as a share; 0 freezes it.",
        )  # fmt: skip
    with c:
        precision = _one_of(
            "Precision", "precision", PRECISIONS, help="auto: bfloat16 where the device has it."
        )
    fresh = init == FRESH
    return {
        "init": None if fresh else init,
        "trunk_rate": 1.0 if fresh else trunk,
        "precision": precision,
    }


def _of(network: str, settings: Settings) -> TrainConfig:
    """Return the training of one network: settings that it does not have are left out."""
    without = set() if network == "resnet1d" else set(SHAPE)
    if settings["init"] is not None:
        own = cached_runs.run(settings["init"]).config.model_options
        settings = settings | {name: None for name in (*SHAPE, "dropout")} | own
        without = set(IMAGE_SETTINGS)
    elif cached_runs.networks()[network].input == "signal":
        without |= set(IMAGE_SETTINGS)
    kept = {name: value for name, value in settings.items() if name not in without}
    return TrainConfig(model=network, **kept)

"""Train: what is asked for. The paper's protocol as it stands, the rest under "more"."""

from dataclasses import fields

import streamlit as st

from dashboard import state
from dashboard.components import controls, train_advanced
from dashboard.components.train_advanced import (
    BOTH,
    LEVELS,
    OWN,
    PAPER,
    SHAPE,
    Settings,
    first_of,
    key_of,
    number,
)
from dashboard.data import cached_runs
from ecgcore.runs.config import TrainConfig

IMAGE_SETTINGS = ("layout", "size", "rhythm")


def ask() -> list[TrainConfig]:
    """Let the visitor choose; return one training a network."""
    settings = _records()
    networks = st.container()
    with st.expander("More settings"):
        settings |= train_advanced.labels(settings["cohort"])
        settings |= train_advanced.learning()
        settings |= train_advanced.pictures()
        settings |= train_advanced.start_and_machine()
        st.button(
            "Back to the paper's protocol", icon=":material/undo:", key="train_reset",
            on_click=_reset,
        )  # fmt: skip
        _say_what_differs(settings)
    with networks:
        chosen = _networks(settings["pretrained"])
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


def _reset() -> None:
    """Put every setting back; the cohort stays."""
    names = {f.name for f in fields(TrainConfig)} - {"cohort", "model"} | {"records", "networks"}
    for name in names:
        if key_of(name) in st.session_state:
            st.session_state[key_of(name)] = first_of(name)


def _records() -> Settings:
    """Let the visitor choose cohort and level."""
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    with left:
        cohort = controls.choose_cohort()
    with middle:
        level = st.segmented_control(
            "Level, records", LEVELS, default="204", required=True, key=key_of("level"),
            bind=state.URL, help="204 and 440 are the paper's: as many of each class. own: a "
            "number of yours. all: every record with a label, several classes a record.",
        )  # fmt: skip
    if level == OWN:
        with right:
            level = str(number("Records", "records", 10, 100_000, step=10))
    return {"cohort": cohort, "level": level}


def _networks(pretrained: str | None) -> list[str]:
    """Let the visitor choose networks; what starts from a run is of that run's network."""
    known = cached_runs.networks()
    if pretrained is not None:
        model = cached_runs.run(pretrained).meta["model"]
        st.caption(
            f"Network: {model}, as run {pretrained} has it; it also reads the same pictures."
        )
        return [model]
    names = [*BOTH, *(name for name in known if name not in BOTH)]
    return st.pills(
        "Networks", names, default=BOTH, selection_mode="multi", key=key_of("networks"),
        bind=state.URL, help="_gap: global average pooling instead of the two large dense layers, "
        "the paper's own remedy against overfitting; smaller and quicker. _bn, _se: only one of "
        "what M-SE adds. resnet1d reads signals instead of images.",
    )  # fmt: skip


def _of(network: str, settings: Settings) -> TrainConfig:
    """Return the training of one network: settings that it does not have are left out."""
    without = set() if network == "resnet1d" else set(SHAPE)
    if settings["pretrained"] is not None:
        own = cached_runs.run(settings["pretrained"]).config.model_options
        settings = settings | {name: None for name in (*SHAPE, "dropout")} | own
        without = set(IMAGE_SETTINGS)
    elif cached_runs.networks()[network].input == "signal":
        without |= set(IMAGE_SETTINGS)
    kept = {name: value for name, value in settings.items() if name not in without}
    return TrainConfig(model=network, **kept)

"""Train: choose a cohort and a level, see what there is to learn from, train both networks and
watch them. Trainings are processes of their own: closing this page stops none of them."""

import streamlit as st

from dashboard import cached, cached_runs, controls, draw, figures_training, palette, state
from ecgcore.errors import EcgError
from ecgcore.imaging import LAYOUTS
from ecgcore.labels.targets import MODES
from ecgcore.training.config import AUGMENTS, OPTIMISERS, SPLITS, TIERS, TrainConfig

NETWORKS = ["alexnet", "alexnet_m_se", "alexnet_gap", "alexnet_m_se_gap"]
LEVELS = ["204", "440", "all"]
BY_LEVEL = "by level"
PAPER = TrainConfig(cohort="")


def ways_to_split(cohort: str) -> list[str]:
    """Return the ways to split a cohort: one of several sources may be left out to test."""
    sources = next(c.sources for c in cached.cohorts() if c.name == cohort)
    return [*SPLITS, *(f"source:{name}" for name in sources if len(sources) > 1)]


def asked_for() -> dict:
    """Return the settings that the visitor chose, without the network."""
    left, middle, right = st.columns([2, 1, 2])
    with left:
        cohort = controls.choose_cohort()
    with middle:
        level = st.segmented_control(
            "Level, records", LEVELS, default="204", required=True, key="train_level",
            bind=state.URL,
        )  # fmt: skip
    with right:
        mode = st.selectbox(
            "Target mode", [BY_LEVEL, *MODES], key="train_mode", bind=state.URL,
            help="By level: exclusive (one class a record, the paper's) for 204 and 440, "
            "multilabel for all.",
        )  # fmt: skip
    with st.expander("More settings; as they stand they are the paper's protocol"):
        a, b, c, d = st.columns(4)
        epochs = a.number_input("Epochs", 1, 500, PAPER.epochs, key="train_epochs")
        batch = b.number_input("Batch, records", 2, 512, PAPER.batch, key="train_batch")
        seed = c.number_input("Seed", 0, 10_000, PAPER.seed, key="train_seed")
        tier = d.selectbox("Label tier", TIERS, key="train_tier")
        optimiser = a.selectbox("Optimiser", list(OPTIMISERS), key="train_optimiser")
        rate = b.number_input(
            "Learning rate", 0.0, 1.0, None, format="%g", key="train_rate",
            placeholder="by network",
            help="By network: the rate at which it trains, found by the same search for each.",
        )  # fmt: skip
        split = c.selectbox(
            "Split by", ways_to_split(cohort), key="train_split",
            help="patient: 70/15/15 beside an untouched fold. folds: as published. source:NAME: "
            "that source tests, the others train; records known to be in both are left out.",
        )  # fmt: skip
        layout = d.selectbox(
            "Image layout", LAYOUTS, key="train_layout",
            help="stacked: twelve rows. clinical: 3×4 above a rhythm strip. panels: each lead's "
            "median beat above a rhythm strip. Browse shows each.",
        )  # fmt: skip
        augment = a.selectbox(
            "Augmentation", AUGMENTS, key="train_augment",
            help="Of training records only. standard: shift, crop, gain, wander, noise, a lead "
            "lost, warp. targeted: also mixed near the ST and voltage borderlines.",
        )  # fmt: skip
    return {
        "cohort": cohort, "level": level, "target_mode": None if mode == BY_LEVEL else mode,
        "epochs": int(epochs), "batch": int(batch), "seed": int(seed), "tier": tier,
        "optimiser": optimiser, "learning_rate": rate, "split": split,
        "layout": layout, "augment": augment,
    }  # fmt: skip


def show_plan(config: TrainConfig) -> bool:
    """Show what the training would learn from; tell whether it can start."""
    try:
        plan = cached_runs.plan(config)
    except EcgError as error:
        st.error(str(error))
        return False
    left, right = st.columns([3, 2])
    with left:
        alt = "Records of each class: asked for at this level, there, and drawn"
        draw.figure(figures_training.level_bars(plan.counts), "train_classes", alt)
    with right:
        draw.parts_table(plan)
        for note in plan.notes:
            st.caption(note)
        left_out = ", ".join(f"{n:,} {why}" for why, n in plan.left_out.items())
        st.caption(f"Left out: {left_out or 'none'}.")
    return True


def watch() -> None:
    """Show the trainings at work, or else the last ones."""
    alive = cached_runs.alive_runs()
    shown = alive or cached_runs.runs()[: st.session_state.get("train_started", 2)][::-1]
    if not shown:
        return
    st.subheader("Training now" if alive else "Last trained")
    names = controls.short_names(shown)
    colours = list(palette.MODEL[state.is_dark()].values())
    colours = [colours[i % 2] for i in range(len(shown))]
    histories = dict(zip(names, (r.history for r in shown), strict=True))
    epochs = max(r.status["epochs"] for r in shown)
    alt = "Loss and validation macro AUC by epoch of each training"
    draw.figure(figures_training.training_curves(histories, colours, epochs), "train_curves", alt)
    for run, name in zip(shown, names, strict=True):
        draw.progress(run, name)
    if st.session_state.get("train_alive") and not alive:
        st.session_state["train_alive"] = False
        st.rerun()
    st.session_state["train_alive"] = bool(alive)


st.title("Train")
st.write(
    "Train the plain and the M-SE network on the same records, then compare them. Training goes "
    "on when this page is closed."
)
controls.need_cohort()
settings = asked_for()
networks = st.pills(
    "Networks", NETWORKS, default=NETWORKS[:2], selection_mode="multi", key="train_networks",
    help="_gap: global average pooling instead of the two large dense layers, the paper's own "
    "remedy against overfitting; smaller and quicker.",
)  # fmt: skip
ready = show_plan(TrainConfig(model=networks[0] if networks else "alexnet", **settings))
how_many = {0: "Choose a network", 1: "Train it", 2: "Train both"}.get(len(networks), "Train all")
if st.button(how_many, type="primary", disabled=not (ready and networks), key="train_start"):
    try:
        for network in networks:
            cached_runs.start(TrainConfig(model=network, **settings))
        st.session_state["train_started"] = len(networks)
    except EcgError as error:
        st.error(str(error))
died = len(cached_runs.cut_off_runs())
if died and st.button(
    f"Resume {died} cut off", key="train_resume",
    help="Their processes ended without a word, as when the machine restarts. Each goes on where "
    "it was saved last, in the order in which they stood in the queue.",
):  # fmt: skip
    cached_runs.resume_all()
    st.rerun()
st.fragment(watch, run_every="2s" if cached_runs.alive_runs() else None)()
pair = cached_runs.latest_pair()
if pair and cached_runs.done_runs() and not cached_runs.alive_runs():
    looked_at = {state.RUN_A: pair[0].id, state.RUN_B: pair[1].id}
    controls.link("Compare the last two", "compare", "compare_arrows", looked_at)

"""Train: running and earlier trainings, and the actions on each."""

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.charts import draw, figures_training, palette
from dashboard.components import controls
from dashboard.data import cached_runs
from dashboard.plain_text import message
from ecgcore.errors import EcgError
from ecgcore.runs.run import ALIVE, Run

MOST_SHOWN = 6
CANCEL_RUNNING = (
    "It stops after its batch. The best epoch so far is kept, and Resume continues the training. "
    "It is scored, and can be compared, only once it has been resumed to its end."
)
CANCEL_QUEUED = "It has not started: it leaves the queue. Resume puts it back, at the end."


def watch() -> None:
    """Show the chosen trainings: by default those that are running, else the last ones."""
    alive = cached_runs.alive_runs()
    shown = _chosen(alive)
    if not shown:
        return
    st.subheader("Training now" if alive else "Last trained")
    names = controls.short_names(shown)
    pair = list(palette.MODEL[state.is_dark()].values())
    colours = [pair[i % 2] for i in range(len(shown))]
    histories = dict(zip(names, (r.history for r in shown), strict=True))
    epochs = max(r.status["epochs"] for r in shown)
    alt = f"Loss and validation macro AUC by epoch of {', '.join(r.id for r in shown)}"
    curves = figures_training.training_curves(histories, colours, epochs)
    draw.figure(curves, "train_curves", alt)
    for run, name in zip(shown, names, strict=True):
        _progress(run, name, alive)
    if st.session_state.get("train_alive") and not alive:
        st.session_state["train_alive"] = False
        st.rerun()
    st.session_state["train_alive"] = bool(alive)
    if not alive:
        _offer_comparison(shown)


def choose() -> None:
    """Show a list of earlier trainings whose curves can be shown."""
    run_ids = [run.id for run in cached_runs.runs()]
    if run_ids:
        st.multiselect(
            "Trainings shown",
            run_ids,
            key="train_shown",
            bind=state.URL,
            wrap=True,
            max_selections=MOST_SHOWN,
            placeholder="Those running, else the last ones",
        )


def _chosen(alive: Sequence[Run]) -> list[Run]:
    if run_ids := st.session_state.get("train_shown"):
        return [cached_runs.run(run_id) for run_id in run_ids]
    if alive:
        return list(alive)
    return cached_runs.runs()[: st.session_state.get("train_started", 2)][::-1]


def _progress(run: Run, name: str, alive: Sequence[Run]) -> None:
    """Show the progress of a training, its log, and a button that cancels or resumes it."""
    status = run.status
    state_now = status["state"]
    left, right = st.columns([5, 2], vertical_alignment="center")
    text = f"**{name}** · {state_now} · epoch {status['epoch']} of {status['epochs']}"
    if state_now == "running":
        text += f" · {draw.time_left(status['eta_s'])}"
    if state_now == "queued" and run in alive:  # else its process is still starting
        text += f" · position {1 + alive.index(run)} in the queue"
    if state_now != "done":
        text += f" · {status['message']}"
    left.progress(status["epoch"] / max(1, status["epochs"]), text=text)
    with right.container(horizontal=True, horizontal_alignment="right"):
        if state_now in ALIVE:
            _cancel(run, state_now)
        elif state_now != "done":
            _resume(run)
        with st.popover("Log", key=f"train_log_{run.id}"):
            log = run.log[-4000:] or "Nothing has been printed yet."
            st.code(log, language=None, wrap_lines=True)


def _cancel(run: Run, state_now: str) -> None:
    """Say what is lost, then cancel a training."""
    with st.popover("Cancel", key=f"train_cancelling_{run.id}"):
        st.write(CANCEL_RUNNING if state_now == "running" else CANCEL_QUEUED)
        if st.button("Stop this training", key=f"train_cancel_{run.id}", type="primary"):
            try:
                run.cancel()
            except EcgError as error:  # it has just ended
                st.error(message(error))


def _resume(run: Run) -> None:
    """Resume a training that was cancelled, crashed or failed."""
    if st.button("Resume", icon=":material/play_arrow:", key=f"train_resume_{run.id}"):
        try:
            cached_runs.resume(run)
        except EcgError as error:
            st.error(message(error))
        else:
            st.rerun()


def _offer_comparison(shown: Sequence[Run]) -> None:
    """Offer to compare the two trainings shown, else the last two that can be compared."""
    done = [run for run in shown if run.evaluation is not None]
    pair = (done[0], done[1]) if len(done) == 2 else cached_runs.latest_pair()
    if pair is None or not cached_runs.done_runs():
        return
    a, b = sorted(pair, key=lambda run: "m_se" in run.meta["model"])
    words = "these two" if len(done) == 2 else "the last two"
    sides = {state.RUN_A: a.id, state.RUN_B: b.id}
    controls.link(f"Compare {words}", "compare", "compare_arrows", sides)

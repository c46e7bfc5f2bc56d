"""Sentences of a report about its runs, each made from what the run's files hold."""

from ecgcore.calibration.calibration import OUT_OF_FOLD_NOTE
from ecgcore.report.facts import Facts, Side
from ecgcore.training.distillation import TEACHER_WEIGHT

_LOSSES = {
    "multilabel": "binary cross-entropy of each class, mean over the known labels",
    "exclusive": "cross-entropy over the classes",
    "priority": "cross-entropy over the classes",
}


def title(facts: Facts) -> str:
    """Return the report's title: kind of study, task, and the two networks."""
    a, b = facts.sides
    tests = {True: "internal validation out of fold", False: "evaluation on held-out patients"}
    how = dict.fromkeys(tests[side.is_out_of_fold] for side in facts.sides)
    return (
        f"Two networks that classify 12-lead ECGs into {len(a.meta['classes'])} classes, {b.name} "
        f"(B) against {a.name} (A): development and {' and '.join(how)}"
    )


def scored_records(side: Side) -> str:
    """Return what a run's scored records were to it."""
    if side.is_out_of_fold:
        return f"{side.letter}: {OUT_OF_FOLD_NOTE} The number of epochs belongs to the recipe."
    return (
        f"{side.letter}: no patient and no signal is in two parts. Epoch, temperature and "
        f"thresholds come from validation, not from part “{side.scores.part}”."
    )


def split_way(side: Side) -> str:
    """Return how a run's records were divided."""
    way = side.run.config.split
    if side.is_out_of_fold and way == "none":
        return "none: the released network was trained on all records; scored out of fold"
    return way


def kept_epoch(side: Side) -> str:
    """Return which epoch's weights a run kept."""
    epoch = side.run.status["best_epoch"]
    if side.meta["split"]["records"].get("validation"):
        return f"{side.letter}: epoch {epoch}, of the highest validation macro AUC"
    return f"{side.letter}: epoch {epoch}, the last, since nothing was validated"


def temperature(side: Side) -> str:
    """Return where a run's temperature comes from."""
    if side.run.calibration["temperature"] is None:
        return f"{side.letter}: not calibrated."
    if side.is_out_of_fold:
        return (
            f"{side.letter}: one temperature, fitted on the out-of-fold answers, which are the "
            "records scored here."
        )
    return f"{side.letter}: one temperature, fitted on validation records."


def thresholds(side: Side) -> str:
    """Return how a run's thresholds were chosen."""
    by = side.run.calibration.get("thresholds_by") or "0.5, nothing chosen"
    if side.meta["target_mode"] != "multilabel":
        return f"{side.letter}: the most probable class is the answer; there are no thresholds."
    seen = " The records scored here chose them." if side.is_out_of_fold else ""
    return f"{side.letter}: thresholds of {by}.{seen}"


def loss(side: Side) -> str:
    """Return a run's loss function."""
    config = side.run.config
    text = _LOSSES[side.meta["target_mode"]]
    if config.label_smoothing:
        text += f", labels smoothed by {config.label_smoothing:g}"
    if config.teacher:
        text += f"; targets {TEACHER_WEIGHT:g} teacher's answer, {1 - TEACHER_WEIGHT:g} label"
    return text


def initialisation(side: Side) -> str:
    """Return what the weights started from."""
    config = side.run.config
    if config.pretrained:
        return f"weights of run {config.pretrained}"
    return f"random, after He et al. 2015 (doi:10.1109/ICCV.2015.123), seed {config.seed}"


def teacher(side: Side) -> str:
    """Return the run whose answers a run was trained on."""
    stored = side.meta.get("teacher")
    if not stored:
        return side.run.config.teacher or "none"
    weights = stored.get("weights", "")
    return f"{stored['run']}, weights {weights[:16]}…" if weights else stored["run"]


def class_balance(side: Side) -> str:
    """Return how a run treated classes of unequal size."""
    way = side.run.config.class_balance
    words = {
        "none": "no record and no class was weighted; each class has its own threshold",
        "weights": "rare classes weigh more in the loss",
        "sampling": "records of rare classes are drawn more often",
    }
    return f"{side.letter}: {words.get(way, way)}."


def sample_size(facts: Facts) -> list[str]:
    """Return sentences on the numbers that the figures rest on."""
    evaluation = facts.sides[0].evaluation["classes"]
    events = {code: of_class["n"] for code, of_class in evaluation.items()}
    rarest = min(events, key=events.__getitem__)
    lines = [
        "No sample size was calculated beforehand: all labelled records of the cohort were used, "
        "and the intervals show what they can tell.",
        f"Rarest class: {rarest}, {events[rarest]:,} records of {facts.comparison['n_common']:,} "
        "scored.",
    ]
    parts = {p for side in facts.sides for p, n in side.meta["split"]["records"].items() if n}
    if parts != {"train"}:
        lines.append("Training, validation and scored parts are counted in the table below.")
    return lines

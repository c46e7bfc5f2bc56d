"""Explain: one call for every method; what a classifier saw in a record that speaks for a class."""

from typing import Any

import numpy as np

from ecgcore.explain.explanation import Explanation, Resolution, no_relevance
from ecgcore.explain.integrated_gradients import of_picture
from ecgcore.explain.lead_masks import picture_ink
from ecgcore.explain.map_to_leads import by_lead, by_lead_time, by_strip, off_trace
from ecgcore.explain.methods import METHODS, method_name
from ecgcore.explain.relevance import (
    InPicture,
    InSignal,
    by_sample,
    by_time,
    lead_shares,
    painted,
    wave_shares,
)
from ecgcore.explain.target import LEAST_INK, Explainable, Question
from ecgcore.imaging.geometry import Geometry
from ecgcore.inference.inputs import ClassifierInput
from ecgcore.records.record import LEADS

Found = dict[str, Any]


def explain(
    classifier: Explainable,
    record: ClassifierInput,
    class_code: str,
    method: str = "grad_cam",
    signed: bool = False,
) -> Explanation:
    """Return where in a record the classifier found evidence for a class.

    The classifier's network is left as it was.

    Parameters
    ----------
    record
        Or a picture that was drawn of one, for methods that stay in the picture: its ink then
        belongs to the lead whose zero line is nearest, and what a median beat shows has no place in
        the record's time.
    class_code
        One of ``classifier.classes``.
    method
        One of METHODS.
    signed
        Show what speaks against the class, too: maps from −1 to 1, shares whose sizes sum to 1.

    Raises
    ------
    NotFound
        No such class or method.
    RequestError
        A picture for a method that needs the signal, or a record in which no beat was found for
        one that takes beats out.
    """
    name = method_name(method)
    question = Question.of(classifier, record, class_code)
    found = METHODS[name].find(question)
    if isinstance(found, InPicture):
        resolution = resolution_of(question.measures, found.cell_px(question.measures))
        told = _in_picture(question, found, resolution, signed)
    else:
        resolution = found.resolution
        told = _in_signal(question, found, signed)
    return Explanation(
        record=record.name,
        run=classifier.run_id,
        class_code=class_code,
        method=name,
        geometry=question.measures,
        resolution=resolution,
        image=question.image[0].detach().cpu().numpy(),
        signed=signed,
        warning=METHODS[name].warning,
        **told,
    )


def resolution_of(measures: Geometry, cell_px: tuple[float, float]) -> Resolution:
    """Return what a cell of (height, width) in px spans in this picture."""
    rows_px = np.unique([strip.baseline_px for strip in measures.strips])
    step_px = float(np.diff(rows_px).mean())
    leads = min(cell_px[0] / step_px, len(LEADS))
    return Resolution(ms=1000 * cell_px[1] / measures.px_per_s, leads=leads)


def shares_by_lead(means: np.ndarray) -> dict[str, float | None]:
    """Return each lead's share of the relevance along the traces, of its mean there (12,)."""
    return lead_shares(means[:, None])


def off_ink(question: Question) -> float | None:
    """Return the share of the positive relevance of pixels that lies on ink of no trace.

    By integrated gradients of the picture: an empty ground has no part in them, so that a network
    that is shown nothing but traces has 0. None where nothing speaks for the class.
    """
    beside = question.beside
    if beside is None:
        return 0.0
    relevance = of_picture(question).clip(min=0)
    off = relevance[(beside[0].abs() > LEAST_INK).numpy()]
    return float(off.sum() / relevance.sum()) if relevance.any() else None


def _in_picture(
    question: Question,
    found: InPicture,
    resolution: Resolution,
    signed: bool,
) -> Found:
    """Return what a map of the picture says of the traces."""
    measures = question.measures
    relevance = found.told(signed, (measures.height, measures.width))
    if not relevance.max() > 0:
        return _nothing()
    relevance = relevance / np.abs(relevance).max()
    has_signal = question.signal_mv is not None
    if has_signal:
        ink = question.ink
        beats_s = question.peaks_s if measures.shows_beats else np.zeros(0)
    else:
        ink, beats_s = picture_ink(question.inputs[0].numpy(), measures), np.zeros(0)
    along = by_strip(relevance, ink)
    steps = by_lead_time(along, measures, beats_s)
    waves: Found = {"why": NO_SIGNAL}
    if has_signal:
        waves = _waves(question, by_sample(steps, question.signal.shape[2]), resolution)
    return {
        "map": relevance,
        "by_lead_time": steps,
        "off_trace": off_trace(np.abs(relevance), ink, found.cell_px(measures)),
        "lead_relevance": shares_by_lead(by_lead(along, ink, measures)),
        **waves,
    }


NO_SIGNAL = "a picture holds no signal in which waves could be found"
NO_BEATS = "no beat was found in this record"


def _in_signal(question: Question, found: InSignal, signed: bool) -> Found:
    """Return what relevance of the signal says."""
    told = found.told(signed)
    beside = off_ink(question) if question.reads_images else None
    if not told.max() > 0:
        return _nothing() | {"off_trace": beside}
    measures = question.measures
    steps = by_time(told, question.fs_hz, measures)
    steps = steps / np.abs(steps).max()
    beats_s = question.peaks_s if measures.shows_beats else np.zeros(0)
    told_apart = found.resolution.leads <= 1
    return {
        "map": painted(steps, question.ink, measures, beats_s),
        "by_lead_time": steps,
        "off_trace": beside,
        "lead_relevance": lead_shares(told) if told_apart else no_relevance(),
        "beats": _beats(question, found, signed),
        **_waves(question, told, found.resolution, found.looked_at),
    }


def _waves(
    question: Question,
    told: np.ndarray,
    resolution: Resolution,
    looked_at: np.ndarray | None = None,
) -> Found:
    """Return relevance by wave beside the time that each takes; or why there is none."""
    waves = question.waves
    if waves.shortest_ms is None:
        return {"why": NO_BEATS}
    if resolution.ms > waves.shortest_ms + 1e-6:
        return {"shortest_ms": waves.shortest_ms}
    if not np.abs(told).sum():
        return {"why": "the map lies on no trace"}
    time = waves.time()
    within = 1.0 if looked_at is None else float(looked_at.mean())
    return {
        "wave_relevance": wave_shares(told, waves),
        "wave_time": {wave: share / within for wave, share in time.items()},
    }


def _beats(question: Question, found: InSignal, signed: bool) -> tuple[dict[str, Any], ...]:
    """Return each beat's R peak in s, its share, its share of the time, and whether it is early."""
    if found.beats is None:
        return ()
    shares = found.beats if signed else found.beats.clip(min=0)
    shares = shares / np.abs(shares).sum()
    waves = question.waves
    lengths = np.diff(waves.edges, axis=1)[:, 0]
    told = zip(waves.peaks_s, shares, lengths / lengths.sum(), waves.early, strict=True)
    return tuple(
        {"at_s": float(at), "share": float(share), "time": float(time), "early": bool(early)}
        for at, share, time, early in told
    )


def _nothing() -> Found:
    """Return what is told where nothing speaks for the class."""
    return {
        "map": None,
        "by_lead_time": None,
        "off_trace": None,
        "lead_relevance": no_relevance(),
        "why": "nothing the network saw speaks for the class",
    }

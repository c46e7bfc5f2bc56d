"""Explain a classifier's evidence for a class in a record, by any method."""

from dataclasses import replace
from typing import Any

import numpy as np

from ecgcore.explanation.explanation import Explanation, Resolution, no_relevance
from ecgcore.explanation.integrated_gradients import image_integrated_gradients
from ecgcore.explanation.map_to_leads import assign_ink, by_lead, by_lead_time, by_strip, off_trace
from ecgcore.explanation.methods import find_method
from ecgcore.explanation.relevance import (
    ImageRelevance,
    SignalRelevance,
    lead_shares,
    paint_map,
    steps_to_samples,
    sum_by_step,
    wave_shares,
)
from ecgcore.explanation.target import MIN_INK, Explainable, Target
from ecgcore.imaging.geometry import Geometry
from ecgcore.inference.inputs import ClassifierInput
from ecgcore.records.record import LEADS

NO_SIGNAL = "an image holds no signal in which waves could be found"
NO_BEATS = "no beat was found in this record"
NO_EVIDENCE = "nothing the network read speaks for the class"


def explain(
    classifier: Explainable,
    record: ClassifierInput,
    class_code: str,
    method: str = "grad_cam",
    signed: bool = False,
) -> Explanation:
    """Return where in a record the classifier found evidence for a class.

    The classifier's network is left unchanged.

    Parameters
    ----------
    classifier
        A loaded run, see ``ecgcore.inference.model.load_model``.
    record
        A record, in mV; or an image drawn from one, for methods that stay in the image. Its ink is
        then assigned to the lead with the nearest zero line, and a median beat has no position in
        the record's time.
    class_code
        One of ``classifier.classes``.
    method
        One of ``ecgcore.explanation.methods.METHODS``.
    signed
        Include evidence against the class: maps from −1 to 1, shares whose sizes sum to 1.

    Returns
    -------
    Explanation
        ``map`` (H, W) in 0..1 on the image, ``by_lead_time`` (12, n), shares by lead and wave,
        resolution in ms and leads.

    Raises
    ------
    NotFound
        Unknown class or method.
    RequestError
        An image for a method that needs the signal, or a record without beats for a method that
        removes beats.
    EcgError
        The network's output is not finite.

    Examples
    --------
    >>> from ecgcore.inference.model import load_model
    >>> from ecgcore.records.read import read_record
    >>> classifier = load_model("alexnet_m_se_gap")
    >>> record = read_record("examples/ptb-xl/records100/01000/01500_lr.hea")
    >>> explain(classifier, record, "LBBB", "integrated_gradients").resolution.leads
    1.0
    """
    chosen = find_method(method)
    target = Target.of(classifier, record, class_code)
    relevance = chosen.attribute(target)
    if isinstance(relevance, ImageRelevance):
        resolution = resolution_of(target.geometry, relevance.cell_px(target.geometry))
        fields = _explain_in_image(target, relevance, resolution, signed)
    else:
        resolution = relevance.resolution
        fields = _explain_in_signal(target, relevance, signed)
    explanation = Explanation(
        record=record.name,
        run=classifier.run_id,
        class_code=class_code,
        method=chosen.name,
        geometry=target.geometry,
        resolution=resolution,
        image=target.image[0].detach().cpu().numpy(),
        signed=signed,
        warning=chosen.warning,
    )
    return replace(explanation, **fields)


def resolution_of(geometry: Geometry, cell_px: tuple[float, float]) -> Resolution:
    """Return the time and leads that a cell of (height, width) in px spans in an image."""
    rows_px = np.unique([strip.baseline_px for strip in geometry.strips])
    step_px = float(np.diff(rows_px).mean())
    leads = min(cell_px[0] / step_px, len(LEADS))
    return Resolution(ms=1000 * cell_px[1] / geometry.px_per_s, leads=leads)


def off_trace_ink(target: Target) -> float | None:
    """Return the share of the positive relevance of pixels on ink that belongs to no trace.

    By integrated gradients of the image, in which the empty background has no share: a network that
    is shown nothing but traces has 0. None if nothing speaks for the class.
    """
    extra = target.extra_ink
    if extra is None:
        return 0.0
    relevance = image_integrated_gradients(target).clip(min=0)
    off = relevance[(extra[0].abs() > MIN_INK).numpy()]
    return float(off.sum() / relevance.sum()) if relevance.any() else None


def _explain_in_image(
    target: Target, relevance: ImageRelevance, resolution: Resolution, signed: bool
) -> dict[str, Any]:
    """Return the fields of an Explanation that follow from a map of the image."""
    geometry = target.geometry
    image_map = relevance.to_image(signed, (geometry.height, geometry.width))
    if not image_map.max() > 0:
        return {"why": NO_EVIDENCE}
    image_map = image_map / np.abs(image_map).max()
    has_signal = target.signal_mv is not None
    if has_signal:
        ink = target.ink
        beats_s = target.peaks_s if geometry.shows_beats else np.zeros(0)
    else:
        ink, beats_s = assign_ink(target.inputs[0].numpy(), geometry), np.zeros(0)
    along = by_strip(image_map, ink)
    steps = by_lead_time(along, geometry, beats_s)
    wave_fields: dict[str, Any] = {"why": NO_SIGNAL}
    if has_signal:
        samples = target.signal.shape[2]
        wave_fields = _wave_fields(target, steps_to_samples(steps, samples), resolution)
    return {
        "map": image_map,
        "by_lead_time": steps,
        "off_trace": off_trace(np.abs(image_map), ink, relevance.cell_px(geometry)),
        "lead_relevance": lead_shares(by_lead(along, ink, geometry)[:, None]),
        **wave_fields,
    }


def _explain_in_signal(target: Target, relevance: SignalRelevance, signed: bool) -> dict[str, Any]:
    """Return the fields of an Explanation that follow from relevance of the signal."""
    samples = relevance.per_sample(signed)
    off_trace_share = off_trace_ink(target) if target.reads_images else None
    if not samples.max() > 0:
        return {"off_trace": off_trace_share, "why": NO_EVIDENCE}
    geometry = target.geometry
    steps = sum_by_step(samples, target.fs_hz, geometry)
    steps = steps / np.abs(steps).max()
    beats_s = target.peaks_s if geometry.shows_beats else np.zeros(0)
    resolves_leads = relevance.resolution.leads <= 1
    return {
        "map": paint_map(steps, target.ink, geometry, beats_s),
        "by_lead_time": steps,
        "off_trace": off_trace_share,
        "lead_relevance": lead_shares(samples) if resolves_leads else no_relevance(),
        "beats": _beat_rows(target, relevance, signed),
        **_wave_fields(target, samples, relevance.resolution, relevance.covered),
    }


def _wave_fields(
    target: Target,
    samples: np.ndarray,
    resolution: Resolution,
    covered: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return relevance by wave and the time that each takes, or the reason why there is none."""
    waves = target.waves
    if waves.shortest_ms is None:
        return {"why": NO_BEATS}
    if resolution.ms > waves.shortest_ms + 1e-6:
        return {"shortest_ms": waves.shortest_ms}
    if not np.abs(samples).sum():
        return {"why": "the map lies on no trace"}
    covered_share = 1.0 if covered is None else float(covered.mean())
    return {
        "wave_relevance": wave_shares(samples, waves),
        "wave_time": {wave: share / covered_share for wave, share in waves.time_shares().items()},
    }


def _beat_rows(
    target: Target, relevance: SignalRelevance, signed: bool
) -> tuple[dict[str, Any], ...]:
    """Return each beat's R peak in s, its share, its share of the time, and if it is early."""
    if relevance.beats is None:
        return ()
    shares = relevance.beats if signed else relevance.beats.clip(min=0)
    shares = shares / np.abs(shares).sum()
    waves = target.waves
    lengths = np.diff(waves.edges, axis=1)[:, 0]
    rows = zip(waves.peaks_s, shares, lengths / lengths.sum(), waves.early, strict=True)
    return tuple(
        {"at_s": float(at), "share": float(share), "time": float(time), "early": bool(early)}
        for at, share, time, early in rows
    )

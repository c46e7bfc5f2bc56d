"""Explain: one call for every method; what a classifier saw in a record that speaks for a class."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from ecgcore.errors import NotFound
from ecgcore.explain import gradcam
from ecgcore.explain.cells import evenly, spread
from ecgcore.explain.explanation import Explanation, Resolution, no_relevance
from ecgcore.explain.picture_ink import picture_ink
from ecgcore.explain.traces import by_lead, by_lead_time, by_strip, off_trace
from ecgcore.imaging import draw_as
from ecgcore.imaging.beats import found_beats
from ecgcore.imaging.drawing import strip_ink
from ecgcore.imaging.geometry import Geometry, geometry, geometry_of
from ecgcore.inference.sights import Sight
from ecgcore.records.record import LEADS, Record

SHOWN_PX = 224
"""Side of the drawing on which the map of a network that reads signals is shown."""


class Explainable(Protocol):
    """What explaining needs of a classifier, such as :class:`ecgcore.inference` loads."""

    @property
    def run_id(self) -> str: ...
    @property
    def model(self) -> nn.Module: ...
    @property
    def cam_layer(self) -> nn.Module: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def input(self) -> dict[str, Any]: ...
    def signals(self, records: list[Record]) -> Tensor: ...
    @property
    def reads_images(self) -> bool: ...
    def inputs(self, sights: Sequence[Sight]) -> Tensor: ...


# method → (model, layer, image (1, 3, H, W) or signal (1, 12, T), output) → (h, w) or (w,) ≥ 0
METHODS: dict[str, Callable[[nn.Module, nn.Module, Tensor, int], np.ndarray]] = {
    "gradcam": gradcam.gradcam
}


def explain(
    classifier: Explainable, record: Sight, class_code: str, method: str = "gradcam"
) -> Explanation:
    """Return where in a record the classifier found evidence for a class.

    The classifier's network is left as it was. A map of a network that reads signals tells times,
    not leads; it is shown on a drawing of them.

    Parameters
    ----------
    record
        Or a picture that was drawn of one: its ink then belongs to the lead whose zero line is
        nearest, and what a median beat shows has no place in the record's time.
    class_code
        One of ``classifier.classes``.
    method
        One of METHODS.

    Raises
    ------
    NotFound
        No such class or method.
    """
    if method not in METHODS:
        raise NotFound.among("explanation method", method, METHODS)
    if class_code not in classifier.classes:
        raise NotFound.among("class", class_code, classifier.classes)
    model, layer = classifier.model, classifier.cam_layer
    seen, image, measures = _seen(classifier, record)
    cells = np.atleast_2d(METHODS[method](model, layer, seen, classifier.classes.index(class_code)))
    cell_px = (measures.height / cells.shape[0], measures.width / cells.shape[1])
    found: dict[str, Any] = {"map": None, "by_lead_time": None, "off_trace": None}
    if cells.max() > 0:
        share = cells / cells.max()
        if classifier.reads_images:
            relevance = gradcam.on_image(model, layer, image, share)
        else:
            size = (measures.height, measures.width)
            relevance = spread(share, *evenly(share.shape, size), size)
        found = _on_traces(relevance, *_ink(classifier, record, measures), measures, cell_px)
    if not classifier.reads_images or found["map"] is None:
        found["lead_relevance"] = no_relevance()
    return Explanation(
        record=record.name,
        run=classifier.run_id,
        class_code=class_code,
        method=method,
        geometry=measures,
        resolution=resolution(measures, cell_px),
        image=image[0].detach().cpu().numpy(),
        **found,
    )


def _seen(classifier: Explainable, sight: Sight) -> tuple[Tensor, Tensor, Geometry]:
    """Return what the network reads of a record, the image to show it on, and its measures."""
    seen = classifier.inputs([sight])
    if classifier.reads_images:
        return seen, seen, geometry_of(classifier.input)
    measures = geometry("stacked", SHOWN_PX, classifier.input["duration_s"])
    return seen, draw_as(seen, classifier.input["fs_hz"], measures), measures


def resolution(measures: Geometry, cell_px: tuple[float, float]) -> Resolution:
    """Return what a cell of (height, width) in px spans in this picture."""
    rows_px = np.unique([strip.baseline_px for strip in measures.strips])
    step_px = float(np.diff(rows_px).mean())
    leads = min(cell_px[0] / step_px, len(LEADS))
    return Resolution(ms=1000 * cell_px[1] / measures.px_per_s, leads=leads)


def shares_by_lead(means: np.ndarray) -> dict[str, float | None]:
    """Return each lead's share of the relevance along the traces, of its mean there (12,)."""
    if not means.any():
        return no_relevance()
    return {lead: float(s) for lead, s in zip(LEADS, means / means.sum(), strict=True)}


def _ink(
    classifier: Explainable, record: Sight, measures: Geometry
) -> tuple[np.ndarray, np.ndarray]:
    """Return each strip's ink in the classifier's image, (S, H, W), and the R peaks used, in s."""
    if not isinstance(record, Record):
        return picture_ink(record.image, measures), np.zeros(0)
    signal_mv, fs_hz = classifier.signals([record]), classifier.input["fs_hz"]
    beats = found_beats(signal_mv, fs_hz) if measures.shows_beats else [np.zeros(0)]
    return strip_ink(signal_mv, fs_hz, measures, beats)[0].numpy(), beats[0]


def _on_traces(
    relevance: np.ndarray,
    ink: np.ndarray,
    beats_s: np.ndarray,
    measures: Geometry,
    cell_px: tuple[float, float],
) -> dict[str, Any]:
    """Return what a map says of the traces."""
    along = by_strip(relevance, ink)
    return {
        "map": relevance,
        "by_lead_time": by_lead_time(along, measures, beats_s),
        "off_trace": off_trace(relevance, ink, cell_px),
        "lead_relevance": shares_by_lead(by_lead(along, ink, measures)),
    }

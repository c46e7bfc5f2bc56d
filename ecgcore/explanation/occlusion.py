"""Occlusion (Zeiler & Fergus 2014, doi:10.1007/978-3-319-10590-1_53) of leads, beats and waves.

A lead, a beat or a wave is removed from the signal and replaced by a straight line; its relevance
is the drop of the logit. The image is drawn anew, without the grey square that no ECG contains.
"""

import numpy as np

from ecgcore.errors import RequestError
from ecgcore.explanation.explanation import Resolution
from ecgcore.explanation.gradcam import eval_mode
from ecgcore.explanation.masking import remove_samples
from ecgcore.explanation.relevance import SignalRelevance
from ecgcore.explanation.target import Target
from ecgcore.records.record import LEADS


def occlusion_lead(target: Target) -> SignalRelevance:
    """Return the drop of the logit when a lead is replaced by its baseline: 12 values."""
    samples = target.signal.shape[2]
    masks = np.repeat(np.eye(len(LEADS), dtype=bool)[:, :, None], samples, axis=2)
    drops = logit_drop(target, masks)
    resolution = Resolution(1000 * samples / target.fs_hz, 1.0)
    return SignalRelevance(_spread(masks, drops), resolution, regions=_region_numbers(masks))


def occlusion_beat(target: Target) -> SignalRelevance:
    """Return the drop of the logit when a beat is removed from all leads: one value a beat."""
    beats = _require_beats(target, len(target.waves.edges))
    masks = np.zeros((beats, *target.signal.shape[1:]), bool)
    for mask, (start, stop) in zip(masks, target.waves.edges, strict=True):
        mask[:, start:stop] = True
    drops = logit_drop(target, masks)
    ms = 1000 * np.median(np.diff(target.waves.edges, axis=1)) / target.fs_hz
    resolution = Resolution(float(ms), len(LEADS))
    return SignalRelevance(
        _spread(masks, drops), resolution, beats=drops, regions=_region_numbers(masks)
    )


def occlusion_wave(target: Target) -> SignalRelevance:
    """Return the drop of the logit when one kind of wave is removed from one lead, in all beats.

    In all beats at once, since a network that reads ten similar beats does not miss one.
    """
    waves = target.waves.masks()
    waves = waves[waves.any(axis=1)]
    _require_beats(target, len(waves))
    lead = np.eye(len(LEADS), dtype=bool)
    masks = (waves[:, None, None, :] & lead[None, :, :, None]).reshape(
        -1, *lead.shape[:1], waves.shape[1]
    )
    drops = logit_drop(target, masks)
    return SignalRelevance(
        _spread(masks, drops),
        Resolution(target.waves.shortest_ms or 0.0, 1.0),
        covered=np.asarray(waves.any(axis=0)),
        regions=_region_numbers(masks),
    )


def logit_drop(target: Target, masks: np.ndarray) -> np.ndarray:
    """Return the drop of the logit when samples (N, 12, T) are removed: (N,), signed."""
    with eval_mode(target.model):
        complete = target.signal_logits(target.signal)
        return complete - target.signal_logits(remove_samples(target.signal, masks))


def _require_beats(target: Target, count: int) -> int:
    if count:
        return count
    raise RequestError(
        f"No beat was found in record {target.record}, so there is no beat or wave to remove. "
        "Take occlusion_lead, integrated_gradients or grad_cam."
    )


def _spread(masks: np.ndarray, drops: np.ndarray) -> np.ndarray:
    """Return (12, T): each mask's drop spread evenly over its samples."""
    sizes = np.maximum(masks.sum(axis=(1, 2)), 1)
    return np.einsum("nlt,n->lt", masks, drops / sizes)


def _region_numbers(masks: np.ndarray) -> np.ndarray:
    """Return (12, T): the number of the mask that contains each sample, −1 for none."""
    return np.where(masks.any(axis=0), masks.argmax(axis=0), -1)

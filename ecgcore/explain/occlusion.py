"""Occlusion (Zeiler & Fergus 2014, doi:10.1007/978-3-319-10590-1_53) of what an ECG consists of.

A lead, a beat or a wave is taken out of the signal, a straight line stands in its place, and how
far the logit falls is its relevance. No grey square that no ECG has: the picture is drawn anew.
"""

import numpy as np

from ecgcore.errors import RequestError
from ecgcore.explain.explanation import Resolution
from ecgcore.explain.gradcam import undisturbed
from ecgcore.explain.masking import without
from ecgcore.explain.relevance import InSignal
from ecgcore.explain.target import Question
from ecgcore.records.record import LEADS


def occlusion_lead(question: Question) -> InSignal:
    """Return how far the logit falls when one lead is put to rest: 12 answers, all the time."""
    samples = question.signal.shape[2]
    taken = np.repeat(np.eye(len(LEADS), dtype=bool)[:, :, None], samples, axis=2)
    falls = fall(question, taken)
    resolution = Resolution(1000 * samples / question.fs_hz, 1.0)
    return InSignal(_over(taken, falls), resolution, parts=_numbered(taken))


def occlusion_beat(question: Question) -> InSignal:
    """Return how far the logit falls when one beat is taken out of all leads: one answer a beat."""
    beats = _needed(question, len(question.waves.edges))
    taken = np.zeros((beats, *question.signal.shape[1:]), bool)
    for beat, (start, stop) in zip(taken, question.waves.edges, strict=True):
        beat[:, start:stop] = True
    falls = fall(question, taken)
    ms = 1000 * np.median(np.diff(question.waves.edges, axis=1)) / question.fs_hz
    resolution = Resolution(float(ms), len(LEADS))
    return InSignal(_over(taken, falls), resolution, beats=falls, parts=_numbered(taken))


def occlusion_wave(question: Question) -> InSignal:
    """Return how far the logit falls when one kind of wave is taken out of one lead, in all beats.

    All beats at once: a network that sees ten alike does not miss one.
    """
    masks = question.waves.masks()
    masks = masks[masks.any(axis=1)]
    _needed(question, len(masks))
    lead = np.eye(len(LEADS), dtype=bool)
    taken = (masks[:, None, None, :] & lead[None, :, :, None]).reshape(
        -1, *lead.shape[:1], masks.shape[1]
    )
    falls = fall(question, taken)
    return InSignal(
        _over(taken, falls),
        Resolution(question.waves.shortest_ms or 0.0, 1.0),
        looked_at=np.asarray(masks.any(axis=0)),
        parts=_numbered(taken),
    )


def fall(question: Question, taken: np.ndarray) -> np.ndarray:
    """Return how far the logit falls when samples (N, 12, T) are taken out: (N,), signed."""
    with undisturbed(question.model):
        whole = question.answers(question.signal)
        return whole - question.answers(without(question.signal, taken))


def _needed(question: Question, parts: int) -> int:
    if parts:
        return parts
    raise RequestError(
        f"No beat was found in record {question.record}, so that none and no wave can be taken "
        "out. Take occlusion_lead, integrated_gradients or grad_cam."
    )


def _over(taken: np.ndarray, falls: np.ndarray) -> np.ndarray:
    """Return (12, T): each part's fall spread evenly over its samples."""
    sizes = np.maximum(taken.sum(axis=(1, 2)), 1)
    return np.einsum("nlt,n->lt", taken, falls / sizes)


def _numbered(taken: np.ndarray) -> np.ndarray:
    """Return (12, T): the number of the part that each sample belongs to, −1 of none."""
    return np.where(taken.any(axis=0), taken.argmax(axis=0), -1)

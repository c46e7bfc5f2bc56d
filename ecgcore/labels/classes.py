"""The ten classes of paper 001 in its order and words, and the tiers in which they are labelled."""

from typing import NamedTuple


class EcgClass(NamedTuple):
    """One class: its short code, used in tables and files, and the paper's words."""

    code: str
    name: str


PAPER10 = (
    EcgClass("NSR", "Normal sinus rhythm"),
    EcgClass("STACH", "Sinus tachycardia"),
    EcgClass("SBRAD", "Sinus bradycardia"),
    EcgClass("LBBB", "Left bundle branch block (possible)"),
    EcgClass("RBBB", "Right bundle branch block (possible)"),
    EcgClass("LVH", "Left ventricular hypertrophy (possible)"),
    EcgClass("RVH", "Right ventricular hypertrophy (possible)"),
    EcgClass("STEMI", "ST-elevation MI (possible)"),
    EcgClass("STD", "ST-depression / ischemia (possible)"),
    EcgClass("ECT", "Atrial/ventricular ectopy (irregular RR, possible)"),
)
CODES = tuple(c.code for c in PAPER10)
TIERS = ("core", "broad")
"""Label tiers: ``core`` counts clear statements only, ``broad`` also counts weaker ones."""

"""Limits of the checks of a map: general ones, and those of a network and method.

A shipped network's are in ``trust.json`` beside its weights, with their hash: benchmarks/trust.py
writes them from records that the network was not trained on. For other weights they do not hold.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ecgcore.atomic import read_json
from ecgcore.explanation.target import Explainable
from ecgcore.schema import Count, Stored, Text

FILE = "trust.json"
GENERAL = "general ones"


class MethodLimits(Stored):
    """Limits of one method: check → threshold, and the number of true positives they are from."""

    records: Count
    limits: dict[str, float]


class TrustFile(Stored):
    """Content of trust.json."""

    weights: Annotated[Text, Field(pattern="^[0-9a-f]{64}$")]
    records_from: Text
    response: float
    response_by_class: dict[str, float]
    methods: dict[str, MethodLimits]


@dataclass(frozen=True)
class TrustLimits:
    """Limits of a network and method.

    Attributes
    ----------
    by_check
        Thresholds; the others are those of trust.csv.
    source
        Where they are from, in words.
    """

    by_check: dict[str, float] = field(default_factory=dict)
    source: str = GENERAL


def find_limits(classifier: Explainable, method: str, code: str) -> TrustLimits:
    """Return the limits of a network, method and class.

    A network without its own, or with other weights, has general ones.

    Raises
    ------
    DamagedFile
        ``trust.json`` is damaged.
    """
    run = classifier.run
    file = Path() if run is None else run.folder / FILE
    if run is None or not file.is_file():
        return TrustLimits(source=f"{GENERAL}, since {classifier.run_id} has none of its own")
    stored = read_json(file, TrustFile)
    if stored["weights"] != run.weights_hash:
        return TrustLimits(source=f"{GENERAL}, since those of {run.id} are of other weights")
    response = stored["response_by_class"].get(code, stored["response"])
    of_method = stored["methods"].get(method)
    if of_method is None:
        source = f"{GENERAL}, since those of {run.id} do not cover this method"
        return TrustLimits({"response": response}, source)
    return TrustLimits(
        {"response": response} | of_method["limits"],
        f"those of {run.id} and this method, from {of_method['records']} records: "
        f"{stored['records_from']}",
    )

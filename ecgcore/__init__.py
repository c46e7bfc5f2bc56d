"""Workplace for 12-lead ECGs: read, measure, label, draw, train, evaluate, compare and explain.

Research use only, not a medical device. Everything listed in ``__all__`` is public and imported on
first use, so that ``import ecgcore`` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecgcore.version import RESEARCH_USE_ONLY, __version__

if TYPE_CHECKING:
    from ecgcore.api import (
        compare,
        evaluate,
        examples,
        explain,
        ingest,
        load_model,
        load_run,
        measure,
        network_image,
        open_cohort,
        plot,
        quality,
        read,
        read_bytes,
        train,
    )
    from ecgcore.cohort.store import Cohort
    from ecgcore.cohort.summary import IngestResult
    from ecgcore.comparison.results import Comparison
    from ecgcore.errors import EcgError
    from ecgcore.evaluation.results import Evaluation
    from ecgcore.explanation.explanation import Explanation
    from ecgcore.imaging.png import NetworkImage
    from ecgcore.inference.model import Classifier
    from ecgcore.measurement.measurements import Measurements
    from ecgcore.records.record import LEADS, Record
    from ecgcore.runs.config import TrainConfig
    from ecgcore.runs.run import Run
    from ecgcore.workspace import Workspace

_HOMES = {
    "Classifier": "inference.model",
    "Cohort": "cohort.store",
    "Comparison": "comparison.results",
    "EcgError": "errors",
    "Evaluation": "evaluation.results",
    "Explanation": "explanation.explanation",
    "IngestResult": "cohort.summary",
    "LEADS": "records.record",
    "Measurements": "measurement.measurements",
    "NetworkImage": "imaging.png",
    "Record": "records.record",
    "Run": "runs.run",
    "TrainConfig": "runs.config",
    "Workspace": "workspace",
    "compare": "api",
    "evaluate": "api",
    "examples": "api",
    "explain": "api",
    "ingest": "api",
    "load_model": "api",
    "load_run": "api",
    "measure": "api",
    "network_image": "api",
    "open_cohort": "api",
    "plot": "api",
    "quality": "api",
    "read": "api",
    "read_bytes": "api",
    "train": "api",
}
"""Public name → module of this package that defines it."""

__all__ = [
    "LEADS",
    "RESEARCH_USE_ONLY",
    "Classifier",
    "Cohort",
    "Comparison",
    "EcgError",
    "Evaluation",
    "Explanation",
    "IngestResult",
    "Measurements",
    "NetworkImage",
    "Record",
    "Run",
    "TrainConfig",
    "Workspace",
    "__version__",
    "compare",
    "evaluate",
    "examples",
    "explain",
    "ingest",
    "load_model",
    "load_run",
    "measure",
    "network_image",
    "open_cohort",
    "plot",
    "quality",
    "read",
    "read_bytes",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)

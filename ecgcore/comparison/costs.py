"""Costs of a run: parameters and multiply-adds for one ECG."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecgcore.runs.run import Run

COSTS = ("parameters", "multiply_adds", "ms_per_ecg")
"""Costs of a comparison; the last is measured by :mod:`ecgcore.inference.latency`."""


def run_costs(run: "Run") -> dict[str, Any]:
    """Return ``parameters`` and ``multiply_adds`` for one ECG; None where not known."""
    meta = run.meta
    costs: dict[str, Any] = {"parameters": meta.get("parameters"), "multiply_adds": None}
    if "input" not in meta:
        return costs
    from ecgcore.models import create_model  # torch, which a comparison needs nowhere else
    from ecgcore.models.cost import cost

    model = create_model(meta["model"], len(meta["classes"]), **run.config.model_options)
    return costs | cost(model, _input_shape(meta["input"]))._asdict()


def _input_shape(run_input: dict[str, Any]) -> tuple[int, ...]:
    """Return the shape of one network input."""
    if "layout" in run_input:
        return (3, *run_input["size"])
    return (12, round(run_input["fs_hz"] * run_input["duration_s"]))

"""An explanation: the map, what it says of leads and time, and how far it can be trusted."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecgcore.imaging.geometry import Geometry
from ecgcore.records.record import LEADS

QRS_MS = 100.0  # a normal QRS lasts about 80 to 110 ms (Surawicz et al. 2009, AHA/ACCF/HRS III)
NOT_CHECKED = "not checked yet"


@dataclass(frozen=True)
class Resolution:
    """What one cell of a map spans: two things closer than that cannot be told apart.

    ``ms`` along time, ``leads`` across (1.3: a cell covers one lead and a third of the next).
    """

    ms: float
    leads: float


def unchecked() -> dict[str, Any]:
    """Return the trust of a map that nobody checked."""
    return {"verdict": None, "checks": {}, "why": NOT_CHECKED}


@dataclass(frozen=True)
class Explanation:
    """Where a network found evidence for one class in one record.

    Attributes
    ----------
    image
        (3, H, W) in 0..1, what the network saw.
    map
        (H, W) in 0..1, relevance as a share of its highest; None where there was no positive
        evidence.
    by_lead_time
        (12, n) in 0..1, relevance along each lead's trace over the record's time, a step a pixel of
        the leads' time; 0 where a lead is not drawn at that time; None without a map.
    lead_relevance
        Lead → share of the mean relevance along its trace, summing to 1; None each without any.
    off_trace
        Share of the map farther from every trace than the map resolves; None without a map.
    trust
        ``verdict`` (None: not checked), ``checks``, ``why``.
    """

    record: str
    run: str
    class_code: str
    method: str
    geometry: Geometry
    resolution: Resolution
    image: np.ndarray
    map: np.ndarray | None
    by_lead_time: np.ndarray | None
    lead_relevance: dict[str, float | None]
    off_trace: float | None
    trust: dict[str, Any] = field(default_factory=unchecked)

    @property
    def seconds_per_column(self) -> float:
        """Seconds that one step of ``by_lead_time`` stands for."""
        return 1 / self.geometry.px_per_s

    @property
    def message(self) -> str:
        """The finding in one sentence, resolution included."""
        if self.map is None or self.by_lead_time is None:
            return (
                f"No positive evidence for {self.class_code} was found in record {self.record}: "
                "nothing the network saw there speaks for the class."
            )
        beside = f"{self.off_trace:.0%} of the map lies off the traces".replace("%", " %")
        cell = (
            f"a cell of it spans {self.resolution.ms:.0f} ms and {self.resolution.leads:.1f} leads"
        )
        if self.resolution.leads == len(LEADS):
            second = self.by_lead_time.max(axis=0).argmax() * self.seconds_per_column
            return (
                f"Evidence for {self.class_code} lies most around {second:.1f} s; a cell of this "
                f"map spans {self.resolution.ms:.0f} ms and all leads."
            )
        shares = {lead: share for lead, share in self.lead_relevance.items() if share}
        if not shares:
            return f"Evidence for {self.class_code} lies on no trace: {beside}; {cell}."
        first = sorted(shares, key=lambda lead: -shares[lead])[:3]
        named = ", ".join(f"{lead} ({shares[lead]:.0%})".replace("%", " %") for lead in first)
        return f"Evidence for {self.class_code} lies most in {named}; {beside}; {cell}."

    @property
    def why_no_waves(self) -> str:
        """Why there is no relevance by wave."""
        if self.resolution.ms > QRS_MS:
            return (
                f"a cell of this map spans {self.resolution.ms:.0f} ms, longer than a QRS "
                f"(about {QRS_MS:.0f} ms): it cannot tell one wave from the next"
            )
        return "the waves' limits are not measured yet"

    def as_json(self) -> dict[str, Any]:
        """Return the explanation in plain types, without the arrays."""
        return {
            "record": self.record,
            "run": self.run,
            "class": self.class_code,
            "method": self.method,
            "evidence": self.map is not None,
            "message": self.message,
            "resolution": {"ms": self.resolution.ms, "leads": self.resolution.leads},
            "lead_relevance": dict(self.lead_relevance),
            "wave_relevance": None,
            "why": self.why_no_waves,
            "off_trace": self.off_trace,
            "trust": self.trust,
        }


def no_relevance() -> dict[str, float | None]:
    """Return the lead relevance of a map that has none."""
    return dict.fromkeys(LEADS)

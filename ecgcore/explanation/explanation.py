"""Result of an explanation: map, relevance by lead, wave and time, resolution and trust."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecgcore.imaging.geometry import Geometry
from ecgcore.records.record import LEADS

QRS_MS = 100.0  # a normal QRS lasts about 80 to 110 ms (Surawicz et al. 2009, AHA/ACCF/HRS III)
NOT_CHECKED = "not checked yet"


@dataclass(frozen=True)
class Resolution:
    """Extent of one cell of a map; the map does not separate features closer than that.

    ``ms`` along time, ``leads`` across (1.3: a cell covers one lead and a third of the next).
    """

    ms: float
    leads: float


def unchecked() -> dict[str, Any]:
    """Return the trust of a map that has not been checked."""
    return {"verdict": None, "checks": {}, "why": NOT_CHECKED, "limits": None}


@dataclass(frozen=True)
class Explanation:
    """Evidence that a network found for one class in one record.

    Attributes
    ----------
    image
        (3, H, W) in 0..1, the image that the network read or that shows the map.
    map
        (H, W) in 0..1 (signed: −1..1), relevance relative to its maximum; None without positive
        evidence.
    by_lead_time
        (12, n) in 0..1, relevance along each lead's trace over the record's time, one step a pixel;
        0 where a lead is not drawn at that time; None without a map.
    lead_relevance
        Lead → share of the mean relevance along its trace, summing to 1; None without relevance.
    off_trace
        Share of the map farther from every trace than the map resolves; for methods in the signal,
        share of the image's own relevance on ink that belongs to no trace; None without a map, or
        if the network reads no image.
    wave_relevance, wave_time
        P, QRS, ST, T → share of the relevance, and share of the covered time, which is the
        relevance expected by chance. The rest lies between the waves. None if waves are not
        resolved.
    beats
        For methods that resolve beats, one row a beat: ``at_s``, ``share``, ``time``, ``early``.
    shortest_ms
        Length of the record's shortest kind of wave, if the map does not resolve it.
    why
        Reason why there is no relevance by wave, if that is not the resolution.
    signed
        True if maps and shares include evidence against the class, as negative values.
    warning
        Text that must accompany every map of this method.
    trust
        ``verdict`` (None: there is none), ``checks``, ``why`` there is none, ``limits``: where the
        limits of the checks are from.

    Examples
    --------
    >>> explanation = ecgcore.explain(ecgcore.examples()[0], "LBBB", method="occlusion_lead")
    >>> explanation.class_code, len(explanation.lead_relevance)
    ('LBBB', 12)
    """

    record: str
    run: str
    class_code: str
    method: str
    geometry: Geometry
    resolution: Resolution
    image: np.ndarray
    map: np.ndarray | None = None
    by_lead_time: np.ndarray | None = None
    lead_relevance: dict[str, float | None] = field(default_factory=lambda: no_relevance())
    off_trace: float | None = None
    wave_relevance: dict[str, float] | None = None
    wave_time: dict[str, float] | None = None
    beats: tuple[dict[str, Any], ...] = ()
    shortest_ms: float | None = None
    why: str | None = None
    signed: bool = False
    warning: str | None = None
    trust: dict[str, Any] = field(default_factory=unchecked)

    @property
    def seconds_per_column(self) -> float:
        """Seconds of one step of ``by_lead_time``."""
        return 1 / self.geometry.px_per_s

    @property
    def message(self) -> str:
        """The result in one sentence, including the resolution."""
        if self.map is None or self.by_lead_time is None:
            return (
                f"No positive evidence for {self.class_code} was found in record {self.record}: "
                "nothing the network read there speaks for the class."
            )
        ms, leads = self.resolution.ms, self.resolution.leads
        evidence = f"Evidence for {self.class_code} lies"
        if self.beats:
            return f"{evidence} most in {self._in_beat}"
        if leads == len(LEADS):
            second = self.by_lead_time.max(axis=0).argmax() * self.seconds_per_column
            spans = f"a cell of this map spans {ms:.0f} ms and all leads."
            return f"{evidence} most around {second:.1f} s; {spans}"
        off, cell = "", f"a cell of it spans {ms:.0f} ms and {leads:.1f} leads."
        if self.off_trace is not None:
            off = f"{percent(self.off_trace)} of the map lies off the traces; "
        shares = {lead: share for lead, share in self.lead_relevance.items() if share}
        if not shares:
            return f"{evidence} on no trace: {off}{cell}"
        first = sorted(shares, key=lambda lead: -shares[lead])[:3]
        named = ", ".join(f"{lead} ({percent(shares[lead])})" for lead in first)
        return f"{evidence} most in {named}{self._in_wave}; {off}{cell}"

    @property
    def _in_beat(self) -> str:
        """The beat with most relevance, and the share expected by chance."""
        most = max(self.beats, key=lambda beat: beat["share"])
        early = " (early)" if most["early"] else ""
        share, time = percent(most["share"]), percent(most["time"])
        return f"the beat at {most['at_s']:.1f} s{early}: {share} of it in {time} of the time."

    @property
    def _in_wave(self) -> str:
        """The wave with most relevance, and the share expected by chance."""
        if self.wave_relevance is None or self.wave_time is None:
            return ""
        share, wave = max((share, wave) for wave, share in self.wave_relevance.items())
        return (
            f", and in {wave} ({percent(share)} of it in {percent(self.wave_time[wave])} of time)"
        )

    @property
    def why_no_waves(self) -> str | None:
        """Reason why there is no relevance by wave; None if there is."""
        if self.wave_relevance is not None or self.why:
            return None if self.wave_relevance is not None else self.why
        spans = f"a cell of this map spans {self.resolution.ms:.0f} ms, longer than "
        if self.resolution.ms > QRS_MS:
            spans += f"a QRS (about {QRS_MS:.0f} ms)"
        else:
            spans += f"this record's shortest wave ({self.shortest_ms:.0f} ms)"
        return f"{spans}: it does not separate one wave from the next"

    def __repr__(self) -> str:
        """Return one line without the arrays."""
        return f"Explanation({self.method} for {self.class_code} in {self.record})"

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
            "signed": self.signed,
            "wave_relevance": self.wave_relevance,
            "wave_time": self.wave_time,
            "why": self.why_no_waves,
            "beat_relevance": list(self.beats) or None,
            "off_trace": self.off_trace,
            "warning": self.warning,
            "trust": self.trust,
        }


def no_relevance() -> dict[str, float | None]:
    """Return the lead relevance of a map without any."""
    return dict.fromkeys(LEADS)


def percent(share: float) -> str:
    """Return a share as text in percent."""
    return f"{share:.0%}".replace("%", " %").replace("-", "−")

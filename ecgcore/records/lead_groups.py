"""Leads that a file holds in several groups, put together on one time axis.

Electrocardiographs that print three or six leads at a time store them in that way: four groups of
2.5 s, often with a rhythm strip of 10 s. Where nothing was recorded of a lead, it is NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.lead_names import inverted_lead, standard_lead, standard_leads
from ecgcore.records.leads import DERIVABLE
from ecgcore.records.record import LEADS
from ecgcore.records.resample import resample_signal

_SHORTEST_WHOLE_S = 8.0
"""Groups that are this long each are whole recordings of their leads, not parts of a page."""
_PAGE_S = (8.0, 13.0)
"""Lengths of printed pages: 10 s, Philips 11 s."""
_LONGEST_PAUSE_S = 30.0
"""Groups further apart than this are different recordings."""
_LARGEST_DIFFERENCE_MV = 0.1
"""Two readings of one lead at the same time differ by rounding and filters, not by a beat."""


@dataclass(frozen=True)
class LeadGroup:
    """Leads recorded together.

    Attributes
    ----------
    columns
        The file's name of each lead.
    signal_mv
        (len(columns), T) in mV, NaN where missing.
    fs_hz
        Sampling rate in Hz.
    start_s
        Start on the file's clock in seconds, None where the file states none.
    """

    columns: list[str]
    signal_mv: np.ndarray
    fs_hz: float
    start_s: float | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.signal_mv.shape[1] / self.fs_hz


@dataclass(frozen=True)
class CombinedLeads:
    """Leads on one time axis: as a LeadGroup, with notes on how they were put together."""

    columns: list[str]
    signal_mv: np.ndarray
    fs_hz: float
    notes: tuple[str, ...] = ()


def needed_groups(columns: Sequence[Sequence[str]]) -> list[int]:
    """Return the indices of the groups to read: the first with twelve leads alone, else all.

    Parameters
    ----------
    columns
        The names of each group's leads, the preferred group first.
    """
    needed = set(LEADS) - DERIVABLE
    for index, names in enumerate(columns):
        if needed <= _leads(names):
            return [index]
    return [index for index, names in enumerate(columns) if _leads(names)] or [0]


def combine_groups(name: str, groups: Sequence[LeadGroup]) -> CombinedLeads:
    """Return the leads of all groups on one time axis.

    A group with twelve leads is taken alone. Others are placed at the times that they state; where
    they state none, groups of 8 s and more are taken as recorded at the same time, and shorter
    ones that fill a page of 8 to 13 s as recorded one after the other.

    Parameters
    ----------
    name
        The record's name, for messages.
    groups
        The file's groups, the preferred one first.

    Raises
    ------
    UnreadableRecord
        The groups state no times and fit no page, or were recorded at different times.
    """
    chosen = [groups[index] for index in needed_groups([group.columns for group in groups])]
    notes = unused_notes(sum(bool(_leads(group.columns)) for group in groups) - len(chosen))
    if len(chosen) == 1:
        return CombinedLeads(chosen[0].columns, chosen[0].signal_mv, chosen[0].fs_hz, notes)
    chosen, rate_notes = common_rate(chosen)
    starts_s, finding = _start_times(name, chosen)
    placed = _place(name, chosen, starts_s, finding)
    return replace(placed, notes=(*notes, *rate_notes, *placed.notes))


def unused_notes(n_groups: int) -> tuple[str, ...]:
    """Return the note of groups of leads that are not read."""
    return (f"not used: {n_groups} other group(s) of leads",) if n_groups > 0 else ()


def common_rate(groups: Sequence[LeadGroup]) -> tuple[list[LeadGroup], tuple[str, ...]]:
    """Return the groups, all at the highest of their sampling rates, and a note of the others."""
    fs_hz = max(group.fs_hz for group in groups)
    slower = [group for group in groups if group.fs_hz != fs_hz and _leads(group.columns)]
    notes = tuple(
        f"{_names(group.columns)} resampled from {group.fs_hz:g} to {fs_hz:g} Hz"
        for group in slower
    )
    return [group if group.fs_hz == fs_hz else _resampled(group, fs_hz) for group in groups], notes


def _resampled(group: LeadGroup, fs_hz: float) -> LeadGroup:
    return replace(
        group, signal_mv=resample_signal(group.signal_mv, group.fs_hz, fs_hz), fs_hz=fs_hz
    )


def _start_times(name: str, groups: list[LeadGroup]) -> tuple[list[float], str]:
    """Return each group's start in seconds from the first, and how it is known."""
    stated_s = [group.start_s for group in groups if group.start_s is not None]
    if len(stated_s) == len(groups):
        return [start_s - min(stated_s) for start_s in stated_s], "as the file states"
    durations_s = [group.duration_s for group in groups]
    if min(durations_s) >= _SHORTEST_WHOLE_S:
        return [0.0] * len(groups), "assumed: the file states no times"
    if (starts_s := _page_starts(durations_s)) is None:
        raise UnreadableRecord(
            f"Record {name} holds its leads in {len(groups)} groups of {min(durations_s):.3g} to "
            f"{max(durations_s):.3g} s and does not state when each was recorded. Export it with "
            "all leads in one group."
        )
    return starts_s, "assumed one after the other: the file states no times"


def _page_starts(durations_s: list[float]) -> list[float] | None:
    """Return the starts of equal parts that fill a page, its strips from 0 s on; None if none."""
    longest_s = max(durations_s)
    parts_s = [duration_s for duration_s in durations_s if duration_s < 0.9 * longest_s]
    has_strip = bool(parts_s)
    parts_s = parts_s or durations_s
    if has_strip and not 0.9 * longest_s <= sum(parts_s) <= 1.1 * longest_s:
        return None
    if not _PAGE_S[0] <= sum(parts_s) <= _PAGE_S[1] or max(parts_s) > 1.1 * min(parts_s):
        return None
    starts_s, end_s = [], 0.0
    for duration_s in durations_s:
        is_strip = has_strip and duration_s >= 0.9 * longest_s
        starts_s.append(0.0 if is_strip else end_s)
        end_s += 0.0 if is_strip else duration_s
    return starts_s


def _place(
    name: str, groups: list[LeadGroup], starts_s: list[float], finding: str
) -> CombinedLeads:
    """Return the groups on one axis, the shorter ones first."""
    fs_hz = groups[0].fs_hz
    firsts = [round(start_s * fs_hz) for start_s in starts_s]
    length = max(
        first + group.signal_mv.shape[1] for first, group in zip(firsts, groups, strict=True)
    )
    recorded = sum(group.signal_mv.shape[1] for group in groups)
    if length > recorded + _LONGEST_PAUSE_S * fs_hz:
        raise UnreadableRecord(
            f"Record {name} holds groups of leads that were recorded over {length / fs_hz:,.0f} s; "
            "leads of one recording are needed."
        )
    rows: dict[str, np.ndarray] = {}
    notes = [_times(groups, starts_s, finding)]
    for first, group in sorted(zip(firsts, groups, strict=True), key=lambda p: p[1].duration_s):
        for column, samples in zip(group.columns, group.signal_mv, strict=True):
            lead = standard_lead(column) or column
            row = rows.setdefault(lead, np.full(length, np.nan))
            if not _fill(row[first : first + samples.size], samples):
                notes.append(f"not used: a strip of {lead} recorded at another time")
    return CombinedLeads(list(rows), np.stack(list(rows.values())), fs_hz, tuple(notes))


def _fill(row: np.ndarray, samples: np.ndarray) -> bool:
    """Fill in what a lead lacks; return False, and leave it, where it holds another signal."""
    both = ~np.isnan(row) & ~np.isnan(samples)
    if both.any() and np.median(np.abs(row - samples)[both]) > _LARGEST_DIFFERENCE_MV:
        return False
    missing = np.isnan(row)
    row[missing] = samples[missing]
    return True


def _times(groups: list[LeadGroup], starts_s: list[float], finding: str) -> str:
    """Return a note such as ``recorded in parts: I, II, III 0–2.5 s; aVR, aVL, aVF 2.5–5 s …``."""
    spans = [
        f"{start_s:.3g}–{start_s + group.duration_s:.3g} s"
        for group, start_s in zip(groups, starts_s, strict=True)
    ]
    if len(set(spans)) == 1:
        return f"put together from {len(groups)} groups of leads of the same time ({finding})"
    parts = zip(groups, spans, strict=True)
    listed = "; ".join(f"{_names(group.columns)} {span}" for group, span in parts)
    return f"recorded in parts: {listed} ({finding})"


def _names(columns: Sequence[str]) -> str:
    leads = _leads(columns)
    return ", ".join(lead for lead in LEADS if lead in leads)


def _leads(columns: Sequence[str]) -> set[str]:
    """Return the leads among a group's columns, upright or inverted."""
    names = list(columns)
    return {lead for lead in (*standard_leads(names), *map(inverted_lead, names)) if lead}

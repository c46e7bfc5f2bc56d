"""The waveform groups of a DICOM object: names, scale and time of their channels.

DICOM PS3.3 C.10.9 (Waveform module) and PS3.16 CID 3001 (lead codes).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ecgcore.errors import UnreadableRecord
from ecgcore.records.lead_groups import (
    CombinedLeads,
    LeadGroup,
    combine_groups,
    needed_groups,
    unused_notes,
)
from ecgcore.records.lead_names import inverted_lead, standard_lead, standard_leads
from ecgcore.records.leads import DERIVABLE
from ecgcore.records.record import LEADS
from ecgcore.records.vendor_record import (
    lead_label,
    mv_per_unit,
    parse_number,
    refuse_length,
    refuse_median_beat,
)

# Lead codes of SCP-ECG ("5.6.3-9-1") and of ISO 11073 ("2:1"), PS3.16 CID 3001: same last number.
_LEAD_NUMBERS = dict(zip((1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), LEADS, strict=True))
_LEAD_CODES = {f"5.6.3-9-{n}": lead for n, lead in _LEAD_NUMBERS.items()} | {
    f"2:{n}": lead for n, lead in _LEAD_NUMBERS.items()
}
_LONGEST_LEAD_NAME = 24
_MEDIAN_WORDS = ("median", "beat", "average", "representative", "template", "typical")
_LONGEST_BEAT_S = 3.0
"""A derived group that is no longer than this is a median beat, whatever its label."""
_OFF = frozenset({"DISCONNECTED", "INVALID"})
"""Values of ChannelStatus of a channel that holds no signal."""
_DOUBTED = frozenset({"TEST DATA", "QUESTIONABLE", "UNCALIBRATED"})


def combined_waveforms(path: Path, dataset: Any) -> tuple[CombinedLeads, list[Any]]:
    """Return the leads of a dataset's rhythm, and the definitions of their channels.

    Raises
    ------
    UnreadableRecord
        No waveform, a median beat alone, no scale, or groups that fit no common time.
    """
    groups = list(dataset.get("WaveformSequence", None) or [])
    if not groups:
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} is DICOM without a waveform; a 12-lead ECG waveform "
            "is needed."
        )
    rhythms = [index for index, group in enumerate(groups) if not _is_median(group)]
    if not rhythms:
        refuse_median_beat(path)
    rhythms.sort(key=lambda index: _rank(groups[index]), reverse=True)
    chosen = needed_groups([_names(groups[index]) for index in rhythms])
    in_file_order = sorted(rhythms[position] for position in chosen)
    combined = combine_groups(path.stem, [_lead_group(path, dataset, i) for i in in_file_order])
    channels = [c for index in in_file_order for c in groups[index].ChannelDefinitionSequence]
    notes = unused_notes(len(rhythms) - len(chosen)) + _status_notes(channels)
    return replace(combined, notes=combined.notes + notes), channels


def leads_off(channels: list[Any]) -> list[str]:
    """Return the leads whose channel is disconnected or invalid, as the device states."""
    return [lead_name(channel) for channel in channels if _status(channel) & _OFF]


def band_hz(channels: list[Any]) -> tuple[float | None, float | None]:
    """Return the narrowest band that a lead was filtered to, None where none is stated."""
    leads = [channel for channel in channels if standard_lead(lead_name(channel))]
    low, high = (
        [f for channel in leads if (f := parse_number(str(channel.get(keyword, "")))) is not None]
        for keyword in ("FilterLowFrequency", "FilterHighFrequency")
    )
    return max(low, default=None), min(high, default=None)


def lead_name(channel: Any) -> str:
    """Return a lead's name by its code, else by its meaning (``Lead I (Einthoven)``) or label.

    Parameters
    ----------
    channel
        An item of a pydicom ChannelDefinitionSequence.

    Returns
    -------
    str
        One of LEADS, or the file's name of a channel that is none of them.
    """
    source = (channel.get("ChannelSourceSequence", None) or [{}])[0]
    names = [str(source.get("CodeMeaning", "")), str(channel.get("ChannelLabel", ""))]
    lead = _lead_of_code(source) or _lead_of(names[0]) or _lead_of(names[1])
    others = [name.strip()[:_LONGEST_LEAD_NAME] for name in reversed(names) if name.strip()]
    return lead or [*others, "unnamed"][0]


def _lead_of_code(source: Any) -> str | None:
    code = str(source.get("CodeValue", "")).strip()
    return _LEAD_CODES.get(code) or standard_lead(code)  # such as MDC_ECG_LEAD_V1


def _lead_of(name: str) -> str | None:
    return standard_lead(name) or standard_lead(name.partition("(")[0])


def _refuse_two_leads(path: Path, channel: Any) -> None:
    """Refuse a channel that is one lead by its code and another by its meaning."""
    source = (channel.get("ChannelSourceSequence", None) or [{}])[0]
    coded, meaning = _lead_of_code(source), _lead_of(str(source.get("CodeMeaning", "")))
    if coded and meaning and coded != meaning:
        raise UnreadableRecord(
            f"Record {path.stem}: a channel is lead {coded} by its code and {meaning} by its "
            "meaning. Correct the one that is wrong."
        )


def _names(group: Any) -> list[str]:
    return [lead_name(channel) for channel in group.get("ChannelDefinitionSequence", None) or []]


def _is_median(group: Any) -> bool:
    """Return whether a group is a median beat: by its label, else a short derived one."""
    label = str(group.get("MultiplexGroupLabel", "")).lower()
    if "rhythm" in label:
        return False
    samples, fs_hz = group.get("NumberOfWaveformSamples", 0), group.get("SamplingFrequency", 0)
    is_short = 0 < float(samples or 0) <= _LONGEST_BEAT_S * float(fs_hz or 0)
    is_derived = str(group.get("WaveformOriginality", "")) == "DERIVED"
    is_beat = is_derived and is_short and _is_complete(group)  # parts of a page hold few leads
    return is_beat or any(word in label for word in _MEDIAN_WORDS)


def _is_complete(group: Any) -> bool:
    return set(standard_leads(_names(group))) >= set(LEADS) - DERIVABLE


def _rank(group: Any) -> tuple[bool, bool, bool, int]:
    """Return a group's rank as the recording; the highest is read.

    Twelve leads rank before fewer, the label before the length.
    """
    return (
        _is_complete(group),
        "rhythm" in str(group.get("MultiplexGroupLabel", "")).lower(),
        str(group.get("WaveformOriginality", "")) == "ORIGINAL",
        int(group.get("NumberOfWaveformSamples", 0) or 0),
    )


def _lead_group(path: Path, dataset: Any, index: int) -> LeadGroup:
    group = dataset.WaveformSequence[index]
    fs_hz = float(group.SamplingFrequency)
    refuse_length(path, int(group.NumberOfWaveformSamples), fs_hz)
    columns = _names(group)
    stored = int(group.NumberOfWaveformChannels) * int(group.NumberOfWaveformSamples)
    expected_bytes = stored * int(group.WaveformBitsAllocated) // 8
    if not 0 <= len(group.WaveformData) - expected_bytes <= 1:  # an even number of bytes is stored
        raise UnreadableRecord(
            f"Record {path.stem}: {path.name} declares {expected_bytes:,} bytes of samples and "
            f"holds {len(group.WaveformData):,}. Fetch it again: it is cut off or altered."
        )
    offset_ms = parse_number(str(group.get("MultiplexGroupTimeOffset", "")))
    return LeadGroup(
        columns=columns,
        signal_mv=_signal_mv(path, dataset, index, columns),
        fs_hz=fs_hz,
        start_s=None if offset_ms is None else offset_ms / 1000,
    )


def _signal_mv(path: Path, dataset: Any, index: int, columns: list[str]) -> np.ndarray:
    """Return (channels, T) in mV, NaN where padded, all channels on one time axis."""
    group = dataset.WaveformSequence[index]
    raw = _raw_samples(dataset, index)
    signal_mv = np.full(raw.shape, np.nan)
    leads = standard_leads([inverted_lead(column) or column for column in columns])
    for row, channel in enumerate(group.ChannelDefinitionSequence):
        if leads[row] is None:
            continue  # another signal, such as a pressure
        _refuse_two_leads(path, channel)
        in_units = raw[row] * _sensitivity(path, channel, columns[row])
        in_units += float(channel.get("ChannelBaseline", 0) or 0)
        in_mv = in_units * _mv_per_channel_unit(path, channel, columns[row])
        in_mv[np.isin(raw[row], _missing_values(group, raw.dtype))] = np.nan
        signal_mv[row] = _without_skew(path, channel, in_mv, float(group.SamplingFrequency))
    return signal_mv


def _raw_samples(dataset: Any, index: int) -> np.ndarray:
    """Return (channels, T) as stored, in the byte order of the transfer syntax."""
    from pydicom.waveforms import multiplex_array

    raw = multiplex_array(dataset, index, as_raw=True).T
    _, is_little_endian = dataset.original_encoding
    if is_little_endian is False:  # pydicom leaves the bytes of samples as they are
        raw = raw.byteswap()
    return raw


def _missing_values(group: Any, dtype: np.dtype) -> list[int]:
    """Return the sample values that mark a missing one: the lowest, and a stated one.

    A zero is a measurement, though some files state it as padding.
    """
    limits = np.iinfo(dtype)
    missing = [int(limits.min)] if limits.min < 0 else []
    stated = group.get("WaveformPaddingValue", None)
    if isinstance(stated, bytes) and len(stated) >= dtype.itemsize:
        stored = np.frombuffer(stated[: dtype.itemsize], dtype=dtype)
        is_swapped = group.original_encoding[1] is False
        stated = int((stored.byteswap() if is_swapped else stored)[0])
    if isinstance(stated, int) and stated:
        missing.append(stated)
    return missing


def _without_skew(path: Path, channel: Any, in_mv: np.ndarray, fs_hz: float) -> np.ndarray:
    """Return a channel moved by the whole samples by which it was sampled later than the others."""
    skew_s = parse_number(str(channel.get("ChannelTimeSkew", "")))
    in_samples = parse_number(str(channel.get("ChannelSampleSkew", "")))
    skew = round(skew_s * fs_hz if skew_s is not None else in_samples or 0.0)
    if abs(skew) >= in_mv.size:
        raise UnreadableRecord(
            f"Record {path.stem}: a channel is skewed by more than the recording's length. "
            "Correct the file."
        )
    moved = np.roll(in_mv, skew)
    moved[slice(0, skew) if skew >= 0 else slice(skew, None)] = np.nan
    return moved


def _mv_per_channel_unit(path: Path, channel: Any, lead: str) -> float:
    units = channel.get("ChannelSensitivityUnitsSequence", None) or [{}]
    return mv_per_unit(path, lead, str(units[0].get("CodeValue", "")))


def _sensitivity(path: Path, channel: Any, lead: str) -> float:
    sensitivity = channel.get("ChannelSensitivity", None)
    if not sensitivity:
        raise UnreadableRecord(
            f"Record {path.stem}: {lead_label(lead)} states no scale (ChannelSensitivity)."
        )
    correction = channel.get("ChannelSensitivityCorrectionFactor", None)
    return float(sensitivity) * (1.0 if correction is None else float(correction))


def _status(channel: Any) -> set[str]:
    stated = channel.get("ChannelStatus", None) or []
    return {str(value) for value in ([stated] if isinstance(stated, str) else stated)}


def _status_notes(channels: list[Any]) -> tuple[str, ...]:
    """Return a note of each doubt that the device states about a channel."""
    doubted = {
        value: [lead_name(channel) for channel in channels if value in _status(channel)]
        for value in sorted(_DOUBTED)
    }
    return tuple(
        f"{', '.join(filter(standard_lead, names))}: {value.lower()}, as the device states"
        for value, names in doubted.items()
        if names
    )

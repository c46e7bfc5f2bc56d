"""The leads of a DICOM waveform group, and which group of several is the recording."""

from typing import Any

from ecgcore.records.leads import DERIVABLE, standard_lead
from ecgcore.records.record import LEADS

# Lead codes of SCP-ECG ("5.6.3-9-1") and of ISO 11073 ("2:1"), PS3.16 CID 3001: same last number.
_LEAD_NUMBERS = dict(zip((1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), LEADS, strict=True))
_LEAD_CODES = {f"5.6.3-9-{n}": lead for n, lead in _LEAD_NUMBERS.items()} | {
    f"2:{n}": lead for n, lead in _LEAD_NUMBERS.items()
}
_LONGEST_NAME = 24


def lead_name(channel: Any) -> str:
    """Return a lead's name by its code, else by its meaning (``Lead I (Einthoven)``) or label.

    Parameters
    ----------
    channel
        An item of a pydicom ChannelDefinitionSequence.

    Returns
    -------
    str
        One of LEADS, or what the file calls a channel that is none of them.
    """
    source = (channel.get("ChannelSourceSequence", None) or [{}])[0]
    if lead := _LEAD_CODES.get(str(source.get("CodeValue", "")).strip()):
        return lead
    told = [str(source.get("CodeMeaning", "")), str(channel.get("ChannelLabel", ""))]
    for name in told:
        bare = name.partition("(")[0].strip()
        bare = bare[5:] if bare.lower().startswith("lead ") else bare
        if lead := standard_lead(bare):
            return lead
    return next((name.strip()[:_LONGEST_NAME] for name in told if name.strip()), "unnamed")


def rank(group: Any) -> tuple[bool, bool, bool, bool, int]:
    """Return how much a multiplex group looks like the recording; the largest is it.

    Twelve leads before fewer, a rhythm before a median beat, the label before the length.
    """
    label = str(group.get("MultiplexGroupLabel", "")).lower()
    named = {lead_name(channel) for channel in group.get("ChannelDefinitionSequence", [])}
    return (
        named >= set(LEADS) - DERIVABLE,
        "median" not in label and "beat" not in label,
        "rhythm" in label,
        str(group.get("WaveformOriginality", "")) == "ORIGINAL",
        int(group.get("NumberOfWaveformSamples", 0) or 0),
    )

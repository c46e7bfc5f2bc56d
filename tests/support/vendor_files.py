"""Writers of small simulated recordings in every vendor format that is read."""

from collections.abc import Callable
from pathlib import Path

from vendor_binary_files import write_dicom, write_edf, write_ishne, write_mfer, write_scp
from vendor_xml_files import (
    write_aecg,
    write_cardiosoft,
    write_mortara,
    write_muse,
    write_philips,
    write_schiller,
)

WRITERS: dict[str, tuple[str, Callable[..., Path]]] = {
    "dicom": (".dcm", write_dicom),
    "edf": (".edf", write_edf),
    "aecg": (".xml", write_aecg),
    "muse": (".xml", write_muse),
    "cardiosoft": (".xml", write_cardiosoft),
    "philips": (".xml", write_philips),
    "scp": (".scp", write_scp),
    "ishne": (".ecg", write_ishne),
    "mfer": (".mwf", write_mfer),
    "mortara": (".xml", write_mortara),
    "schiller": (".xml", write_schiller),
}
"""Suffix and writer of each format, by its name in ``file_format``."""

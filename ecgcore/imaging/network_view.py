"""What a network sees of one record, in plain numbers: for viewers that know nothing of torch."""

import numpy as np
import torch

from ecgcore.imaging.drawing import draw_as
from ecgcore.imaging.geometry import Geometry, geometry
from ecgcore.records.record import Record
from ecgcore.records.resample import bring_to


def seen(
    record: Record,
    layout: str = "stacked",
    size: int | tuple[int, int] = 224,
    duration_s: float = 10.0,
) -> tuple[np.ndarray, Geometry]:
    """Return the image (3, H, W) in 0..1 of a record at its own rate, and its measures."""
    window = bring_to(record, record.fs_hz, duration_s)
    signal_mv = torch.from_numpy(np.ascontiguousarray(window.signal_mv))[None]
    measures = geometry(layout, size, duration_s)
    return draw_as(signal_mv, window.fs_hz, measures)[0].numpy(), measures

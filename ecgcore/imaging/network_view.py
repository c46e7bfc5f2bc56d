"""Network image of one record as NumPy arrays, for callers that do not use torch."""

import numpy as np
import torch

from ecgcore.imaging.drawing import draw_with_geometry
from ecgcore.imaging.geometry import make_geometry
from ecgcore.imaging.png import NetworkImage
from ecgcore.records.record import Record
from ecgcore.records.resample import resample_record


def network_image(
    record: Record,
    layout: str = "stacked",
    size: int | tuple[int, int] = 224,
    duration_s: float = 10.0,
    rhythm: str = "II",
) -> NetworkImage:
    """Return the image of a record that a network reads, drawn at the record's own rate.

    Parameters
    ----------
    record
        A 12-lead record; its first ``duration_s`` seconds are drawn.
    layout
        ``stacked``, ``clinical`` or ``panels``; see ``ecgcore.imaging.layouts``.
    size
        Side of a square image, or (height, width), in pixels; at least 32.
    duration_s
        Seconds that the image spans; a shorter record leaves its end empty.
    rhythm
        Lead of the rhythm strip of ``clinical`` and ``panels``.

    Returns
    -------
    NetworkImage
        ``image`` is (3, H, W) float32, 0 (background) to 1 (ink); ``geometry`` maps pixels to
        (lead, second, mV); ``save`` writes a PNG file.

    Raises
    ------
    NotFound
        Unknown layout or lead.
    RequestError
        A size or duration that cannot be drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgcore.records.record import Record
    >>> flat = Record(np.zeros((12, 1000), np.float32), fs_hz=100, name="flat")
    >>> network_image(flat).image.shape
    (3, 224, 224)
    """
    window = resample_record(record, record.fs_hz, duration_s)
    signal_mv = torch.from_numpy(np.ascontiguousarray(window.signal_mv))[None]
    geometry = make_geometry(layout, size, duration_s, rhythm)
    image = draw_with_geometry(signal_mv, window.fs_hz, geometry)[0].numpy()
    return NetworkImage(image, geometry, record.name, window.fs_hz)

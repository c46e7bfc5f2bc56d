"""Time from a recording's two files on disk (.hea and .mat) to the image tensor."""

import tempfile
from pathlib import Path

import numpy as np
import torch

from ecgcore.bench.timing import best_ms
from ecgcore.imaging.drawing import draw
from ecgcore.imaging.geometry import LAYOUTS
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS
from ecgcore.records.resample import resample_record

_UV = 1000  # a stored unit is 1 µV


def disk_ms(signals_mv: np.ndarray, fs_hz: int, round_s: float) -> dict[str, float]:
    """Return milliseconds a record from disk to image, by layout; the best of several rounds.

    ``panels`` includes the detection of R peaks.

    Parameters
    ----------
    signals_mv
        (B, 12, T) in mV; written to a temporary folder first.
    round_s
        Seconds to spend on each layout.
    """
    with tempfile.TemporaryDirectory(prefix="ecgcore-bench-") as folder:
        headers = [
            _write_record(Path(folder), f"r{i:04}", signal_mv, fs_hz)
            for i, signal_mv in enumerate(signals_mv)
        ]
        return {layout: _ms_a_record(headers, layout, round_s) for layout in LAYOUTS}


def _ms_a_record(headers: list[Path], layout: str, round_s: float) -> float:
    _read_and_draw(headers[0], layout)  # imports and caches happen once

    def all_records() -> None:
        for header in headers:
            _read_and_draw(header, layout)

    return round(best_ms(all_records, round_s) / len(headers), 2)


def _read_and_draw(header: Path, layout: str) -> torch.Tensor:
    record = read_record(header)
    window = resample_record(record, record.fs_hz, 10.0)
    return draw(torch.from_numpy(window.signal_mv)[None], window.fs_hz, layout)


def _write_record(folder: Path, name: str, signal_mv: np.ndarray, fs_hz: int) -> Path:
    """Write a record as in the PhysioNet challenges, int16 in MATLAB v4; return its header."""
    stored = np.rint(signal_mv * _UV).astype("<i2")  # (12, T)
    matlab_header = np.array([30, *stored.shape, 0, 4], "<i4").tobytes() + b"val\0"
    (folder / f"{name}.mat").write_bytes(matlab_header + stored.T.tobytes())
    lines = [f"{name} {len(LEADS)} {fs_hz} {stored.shape[1]}"]
    lines += [f"{name}.mat 16+24 {_UV}/mV 16 0 0 0 0 {lead}" for lead in LEADS]
    header = folder / f"{name}.hea"
    header.write_text("\n".join(lines) + "\n")
    return header

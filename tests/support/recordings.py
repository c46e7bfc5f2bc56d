"""Writers of WFDB and CSV recordings, tidy and untidy, from a signal of known shape."""

from pathlib import Path

import numpy as np
import pytest

from ecgcore.records.record import LEADS

DATA = Path(__file__).resolve().parents[1] / "data"
REAL = DATA.parents[1] / "data"
EXAMPLES = DATA.parents[1] / "examples" / "ptb-xl"


def real(folder: str) -> Path:
    """Return a folder of real recordings, or skip the test where it is not unpacked."""
    if not (REAL / folder).is_dir():
        pytest.skip(f"data/{folder} is not unpacked")
    return REAL / folder


def limb_consistent_uv(n_samples: int = 1000, seed: int = 0) -> np.ndarray:
    """Return (12, n) int16 in µV: V1–V6 and I, II at random; the others follow from I and II."""
    rng = np.random.default_rng(seed)
    leads = np.cumsum(rng.normal(0, 20, (8, n_samples)), axis=1)
    leads = leads - leads.mean(axis=1, keepdims=True)
    one, two, chest = leads[0], leads[1], leads[2:]
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.rint(np.vstack([*limb, chest])).astype(np.int16)


def write_wfdb(
    folder: Path,
    name: str,
    signal_uv: np.ndarray,
    *,
    fs_hz: float = 500,
    leads: tuple[str, ...] = LEADS,
    gain: str = "1000/mV",
    suffix: str = ".dat",
    record_line: str | None = None,
    signal_file: str | None = None,
    comments: tuple[str, ...] = (),
    newline: str = "\n",
    encoding: str = "utf-8",
) -> Path:
    """Write a header and its signal file (``.mat``: behind 24 bytes), and return the header."""
    folder.mkdir(parents=True, exist_ok=True)
    offset = "+24" if suffix == ".mat" else ""
    file = signal_file or f"{name}{suffix}"
    lines = [record_line or f"{name} {len(leads)} {fs_hz} {signal_uv.shape[1]}"]
    lines += [f"{file} 16{offset} {gain} 16 0 0 0 0 {lead}" for lead in leads]
    lines += [f"#{comment}" for comment in comments]
    header = folder / f"{name}.hea"
    header.write_bytes((newline.join(lines) + newline).encode(encoding))
    content = np.ascontiguousarray(signal_uv.T).astype("<i2").tobytes()
    (folder / f"{name}{suffix}").write_bytes(b"\0" * (24 if offset else 0) + content)
    return header


def write_csv(
    file: Path,
    table: np.ndarray,
    header: str | None = ",".join(LEADS),
    separator: str = ",",
    form: str = "%.3f",
) -> Path:
    """Write (samples, columns) as text, below a header line if there is one."""
    rows = [separator.join(form % value for value in row) for row in table]
    file.write_text("\n".join(([header] if header is not None else []) + rows) + "\n", "utf-8")
    return file

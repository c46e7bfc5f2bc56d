"""Valid recordings written by independent libraries: any order, names, units, gains and rates.

``hypothesis`` draws them; ``FORMATS`` has one writer for each format that a library here writes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from simulated_ecg import beats
from vendor_binary_files import write_dicom

from ecgcore.records.record import LEADS

RATES_HZ = (100, 125, 128, 200, 240, 250, 256, 257, 360, 400, 500, 512, 1000)
SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda lead: lead,
    "upper": str.upper,
    "lower": str.lower,
    "lead_": lambda lead: f"lead_{lead.lower()}",
    "Lead ": lambda lead: f"Lead {lead}",
    "ECG ": lambda lead: f"ECG {lead}",
    "ECG_": lambda lead: f"ECG_{lead.upper()}",
    "MDC": lambda lead: f"MDC_ECG_LEAD_{lead.upper()}",
    "DI": lambda lead: f"D{lead}" if lead in ("I", "II", "III") else lead,
}
"""How a file may spell its leads; 16 characters at most, as EDF allows."""
MV_PER_UNIT = {"mV": 1.0, "uV": 1e-3}


@dataclass(frozen=True)
class Recording:
    """A recording and how it is to be written.

    Attributes
    ----------
    seed, fs_hz, duration_s
        The simulated signal; the rate in Hz.
    order
        The leads as the file holds them.
    spelling, unit
        A key of SPELLINGS, and of MV_PER_UNIT.
    units_per_mv
        Digital steps in 1 mV, for formats of whole numbers.
    has_clock, is_transposed
        A column of times; leads in rows. For tables and arrays.
    """

    seed: int
    fs_hz: int
    duration_s: float
    order: tuple[str, ...]
    spelling: str
    unit: str
    units_per_mv: int
    has_clock: bool
    is_transposed: bool

    @property
    def signal_mv(self) -> np.ndarray:
        """(12, T) float64 in mV, rows in the order of LEADS, whole steps of 1 / units_per_mv."""
        dice = np.random.default_rng(self.seed)
        at_s = np.arange(0.4, self.duration_s, dice.uniform(0.5, 1.3))
        exact = beats(self.fs_hz, at_s, self.duration_s) * dice.uniform(0.5, 2)
        exact[6:] += dice.normal(0, 0.01, exact[6:].shape)
        return np.rint(exact.astype(float) * self.units_per_mv) / self.units_per_mv

    @property
    def rows_mv(self) -> np.ndarray:
        """(12, T) in the file's order."""
        return self.signal_mv[[LEADS.index(lead) for lead in self.order]]

    @property
    def rows(self) -> np.ndarray:
        """(12, T) in the file's order and unit."""
        return self.rows_mv / MV_PER_UNIT[self.unit]

    @property
    def names(self) -> list[str]:
        """The file's name of each row."""
        return [SPELLINGS[self.spelling](lead) for lead in self.order]


RECORDINGS = st.builds(
    Recording,
    seed=st.integers(0, 2**16),
    fs_hz=st.sampled_from(RATES_HZ),
    duration_s=st.sampled_from((5, 8, 10, 12)),
    order=st.permutations(LEADS).map(tuple),
    spelling=st.sampled_from(sorted(SPELLINGS)),
    unit=st.sampled_from(sorted(MV_PER_UNIT)),
    units_per_mv=st.sampled_from((200, 204, 400, 1000, 2000)),
    has_clock=st.booleans(),
    is_transposed=st.booleans(),
)


def write_wfdb_record(folder: Path, recording: Recording) -> Path:
    """Write a WFDB record by ``wfdb``."""
    import wfdb

    formats = ("16", "24", "32", "212")  # 12 bits hold small numbers alone
    n_fitting = {200: 4, 204: 4, 400: 4}.get(recording.units_per_mv, 3)
    wfdb.wrsamp(
        "a",
        fs=recording.fs_hz,
        units=[recording.unit] * 12,
        sig_name=recording.names,
        p_signal=recording.rows.T,
        fmt=[formats[recording.seed % n_fitting]] * 12,
        adc_gain=[recording.units_per_mv * MV_PER_UNIT[recording.unit]] * 12,
        baseline=[recording.seed % 100 - 50] * 12,
        write_dir=str(folder),
    )
    return folder / "a.hea"


def write_edf_file(folder: Path, recording: Recording) -> Path:
    """Write EDF+ by ``pyedflib``."""
    import pyedflib

    file = folder / "a.edf"
    exact = 32767 / recording.units_per_mv / MV_PER_UNIT[recording.unit]
    limit = round(exact) if exact > 1000 else round(exact, 2)  # eight characters with its sign
    writer = pyedflib.EdfWriter(str(file), 12, file_type=pyedflib.FILETYPE_EDFPLUS)
    for row, name in enumerate(recording.names):
        writer.setSignalHeader(
            row,
            {
                "label": name,
                "dimension": recording.unit,
                "sample_frequency": recording.fs_hz,
                "physical_max": limit,
                "physical_min": -limit,
                "digital_max": 32767,
                "digital_min": -32767,
                "transducer": "",
                "prefilter": "",
            },
        )
    writer.writeSamples(list(np.ascontiguousarray(recording.rows)))
    writer.close()
    return file


def write_dicom_file(folder: Path, recording: Recording) -> Path:
    """Write a DICOM waveform by ``pydicom``."""
    return write_dicom(
        folder / "a.dcm",
        np.rint(recording.signal_mv * 1000).astype(np.int16),
        fs_hz=recording.fs_hz,
        leads=recording.order,
        unit=recording.unit,
        groups=("RHYTHM",),
    )


def write_mat_file(folder: Path, recording: Recording) -> Path:
    """Write a MATLAB file, version 5, by ``scipy``."""
    from scipy.io import savemat

    rows = recording.rows.T if recording.is_transposed else recording.rows
    names = np.array(recording.names, object)
    content = {"val": rows, "fs": recording.fs_hz, "leads": names, "unit": recording.unit}
    savemat(folder / "a.mat", content)
    return folder / "a.mat"


def write_hdf5_file(folder: Path, recording: Recording) -> Path:
    """Write HDF5 by ``h5py``: names, rate and unit are attributes of the array."""
    import h5py

    with h5py.File(folder / "a.h5", "w") as file:
        array = recording.rows.T if recording.is_transposed else recording.rows
        dataset = file.create_dataset("ecg", data=array)
        dataset.attrs["leads"] = recording.names
        dataset.attrs["fs"] = recording.fs_hz
        dataset.attrs["unit"] = recording.unit
    return folder / "a.h5"


def write_npz_file(folder: Path, recording: Recording) -> Path:
    """Write an archive of arrays by ``numpy``."""
    array = recording.rows.T if recording.is_transposed else recording.rows
    content = {"leads": np.array(recording.names), "fs": recording.fs_hz, "unit": recording.unit}
    np.savez(folder / "a.npz", signal=array, **content)
    return folder / "a.npz"


def as_table(recording: Recording) -> pd.DataFrame:
    """Return a column a lead, its unit behind its name, and a clock if it has one."""
    names = [f"{name}_{recording.unit.lower()}" for name in recording.names]
    table = pd.DataFrame(recording.rows.T, columns=names).round(6)
    if recording.has_clock:
        table.insert(0, "time_s", np.arange(len(table)) / recording.fs_hz)
    return table


def stem(recording: Recording) -> str:
    """Return a file's name, which states the rate where no clock does."""
    return "a" if recording.has_clock else f"a_{recording.fs_hz}hz"


def write_csv_file(folder: Path, recording: Recording) -> Path:
    """Write CSV by ``pandas``."""
    separator = ",;\t"[recording.seed % 3]
    file = folder / f"{stem(recording)}.csv"
    as_table(recording).to_csv(file, sep=separator, index=recording.is_transposed)
    return file


def write_parquet_file(folder: Path, recording: Recording) -> Path:
    """Write Parquet by ``pandas`` and ``pyarrow``."""
    file = folder / f"{stem(recording)}.parquet"
    as_table(recording).to_parquet(file)
    return file


def write_feather_file(folder: Path, recording: Recording) -> Path:
    """Write Feather by ``pandas`` and ``pyarrow``."""
    file = folder / f"{stem(recording)}.feather"
    as_table(recording).to_feather(file)
    return file


def write_xlsx_file(folder: Path, recording: Recording) -> Path:
    """Write a workbook by ``pandas`` and ``openpyxl``."""
    file = folder / f"{stem(recording)}.xlsx"
    as_table(recording).to_excel(file, index=False)
    return file


FORMATS: dict[str, Callable[[Path, Recording], Path]] = {
    "wfdb": write_wfdb_record,
    "edf": write_edf_file,
    "dicom": write_dicom_file,
    "mat": write_mat_file,
    "hdf5": write_hdf5_file,
    "npz": write_npz_file,
    "csv": write_csv_file,
    "parquet": write_parquet_file,
    "feather": write_feather_file,
    "xlsx": write_xlsx_file,
}

"""Nothing is silent: each doubt of a reading is a note on its record, in every format."""

import h5py
import numpy as np
import pytest
from recordings import limb_consistent_uv, write_csv, write_wfdb
from scipy.io import savemat

from ecgcore.errors import UnreadableRecord
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS
from ecgcore.records.resample import resample_record

SIGNAL_UV = limb_consistent_uv(1000)
EIGHT = (0, 1, *range(6, 12))
FORMATS = ("csv", "wfdb", "mat", "hdf5")


def write(folder, form, names, fs_hz=500):
    """Write the named leads, and noise for names that are none, in one of FORMATS."""
    noise = np.arange(1000, dtype=np.int16) % 7
    rows_uv = np.array([SIGNAL_UV[LEADS.index(n)] if n in LEADS else noise for n in names])
    if form == "wfdb":
        return write_wfdb(folder, "x", rows_uv, leads=tuple(names), fs_hz=fs_hz)
    if form == "csv":
        time_s = np.arange(1000) / fs_hz
        table = np.column_stack([time_s, rows_uv.T / 1000])
        return write_csv(folder / "x.csv", table, ",".join(("time", *names)), form="%.4f")
    if form == "mat":
        content = {"ECG": rows_uv / 1000, "fs": float(fs_hz), "leads": np.array(names, object)}
        savemat(folder / "x.mat", content)
        return folder / "x.mat"
    with h5py.File(folder / "x.h5", "w") as file:
        file["ecg"] = rows_uv / 1000
        file["ecg"].attrs.update({"fs": float(fs_hz), "leads": list(names)})
    return folder / "x.h5"


def notes_of(path, **options) -> str:
    return "; ".join(read_record(path, **options).notes)


@pytest.mark.parametrize("form", FORMATS)
def test_derived_leads_are_noted(tmp_path, form):
    path = write(tmp_path, form, [LEADS[i] for i in EIGHT])
    assert "III, aVR, aVL, aVF derived from I and II" in notes_of(path)


@pytest.mark.parametrize("form", FORMATS)
def test_channels_that_are_not_used_are_named(tmp_path, form):
    assert "not used: V7, RESP" in notes_of(write(tmp_path, form, [*LEADS, "V7", "RESP"]))


@pytest.mark.parametrize("form", FORMATS)
def test_a_part_of_a_recording_is_noted(tmp_path, form):
    path = write(tmp_path, form, LEADS)
    assert "from 1 s on" in notes_of(path, start_s=1.0)
    assert "first 1.5 s of 2 s" in notes_of(path, duration_s=1.5)


@pytest.mark.parametrize("form", FORMATS)
def test_a_given_rate_that_the_file_contradicts_is_refused_or_noted(tmp_path, form):
    path = write(tmp_path, form, LEADS)
    if form == "wfdb":  # which always states its rate
        assert "the 250 Hz given are not used: the file says 500 Hz" in notes_of(
            path, source_fs_hz=250
        )
        return
    with pytest.raises(UnreadableRecord, match="was given 250 Hz"):
        read_record(path, source_fs_hz=250)


@pytest.mark.parametrize("form", ["csv", "mat", "hdf5"])
def test_an_assumed_unit_is_noted(tmp_path, form):
    assert "scale assumed: mV" in notes_of(write(tmp_path, form, LEADS))


@pytest.mark.parametrize("form", ["csv", "mat", "hdf5", "npy"])
def test_an_assumed_order_is_noted(tmp_path, form):
    rows_mv = np.random.default_rng(0).normal(0, 0.3, (12, 1000)).cumsum(axis=1) / 20
    path = tmp_path / f"x.{'h5' if form == 'hdf5' else form}"
    if form == "csv":
        write_csv(path, rows_mv.T, None)
    elif form == "mat":
        savemat(path, {"val": rows_mv})
    elif form == "npy":
        np.save(path, rows_mv)
    else:
        with h5py.File(path, "w") as file:
            file["ecg"] = rows_mv
    assert "lead order assumed" in notes_of(path, assume_order=True, source_fs_hz=500)


def test_rates_of_leads_gains_rates_and_padding_are_noted(tmp_path):
    record = read_record(write(tmp_path, "csv", LEADS))
    stored = "; ".join(resample_record(record, 100, 10).notes)
    assert "resampled from 500 to 100 Hz" in stored
    assert "filled from 2 to 10 s with missing values" in stored
    bare = write_wfdb(tmp_path, "bare", SIGNAL_UV, gain="0", record_line="bare 12")
    notes = notes_of(bare)
    assert "rate assumed: 250 Hz" in notes
    assert "scale assumed: 200 units = 1 mV" in notes

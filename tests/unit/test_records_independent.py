"""Real recordings agree within 1 µV with the readings of wfdb, scipy and h5py."""

import os

import numpy as np
import pytest
from recordings import real

from ecgcore.records.discover import find_records
from ecgcore.records.read import read_record
from ecgcore.records.record import LEADS

pytestmark = pytest.mark.data
UPPER = {lead.upper(): i for i, lead in enumerate(LEADS)}
PER_UV = {"uv": 1.0, "mv": 1000.0}


def by_wfdb(header, folder, physical=True):
    """Return wfdb's own reading; the record's name in the first line made that of its file."""
    import wfdb

    first, rest = header.read_text().split(None, 1)
    if first != header.stem:
        fixed = folder / header.name
        fixed.write_text(f"{header.stem} {rest}")
        for companion in header.parent.glob(f"{header.stem}.[dm]at"):
            if not (folder / companion.name).exists():
                os.symlink(companion, folder / companion.name)
        header = fixed
    return wfdb.rdrecord(str(header.with_suffix("")), physical=physical)


def rows_by_lead(names, table):
    """Return the (T, leads) table as (12, T) in our order."""
    at = {UPPER[name.upper()]: i for i, name in enumerate(names) if name.upper() in UPPER}
    return table[:, [at[i] for i in range(12)]].T


@pytest.mark.parametrize(
    ("folder", "most"),
    [("challenge-2021", 99), ("ecg-arrhythmia", 99), ("code-15", 99), ("ptb-xl", 25)],
)
def test_wfdb_records_agree_with_wfdb(tmp_path, folder, most):
    found = [path for path in find_records([real(folder)]) if path.suffix == ".hea"]
    headers = found[:: max(1, len(found) // most)]
    assert len(headers) >= 20
    for header in headers:
        reference = by_wfdb(header, tmp_path)
        assert {unit.lower() for unit in reference.units} <= set(PER_UV)
        in_uv = reference.p_signal * np.array([PER_UV[u.lower()] for u in reference.units])
        ours = read_record(header)
        assert ours.fs_hz == reference.fs
        np.testing.assert_allclose(
            ours.signal_mv * 1000, rows_by_lead(reference.sig_name, in_uv), atol=1
        )


def test_ludb_is_its_units_in_uv():
    headers = list(find_records([real("ludb")]))
    assert len(headers) == 60
    for header in headers:
        reference = by_wfdb(header, None, physical=False)
        in_units = rows_by_lead(reference.sig_name, reference.d_signal)
        np.testing.assert_allclose(read_record(header).signal_mv * 1000, in_units, atol=0.01)


def test_sph_agrees_with_h5py():
    import h5py

    files = sorted(real("sph").rglob("*.h5"))
    assert len(files) == 5
    for file in files:
        with h5py.File(file) as content:
            reference_mv = content["ecg"][()].astype(np.float64)
        np.testing.assert_allclose(read_record(file).signal_mv, reference_mv, atol=1e-3)


def test_code_15_agrees_with_scipy():
    from scipy.io import loadmat

    files = [f for f in real("code-15").rglob("*.mat") if not f.with_suffix(".hea").exists()]
    assert len(files) == 10
    for file in files:
        reference_mv = loadmat(file)["feats"]
        record = read_record(file)
        assert record.fs_hz == 400
        if reference_mv.shape[0] != 12:
            reference_mv = reference_mv.T
        np.testing.assert_allclose(record.signal_mv, reference_mv, atol=1e-3)

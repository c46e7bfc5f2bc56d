"""Exclusion reasons are counted without names, numbers or words from the files."""

import pytest
from recordings import limb_consistent_uv, write_wfdb

from ecgcore.cohort.exclusions import DUPLICATE, anonymous_reason, exclusion_counts
from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.workspace import Workspace


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (
            "Record Meyer_A: Meyer_A.dat, which its header names, is missing. Put it beside "
            "Meyer_A.hea.",
            "…, which its header names, is missing",
        ),
        (
            "Record Meyer_A has 2 leads (MLII, V5); 12 are needed (I, II), and V1 is not there.",
            "has 2 leads",
        ),
        (
            "Record Meyer_A is sampled at 100 Hz and this cohort at 500 Hz; rates are not raised.",
            "is sampled at 100 Hz and this cohort at 500 Hz",
        ),
        (
            "Record Meyer_A: its lead 'Meyer, born 1956' is in 'furlongs'; accepted are mV.",
            "its lead … is in …",
        ),
        ("other_Meyer.xml in Klinik_Ulm is empty.", "… in … is empty"),
    ],
)
def test_a_reason_loses_what_is_one_file_s_own(reason, kind):
    assert anonymous_reason(reason, "/data/Klinik_Ulm/Meyer_A.hea", "r123456789abc") == kind


def test_a_cohort_s_losses_are_counted_by_kind(tmp_path):
    workspace, folder = Workspace(tmp_path / "home"), tmp_path / "in"
    for i in range(3):
        write_wfdb(folder, f"Meyer_{i}", limb_consistent_uv(5000, i))
    write_wfdb(folder, "copy", limb_consistent_uv(5000, 0) // 2)
    for i in (1, 2):
        (folder / f"Meyer_{i}.dat").unlink()
    result = ingest(folder, "c", workspace, measure=False)
    counts = exclusion_counts(Cohort.open("c", workspace))
    assert counts == {"…, which its header names, is missing": 2, DUPLICATE: 1}
    assert sum(counts.values()) == result.found - result.read

"""Listing columns: memory-mapped while they match the shards, rebuilt otherwise."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecgcore.cohort.listing import NOT_MEASURED, Listing
from ecgcore.cohort.listing_columns import FILE, TEXTS, load_columns
from ecgcore.cohort.store import Cohort
from ecgcore.errors import DamagedFile


@pytest.fixture
def cohort(examples_home, tmp_path) -> Cohort:
    """Return a copy of the examples that may be changed."""
    shutil.copytree(examples_home.cohorts / "examples", tmp_path / "examples")
    return Cohort(tmp_path / "examples")


def test_an_ingest_leaves_the_columns_beside_the_shards(examples_home):
    cohort = Cohort.open("examples", examples_home)
    stamp = (cohort.folder / FILE).stat().st_mtime_ns
    table = load_columns(cohort)
    assert table["record"].to_pylist() == cohort.index["record"].tolist()
    for name in TEXTS:
        assert table[name].to_pylist() == cohort.index[name].fillna("").tolist()
    assert (cohort.folder / FILE).stat().st_mtime_ns == stamp


def test_the_columns_are_mapped_not_held(cohort):
    load_columns(cohort)
    before = pa.total_allocated_bytes()
    table = load_columns(cohort)
    assert len(table) == 160
    assert pa.total_allocated_bytes() - before < table.nbytes / 4


def test_records_measured_later_are_listed_with_what_was_found(cohort):
    shards = [cohort.folder / "shards" / shard for shard in cohort.meta["shards"]]
    for shard in shards:
        (shard / "measures.parquet").rename(shard / "put.aside")
    assert Listing(cohort).quality == [NOT_MEASURED]
    for shard in shards:
        (shard / "put.aside").rename(shard / "measures.parquet")
    assert NOT_MEASURED not in Listing(cohort).quality


@pytest.mark.parametrize("content", [b"", b"ARROW1\0\0 cut off"])
def test_a_damaged_file_is_made_anew(cohort, content):
    (cohort.folder / FILE).write_bytes(content)
    assert len(load_columns(cohort)) == 160
    assert (cohort.folder / FILE).stat().st_size > 10_000


def test_a_folder_that_may_not_be_written_is_read_all_the_same(cohort):
    (cohort.folder / FILE).unlink()
    (cohort.folder / FILE).mkdir()  # nothing can be renamed into its place
    assert len(load_columns(cohort)) == 160


def test_a_cohort_that_lost_records_is_refused(cohort):
    (cohort.folder / FILE).unlink()
    index = cohort.folder / "shards" / cohort.meta["shards"][0] / "index.parquet"
    pq.write_table(pq.read_table(index).slice(1), index)
    with pytest.raises(DamagedFile, match="should have 160 records and has 159; ingest its folder"):
        Listing(cohort)


def test_a_records_measurements_come_from_its_shard(examples_home, monkeypatch):
    cohort = Cohort.open("examples", examples_home)
    for row in (0, 70, 159):
        stored = cohort.measurements_of(row)
        assert stored is not None
        assert stored.qrs_ms == cohort.measures["qrs_ms"][row]
        assert list(stored.r_peaks_s) == list(cohort.measures["r_peaks_s"][row])
    monkeypatch.setattr("ecgcore.measurement.measurements.MEASURE_VERSION", 1000)
    assert cohort.measurements_of(0) is None

"""A small archive that no table of the product knows: files of patients in folders, as a cohort."""

from pathlib import Path

from recordings import limb_consistent_uv, write_wfdb

from ecgcore.cohort.ingest import ingest
from ecgcore.cohort.store import Cohort
from ecgcore.workspace import Workspace

RECORDS = 12


def file_of(i: int) -> str:
    """Return the path of a record's header in the archive."""
    return f"p{i // 2:03d}/ekg_{i:04d}.hea"


def own_cohort(folder: Path) -> tuple[Workspace, Cohort]:
    """Write twelve records of six patients and read them into the cohort ``own``."""
    for i in range(RECORDS):
        file = folder / "in" / file_of(i)
        write_wfdb(file.parent, file.stem, limb_consistent_uv(1000, i), fs_hz=100)
    workspace = Workspace(folder / "home")
    ingest(folder / "in", "own", workspace, workers=1, measure=False)
    return workspace, Cohort.open("own", workspace)


def row_of(cohort: Cohort, i: int) -> int:
    """Return the row of the i-th record, whose name was derived from its bytes."""
    from ecgcore.cohort.private_paths import read_paths

    paths = read_paths(cohort.folder, cohort.meta["shards"])
    (name,) = paths.loc[paths["path"].str.endswith(file_of(i)), "record"]
    return cohort.row_of(name)

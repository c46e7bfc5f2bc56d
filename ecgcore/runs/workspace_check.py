"""Check of a workspace: which cohorts, runs and imports are whole, and what can be set aside.

Every file is read whole, but nothing of it is executed. A repair moves damaged files into
``WORKSPACE/set-aside/TIME/`` and deletes nothing: what is derived is made again when it is needed,
and a cohort or run that lost something that cannot be made again leaves the lists as a whole.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open

from ecgcore.atomic import damaged, map_array, reading_table
from ecgcore.background import read_status
from ecgcore.cohort.catalogue import cohort_names, read_cohort_file
from ecgcore.cohort.schema import JobStatusFile
from ecgcore.cohort.store import map_signals, private_paths_file
from ecgcore.errors import DamagedFile, NotWritten
from ecgcore.runs.run import ALIVE, Run
from ecgcore.workspace import Workspace

SET_ASIDE = "set-aside"
DERIVED = "it is made again when it is needed"
_MADE_AGAIN = {
    "evaluation.json": "`ecgcore calibrate {name}` writes it again",
    "calibration.json": "`ecgcore calibrate {name}` writes it again",
    "history.jsonl": "the run is listed without its epochs",
    "predictions.parquet": "the run classifies, but has no scores",
    "learnt.parquet": "what the run was trained on is then not known",
}
"""Files that a run can be used without, and what follows when each is set aside."""


@dataclass(frozen=True)
class Finding:
    """A whole or damaged part of a workspace.

    Attributes
    ----------
    kind, name
        ``cohort``, ``run`` or ``import``, and its name.
    damage
        What is wrong, in one line; None where all of it is whole.
    path
        What a repair sets aside: the file, or the folder of the cohort, run or import.
    remedy
        What follows when it is set aside.
    """

    kind: str
    name: str
    damage: str | None = None
    path: Path | None = None
    remedy: str = ""


def check_workspace(workspace: Workspace) -> Iterator[Finding]:
    """Yield a finding for each whole part of a workspace, or one for each of its damages."""
    for kind, names, check in (
        ("cohort", cohort_names(workspace), _cohort_damages),
        ("run", _folders(workspace.runs), _run_damages),
        ("import", _folders(workspace.path / "imports"), _import_damages),
    ):
        for name in names:
            damages = list(check(workspace, name))
            yield from damages or [Finding(kind, name)]


def repair(workspace: Workspace, findings: list[Finding]) -> dict[Path, Path]:
    """Move what is damaged into ``set-aside``; return old path → new path.

    Raises
    ------
    NotWritten
        Something could not be moved; what was moved before stays there.
    """
    target = workspace.path / SET_ASIDE / f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    moved: dict[Path, Path] = {}
    paths = {finding.path for finding in findings if finding.path is not None}
    for path in sorted(paths):  # a folder comes before its files
        if any(parent in moved for parent in path.parents):
            continue
        new = target / path.relative_to(workspace.path)
        try:
            new.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, new)
        except OSError as error:
            raise NotWritten(f"{path} could not be moved to {new}: {error.strerror}.") from None
        moved[path] = new
    return moved


def _folders(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.glob("[!.]*") if one.is_dir())


def _cohort_damages(workspace: Workspace, name: str) -> Iterator[Finding]:
    folder = workspace.cohorts / name
    try:
        shards = [folder / "shards" / shard for shard in read_cohort_file(folder)["shards"]]
        rows = 0
        for shard in shards:
            rows += (n := _rows(shard / "index.parquet"))
            map_signals(shard, n)
            _rows(private_paths_file(folder, shard.name), optional=True)
        if rows != read_cohort_file(folder)["records"]:
            raise damaged(folder / "cohort.json", f"the shards hold {rows:,} records")
    except DamagedFile as error:
        remedy = "ingest its folder again: ecgcore ingest FOLDER --cohort " + name
        yield Finding("cohort", name, str(error), folder, remedy)
        return
    for shard in shards:
        for file in (shard / "measures.parquet", *shard.glob("fingerprints*.npy")):
            check = map_array if file.suffix == ".npy" else _optional_rows
            yield from _file_damage("cohort", name, file, check, DERIVED)
    yield from _file_damage("cohort", name, folder / "columns.arrow", _arrow, DERIVED)


def _run_damages(workspace: Workspace, name: str) -> Iterator[Finding]:
    run, gone = Run(workspace.runs / name), "train anew, or restore it from a backup"
    with suppress(DamagedFile):
        if run.status["state"] in ALIVE:  # its process is writing
            return
    if not (run.folder / "run.json").exists():
        yield Finding("run", name, f"{name} has no run.json: it is no run.", run.folder, gone)
        return
    essential: list[Callable[[], object]] = [
        lambda: run.meta["classes"],
        lambda: run.status,
        lambda: _tensors(run.weights),
        lambda: _rows(run.folder / "split.parquet", optional=True),
    ]
    for check in essential:
        try:
            check()
        except DamagedFile as error:
            yield Finding("run", name, str(error), run.folder, gone)
            return
    checks: dict[str, Callable[[Path], object]] = {
        "evaluation.json": lambda _: run.evaluation,
        "calibration.json": lambda _: run.calibration,
        "history.jsonl": lambda _: run.epochs,
        "predictions.parquet": _optional_rows,
        "learnt.parquet": _optional_rows,
    }
    for file, read in checks.items():
        remedy = _MADE_AGAIN[file].format(name=name)
        yield from _file_damage("run", name, run.folder / file, read, remedy)


def _import_damages(workspace: Workspace, name: str) -> Iterator[Finding]:
    folder = workspace.path / "imports" / name
    try:
        read_status(folder, JobStatusFile)
    except DamagedFile as error:
        yield Finding("import", name, str(error), folder, "import the folder again")


def _file_damage(
    kind: str, name: str, file: Path, read: Callable[[Path], object], remedy: str
) -> Iterator[Finding]:
    """Yield the damage of a file that may be missing."""
    if not file.exists():
        return
    try:
        read(file)
    except DamagedFile as error:
        yield Finding(kind, name, str(error), file, remedy)


def _rows(file: Path, optional: bool = False) -> int:
    """Return the number of rows of a parquet file, after reading all of it."""
    if optional and not file.exists():
        return 0
    with reading_table(file):
        return sum(batch.num_rows for batch in pq.ParquetFile(file).iter_batches())


def _optional_rows(file: Path) -> int:
    return _rows(file, optional=True)


def _tensors(file: Path) -> None:
    """Open a safetensors file, which checks that its tensors fill it."""
    if not file.exists():  # cancelled before its first epoch ended
        return
    try:
        with safe_open(file, framework="numpy") as opened:
            opened.keys()
    except (SafetensorError, OSError):
        raise damaged(file, "it is no whole safetensors file") from None


def _arrow(file: Path) -> None:
    with reading_table(file), pa.memory_map(str(file)) as source:
        pa.ipc.open_file(source).read_all()

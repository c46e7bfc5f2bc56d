"""The split of a run: drawn once, stored as split.parquet, and read by everything after that.

split.parquet has one row for each record that takes part in the run:

record, source, patient, signal_hash   as in the cohort's index (patients as keyed hashes)
part                                   train, validation, test or holdout
row                                    row of the cohort's index; -1 where inherited
inherited                              trained on by an earlier run that this one builds on: the
                                       source of its pretrained weights, or its teacher
y_<class>                              target: true present, false absent, null unknown or inherited

The file's metadata (key ``ecgcore``) hold the hashes of cohort and split, the counts by class, and
whether the inherited records are completely known.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecgcore.atomic import damaged, read_parquet, reading_table, write_atomic
from ecgcore.cohort import splits, subsets
from ecgcore.cohort.measure_job import ensure_measured
from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import Split
from ecgcore.errors import DamagedFile, EcgError, RequestError
from ecgcore.labels.label_set_file import find_label_set
from ecgcore.runs.config import ResolvedConfig
from ecgcore.runs.run import Run
from ecgcore.workspace import Workspace

FILE = "split.parquet"
OLD_FILE = "learnt.parquet"
"""Version 0.1.0 stored only the training and validation records, without targets."""
TRAINING_PARTS = ("train", "validation")
IDENTITY = ["record", "source", "patient", "signal_hash"]
_METADATA = b"ecgcore"


@dataclass(frozen=True)
class Lineage:
    """Records that a run was trained on.

    Attributes
    ----------
    records
        Columns IDENTITY and ``part`` (train or validation).
    is_complete
        False where an earlier run was trained on further, unknown records.
    """

    records: pd.DataFrame
    is_complete: bool = True


def make_split(config: ResolvedConfig, workspace: Workspace) -> tuple[Cohort, Split]:
    """Draw the records that train, validate and test; return them with their cohort.

    Labels by criteria need measurements: missing ones are made first.

    Raises
    ------
    RequestError
        A part that the split needs is left without records.
    """
    _limit_arrow_memory()
    by_criteria = config.label_source == "criteria"
    cohort = (ensure_measured if by_criteria else Cohort.open)(config.cohort, workspace)
    level = "all" if config.level == "all" else int(config.level)
    split = subsets.build_split(
        cohort,
        level,
        config.target_mode,
        config.label_tier,
        config.split,
        config.seed,
        config.label_source,
        config.thresholds,
        find_label_set(config.label_set, workspace.label_sets),
        config.where,
    )
    for part in required_parts(config.split):
        if not (split.part == part).any():
            raise RequestError(
                f"Cohort '{cohort.name}' leaves no record for {part} at level {level} "
                f"({len(split.part)} records with a target); choose another level or cohort."
            )
    return cohort, split


def required_parts(way: str) -> tuple[str, ...]:
    """Return the parts that a training with this way to split needs."""
    if way == "none":
        return ("train",)
    return ("train", "validation", "test") if splits.validates(way) else ("train", "test")


def write_split(
    folder: Path, cohort: Cohort, split: Split, inherited: Iterable[Lineage | None] = ()
) -> None:
    """Write the split.parquet of a run.

    Parameters
    ----------
    inherited
        What the earlier runs that this one builds on were trained on; None where that is not known.
    """
    lineages = list(inherited)
    own = cohort.index[IDENTITY].iloc[split.rows].assign(part=split.part)
    before = _only_inherited(own, [lineage for lineage in lineages if lineage is not None])
    metadata = {
        "cohort": cohort.hash,
        "split": split.hash,
        "lineage_complete": all(li is not None and li.is_complete for li in lineages),
        "counts": json.loads(split.counts.to_json(orient="split")),
    }
    n_before = len(before)
    columns: dict[str, pa.Array] = {
        name: pa.concat_arrays([_strings(own[name]), _strings(before[name])])
        for name in (*IDENTITY, "part")
    }
    columns["row"] = pa.array(np.concatenate([split.rows, np.full(n_before, -1)]), pa.int32())
    columns["inherited"] = pa.array(np.arange(len(own) + n_before) >= len(own))
    for code, y in zip(split.classes, split.y.T, strict=True):
        target = pa.array(y == 1, mask=np.isnan(y))
        columns[f"y_{code}"] = pa.concat_arrays([target, pa.nulls(n_before, pa.bool_())])
    table = pa.table(columns).replace_schema_metadata({_METADATA: json.dumps(metadata)})
    write_atomic(folder / FILE, lambda path: pq.write_table(table, path, compression="zstd"))


def _strings(column: pd.Series) -> pa.Array:
    return pa.array(column.to_numpy(object), pa.string(), from_pandas=True)


def _only_inherited(own: pd.DataFrame, lineages: list[Lineage]) -> pd.DataFrame:
    """Return the rows of earlier runs that are not among the run's own, each once."""
    if not lineages:
        return own.iloc[:0]
    before = pd.concat([lineage.records for lineage in lineages], ignore_index=True)
    together = pd.concat([own, before[own.columns]], ignore_index=True)
    return together[len(own) :][~together.duplicated()[len(own) :]]


def read_split(run: Run, workspace: Workspace) -> tuple[Cohort, Split]:
    """Return the cohort and the stored split of a run, without drawing it again.

    Raises
    ------
    EcgError
        The cohort has changed since the run was prepared.
    DamagedFile
        split.parquet does not belong to the run.
    """
    _limit_arrow_memory()
    cohort, meta = Cohort.open(run.config.cohort, workspace), run.meta
    if cohort.hash != meta["cohort"]["hash"]:
        raise changed(cohort, run)
    classes = tuple(meta["classes"])
    table = _read(run, ["record", "row", "part", *(f"y_{code}" for code in classes)])
    y = np.empty((len(table), len(classes)), np.float32)
    for column, code in enumerate(classes):
        target = table[f"y_{code}"].cast(pa.float32()).to_pandas().to_numpy(np.float32)
        y[:, column] = target
    part = table["part"].to_numpy().astype("<U10")
    if subsets.split_hash(table["record"].to_numpy(), y, part) != meta["split"]["hash"]:
        raise DamagedFile(f"{run.id}/{FILE} does not belong to this run; restore it or train anew.")
    return cohort, Split(
        rows=table["row"].to_numpy().astype(np.int64),
        y=y,
        classes=classes,
        part=part,
        notes=tuple(meta["split"]["notes"]),
        counts=_counts(table),
        left_out=meta["split"]["left_out"],
        patients=meta["split"]["patients"],
        hash=meta["split"]["hash"],
    )


def ensure_split(run: Run, workspace: Workspace) -> None:
    """Write the split.parquet of a run of version 0.1.0 that has none: its split is drawn again."""
    if (run.folder / FILE).exists():
        return
    cohort, split = make_split(run.config, workspace)
    if split.hash != run.meta["split"]["hash"]:
        raise changed(cohort, run)
    old = read_old_lineage(run)
    write_split(run.folder, cohort, split, () if old is None else (old,))


def read_lineage(run: Run) -> Lineage | None:
    """Return the stored records that a run was trained on, None where nothing is stored."""
    if not (run.folder / FILE).exists():
        return read_old_lineage(run)
    columns = [*IDENTITY, "part"]
    file = run.folder / FILE
    with reading_table(file):
        table = pq.read_table(file, columns=columns, filters=[("part", "in", TRAINING_PARTS)])
        return Lineage(table.to_pandas(), _metadata(table).get("lineage_complete", True))


def read_old_lineage(run: Run) -> Lineage | None:
    """Return the same from the file of version 0.1.0."""
    file = run.folder / OLD_FILE
    if not file.exists():
        return None
    records = read_parquet(file)
    if not set(IDENTITY) <= set(records):
        raise damaged(file, "it lacks the columns of a list of records")
    if "part" not in records:
        records = records.assign(part=TRAINING_PARTS[0])
    return Lineage(records, records.attrs.get("whole", True))


def own_lineage(cohort: Cohort, split: Split) -> Lineage:
    """Return the records of a split that a run learns from."""
    is_training = np.isin(split.part, TRAINING_PARTS)
    records = cohort.index.iloc[split.rows[is_training]][IDENTITY]
    return Lineage(records.assign(part=split.part[is_training]))


def changed(cohort: Cohort, run: Run) -> EcgError:
    """Return the error of a cohort that is no longer the one a run was prepared on."""
    return EcgError(
        f"Cohort '{cohort.name}' has changed since run {run.id} was prepared; train anew."
    )


def _read(run: Run, columns: list[str]) -> pa.Table:
    """Return columns of the run's own rows."""
    try:
        return pq.read_table(run.folder / FILE, columns=columns, filters=[("row", ">=", 0)])
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise DamagedFile(
            f"{run.id}/{FILE} cannot be read ({error}); restore it or train anew."
        ) from error


def _metadata(table: pa.Table) -> dict[str, Any]:
    return json.loads((table.schema.metadata or {}).get(_METADATA, b"{}"))


def _counts(table: pa.Table) -> pd.DataFrame:
    stored = _metadata(table).get("counts")
    counts = pd.DataFrame(**stored) if stored else pd.DataFrame()
    return counts.rename_axis(index="class")


def _limit_arrow_memory() -> None:
    """Use the system's allocator: Arrow's own keeps the memory that was freed."""
    pa.set_memory_pool(pa.system_memory_pool())

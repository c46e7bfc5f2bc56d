"""Make examples/ptb-xl again: 16 real records of each of the ten classes, of 160 patients.

    .venv/bin/python examples/make_examples.py data/ptb-xl

The rule, on expert labels of the core tier in ``exclusive`` mode:

1. Eligible is a record at 100 Hz whose patient is younger than 90, with no flat or missing lead.
2. The rarest class chooses first; no patient is chosen twice.
3. The folds take turns, so that each class is spread over all of them.
4. Within a fold, records without a remark on drift, noise or electrodes come first, then those
   that a human validated, then the order of a hash of ``ecg_id`` (any order that is not time).
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from ecgcore.labels.classes import CODES
from ecgcore.labels.expert import label_record
from ecgcore.labels.targets import targets
from ecgcore.records.formats.wfdb import read_wfdb

HERE = Path(__file__).parent / "ptb-xl"
EACH = 16
REMARKS = ["baseline_drift", "static_noise", "burst_noise", "electrodes_problems"]
BLANKED = [
    "height",
    "weight",
    "nurse",
    "site",
    "device",
    "recording_date",
    "report",
    "validated_by",
]
"""Columns that stay in the table without content: nothing here needs them."""


def main() -> None:
    """Choose the records and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="PTB-XL as PhysioNet publishes it")
    source = parser.parse_args().source
    table = pd.read_csv(source / "ptbxl_database.csv", dtype=str, keep_default_na=False)
    labelled = with_class(table, source)
    write(table.loc[choose(labelled)], source)


def with_class(table: pd.DataFrame, source: Path) -> pd.DataFrame:
    """Return the eligible rows of ``table`` with their class; reads every record once."""
    records = [read_wfdb(source / f"{name}.hea") for name in table["filename_lr"]]
    states = np.stack([label_record(record, "core").states for record in records])
    y = targets(states, "exclusive").y
    alive = [bool((np.nanstd(record.signal_mv, axis=1) > 0).all()) for record in records]
    complete = [bool(np.isfinite(record.signal_mv).all()) for record in records]
    young = pd.to_numeric(table["age"]) < 90
    used = ~np.isnan(y[:, 0])
    table = table.assign(code=np.where(used, np.nan_to_num(y).argmax(axis=1), -1))
    return table[used & np.array(alive) & np.array(complete) & young]


def choose(labelled: pd.DataFrame) -> list[int]:
    """Return the chosen rows, in the table's order."""
    ranked = labelled.assign(
        remarked=(labelled[REMARKS] != "").any(axis=1),
        machine_only=labelled["validated_by_human"] != "True",
        shuffled=pd.util.hash_array(labelled["ecg_id"].to_numpy(object)),
        fold=labelled["strat_fold"].astype(int),
    ).sort_values(["remarked", "machine_only", "shuffled"])
    chosen: list[int] = []
    patients: set[str] = set()
    for code in ranked["code"].value_counts().index[::-1]:
        of_class = ranked[(ranked["code"] == code) & ~ranked["patient_id"].isin(patients)]
        of_class = of_class.drop_duplicates("patient_id")
        turn = of_class.groupby("fold").cumcount()
        first = (of_class["fold"] - code) % ranked["fold"].nunique()  # who begins, by class
        taken = of_class.assign(turn=turn, first=first).sort_values(["turn", "first"])[:EACH]
        if len(taken) < EACH:
            raise SystemExit(f"{CODES[code]} has only {len(taken)} records of different patients.")
        chosen.extend(taken.index)
        patients.update(taken["patient_id"])
    return sorted(chosen)


def write(rows: pd.DataFrame, source: Path) -> None:
    """Write the published layout with these rows; signal files are copied byte by byte."""
    shutil.rmtree(HERE, ignore_errors=True)
    for name in rows["filename_lr"]:
        for suffix in (".hea", ".dat"):
            copy = HERE / f"{name}{suffix}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / f"{name}{suffix}", copy)
    for name in ("LICENSE.txt", "scp_statements.csv"):
        shutil.copyfile(source / name, HERE / name)
    table = rows.assign(**dict.fromkeys(BLANKED, ""))
    table.to_csv(HERE / "ptbxl_database.csv", index=False)
    print(f"{len(table)} records of {table['patient_id'].nunique()} patients in {HERE}")


if __name__ == "__main__":
    main()

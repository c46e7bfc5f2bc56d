"""Write signal, measurements, gate and probabilities of every record; compare two versions of them.

PYTHONPATH=OTHER .venv/bin/python benchmarks/same_answers.py data/ludb --to before.parquet
.venv/bin/python benchmarks/same_answers.py data/ludb --to now.parquet --compare before.parquet
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from ecgcore.errors import UnreadableRecord
from ecgcore.inference.classify import classify_records
from ecgcore.inference.model import load_model
from ecgcore.measurement.measurements import measure
from ecgcore.records.discover import find_records
from ecgcore.records.read import read_record
from ecgcore.records.record import Record
from ecgcore.workspace import Workspace

COLUMNS = ("signal", "measurements", "gate", "quality", "probabilities", "error")


def main() -> None:
    """Answer every record, write the table, and print how many answers differ."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="+", help="folders of recordings")
    parser.add_argument("--to", type=Path, required=True, help="the table to write")
    parser.add_argument("--compare", type=Path, help="the table of another version")
    parser.add_argument("--run", default="resnet1d_scaled", help="the network that answers")
    options = parser.parse_args()
    network = load_model(options.run, Workspace.find())
    paths, rows = find_records(options.data), []
    while part := list(islice(paths, 64)):
        rows += answers(part, network)
    table = pd.DataFrame(rows)
    table.to_parquet(options.to)
    if options.compare:
        print(json.dumps(differences(table, pd.read_parquet(options.compare))))


def answers(paths: list[Path], network: Any) -> Iterator[dict[str, str]]:
    """Yield one row a record: digests, the gate's verdict, or the error."""
    records: list[tuple[Path, Record]] = []
    for path in paths:
        try:
            records.append((path, read_record(path)))
        except UnreadableRecord as error:
            yield dict.fromkeys(COLUMNS, "") | {"path": str(path), "error": str(error)}
    classified = classify_records([record for _, record in records], network)
    for (path, record), answer in zip(records, classified, strict=True):
        yield {
            "path": str(path),
            "signal": hashlib.sha256(record.signal_mv.tobytes()).hexdigest(),
            "measurements": json.dumps(_without_notes(measure(record).as_json())),
            "gate": answer["gate"],
            "quality": json.dumps(answer["quality"]),
            "probabilities": json.dumps(answer["probabilities"]),
            "error": "",
        }


def _without_notes(measured: dict[str, Any]) -> dict[str, Any]:
    """Return measurements without their notes, which earlier versions do not have."""
    return {name: value for name, value in measured.items() if name != "notes"}


def differences(now: pd.DataFrame, before: pd.DataFrame) -> dict[str, int]:
    """Return the number of records of both tables, and of those that differ in each column."""
    both = now.merge(before, on="path", suffixes=("", "_before"))
    changed = {name: int((both[name] != both[f"{name}_before"]).sum()) for name in COLUMNS}
    return {"records": len(both), "only in one": len(now) + len(before) - 2 * len(both), **changed}


if __name__ == "__main__":
    main()

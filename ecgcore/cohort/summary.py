"""What is said of a cohort as a whole: ``cohort.json``, and the answer of an ingest."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.atomic import read_json
from ecgcore.cohort.private_paths import Outcome
from ecgcore.cohort.signal_format import Form
from ecgcore.cohort.store import TIERS
from ecgcore.labels.classes import CODES
from ecgcore.labels.code_tables import tables_hash
from ecgcore.labels.targets import class_counts, targets_summary
from ecgcore.version import __version__

_LABELS = [f"{tier}_{code}" for tier in TIERS for code in CODES]


def description(cohort: Path, shards: list[str], form: Form, outcome: Outcome) -> dict[str, Any]:
    """Return the content of ``cohort.json``. It holds no path, date or file name.

    ``hash`` changes with any record, signal, label or their order.
    """
    files = [cohort / "shards" / shard / "index.parquet" for shard in shards]
    sources, patients = Counter[str](), []
    for file in files:
        index = pd.read_parquet(file, columns=["source", "patient"])
        sources.update(index["source"].tolist())
        patients.append(index["patient"])
    patient = pd.concat(patients)
    return {
        "name": cohort.name,
        "fs_hz": form.fs_hz,
        "rate_by_rule": form.by_rule,
        "duration_s": form.duration_s,
        "start_s": form.reading.start_s,
        "n_samples": form.n_samples,
        "records": len(patient),
        "patients": int(patient.nunique() + patient.isna().sum()),
        "sources": dict(sources.most_common()),
        "rejected": outcome.count("rejected"),
        "duplicates": outcome.count("duplicate"),
        "hash": _hash(files),
        "label_tables": tables_hash(),
        "shards": shards,
        "ecgcore": __version__,
    }


def _hash(files: list[Path]) -> str:
    """Return the hash of indexes one after another, with one of them in memory at a time."""
    digest, between = hashlib.sha256(), ""
    for file in files:
        index = pd.read_parquet(file, columns=["record", "signal_hash"])
        if told := "\n".join(index["record"] + " " + index["signal_hash"]):
            digest.update((between + told).encode())
            between = "\n"
    for file in files:
        digest.update(pd.read_parquet(file, columns=_LABELS).to_numpy(np.int8).tobytes())
    return digest.hexdigest()[:16]


def answer(cohort: Path, form: Form, outcome: Outcome, folder: Path) -> dict[str, Any]:
    """Return the totals that an ingest of ``folder`` answers with, but for its seconds.

    Paths are told as reached from ``folder``; they are for the caller's own eyes.
    """
    others = outcome.others.sort_values("path", kind="stable")
    told = others.assign(path=[_shown(Path(path), folder) for path in others["path"]])
    rejected = told.loc[told["status"] == "rejected", ["record", "path", "reason"]]
    duplicates = told.loc[told["status"] == "duplicate", ["record", "path", "of"]]
    states = _states(cohort)
    return {
        "cohort": cohort.name,
        "fs_hz": form.fs_hz,
        "found": outcome.read + len(others),
        "read": outcome.read,
        "rejected": rejected.to_dict("records"),
        "duplicates": duplicates.to_dict("records"),
        "classes": {tier: class_counts(states[tier]) for tier in TIERS},
        "targets": targets_summary(states["core"]),
    }


def _states(cohort: Path) -> dict[str, np.ndarray]:
    """Return the label states by tier; no rows where nothing could be read."""
    if not (cohort / "cohort.json").exists():
        return dict.fromkeys(TIERS, np.empty((0, len(CODES)), np.int8))
    shards = read_json(cohort / "cohort.json")["shards"]
    labels = [
        pd.read_parquet(cohort / "shards" / s / "index.parquet", columns=_LABELS) for s in shards
    ]
    core, broad = np.split(np.concatenate([table.to_numpy(np.int8) for table in labels]), 2, axis=1)
    return {"core": core, "broad": broad}


def _shown(path: Path, folder: Path) -> str:
    whole = folder.absolute()
    return str(folder / path.relative_to(whole)) if path.is_relative_to(whole) else str(path)

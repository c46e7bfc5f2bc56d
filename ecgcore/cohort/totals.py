"""What is said of a cohort as a whole: ``cohort.json``, and the answer of an ingest."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcore.cohort.form import Form
from ecgcore.cohort.store import TIERS, Cohort
from ecgcore.labels.classes import CODES
from ecgcore.labels.tables import tables_hash
from ecgcore.labels.targets import class_counts, targets_summary
from ecgcore.version import __version__


def description(cohort: Path, shards: list[str], form: Form, paths: pd.DataFrame) -> dict[str, Any]:
    """Return the content of ``cohort.json``. It holds no path, date or file name.

    ``hash`` changes with any record, signal, label or their order.
    """
    tables = [pd.read_parquet(cohort / "shards" / shard / "index.parquet") for shard in shards]
    index = pd.concat(tables, ignore_index=True)
    told = (index["record"] + " " + index["signal_hash"]).str.cat(sep="\n").encode()
    labels = index[[f"{tier}_{code}" for tier in TIERS for code in CODES]].to_numpy(np.int8)
    return {
        "name": cohort.name,
        "fs_hz": form.fs_hz,
        "rate_by_rule": form.by_rule,
        "duration_s": form.duration_s,
        "start_s": form.reading.start_s,
        "n_samples": form.n_samples,
        "records": len(index),
        "patients": int(index["patient"].nunique() + index["patient"].isna().sum()),
        "sources": dict(Counter(index["source"].tolist()).most_common()),
        "rejected": int((paths["status"] == "rejected").sum()),
        "duplicates": int((paths["status"] == "duplicate").sum()),
        "hash": hashlib.sha256(told + labels.tobytes()).hexdigest()[:16],
        "label_tables": tables_hash(),
        "shards": shards,
        "ecgcore": __version__,
    }


def answer(cohort: Path, form: Form, paths: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Return the totals that an ingest of ``folder`` answers with, but for its seconds.

    Paths are told as reached from ``folder``; they are for the caller's own eyes.
    """
    paths = paths.sort_values("path", kind="stable")
    told = paths.assign(path=[_shown(Path(path), folder) for path in paths["path"]])
    rejected = told.loc[told["status"] == "rejected", ["record", "path", "reason"]]
    duplicates = told.loc[told["status"] == "duplicate", ["record", "path", "of"]]
    states = _states(cohort)
    return {
        "cohort": cohort.name,
        "fs_hz": form.fs_hz,
        "found": len(paths),
        "read": int((paths["status"] == "read").sum()),
        "rejected": rejected.to_dict("records"),
        "duplicates": duplicates.to_dict("records"),
        "classes": {tier: class_counts(states[tier]) for tier in TIERS},
        "targets": targets_summary(states["core"]),
    }


def _states(cohort: Path) -> dict[str, np.ndarray]:
    """Return the label states by tier; no rows where nothing could be read."""
    if not (cohort / "cohort.json").exists():
        return dict.fromkeys(TIERS, np.empty((0, len(CODES)), np.int8))
    opened = Cohort(cohort)
    return {tier: opened.states(tier) for tier in TIERS}


def _shown(path: Path, folder: Path) -> str:
    whole = folder.absolute()
    return str(folder / path.relative_to(whole)) if path.is_relative_to(whole) else str(path)

"""Subsets: the records of one training, 204 or 440 drawn evenly over the classes, or all.

The paper's levels (001) are class-balanced draws. If a class has fewer records than its quota, all
of them are drawn and a note says so; no record is drawn twice.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from ecgcore.cohort import splits
from ecgcore.cohort.record_filter import select_records
from ecgcore.errors import RequestError
from ecgcore.labels import label_sets
from ecgcore.labels.classes import CODES
from ecgcore.labels.label_sets import LabelSet
from ecgcore.labels.targets import priority_class, targets


class LabelledCohort(Protocol):
    """Interface of a cohort that can be split: its index and its label states."""

    @property
    def index(self) -> pd.DataFrame:
        """Table with one row per record."""

    def states(
        self, label_tier: str, label_source: str, thresholds: str, label_set: str | LabelSet
    ) -> np.ndarray:
        """Return (N, C) int8: 1 present, 0 absent, -1 unknown."""


@dataclass(frozen=True)
class Split:
    """Records of a cohort that a run uses, with their targets and parts.

    Attributes
    ----------
    rows
        (N,) rows of the cohort's index, ascending.
    y
        (N, C) float32, NaN where unknown.
    classes
        (C,) codes.
    part
        (N,) str, one of ``splits.PARTS``.
    notes
        Remarks for readers of the run: records requested, records lacking, records held out.
    counts
        One row per class. ``requested``, ``available`` and ``drawn`` count records by the class
        that they are drawn for (in multilabel mode the first stated in ``PRIORITY``, or the rarest
        in label sets other than the paper's; at level ``all`` every stated class); the columns of
        the parts count the records that state the class.
    left_out
        Number of unused records of the cohort by reason; together with ``rows`` these are all.
    patients
        Number of patients by part (a record without patient id counts as one patient).
    hash
        Changes with any record, target or part.
    """

    rows: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]
    part: np.ndarray
    notes: tuple[str, ...]
    counts: pd.DataFrame
    left_out: dict[str, int]
    patients: dict[str, int]
    hash: str


def build_split(
    cohort: LabelledCohort,
    level: int | str,
    mode: str,
    label_tier: str = "core",
    split: str = "patient",
    seed: int = 0,
    label_source: str = "expert",
    thresholds: str = "paper",
    label_set: str | LabelSet = "paper10",
    where: str | None = None,
) -> Split:
    """Return the split of ``cohort`` for a run.

    The holdout records (in a split by folds: the test fold; by source: that source) are set aside
    first, and all of them that have a target are used, whatever the level.

    Parameters
    ----------
    level
        Number of records, or ``all``.
    mode
        Target mode, see ``labels.targets``.
    split
        One of ``splits.WAYS``.
    label_tier, label_source, thresholds, label_set
        As in ``Cohort.states``.
    where
        As in ``record_filter``.
    """
    splits.check_way(split)
    chosen = label_sets.label_set(label_set) if isinstance(label_set, str) else label_set
    classes = chosen.codes
    quotas = class_quotas(level, len(classes))
    index = cohort.index
    states = cohort.states(label_tier, label_source, thresholds, label_set)
    target = targets(states, mode, classes, chosen.is_ranked)
    group = splits.groups(index)
    reason, is_used = target.reason, target.used
    if where is not None:
        is_selected = select_records(index, group, where)
        reason = np.where(is_selected, reason, f"not asked for ({where})")
        is_used = is_used & is_selected
    part, split_reason = _fixed_parts(index, group, split, is_used)
    pool = part == "train"  # until it is split
    stated = np.asarray(target.y == 1)
    drawn_for = stated if quotas is None else _one_class(stated, classes)
    drawn = pool if quotas is None else _draw(drawn_for, group, pool, quotas, seed)
    part[pool & ~drawn] = ""
    if split == "rest":
        part[pool & ~np.isin(group, group[drawn])] = "test"
    if split == "folds":
        part[drawn] = splits.by_folds(index, group)[drawn]
    elif splits.validates(split):
        fractions = splits.FRACTIONS if split == "patient" else splits.without_test()
        part[drawn] = splits.by_patient(group[drawn], stated[drawn], seed, fractions)
    counts = _counts(classes, drawn_for, stated, part, pool, drawn, quotas)
    rows = np.flatnonzero(part != "")
    return Split(
        rows=rows,
        y=target.y[rows],
        classes=classes,
        part=part[rows],
        notes=(
            *_level_notes(level, counts),
            *_holdout_notes(index, part, split),
            *_label_source_notes(label_source, thresholds),
            *_patient_notes(index["patient"].iloc[rows]),
        ),
        counts=counts,
        left_out=_left_out(reason, split_reason, part, pool, level),
        patients={name: len(np.unique(group[part == name])) for name in splits.PARTS},
        hash=split_hash(index["record"].to_numpy()[rows], target.y[rows], part[rows]),
    )


def class_quotas(level: int | str, classes: int = len(CODES)) -> np.ndarray | None:
    """Return (classes,) the number of records requested per class, None for ``all``.

    With ten classes, 204 is 21 of each of the first four and 20 of each other.
    """
    if level == "all":
        return None
    if not isinstance(level, int) or level < classes:
        raise RequestError(
            f"Level '{level}' is neither 'all' nor a number of records from {classes} up."
        )
    each, remainder = divmod(level, classes)
    return each + (np.arange(classes) < remainder)


def _fixed_parts(
    index: pd.DataFrame, group: np.ndarray, way: str, is_used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the parts before any draw, and the reasons of the split for excluding records.

    (N,) str: ``holdout``, or the ``test`` fold or source; ``train`` for all that may be drawn; ''
    for excluded records.
    """
    reason = np.full(len(index), "", object)
    if way == "patient":
        part = np.where(splits.held_out(index, group), "holdout", "train").astype("<U10")
    elif not splits.validates(way):
        part = splits.without_validation(index, group, way)
    elif way == "folds":
        part = splits.by_folds(index, group)
        part[part == "validation"] = "train"
        reason = np.full(len(index), "no published fold", object)
    else:
        part, reason = splits.by_source(index, group, splits.left_out_source(way))
    part[~is_used] = ""
    return part, reason


def _draw(
    drawn_for: np.ndarray, group: np.ndarray, pool: np.ndarray, quotas: np.ndarray, seed: int
) -> np.ndarray:
    """Return (N,) bool: at most the quota of records per class, in an order given by the seed.

    Other patients come before a patient's second record of the class. A smaller level is a subset
    of a larger one with the same seed.
    """
    rows = np.flatnonzero(pool & drawn_for.any(axis=1))
    rows = np.random.default_rng(seed).permutation(rows)
    frame = pd.DataFrame({"group": group[rows], "kind": drawn_for[rows].argmax(axis=1)})
    frame["repeat"] = frame.groupby(["group", "kind"]).cumcount()
    frame = frame.sort_values("repeat", kind="stable")
    selected = frame[frame.groupby("kind").cumcount() < quotas[frame["kind"]]]
    drawn = np.zeros(len(pool), bool)
    drawn[rows[selected.index]] = True
    return drawn


def _one_class(stated: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """Return (N, C) bool: the one stated class that a record is drawn for."""
    if classes == CODES:
        kind = priority_class(stated)
    else:
        rarity = np.where(stated, stated.sum(axis=0), len(stated) + 1)
        kind = np.where(stated.any(axis=1), rarity.argmin(axis=1), -1)
    return kind[:, None] == np.arange(len(classes))


def _counts(
    classes: tuple[str, ...],
    drawn_for: np.ndarray,
    stated: np.ndarray,
    part: np.ndarray,
    pool: np.ndarray,
    drawn: np.ndarray,
    quotas: np.ndarray | None,
) -> pd.DataFrame:
    available = drawn_for[pool].sum(axis=0)
    columns = {
        "requested": available if quotas is None else quotas,
        "available": available,
        "drawn": drawn_for[drawn].sum(axis=0),
    }
    columns |= {name: stated[part == name].sum(axis=0) for name in splits.PARTS}
    return pd.DataFrame(columns, index=pd.Index(classes, name="class"))


def _level_notes(level: int | str, counts: pd.DataFrame) -> list[str]:
    """Return notes such as "440 records requested, 44 per class; 425 drawn."."""
    if level == "all":
        lacking = counts.index[counts["available"] == 0]
        return [f"No record of {', '.join(lacking)}."] if len(lacking) else []
    each = " or ".join(str(n) for n in sorted(counts["requested"].unique()))
    note = f"{level} records requested, {each} per class; {counts['drawn'].sum()} drawn."
    short = counts[counts["drawn"] < counts["requested"]]
    if short.empty:
        return [note]
    classes = ", ".join(f"{code} {row.available}" for code, row in short.iterrows())
    return [note, f"Too few records available: {classes}. No record was drawn twice."]


def _holdout_notes(index: pd.DataFrame, part: np.ndarray, way: str) -> list[str]:
    if way == "none":
        return ["All records train; nothing validates or tests, and the last epoch is kept."]
    name = "holdout" if (part == "holdout").any() else "test"
    is_part = part == name
    if way == "rest":
        note = f"Test: the {is_part.sum():,} records of other patients than those drawn."
        return [f"{note} Nothing validates, and the last epoch is kept."]
    note = f"{is_part.sum():,} records, the same for every level, model and seed."
    if source := splits.left_out_source(way):
        return [f"Test: source {source}, {note}", *splits.source_notes(index, source)]
    folds = splits.published_folds(index[is_part])
    origin = "a fixed 15 % of patients by hash"
    if len(splits.published_folds(index)) > 1 and len(folds):
        origin = f"published fold {folds[-1]:.0f}"
    if left_out := splits.left_out_folds(way):
        note += " All others train; nothing validates, and the last epoch is kept."
        plural = "s" if len(left_out) > 1 else ""
        origin = f"published fold{plural} {' and '.join(map(str, left_out))}"
    return [f"{name.title()}: {origin}, {note}"]


def _label_source_notes(label_source: str, thresholds: str) -> list[str]:
    if label_source == "expert":
        return []
    return [f"Labels by criteria ({thresholds}) from measurements: automatic, unconfirmed."]


def _patient_notes(patient: pd.Series) -> list[str]:
    """Return a note on records whose patient is not known, for the run's card and report."""
    n = int((patient.isna() | (patient == "")).sum())
    if not n:
        return []
    return [
        f"{n:,} of {len(patient):,} records have no patient id: each counts as one patient, and "
        "leakage between parts cannot be excluded."
    ]


def _left_out(
    reason: np.ndarray,
    split_reason: np.ndarray,
    part: np.ndarray,
    pool: np.ndarray,
    level: int | str,
) -> dict[str, int]:
    reason = reason.copy()
    reason[(part == "") & (reason == "") & pool] = f"not among the {level} drawn"
    by_split = (part == "") & (reason == "")
    reason[by_split] = split_reason[by_split]
    return dict(Counter(reason[part == ""].tolist()).most_common())


def split_hash(record: np.ndarray, y: np.ndarray, part: np.ndarray) -> str:
    """Return a hash of the records, their parts and their targets.

    The holdout part enters under its name in version 0.1.0, so that hashes stay comparable.
    """
    hashed_part = np.where(part == "holdout", "untouched", part)
    digest = hashlib.sha256("\n".join([*record, *hashed_part]).encode())
    digest.update(np.nan_to_num(y, nan=-1).astype(np.int8).tobytes())
    return digest.hexdigest()[:16]

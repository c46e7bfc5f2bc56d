"""Levels: the records of one training. 204 or 440 drawn evenly over the classes, or all of them.

The paper's levels (001) are class-balanced draws. Where a class has fewer records than its share,
the draw takes what there is and says so; nothing is drawn twice.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from ecgcore.cohort import splits
from ecgcore.cohort.record_filter import chosen
from ecgcore.errors import RequestError
from ecgcore.labels.classes import CODES
from ecgcore.labels.label_sets import label_set
from ecgcore.labels.targets import priority_class, targets


class Labelled(Protocol):
    """What a plan asks of a cohort: its index, and its label states by tier."""

    @property
    def index(self) -> pd.DataFrame:
        """One row a record."""

    def states(self, label_tier: str, label_source: str, thresholds: str, of: str) -> np.ndarray:
        """Return (N, C) int8: 1 present, 0 absent, -1 unknown."""


@dataclass(frozen=True)
class Split:
    """Which records of a cohort take part in a run, with what target, on which side.

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
        What a reader of the run must know: how many were asked for, what lacked, what is untouched.
    counts
        One row a class. ``asked``, ``there`` and ``drawn`` count records by the class that they
        are drawn for (in multilabel mode the first stated in ``PRIORITY``, or the rarest in other
        label sets than the paper's; at level ``all`` every stated class); the columns of the parts
        count the records that state the class.
    left_out
        Why records of the cohort take no part, with their number; with ``rows`` they make up all.
    patients
        Number of patients a part (a record without patient id is one of its own).
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


def plan(
    cohort: Labelled,
    level: int | str,
    mode: str,
    label_tier: str = "core",
    split: str = "patient",
    seed: int = 0,
    label_source: str = "expert",
    thresholds: str = "paper",
    of: str = "paper10",
    where: str | None = None,
) -> Split:
    """Return the plan of a run on ``cohort``.

    ``level`` is a number of records or ``all``; ``split`` one of ``splits.WAYS``. The untouched
    records (in a split by folds: the test fold; by source: that source) are set aside first, and
    all of them that have a target are kept, whatever the level. ``label_source``, ``thresholds``
    and ``of`` (the label set) as in ``Cohort.states``; ``where`` as in ``record_filter``.
    """
    splits.check_way(split)
    classes = label_set(of).codes
    asked = shares(level, len(classes))
    index = cohort.index
    made = targets(cohort.states(label_tier, label_source, thresholds, of), mode, classes)
    group = splits.groups(index)
    reason, used = made.reason, made.used
    if where is not None:
        kept = chosen(index, group, where)
        reason, used = np.where(kept, reason, f"not asked for ({where})"), used & kept
    part, why = _sides(index, group, split, used)
    pool = part == "train"  # until it is split
    stated = np.asarray(made.y == 1)
    drawn_for = stated if asked is None else _one_class(stated, classes)
    drawn = pool if asked is None else _draw(drawn_for, group, pool, asked, seed)
    part[pool & ~drawn] = ""
    if split == "rest":
        part[pool & ~np.isin(group, group[drawn])] = "test"
    if split == "folds":
        part[drawn] = splits.by_folds(index, group)[drawn]
    elif splits.validates(split):
        fractions = splits.FRACTIONS if split == "patient" else splits.without_test()
        part[drawn] = splits.by_patient(group[drawn], stated[drawn], seed, fractions)
    counts = _counts(classes, drawn_for, stated, part, pool, drawn, asked)
    rows = np.flatnonzero(part != "")
    return Split(
        rows=rows,
        y=made.y[rows],
        classes=classes,
        part=part[rows],
        notes=(
            *_level_notes(level, counts),
            *_untouched_notes(index, part, split),
            *_label_source_notes(label_source, thresholds),
        ),
        counts=counts,
        left_out=_left_out(reason, why, part, pool, level),
        patients={name: len(np.unique(group[part == name])) for name in splits.PARTS},
        hash=_hash(index["record"].to_numpy()[rows], made.y[rows], part[rows]),
    )


def shares(level: int | str, classes: int = len(CODES)) -> np.ndarray | None:
    """Return (classes,) the number of records asked of each class, None for ``all``.

    Of ten classes, 204 is 21 of each of the first four and 20 of each other.
    """
    if level == "all":
        return None
    if not isinstance(level, int) or level < classes:
        raise RequestError(
            f"Level '{level}' is neither 'all' nor a number of records from {classes} up."
        )
    each, more = divmod(level, classes)
    return each + (np.arange(classes) < more)


def _sides(
    index: pd.DataFrame, group: np.ndarray, way: str, used: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) str: what no draw touches (``untouched``, or the ``test`` fold or source),
    ``train`` for all that may be drawn, '' for the rest; and (N,) why the rest is left out."""
    why = np.full(len(index), "", object)
    if way == "patient":
        part = np.where(splits.held_out(index, group), "untouched", "train").astype("<U10")
    elif not splits.validates(way):
        part = splits.without_validation(index, group, way)
    elif way == "folds":
        part = splits.by_folds(index, group)
        part[part == "validation"] = "train"
        why = np.full(len(index), "no published fold", object)
    else:
        part, why = splits.by_source(index, group, splits.left_out_source(way))
    part[~used] = ""
    return part, why


def _draw(
    drawn_for: np.ndarray, group: np.ndarray, pool: np.ndarray, asked: np.ndarray, seed: int
) -> np.ndarray:
    """Return (N,) bool: at most ``asked`` records a class, in an order that the seed gives.

    Other patients come before a patient's second record of the class. A smaller level is part of
    a larger one with the same seed.
    """
    rows = np.flatnonzero(pool & drawn_for.any(axis=1))
    rows = np.random.default_rng(seed).permutation(rows)
    frame = pd.DataFrame({"group": group[rows], "kind": drawn_for[rows].argmax(axis=1)})
    frame["repeat"] = frame.groupby(["group", "kind"]).cumcount()
    frame = frame.sort_values("repeat", kind="stable")
    taken = frame[frame.groupby("kind").cumcount() < asked[frame["kind"]]]
    drawn = np.zeros(len(pool), bool)
    drawn[rows[taken.index]] = True
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
    asked: np.ndarray | None,
) -> pd.DataFrame:
    there = drawn_for[pool].sum(axis=0)
    columns = {
        "asked": there if asked is None else asked,
        "there": there,
        "drawn": drawn_for[drawn].sum(axis=0),
    }
    columns |= {name: stated[part == name].sum(axis=0) for name in splits.PARTS}
    return pd.DataFrame(columns, index=pd.Index(classes, name="class"))


def _level_notes(level: int | str, counts: pd.DataFrame) -> list[str]:
    """Say what was asked for and what lacked: "44 a class asked; RVH has 39, STEMI 33"."""
    if level == "all":
        lacking = counts.index[counts["there"] == 0]
        return [f"No record of {', '.join(lacking)}."] if len(lacking) else []
    each = " or ".join(str(n) for n in sorted(counts["asked"].unique()))
    asked = f"{level} records asked, {each} a class; {counts['drawn'].sum()} drawn."
    short = counts[counts["drawn"] < counts["asked"]]
    if short.empty:
        return [asked]
    which = ", ".join(f"{code} {row.there}" for code, row in short.iterrows())
    return [asked, f"Fewer than asked there: {which}. Nothing was drawn twice."]


def _untouched_notes(index: pd.DataFrame, part: np.ndarray, way: str) -> list[str]:
    if way == "none":
        return ["All records train; nothing validates or tests, and the last epoch is kept."]
    name = "untouched" if (part == "untouched").any() else "test"
    kept = part == name
    if way == "rest":
        told = f"Test: the {kept.sum():,} records of other patients than those drawn."
        return [f"{told} Nothing validates, and the last epoch is kept."]
    told = f"{kept.sum():,} records, the same for every level, model and seed."
    if source := splits.left_out_source(way):
        return [f"Test: source {source}, {told}", *splits.source_notes(index, source)]
    folds = splits.published_folds(index[kept])
    which = "a fixed 15 % of patients by hash"
    if len(splits.published_folds(index)) > 1 and len(folds):
        which = f"published fold {folds[-1]:.0f}"
    if (fold := splits.left_out_fold(way)) is not None:
        told += " All others train; nothing validates, and the last epoch is kept."
        which = f"published fold {fold}"
    return [f"{name.title()}: {which}, {told}"]


def _label_source_notes(label_source: str, thresholds: str) -> list[str]:
    if label_source == "expert":
        return []
    return [f"Labels by criteria ({thresholds}) from measurements: automatic, unconfirmed."]


def _left_out(
    reason: np.ndarray, why: np.ndarray, part: np.ndarray, pool: np.ndarray, level: int | str
) -> dict[str, int]:
    reason = reason.copy()
    reason[(part == "") & (reason == "") & pool] = f"not among the {level} drawn"
    rest = (part == "") & (reason == "")
    reason[rest] = why[rest]
    return dict(Counter(reason[part == ""].tolist()).most_common())


def _hash(record: np.ndarray, y: np.ndarray, part: np.ndarray) -> str:
    """Return a hash of the records, their parts and their targets."""
    digest = hashlib.sha256("\n".join([*record, *part]).encode())
    digest.update(np.nan_to_num(y, nan=-1).astype(np.int8).tobytes())
    return digest.hexdigest()[:16]

"""Splits into train, validation, test and holdout records; never a patient in two parts.

Records of one patient form a group; patients who share a signal (the same recording filed twice)
form one group, too. Every function here moves whole groups.
"""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgcore.cohort.known_overlaps import overlapping_rows, overlaps_of
from ecgcore.errors import NotFound, RequestError

PARTS = ("train", "validation", "test", "holdout")
WAYS = ("patient", "folds", "fold:K", "fold:K+L", "source:NAME", "rest", "none")
BY_SOURCE, BY_FOLD = "source:", "fold:"
MOST_FOLD_DIGITS = 9
FRACTIONS = (0.70, 0.15, 0.15)
"""Train, validation, test, as in paper 001."""
HOLDOUT_SHARE = 0.15


def split(
    index: pd.DataFrame,
    stated: np.ndarray,
    by: str = "patient",
    seed: int = 0,
    fractions: tuple[float, float, float] = FRACTIONS,
) -> np.ndarray:
    """Return the part of every record: one of PARTS, or '' for none.

    Parameters
    ----------
    index
        One row per record with columns ``record``, ``patient``, ``signal_hash``, ``fold``.
    stated
        (N, classes) bool, the classes to stratify by.
    by
        ``patient``: a holdout fold; the rest is split by ``fractions`` of its patients.
        ``folds``: the published folds; the highest tests, the next validates, the others train.
        ``fold:K`` or ``fold:K+L``: these published folds test, all others train; nothing validates.
        ``source:NAME``: all of that source tests, the others train and validate.
        ``none`` (and ``rest``, if a level draws from them): all train; nothing validates.
    """
    check_way(by)
    group = groups(index)
    if by == "folds":
        return by_folds(index, group)
    if not validates(by):
        return without_validation(index, group, by)
    if source := left_out_source(by):
        part = by_source(index, group, source)[0]
        others = part == "train"
        part[others] = by_patient(group[others], stated[others], seed, without_test(fractions))
        return part
    part = np.full(len(index), "holdout", "<U10")
    rest = ~held_out(index, group)
    part[rest] = by_patient(group[rest], stated[rest], seed, fractions)
    return part


def check_way(by: str) -> None:
    """Refuse a split method that is not one of WAYS."""
    known = ("patient", "folds", "rest", "none")
    if by not in known and not left_out_source(by) and not left_out_folds(by):
        raise NotFound.among("way to split", by, WAYS)


def left_out_source(by: str) -> str:
    """Return the source of ``source:NAME``, '' for any other split."""
    return by.removeprefix(BY_SOURCE) if by.startswith(BY_SOURCE) else ""


def left_out_folds(by: str) -> tuple[int, ...]:
    """Return the folds of ``fold:K`` or ``fold:K+L``, () for any other split."""
    numbers = by.removeprefix(BY_FOLD).split("+")
    are_numbers = all(n.isdecimal() and len(n) <= MOST_FOLD_DIGITS for n in numbers)
    return tuple(map(int, numbers)) if by.startswith(BY_FOLD) and are_numbers else ()


def validates(by: str) -> bool:
    """Return whether a split has validation records."""
    return by not in ("rest", "none") and not left_out_folds(by)


def without_validation(index: pd.DataFrame, group: np.ndarray, by: str) -> np.ndarray:
    """Return the part of every record by ``fold:K+L``, ``rest`` or ``none``.

    A group with any record in these folds is in the test part as a whole.

    Raises
    ------
    NotFound
        No record is of one of the folds.
    """
    part = np.full(len(index), "train", "<U10")
    for fold in left_out_folds(by):
        is_in_fold = _folds(index) == fold
        if not is_in_fold.any():
            known = [f"{number:.0f}" for number in published_folds(index)]
            raise NotFound.among("fold", str(fold), known or ["none"])
        part[np.isin(group, group[is_in_fold])] = "test"
    return part


def without_test(fractions: tuple[float, float, float] = FRACTIONS) -> tuple[float, float, float]:
    """Return the fractions of train and validation for a fixed test part."""
    train, validation, _ = fractions
    return train / (train + validation), validation / (train + validation), 0.0


def groups(index: pd.DataFrame) -> np.ndarray:
    """Return (N,) int group numbers: equal for records linked by patient or signal, in chains."""
    n = len(index)
    owners = [_codes(index["patient"]), _codes(index["signal_hash"])]
    first_node = np.cumsum([n, owners[0].max(initial=-1) + 1])
    records = np.concatenate([np.flatnonzero(owner >= 0) for owner in owners])
    nodes = np.concatenate([o[o >= 0] + k for o, k in zip(owners, first_node, strict=True)])
    size = max(n, int(nodes.max(initial=-1)) + 1)
    graph = coo_array((np.ones(len(nodes), np.int8), (records, nodes)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    return np.unique(component[:n], return_inverse=True)[1]


def held_out(index: pd.DataFrame, group: np.ndarray) -> np.ndarray:
    """Return (N,) bool: the holdout records, the same for every level, model and seed.

    The highest published fold; of the records without a fold about 15 % of the groups, chosen by a
    hash of the first record's name. Whole groups, never parts.
    """
    fold = _folds(index)
    highest = np.nanmax(fold) if len(published_folds(index)) > 1 else np.nan
    has_fold = np.isin(group, group[~np.isnan(fold)]) if not np.isnan(highest) else False
    by_hash = _hash_share(index, group) < HOLDOUT_SHARE
    return np.isin(group, group[fold == highest]) | (by_hash & ~np.asarray(has_fold))


def by_patient(
    group: np.ndarray,
    stated: np.ndarray,
    seed: int,
    fractions: tuple[float, float, float] = FRACTIONS,
) -> np.ndarray:
    """Return train, validation or test for every record, whole groups, stratified and seeded.

    A group belongs to the stratum of its rarest class. Within each stratum the groups are shuffled
    and split by ``fractions`` of their records; with three groups or more, every part gets one.
    """
    _, member = np.unique(group, return_inverse=True)
    size = np.bincount(member)
    has_class = np.column_stack([np.bincount(member, weights=column) > 0 for column in stated.T])
    stratum = _rarest(has_class)
    order = np.lexsort((np.random.default_rng(seed).random(len(size)), stratum))
    part_of_group = np.empty(len(size), int)
    for members in np.split(order, np.flatnonzero(np.diff(stratum[order])) + 1):
        part_of_group[members] = _cut(size[members], fractions)
    return np.array(PARTS)[part_of_group[member]]


def by_folds(index: pd.DataFrame, group: np.ndarray) -> np.ndarray:
    """Return the part of every record by the published folds; '' if its group has no fold.

    The highest fold tests, the next validates, the others train, as in published work on PTB-XL
    (10, 9 and 1–8). A group in several folds counts for its highest.
    """
    known = published_folds(index)
    if len(known) < 3:
        folds = ", ".join(f"{fold:.0f}" for fold in known) or "none"
        raise RequestError(
            f"A split by published folds needs at least three folds; this cohort has {folds}. "
            "Split by patient instead."
        )
    fold = pd.Series(_folds(index)).groupby(group).transform("max").to_numpy()
    part = np.full(len(index), "", "<U10")
    part[~np.isnan(fold)] = "train"
    for name, number in zip(("test", "validation"), known[::-1], strict=False):
        part[fold == number] = name
    return part


def by_source(index: pd.DataFrame, group: np.ndarray, source: str) -> tuple[np.ndarray, np.ndarray]:
    """Leave one source out: all its records test.

    Records of other sources are excluded if the same patient or recording is in ``source``, or if
    the two are known to share recordings (see ``known_overlaps``).

    Returns
    -------
    part
        (N,) str: ``test``, ``train`` for all others, '' for excluded records.
    reason
        (N,) object: why a record is excluded, else ''.

    Raises
    ------
    NotFound
        No record is of that source.
    """
    of_source = (index["source"] == source).to_numpy()
    if not of_source.any():
        raise NotFound.among("source", source, sorted(set(index["source"])))
    reason = np.full(len(index), "", object)
    for overlap in overlaps_of(source):
        if overlap.kind == "recordings":
            reason[overlapping_rows(index, overlap)] = (
                f"{overlap.other}: recordings of {source} are in it"
            )
    reason[np.isin(group, group[of_source])] = f"same patient or recording as one of {source}"
    reason[of_source] = ""
    part = np.where(reason == "", "train", "").astype("<U10")
    part[of_source] = "test"
    return part, reason


def source_notes(index: pd.DataFrame, source: str) -> list[str]:
    """Return notes on known overlaps between ``source`` and the others, and on what is unknown."""
    notes = []
    for overlap in overlaps_of(source):
        n = int(overlapping_rows(index, overlap).sum())
        if n and overlap.kind == "recordings":
            notes.append(f"Excluded: {n:,} records of {overlap.other}, as {overlap.evidence}.")
        elif n:
            notes.append(
                f"Caution: {n:,} records of {overlap.other} train, and patients of {source} may "
                f"be among them, as {overlap.evidence}."
            )
    if n := int((index["source"] == "unknown").sum()):
        notes.append(
            f"Caution: {n:,} records of unknown source train; only their signals show that they "
            f"are not of {source}."
        )
    return notes


def published_folds(index: pd.DataFrame) -> np.ndarray:
    """Return the folds of an index, in ascending order."""
    fold = _folds(index)
    return np.unique(fold[~np.isnan(fold)])


def _folds(index: pd.DataFrame) -> np.ndarray:
    return index["fold"].astype("Float64").to_numpy(float, na_value=np.nan)


def _codes(column: pd.Series) -> np.ndarray:
    """Return (N,) int codes of a column's values, -1 if missing or empty."""
    return pd.factorize(column.where(column != ""))[0]


def _hash_share(index: pd.DataFrame, group: np.ndarray) -> np.ndarray:
    """Return (N,) numbers in 0..1, equal within a group, from the name of its first record."""
    name = index["record"].to_numpy(object)
    order = np.lexsort((name.astype(str), group))
    _, first = np.unique(group[order], return_index=True)
    return pd.util.hash_array(name[order[first]], categorize=False)[group] / 2.0**64


def _rarest(has_class: np.ndarray) -> np.ndarray:
    """Return (G,) the rarest class of each group; the number of classes if it has none."""
    frequency = np.where(has_class, has_class.sum(axis=0), np.inf)
    return np.where(has_class.any(axis=1), frequency.argmin(axis=1), has_class.shape[1])


def _cut(size: np.ndarray, fractions: tuple[float, float, float]) -> np.ndarray:
    """Return (G,) 0, 1 or 2: groups in order, cut at ``fractions`` of their records."""
    middle = (np.cumsum(size) - size / 2) / size.sum()
    part = np.searchsorted(np.cumsum(fractions)[:2], middle, side="right")
    if len(size) >= 3 and min(fractions) > 0:
        part[-1] = 2
        if 1 not in part:
            part[-2] = 1
        part[0] = 0
    return part

"""Scores: labels and probabilities of one part of a run, validated once.

They come from a run's ``predictions.parquet`` or from any table of the same columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ecgcore.errors import DamagedFile, NotFound, RequestError
from ecgcore.labels.targets import MODES

PARTS = ("validation", "test", "holdout")


@dataclass(frozen=True)
class Scores:
    """Labels and probabilities of N records in C classes.

    Attributes
    ----------
    record, patient
        (N,) str. A record without a known patient counts as a patient of its own.
    y
        (N, C) float, 1 present, 0 absent, NaN unknown.
    p
        (N, C) float, calibrated probabilities in 0..1.
    thresholds
        (C,) float: probability from which a class is predicted present (multilabel only); (N, C)
        where each record has its own (see ``calibration.cross_fitting``).
    notes
        Sentences on what was left out or assumed.
    """

    run: str
    part: str
    target_mode: str
    classes: tuple[str, ...]
    record: np.ndarray
    patient: np.ndarray
    y: np.ndarray
    p: np.ndarray
    thresholds: np.ndarray
    notes: tuple[str, ...] = ()

    @classmethod
    def from_predictions(
        cls,
        predictions: pd.DataFrame,
        classes: Sequence[str],
        target_mode: str,
        thresholds: Mapping[str, float] | None = None,
        run: str = "",
        part: str = "test",
    ) -> "Scores":
        """Return the scores of one part of a table of predictions.

        Parameters
        ----------
        predictions
            One row a record: record, patient, part, and ``y_<code>``, ``p_<code>`` for each class.
        thresholds
            Class code → probability; 0.5 for classes not named.

        Raises
        ------
        DamagedFile
            A column is missing, a record occurs twice, or a probability is not in 0..1.
        RequestError
            The part or mode is unknown, or the part holds no record.
        """
        if target_mode not in MODES:
            raise NotFound.among("target mode", target_mode, MODES)
        rows = _rows_of_part(predictions, classes, run, part)
        y = rows[[f"y_{c}" for c in classes]].to_numpy(float)
        usable = _usable(y, target_mode)
        if not usable.any():
            raise RequestError(f"No record of {run or 'the table'}'s part '{part}' has a label.")
        patient = rows["patient"].astype(object)
        unknown = patient.isna() | (patient == "")
        patient = patient.where(~unknown, "record " + rows["record"].astype(str))
        by_class = thresholds or {}
        return cls(
            run=run,
            part=part,
            target_mode=target_mode,
            classes=tuple(classes),
            record=rows["record"].to_numpy(str)[usable],
            patient=patient.to_numpy(str)[usable],
            y=y[usable],
            p=rows[[f"p_{c}" for c in classes]].to_numpy(float)[usable],
            thresholds=np.array([by_class.get(c, 0.5) for c in classes], float),
            notes=_notes(target_mode, int((~usable).sum()), int(unknown[usable].sum())),
        )

    def __len__(self) -> int:
        return len(self.record)

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return len(np.unique(self.patient))

    @cached_property
    def known(self) -> np.ndarray:
        """(N, C) bool: the label states the class present or absent."""
        return ~np.isnan(self.y)

    @cached_property
    def positive(self) -> np.ndarray:
        """(N, C) bool: the label states the class present."""
        return self.y == 1

    @cached_property
    def single_label(self) -> np.ndarray:
        """(N,) bool: exactly one class is stated."""
        return self.positive.sum(axis=1) == 1

    @cached_property
    def truth(self) -> np.ndarray:
        """(N,) int: index of the stated class; meaningful only where ``single_label`` holds."""
        return self.positive.argmax(axis=1)

    @cached_property
    def top(self) -> np.ndarray:
        """(N,) int: index of the class with the highest probability."""
        return self.p.argmax(axis=1)

    @cached_property
    def predicted(self) -> np.ndarray:
        """(N, C) bool: predicted present; by threshold in ``multilabel``, else the top class."""
        if self.target_mode == "multilabel":
            return self.p >= self.thresholds
        return self.top[:, None] == np.arange(len(self.classes))

    def take(self, rows: np.ndarray) -> "Scores":
        """Return the scores of some rows (indices or a mask), in that order."""
        per_record = self.thresholds.ndim == 2
        return replace(
            self,
            record=self.record[rows],
            patient=self.patient[rows],
            y=self.y[rows],
            p=self.p[rows],
            thresholds=self.thresholds[rows] if per_record else self.thresholds,
        )

    def of_classes(self, codes: Sequence[str]) -> "Scores":
        """Return the scores of some classes, in that order."""
        columns = [self.classes.index(code) for code in codes]
        return replace(
            self,
            classes=tuple(codes),
            y=self.y[:, columns],
            p=self.p[:, columns],
            thresholds=self.thresholds[..., columns],
        )


def _rows_of_part(
    predictions: pd.DataFrame, classes: Sequence[str], run: str, part: str
) -> pd.DataFrame:
    """Return the rows of ``part``, or refuse the table."""
    source = f"The predictions of run {run}" if run else "The table of predictions"
    wanted = ["record", "patient", "part", *(f"{k}_{c}" for k in "yp" for c in classes)]
    missing = [c for c in wanted if c not in predictions.columns]
    if missing:
        raise DamagedFile(f"{source} lack the columns {', '.join(missing)}.")
    if part not in PARTS:
        raise NotFound.among("part", part, PARTS)
    rows = predictions[predictions["part"] == part]
    if rows.empty:
        parts = ", ".join(sorted(predictions["part"].astype(str).unique())) or "none"
        raise RequestError(f"{source} hold no record of part '{part}'; available parts: {parts}.")
    if rows["record"].duplicated().any():
        repeated = rows["record"][rows["record"].duplicated()].iloc[0]
        raise DamagedFile(f"{source} hold record {repeated} twice in part '{part}'.")
    p = rows[[f"p_{c}" for c in classes]].to_numpy(float)
    invalid = ~((p >= 0) & (p <= 1)).all(axis=1)
    if invalid.any():
        raise DamagedFile(
            f"{source} hold {invalid.sum()} records whose probabilities are not in 0..1."
        )
    return rows


def _usable(y: np.ndarray, target_mode: str) -> np.ndarray:
    """(N,) bool: at least one class is known; in the other modes, exactly one is stated."""
    if target_mode == "multilabel":
        return ~np.isnan(y).all(axis=1)
    return (y == 1).sum(axis=1) == 1


def _notes(target_mode: str, left_out: int, without_patient: int) -> tuple[str, ...]:
    """Return sentences on what was left out and assumed."""
    notes = []
    if left_out:
        lack = "no known class" if target_mode == "multilabel" else "not exactly one stated class"
        notes.append(f"Left out, with {lack}: {left_out:,} records.")
    if without_patient:
        notes.append(
            f"Without a patient, each counted as a patient of its own: {without_patient:,} records."
        )
    return tuple(notes)

"""Simulated prediction tables in the form of a run, with one to four records a patient."""

import numpy as np
import pandas as pd

from ecgcore.labels.classes import CODES


def predictions(
    n: int = 300,
    mode: str = "multilabel",
    seed: int = 0,
    skill: float = 2.0,
    records_a_patient: tuple[int, int] = (1, 4),
    unknown: float = 0.03,
    truth_seed: int = 5,
) -> pd.DataFrame:
    """Return n test records; tables that differ only in seed and skill share their labels."""
    rng = np.random.default_rng(truth_seed)
    least, most = records_a_patient
    patient = np.repeat(np.arange(n), rng.integers(least, most + 1, n))[:n]
    if mode == "multilabel":
        y = (rng.random((n, 10)) < np.linspace(0.3, 0.05, 10)).astype(float)
        y[rng.random((n, 10)) < unknown] = np.nan
    else:
        y = np.eye(10)[rng.integers(0, 10, n)]
    z = np.random.default_rng(seed).normal(size=(n, 10)) + skill * np.nan_to_num(y) - 1
    p = 1 / (1 + np.exp(-z))
    if mode != "multilabel":
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    columns: dict = {
        "record": [f"r{i:05}" for i in range(n)],
        "patient": [f"p{i}" for i in patient],
        "part": "test",
    }
    for letter, values in (("y", y), ("z", z), ("p", p)):
        columns |= {f"{letter}_{c}": values[:, i] for i, c in enumerate(CODES)}
    return pd.DataFrame(columns)

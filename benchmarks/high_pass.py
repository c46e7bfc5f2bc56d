"""A high-pass before the shipped networks, not trained anew: docs/studies/ideas/high_pass.json.

    .venv/bin/python benchmarks/high_pass.py --home WORKSPACE

Needs PTB-XL's folds 1 to 8 as cohort `ptbxl`. Every fourth record of fold 8 is answered with and
without a high-pass of 0.5 Hz; then `benchmarks/ideas.py page` writes the page.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from ideas_page import HIGH_PASS
from sklearn.metrics import roc_auc_score

from ecgcore.atomic import write_json
from ecgcore.bench.perturbations import PERTURBATIONS
from ecgcore.cohort.store import Cohort
from ecgcore.inference.model import Classifier, load_model
from ecgcore.records.record import Record
from ecgcore.workspace import Workspace

FOLD, STEP, CUTOFF_HZ = 8, 4, 0.5
NETWORKS = ("resnet1d_scaled", "alexnet_m_se_gap", "alexnet_gap")
CHANGES = {"wander": "baseline wander", "muscle": "muscle noise"}


def figures(classifier: Classifier, records: list[Record], states: np.ndarray) -> dict[str, float]:
    """Return macro AUC, and the share of records whose calls change by each of CHANGES."""
    before = classifier.predict_proba(records)
    known = [states[:, i] >= 0 for i in range(len(classifier.classes))]
    areas = [roc_auc_score(states[k, i], before[k, i]) for i, k in enumerate(known)]
    shares = {"macro_auc": float(np.mean(areas))}
    for name, start in CHANGES.items():
        (perturbation,) = (p for p in PERTURBATIONS if p.name.startswith(start))
        rng = np.random.default_rng(0)
        after = classifier.predict_proba([perturbation.change(r, rng) for r in records])
        was, now = (classifier.predicted_labels(p) for p in (before, after))
        shares[name] = float((was != now).any(axis=1).mean())
    return shares


def main(home: Path) -> None:
    """Answer the records with each network, without and with the high-pass."""
    torch.set_num_threads(1)
    cohort = Cohort.open("ptbxl", Workspace(home))
    rows = np.flatnonzero(cohort.index["fold"].to_numpy(float) == FOLD)[::STEP]
    records, states = [cohort.record(int(row)) for row in rows], cohort.states("core")[rows]
    answer = {"fold": FOLD, "records": len(records), "cutoff_hz": CUTOFF_HZ, "networks": {}}
    for name in NETWORKS:
        without = load_model(name)
        with_it = replace(without, input=without.input | {"highpass_hz": CUTOFF_HZ})
        answer["networks"][name] = {
            "without": figures(without, records, states),
            "with": figures(with_it, records, states),
        }
        print(name, answer["networks"][name], flush=True)
    write_json(HIGH_PASS, answer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path("workspace"))
    main(parser.parse_args().home)

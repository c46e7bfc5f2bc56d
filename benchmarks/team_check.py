"""Compare two workers with one: the same training at the same global batch size, for docs/team.md.

    .venv/bin/python benchmarks/team_check.py

On the example ECGs, on a CPU, in float32 and without dropout. A network without BatchNorm reaches
the same result up to the order of sums; one worker on two threads shows how much that is. On a CPU
BatchNorm sees each worker's slice of a batch alone; three seeds show what that changes.
"""

import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ecgcore.cohort.ingest import ingest
from ecgcore.runs.config import TrainConfig
from ecgcore.runs.run import Run
from ecgcore.training.launch import train_with_workers
from ecgcore.training.prepare import prepare
from ecgcore.training.trainer import train
from ecgcore.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
SEEDS = (1, 2, 3)
TWO, THREADS = "two workers", "two threads"
COMMON = TrainConfig(
    "examples", level="all", target_mode="multilabel", epochs=2, batch_size=16, dropout=0.0,
    device="cpu", precision="float32",
)  # fmt: skip
CASES = {
    "`alexnet`, 224 px, SGD": replace(COMMON, model="alexnet", optimizer="sgd"),
    "`alexnet`, 224 px, AdamW": replace(COMMON, model="alexnet"),
    "`alexnet_m_se_gap`, 96 px, AdamW": replace(COMMON, model="alexnet_m_se_gap", size=96),
    "`resnet1d`, depth 4, width 16, AdamW": replace(COMMON, model="resnet1d", depth=4, width=16),
}
LARGE = [name for name, config in CASES.items() if config.model == "alexnet"]
HEADS = (
    "network", "seed", "against one worker", "train loss", "validation loss",
    "validation macro AUC", "logits", "test macro AUC", "of one worker",
)  # fmt: skip
TEXT = """# Two workers against one

Made by `.venv/bin/python benchmarks/team_check.py` (torch {torch}, {machine}): {epochs} epochs in
batches of {batch} on the example ECGs, on a CPU, in float32, without dropout: by one worker on
one thread, by two workers of one thread each, and `alexnet` by one worker on two threads. The table
shows their differences from the first: the largest of any epoch, and of any logit of the {n} test
records. With so few records, one change of rank alters the macro AUC by some thousandths.

{table}

`alexnet` has no BatchNorm: two workers differ from one only in the order of sums. The effect
depends on the optimiser. AdamW divides each gradient by its own magnitude, so that the smallest,
which consist of rounding errors, count as much as the others; a second thread of one worker has
the same effect as a second worker. The largest differences over all seeds:

{most}

`alexnet_m_se_gap` and `resnet1d` have BatchNorm. On a CPU it takes mean and variance of each
worker's own slice of the batch, {share} records, as in training with batches of {share}; on CUDA
those of the whole batch. Test macro AUC of two workers minus that of one, mean of {seeds} seeds
(lowest to highest):

{gains}
"""


@dataclass(frozen=True)
class Pair:
    """Runs of one worker and of others with the same configuration."""

    name: str
    seed: int
    other: str
    reference: Run
    compared: Run

    def difference(self, column: str) -> float:
        """Return the largest difference of a column of the history."""
        histories = (run.history[column].to_numpy(float) for run in (self.reference, self.compared))
        return float(np.abs(np.subtract(*histories)).max())

    @property
    def logit_difference(self) -> float:
        """Return the largest difference of a logit of the test records."""
        runs = (self.reference, self.compared)
        tables = (run.predictions.query("part == 'test'") for run in runs)
        return float(np.abs(np.subtract(*(t.filter(like="z_").to_numpy() for t in tables))).max())

    @property
    def test_aucs(self) -> list[float]:
        """Return the test macro AUC of both runs."""
        return [run.evaluation["macro_auc"]["value"] for run in (self.reference, self.compared)]

    def row(self) -> list[str]:
        """Return a row of the table."""
        differences = [self.difference(c) for c in ("train_loss", "val_loss", "val_macro_auc")]
        numbers = [f"{number:.1g}" for number in (*differences, self.logit_difference)]
        one, two = (f"{auc:.3f}" for auc in self.test_aucs)
        return [self.name, str(self.seed), self.other, *numbers, two, one]


def main() -> None:
    """Train all pairs and write the page."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="ecgcore-team-") as folder:
        workspace = Workspace(Path(folder))
        ingest(ROOT / "examples" / "ptb-xl", "examples", workspace)
        pairs = []
        for name, config in CASES.items():
            for seed in SEEDS:
                for pair in _pairs(name, replace(config, seed=seed), workspace):
                    pairs.append(pair)
                    print(*pair.row(), sep=" | ", flush=True)
        (ROOT / "docs" / "team.md").write_text(_page(pairs), encoding="utf-8")


def _pairs(name: str, config: TrainConfig, workspace: Workspace) -> Iterator[Pair]:
    """Train with one worker, without BatchNorm also on two threads, and with two workers."""
    torch.set_num_threads(1)
    one = train(config, workspace)
    if name in LARGE:
        torch.set_num_threads(2)
        yield Pair(name, config.seed, THREADS, one, train(config, workspace))
    two = prepare(config, workspace)
    train_with_workers(2, two, workspace, lambda run, progress: None)
    yield Pair(name, config.seed, TWO, one, two)


def _page(pairs: list[Pair]) -> str:
    rows = [list(HEADS), ["---"] * len(HEADS), *(pair.row() for pair in pairs)]
    most, gains = [], []
    for name in LARGE:
        for other in (THREADS, TWO):
            of = [p for p in pairs if (p.name, p.other) == (name, other)]
            loss, auc = (
                max(p.difference(c) for p in of for c in columns)
                for columns in (("train_loss", "val_loss"), ("val_macro_auc",))
            )
            test = max(abs(np.subtract(*p.test_aucs)) for p in of)
            most.append(
                f"* {name}, {other}: {loss:.1g} in a loss, {auc:.1g} in validation macro AUC, "
                f"{test:.1g} in test macro AUC"
            )
    for name in set(CASES) - set(LARGE):
        of = [
            np.subtract(*reversed(p.test_aucs)) for p in pairs if (p.name, p.other) == (name, TWO)
        ]
        gains.append(f"* {name}: {np.mean(of):+.3f} ({min(of):+.3f} to {max(of):+.3f})")
    return TEXT.format(
        torch=torch.__version__, machine=platform.machine(), epochs=COMMON.epochs,
        batch=COMMON.batch_size, share=COMMON.batch_size // 2, n=pairs[0].reference.evaluation["n"],
        table="\n".join(f"| {' | '.join(row)} |" for row in rows), seeds=len(SEEDS),
        gains="\n".join(sorted(gains)), most="\n".join(most),
    )  # fmt: skip


if __name__ == "__main__":
    main()

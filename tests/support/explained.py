"""Small classifier for explanations, and simulated ECGs of two classes to train it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from simulated_ecg import beats
from torch import nn

from ecgcore.imaging.drawing import draw
from ecgcore.records.record import LEADS, Record
from ecgcore.runs.run import Run

FS_HZ, QRS_S = 100, (0.0, 0.12)
CLASSES = ("NSR", "RBBB")


@dataclass
class Classifier:
    """A network with its input: signals of 5 s, or small images of them; some with a mark."""

    model: nn.Module
    classes: tuple[str, ...] = CLASSES
    run_id: str = "by-hand"
    size: int | None = None
    marked: set[str] = field(default_factory=set)
    run: Run | None = None

    @property
    def cam_layer(self) -> nn.Module:
        return self.model.cam_layer

    @property
    def reads_images(self) -> bool:
        return self.size is not None

    @property
    def input(self) -> dict[str, Any]:
        image = {"layout": "stacked", "size": [self.size] * 2, "pen": 2} if self.size else {}
        return image | {"fs_hz": FS_HZ, "duration_s": 5.0}

    def signals(self, records):
        return torch.from_numpy(np.stack([r.signal_mv for r in records]))

    def inputs(self, records):
        signals = self.signals(records)
        if not self.size:
            return signals
        images = draw(signals, FS_HZ, size=self.size, duration_s=5.0)
        for image, record in zip(images, records, strict=True):
            if record.name in self.marked:
                image[:, MARK, MARK] = 1
        return images

    def calibrated(self, logits):
        return 1 / (1 + np.exp(-logits))

    def predicted_labels(self, calibrated):
        return calibrated >= 0.5


MARK = slice(0, 6)


def ecg(rng: np.random.Generator, block: bool, name: str = "simulated") -> Record:
    """Return 5 s of ECG: QRS complexes of 120 ms; with a late R in V1 and S in I and V6, or not."""
    onsets_s = np.arange(rng.uniform(0.3, 0.6), 4.4, 60 / rng.uniform(55, 95))
    signal_mv = beats(FS_HZ, onsets_s, 5.0, qrs_ms=120) * rng.uniform(0.8, 1.2)
    if block:
        t = np.arange(signal_mv.shape[1]) / FS_HZ
        for onset_s in onsets_s:
            late = np.clip((t - onset_s - 0.07) / 0.05, 0, 1)
            bump = np.sin(np.pi * late) ** 2
            signal_mv[LEADS.index("V1")] += 0.9 * bump
            signal_mv[LEADS.index("I")] -= 0.4 * bump
            signal_mv[LEADS.index("V6")] -= 0.4 * bump
    noise = rng.normal(0, 0.02, signal_mv.shape)
    return Record((signal_mv + noise).astype(np.float32), FS_HZ, name)


def trained(
    classifier: Classifier, seed: int, steps: int, rate: float = 0.003, blocks: bool = True
) -> Classifier:
    """Train a network for some steps on records of both classes, named 0 and 1.

    Without ``blocks`` all records are NSR, and only the name distinguishes them.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    records = [ecg(rng, block=blocks and i % 2 == 1, name=f"{i % 2}") for i in range(96)]
    inputs = classifier.inputs(records)
    truth = torch.tensor([[1.0 - i % 2, i % 2] for i in range(96)])
    optimizer = torch.optim.Adam(classifier.model.parameters(), rate)
    classifier.model.train()
    for _ in range(steps):
        batch = torch.from_numpy(rng.permutation(96)[:32])
        loss = nn.functional.binary_cross_entropy_with_logits(
            classifier.model(inputs[batch]), truth[batch]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    optimizer.zero_grad()
    classifier.model.eval()
    return classifier

"""What one training holds while it works: records, network, device, and the best epoch so far."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ecgcore.cohort.levels import Plan
from ecgcore.cohort.store import Cohort
from ecgcore.imaging import geometry_of
from ecgcore.models import create_model
from ecgcore.training.config import Recipe
from ecgcore.training.feeding import Feed
from ecgcore.training.run import Run


@dataclass
class Working:
    """What one training holds while it runs."""

    run: Run
    config: Recipe
    cohort: Cohort
    plan: Plan
    device: torch.device
    precision: torch.dtype
    model: nn.Module = field(init=False)
    best: float = -np.inf
    best_epoch: int = 0
    beats: dict[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        torch.manual_seed(self.config.seed)
        model = create_model(self.config.model, self.plan.y.shape[1]).to(self.device)
        self.model = model.to(memory_format=torch.channels_last)

    def feed(self, part: str) -> Feed:
        """Return the records of one part."""
        rows = self.plan.part == part
        return Feed(
            self.cohort, self.plan.rows[rows], self.plan.y[rows],
            geometry_of(self.run.meta["input"]), self.device, self.beats,
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 logits (B, classes), computed in the run's precision."""
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.precision is torch.bfloat16
        ):
            return self.model(images).float()

    @torch.no_grad()
    def predict(self, part: str, exact: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return (logits, targets), each (N, classes), of a part; ``exact`` is float32."""
        self.model.eval()
        forward = self.model if exact else self.forward
        pairs = [(forward(x).cpu(), y.cpu()) for x, y in self.feed(part).batches(32)]
        logits, targets = zip(*pairs, strict=True)
        return torch.cat(logits).numpy(), torch.cat(targets).numpy()

"""What one training holds while it works: records, network, device, and the best epoch so far."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ecgcore.cohort.levels import Plan
from ecgcore.cohort.store import Cohort
from ecgcore.imaging import Geometry, geometry_of
from ecgcore.models import create_model
from ecgcore.training.config import Recipe
from ecgcore.training.feeding import Feed
from ecgcore.training.run import Run

PREDICTED_AT_ONCE = 32


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
    measures: Geometry | None = field(init=False)
    beats: dict[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = self.run.meta["input"]
        self.measures = geometry_of(given) if "layout" in given else None
        torch.manual_seed(self.config.seed)
        torch.use_deterministic_algorithms(self.config.deterministic)
        model = create_model(self.config.model, self.plan.y.shape[1], **self.config.model_options)
        self.model = model.to(self.device)
        if self.reads_images:
            self.model = self.model.to(memory_format=torch.channels_last)

    @property
    def reads_images(self) -> bool:
        """Whether the network reads images; else signals."""
        return self.measures is not None

    def feed(self, part: str) -> Feed:
        """Return the records of one part."""
        rows = self.plan.part == part
        return Feed(
            self.cohort, self.plan.rows[rows], self.plan.y[rows],
            self.measures, self.device, self.beats,
        )  # fmt: skip

    def forward(self, inputs: Tensor, model: nn.Module | None = None) -> Tensor:
        """Return float32 logits (B, classes), computed in the run's precision."""
        if self.reads_images:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.precision is torch.bfloat16
        ):
            return (model or self.model)(inputs).float()

    @torch.no_grad()
    def predict(
        self, part: str, model: nn.Module | None = None, exact: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (logits, targets), each (N, classes), of a part; ``exact`` is float32.

        ``model`` is by default the one that is trained.
        """
        model = (model or self.model).eval()
        pairs = [
            ((model(x) if exact else self.forward(x, model)).cpu(), y.cpu())
            for x, y in self.feed(part).batches(PREDICTED_AT_ONCE)
        ]
        logits, targets = zip(*pairs, strict=True)
        return torch.cat(logits).numpy(), torch.cat(targets).numpy()

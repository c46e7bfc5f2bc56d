"""What one training holds while it works: records, network, device, and the best epoch so far."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import Split
from ecgcore.imaging import Geometry, geometry_of
from ecgcore.models import create_model
from ecgcore.runs.config import ResolvedConfig
from ecgcore.runs.run import Run
from ecgcore.training.dataloader import BatchLoader
from ecgcore.training.distributed import SINGLE_PROCESS, Team
from ecgcore.training.optim import freeze

PREDICTED_AT_ONCE = 32


@dataclass
class TrainContext:
    """What one training holds while it runs.

    Attributes
    ----------
    team
        Who works on it.
    model
        The network.
    taught
        (N, classes) targets of the training records that a teacher has moved; None: their labels.
    learner
        The network as it learns: in a team, what makes everybody's gradients one.
    """

    run: Run
    config: ResolvedConfig
    cohort: Cohort
    plan: Split
    device: torch.device
    precision: torch.dtype
    team: Team = SINGLE_PROCESS
    soft_targets: np.ndarray | None = None
    model: nn.Module = field(init=False)
    learner: nn.Module = field(init=False)
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
        self.model = self.learner = self.team.with_shared_statistics(self.model)

    def spread(self) -> None:
        """Let the team learn together from here on, from the first's weights."""
        if not self.config.backbone_lr_factor:
            freeze(self.model)
        self.learner = self.team.spread(self.model)

    @property
    def reads_images(self) -> bool:
        """Whether the network reads images; else signals."""
        return self.measures is not None

    def feed(self, part: str) -> BatchLoader:
        """Return the records of one part."""
        rows = self.plan.part == part
        return BatchLoader(
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

        ``model`` is by default the one that is trained. In a team each predicts some of the
        batches, and all get all.
        """
        model = (model or self.model).eval()
        feed = self.feed(part)
        logits = torch.zeros(feed.targets.shape)
        batches = -(-len(logits) // PREDICTED_AT_ONCE)
        share = self.team.share(batches)
        mine = slice(share.start * PREDICTED_AT_ONCE, share.stop * PREDICTED_AT_ONCE)
        order = np.arange(len(logits))[mine]
        found = [
            (model(x) if exact else self.forward(x, model)).cpu()
            for x, _ in feed.batches(PREDICTED_AT_ONCE, order)
        ]
        if found:
            logits[mine] = torch.cat(found)
        return self.team.sum(logits).numpy(), feed.targets

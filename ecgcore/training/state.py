"""A training in two objects: its fixed context, and the state that changes with every batch."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ecgcore.cohort.store import Cohort
from ecgcore.cohort.subsets import Split
from ecgcore.imaging import Geometry, geometry_from_json
from ecgcore.models import create_model
from ecgcore.runs.config import ResolvedConfig
from ecgcore.runs.run import Run
from ecgcore.training.augmenter import Augmenter
from ecgcore.training.dataloader import BatchLoader
from ecgcore.training.distributed import SINGLE_PROCESS, Team
from ecgcore.training.loss import Loss, class_weights
from ecgcore.training.optim import freeze_backbone, make_ema, make_optimizer
from ecgcore.training.sampler import EpochSampler

PREDICTION_BATCH_SIZE = 32


@dataclass
class TrainContext:
    """Data, network and device of one training.

    Attributes
    ----------
    team
        The workers of this training.
    soft_targets
        (N, classes) targets of the training records, mixed with a teacher's answers; None: labels.
    model
        The network.
    ddp_model
        The network as it is trained: with several workers, a wrapper that averages gradients.
    geometry
        Of the images; None: the network reads signals.
    beats
        Row → R peaks in seconds, shared by all loaders.
    """

    run: Run
    config: ResolvedConfig
    cohort: Cohort
    split: Split
    device: torch.device
    precision: torch.dtype
    team: Team = SINGLE_PROCESS
    soft_targets: np.ndarray | None = None
    model: nn.Module = field(init=False)
    ddp_model: nn.Module = field(init=False)
    geometry: Geometry | None = field(init=False)
    beats: dict[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        model_input = self.run.meta["input"]
        self.geometry = geometry_from_json(model_input) if "layout" in model_input else None
        torch.manual_seed(self.config.seed)
        torch.use_deterministic_algorithms(self.config.deterministic)
        n_classes = self.split.y.shape[1]
        model = create_model(self.config.model, n_classes, **self.config.model_options)
        model = model.to(self.device)
        if self.reads_images:
            model = model.to(memory_format=torch.channels_last)
        self.model = self.ddp_model = self.team.sync_batchnorm(model)

    def wrap_ddp(self) -> None:
        """Average gradients over the workers from now on, starting from rank 0's weights."""
        if not self.config.backbone_lr_factor:
            freeze_backbone(self.model)
        self.ddp_model = self.team.wrap_ddp(self.model)

    @property
    def reads_images(self) -> bool:
        """Tell whether the network reads images; else signals."""
        return self.geometry is not None

    def loader(self, part: str) -> BatchLoader:
        """Return the loader of one part's records."""
        rows = self.split.part == part
        return BatchLoader(
            self.cohort,
            self.split.rows[rows],
            self.split.y[rows],
            self.geometry,
            self.device,
            self.beats,
            self.run.meta["input"].get("highpass_hz", 0.0),
        )

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
        self, part: str, model: nn.Module | None = None, full_precision: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (logits, targets) of a part, each (N, classes).

        Several workers predict some of the batches each, and all receive all logits.

        Parameters
        ----------
        model
            By default the network that is trained.
        full_precision
            Compute in float32, whatever the run's precision.
        """
        model = (model or self.model).eval()
        loader = self.loader(part)
        logits = torch.zeros(loader.targets.shape)
        batches = -(-len(logits) // PREDICTION_BATCH_SIZE)
        own = self.team.slice_of(batches)
        rows = slice(own.start * PREDICTION_BATCH_SIZE, own.stop * PREDICTION_BATCH_SIZE)
        own_logits = [
            (model(inputs) if full_precision else self.forward(inputs, model)).cpu()
            for inputs, _ in loader.batches(PREDICTION_BATCH_SIZE, np.arange(len(logits))[rows])
        ]
        if own_logits:
            logits[rows] = torch.cat(own_logits)
        return self.team.sum(logits).numpy(), loader.targets


@dataclass
class TrainState:
    """Everything that changes during a training; a checkpoint holds exactly this.

    Attributes
    ----------
    ema
        Moving average of the weights, None where none is kept.
    epoch
        Current epoch, from 1.
    batch
        Number of its finished batches.
    losses
        Losses of these batches, on the device.
    seconds
        Time that they took.
    best, best_epoch
        Highest validation score so far, and its epoch.
    sampler_state
        Random state of the sampler at the beginning of the epoch.
    """

    epochs: int
    batch_size: int
    patience: int | None
    model: nn.Module
    loader: BatchLoader
    optimizer: torch.optim.Optimizer
    loss: Loss
    sampler: EpochSampler
    augmenter: Augmenter | None
    ema: AveragedModel | None
    team: Team
    epoch: int = 1
    batch: int = 0
    losses: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0
    best: float = -np.inf
    best_epoch: int = 0
    sampler_state: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.sampler_state = self.sampler.generator.get_state()

    @classmethod
    def initial(cls, context: TrainContext) -> "TrainState":
        """Return the state of a training at its beginning."""
        config, loader = context.config, context.loader("train")
        labels, weights = loader.targets, None
        if context.soft_targets is not None:
            loader = replace(loader, targets=context.soft_targets)
        if config.class_balance == "weights":
            weights = torch.from_numpy(class_weights(labels, config.target_mode))
            weights = weights.to(context.device)
        augmenter = None
        if config.augmentation != "none":
            augmenter = Augmenter(config.augmentation, config.seed)
        return cls(
            epochs=config.epochs,
            batch_size=config.batch_size,
            patience=config.patience,
            model=context.model,
            loader=loader,
            optimizer=make_optimizer(context.model, config),
            loss=Loss(config.target_mode, config.label_smoothing, weights),
            sampler=EpochSampler(labels, config.seed, config.class_balance == "sampling"),
            augmenter=augmenter,
            ema=make_ema(context.model, config.ema_decay) if config.ema_decay else None,
            team=context.team,
        )

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches of an epoch."""
        return self.sampler.batches(self.batch_size)

    @property
    def step(self) -> int:
        """Number of finished batches, of all epochs."""
        return (self.epoch - 1) * self.batches_per_epoch + self.batch

    @property
    def total_steps(self) -> int:
        """Number of batches of all epochs."""
        return self.epochs * self.batches_per_epoch

    @property
    def is_done(self) -> bool:
        """Tell whether no epoch is left, or ``patience`` epochs have brought no improvement."""
        without_improvement = self.epoch - 1 - self.best_epoch
        is_stopped = self.patience is not None and without_improvement >= self.patience
        return self.epoch > self.epochs or is_stopped

    @property
    def validated_model(self) -> nn.Module:
        """The network that is validated and stored: the moving average where there is one."""
        return self.model if self.ema is None else self.ema.module

    @property
    def mean_loss(self) -> float:
        """Mean loss of the epoch's finished batches."""
        return float(torch.stack(self.losses).mean())

    def remaining_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs (this worker's) and targets (all) of the epoch's remaining batches."""
        rows = self.sampler.epoch_rows(self.batch_size)[self.batch * self.batch_size :]
        return self.loader.batches(self.batch_size, rows, self.augmenter, self.team)

    def next_epoch(self) -> None:
        """Begin the next epoch."""
        self.epoch, self.batch, self.losses, self.seconds = self.epoch + 1, 0, [], 0.0
        self.sampler_state = self.sampler.generator.get_state()

"""What changes in a training from batch to batch."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ecgcore.training.augmenter import Augmenter
from ecgcore.training.context import TrainContext
from ecgcore.training.dataloader import BatchLoader
from ecgcore.training.distributed import Team
from ecgcore.training.loss import EpochSampler, Loss, class_weights
from ecgcore.training.optim import make_ema, make_optimizer


@dataclass
class TrainState:
    """One training under way.

    Attributes
    ----------
    epoch
        The epoch under way, from 1.
    batch
        How many of its batches are done.
    losses
        Of these batches, on the device.
    seconds
        What they took.
    best, best_epoch
        The highest validation score so far and its epoch.
    order_at
        The order's random state at the beginning of the epoch.
    """

    epochs: int
    batch_size: int
    patience: int | None
    model: nn.Module
    feed: BatchLoader
    optimizer: torch.optim.Optimizer
    objective: Loss
    order: EpochSampler
    augmenter: Augmenter | None
    average: AveragedModel | None
    team: Team
    epoch: int = 1
    batch: int = 0
    losses: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0
    best: float = -np.inf
    best_epoch: int = 0
    order_at: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.order_at = self.order.generator.get_state()

    @classmethod
    def of(cls, working: TrainContext) -> "Training":
        """Return a run's training at its beginning."""
        config, feed = working.config, working.feed("train")
        weights = None
        if config.class_balance == "weights":
            found = class_weights(feed.targets, config.target_mode)
            weights = torch.from_numpy(found).to(working.device)
        return cls(
            epochs=config.epochs,
            batch_size=config.batch_size,
            patience=config.patience,
            model=working.model,
            feed=feed
            if working.soft_targets is None
            else replace(feed, targets=working.soft_targets),
            optimizer=make_optimizer(working.model, config),
            objective=Loss(config.target_mode, config.label_smoothing, weights),
            order=EpochSampler(feed.targets, config.seed, config.class_balance == "sampling"),
            augmenter=None
            if config.augmentation == "none"
            else Augmenter(config.augmentation, config.seed),
            average=make_ema(working.model, config.ema_decay) if config.ema_decay else None,
            team=working.team,
        )

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return self.order.steps(self.batch_size)

    @property
    def step(self) -> int:
        """Batches done so far, of all epochs."""
        return (self.epoch - 1) * self.steps + self.batch

    @property
    def all_steps(self) -> int:
        """Batches of all epochs."""
        return self.epochs * self.steps

    @property
    def is_done(self) -> bool:
        """Whether no epoch is left, or ``patience`` epochs have brought nothing better."""
        waited = self.epoch - 1 - self.best_epoch
        return self.epoch > self.epochs or (self.patience is not None and waited >= self.patience)

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and kept: the running average where there is one."""
        return self.model if self.average is None else self.average.module

    @property
    def mean_loss(self) -> float:
        """Over the epoch's batches so far."""
        return float(torch.stack(self.losses).mean())

    def batches_left(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs (this worker's) and targets (all) of the batches left of the epoch."""
        rows = self.order.of_epoch(self.batch_size)[self.batch * self.batch_size :]
        return self.feed.batches(self.batch_size, rows, self.augmenter, self.team)

    def next_epoch(self) -> None:
        """Begin the next epoch."""
        self.epoch, self.batch, self.losses, self.seconds = self.epoch + 1, 0, [], 0.0
        self.order_at = self.order.generator.get_state()

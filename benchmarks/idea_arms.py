"""The ideas of `benchmarks/ideas.py`: each is the baseline with one change, and its networks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from ecgcore.models.resnet1d import LARGEST_MV, ResNet1d, scaled_shape


@dataclass(frozen=True)
class Arm:
    """One training.

    Attributes
    ----------
    idea
        The change, in words.
    network
        Name in NETWORKS.
    highpass_hz
        Cut-off of the high-pass before the network; 0 for none.
    unknown_is_absent
        Take classes that a possible statement leaves unknown as absent, as labels were before.
    auxiliary
        Also learn the 71 statements, age and sex, each a further output.
    soft
        Targets are the statements' likelihoods, below 50 as well.
    not_validated
        Weight of records that no human validated.
    mixup
        Mix each record with another one (Zhang et al. 2018, arXiv:1710.09412): parameter of the
        beta distribution; 0 for none.
    """

    idea: str
    network: str = "scaled"
    augmentation: str = "standard"
    highpass_hz: float = 0.0
    unknown_is_absent: bool = False
    auxiliary: bool = False
    soft: bool = False
    not_validated: float = 1.0
    mixup: float = 0.0
    epochs: int = 6
    learning_rate: float | None = None
    folds: tuple[int, ...] = (1, 2, 3)
    seed: int = 1


class SqueezeExcite(nn.Module):
    """Gate of each channel from the means of all (Hu et al. 2018, arXiv:1709.01507), opened."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels),
        )
        nn.init.zeros_(self.gate[-1].weight)
        nn.init.constant_(self.gate[-1].bias, 3.0)  # sigmoid(3) = 0.95

    def forward(self, maps: Tensor) -> Tensor:  # (B, C, T)
        return maps * self.gate(maps.mean(2)).sigmoid()[:, :, None]


class AttentionResNet(ResNet1d):
    """Residual network whose mean over time is weighted, by eight heads."""

    def __init__(self, classes: int, heads: int = 8, **shape: int) -> None:
        super().__init__(classes, **shape)
        channels = self.head[-1].in_features // 2
        self.query = nn.Conv1d(channels, heads, 1)
        nn.init.zeros_(self.query.weight)
        self.heads = heads

    def forward(self, signal_mv: Tensor) -> Tensor:
        clamped_mv = signal_mv.nan_to_num(0.0).clamp(-LARGEST_MV, LARGEST_MV)
        maps = self.stages(self.stem(clamped_mv))  # (B, C, T)
        weights = self.query(maps).softmax(2).repeat_interleave(maps.shape[1] // self.heads, 1)
        return self.head(torch.cat([(maps * weights).sum(2), maps.amax(2)], dim=1))


def with_gates(network: Callable[..., ResNet1d], classes: int) -> ResNet1d:
    """Return a residual network with squeeze and excitation in each block."""
    made = network(classes)
    for block in made.stages:
        block.convolutions.append(SqueezeExcite(block.convolutions[-1].num_features))
    return made


_scaled = partial(ResNet1d, **scaled_shape(0))
NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "scaled": _scaled,
    "se": partial(with_gates, _scaled),
    "attention": partial(AttentionResNet, **scaled_shape(0)),
    "deep": partial(ResNet1d, depth=8, width=32, kernel=5),
    "wide": partial(ResNet1d, depth=4, width=48, kernel=5),
    "kernel9": partial(ResNet1d, depth=4, width=32, kernel=9),
}

BASELINE = Arm("today's recipe on today's labels")
ARMS = {
    "baseline": BASELINE,
    "robust": replace(
        BASELINE, idea="high-pass, robust augmentation", highpass_hz=0.5, augmentation="robust"
    ),
    "auxiliary": replace(BASELINE, idea="one trunk, also 71 statements, age, sex", auxiliary=True),
    "se": replace(BASELINE, idea="squeeze and excitation, opened", network="se"),
    "soft": replace(BASELINE, idea="likelihoods as soft targets", soft=True),
    "seed2": replace(BASELINE, idea="another seed, for scale", seed=2),
    "highpass": replace(BASELINE, idea="high-pass of 0.5 Hz alone", highpass_hz=0.5),
    "old_labels": replace(
        BASELINE, idea="unknown infarctions and voltages absent, as before", unknown_is_absent=True
    ),
    "weights": replace(BASELINE, idea="records not validated weigh half", not_validated=0.5),
    "attention": replace(BASELINE, idea="attention instead of mean", network="attention"),
    "mixup": replace(BASELINE, idea="mixup 0.2", mixup=0.2),
    "deep": replace(BASELINE, idea="twice the blocks", network="deep"),
    "kernel9": replace(BASELINE, idea="kernels of 9 samples", network="kernel9"),
    "epochs12": replace(BASELINE, idea="twice the epochs", epochs=12),
    "robust_folds6": replace(
        BASELINE,
        idea="high-pass, robust augmentation, folds 1 to 6",
        highpass_hz=0.5,
        augmentation="robust",
        folds=(1, 2, 3, 4, 5, 6),
    ),
    "folds6": replace(BASELINE, idea="folds 1 to 6", folds=(1, 2, 3, 4, 5, 6)),
    "wide": replace(BASELINE, idea="1.5 times the width", network="wide"),
}
"""Arm → training; the order is that of the queue."""

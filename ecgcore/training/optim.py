"""The optimiser, its rate over the steps, and the running average of the weights."""

from math import cos, pi

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ecgcore.runs.config import ResolvedConfig

LAST_RATE_SHARE = 0.01
STEPS_AT = (0.5, 0.75)
"""Where ``step`` divides the rate by ten, as He et al. 2016 (doi:10.1109/CVPR.2016.90) do."""


def lr_factor(step: int, steps: int, schedule: str, warmup_fraction: float = 0.05) -> float:
    """Return the share of the learning rate at a step, after a linear warm-up.

    ``cosine`` falls to a hundredth along half a cosine, ``step`` by ten at a half and at three
    quarters, ``constant`` stays (and does not warm up).
    """
    if schedule == "constant":
        return 1.0
    warming = max(1, round(warmup_fraction * steps)) if warmup_fraction else 0
    if step < warming:
        return (step + 1) / warming
    if schedule == "step":
        return 0.1 ** sum(step >= share * steps for share in STEPS_AT)
    gone = (step - warming) / max(1, steps - warming)
    return LAST_RATE_SHARE + (1 - LAST_RATE_SHARE) * (1 + cos(pi * gone)) / 2


def make_optimizer(model: nn.Module, config: ResolvedConfig) -> torch.optim.Optimizer:
    """Return the optimiser asked for, fused: one pass over the parameters instead of several.

    Each group's ``share`` is what it takes of the learning rate: all for the head, ``trunk_rate``
    for what stands before it. At 0 that is frozen and no part of it.
    """
    head = list(model.get_submodule("head").parameters())
    groups = [{"params": head, "share": 1.0}]
    if config.backbone_lr_factor:
        own = {id(p) for p in head}
        trunk = [p for p in model.parameters() if id(p) not in own]
        groups = [{"params": trunk, "share": config.backbone_lr_factor}, *groups]
    decay, rate = config.weight_decay, config.learning_rate
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, rate, weight_decay=decay, fused=True)
    return torch.optim.SGD(groups, rate, momentum=0.9, weight_decay=decay, fused=True)


def freeze(model: nn.Module) -> None:
    """Let only the head learn; running averages of what stands before it stay, too."""
    head = model.get_submodule("head")
    for module in model.children():
        if module is not head:
            module.requires_grad_(False)
            module.eval()


def make_ema(model: nn.Module, decay: float) -> AveragedModel:
    """Return the exponential moving average of a network's weights and buffers (Polyak 1992)."""
    average = get_ema_multi_avg_fn(decay)
    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)

"""The optimiser, the learning-rate schedule, and the moving average of the weights."""

from math import cos, pi

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ecgcore.runs.config import ResolvedConfig

FINAL_LR_FACTOR = 0.01
MILESTONES = (0.5, 0.75)
"""Where ``step`` divides the rate by ten, as He et al. 2016 (doi:10.1109/CVPR.2016.90) do."""


def lr_factor(step: int, steps: int, schedule: str, warmup_fraction: float = 0.05) -> float:
    """Return the factor of the learning rate at a step, after a linear warm-up.

    ``cosine`` falls to a hundredth along half a cosine, ``step`` by ten at a half and at three
    quarters, ``constant`` stays (and does not warm up).
    """
    if schedule == "constant":
        return 1.0
    warmup_steps = max(1, round(warmup_fraction * steps)) if warmup_fraction else 0
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule == "step":
        return 0.1 ** sum(step >= milestone * steps for milestone in MILESTONES)
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return FINAL_LR_FACTOR + (1 - FINAL_LR_FACTOR) * (1 + cos(pi * progress)) / 2


def make_optimizer(model: nn.Module, config: ResolvedConfig) -> torch.optim.Optimizer:
    """Return the configured optimiser, fused: one pass over the parameters instead of several.

    Each group's ``lr_factor`` scales the learning rate: 1 for the head, ``backbone_lr_factor`` for
    all layers before it. At 0 these are frozen and left out.
    """
    head = list(model.get_submodule("head").parameters())
    groups = [{"params": head, "lr_factor": 1.0}]
    if config.backbone_lr_factor:
        head_ids = {id(p) for p in head}
        backbone = [p for p in model.parameters() if id(p) not in head_ids]
        groups = [{"params": backbone, "lr_factor": config.backbone_lr_factor}, *groups]
    decay, rate = config.weight_decay, config.learning_rate
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, rate, weight_decay=decay, fused=True)
    return torch.optim.SGD(groups, rate, momentum=0.9, weight_decay=decay, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group, scaled by the group's own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]


def freeze_backbone(model: nn.Module) -> None:
    """Freeze all layers before the head, with their running statistics."""
    head = model.get_submodule("head")
    for module in model.children():
        if module is not head:
            module.requires_grad_(False)
            module.eval()


def make_ema(model: nn.Module, decay: float) -> AveragedModel:
    """Return the exponential moving average of a network's weights and buffers (Polyak 1992)."""
    average = get_ema_multi_avg_fn(decay)
    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)

"""Cost of a network: its parameters, and the multiply-adds for one record."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


class Cost(NamedTuple):
    """Cost of a network.

    ``multiply_adds`` counts convolutions and matrix products for one record, but not the layers
    between them (normalisation, activation, pooling).
    """

    parameters: int
    multiply_adds: int


def cost(model: nn.Module, one_input: Sequence[int]) -> Cost:
    """Return the cost of a network for one input of shape (3, H, W) or (12, T).

    Only shapes are propagated, through a copy on the meta device.
    """
    meta_model = copy.deepcopy(model).to("meta").eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        meta_model(torch.empty(1, *one_input, device="meta"))
    parameters = sum(p.numel() for p in model.parameters())
    return Cost(parameters, counter.get_total_flops() // 2)

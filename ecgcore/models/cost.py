"""What a network costs: its parameters, and multiply-adds for one record."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


class Cost(NamedTuple):
    """The cost of a network.

    ``multiply_adds`` counts convolutions and matrix products for one record; what stands between
    them (normalisation, activation, pooling) is not in it.
    """

    parameters: int
    multiply_adds: int


def cost(model: nn.Module, one_input: Sequence[int]) -> Cost:
    """Return what a network costs for one input of a shape: (3, H, W) or (12, T).

    Nothing is computed: only the shapes go through a copy without values.
    """
    shapes = copy.deepcopy(model).to("meta").eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        shapes(torch.empty(1, *one_input, device="meta"))
    parameters = sum(p.numel() for p in model.parameters())
    return Cost(parameters, counter.get_total_flops() // 2)

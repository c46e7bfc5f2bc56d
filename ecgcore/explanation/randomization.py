"""Randomised networks: copies of a network with the weights of layers shuffled.

Sanity checks of maps (Adebayo et al. 2018, arXiv:1810.03292) re-initialise weights. Here the values
of each tensor are permuted: this keeps their distribution, so that a map changes for what was
learnt and not for its scale, and an untrained network stays untrained.
"""

import copy

import torch
from torch import nn


def shuffle_weights(model: nn.Module, seed: int = 0) -> nn.Module:
    """Return a copy of a network with the weights of all layers shuffled, from the head on."""
    network = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    for layer in weighted_layers(network)[::-1]:
        _shuffle_layer(layer, generator)
    return network


def weighted_layers(model: nn.Module) -> list[nn.Module]:
    """Return the layers that have weights of their own, in the order of their creation."""
    return [m for m in model.modules() if any(True for _ in m.parameters(recurse=False))]


@torch.no_grad()
def _shuffle_layer(layer: nn.Module, generator: torch.Generator) -> None:
    for weights in layer.parameters(recurse=False):
        order = torch.randperm(weights.numel(), generator=generator)
        weights.copy_(weights.flatten()[order].view_as(weights))

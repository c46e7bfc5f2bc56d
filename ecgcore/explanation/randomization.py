"""Randomised networks: copies of a network with the weights of layers shuffled.

Sanity checks of maps (Adebayo et al. 2018, arXiv:1810.03292) re-initialise weights, layer by layer
from the head. Here the values of each tensor are permuted: this keeps their distribution, so that a
map changes for what was learnt and not for its scale, and an untrained network stays untrained.
"""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn


def randomization_cascade(
    model: nn.Module, stops: int, seed: int = 0
) -> Iterator[tuple[int, nn.Module]]:
    """Yield the number of shuffled layers, from the head on, and the network; at last all layers.

    The network that is yielded is one copy, shuffled further each time; ``model`` is unchanged.

    Parameters
    ----------
    stops
        Number of yields, evenly spread over the layers; the first shuffles the head's last layer
        only.
    """
    network = copy.deepcopy(model)
    layers = weighted_layers(network)[::-1]
    generator = torch.Generator().manual_seed(seed)
    done = 0
    for stop in np.unique(np.linspace(1, len(layers), stops).round().astype(int)):
        for layer in layers[done:stop]:
            _shuffle_layer(layer, generator)
        done = int(stop)
        yield done, network


def shuffle_weights(model: nn.Module, seed: int = 0) -> nn.Module:
    """Return a copy of a network with the weights of all layers shuffled."""
    stops = 1 if len(weighted_layers(model)) == 1 else 2
    *_, (_, network) = randomization_cascade(model, stops, seed)
    return network


def weighted_layers(model: nn.Module) -> list[nn.Module]:
    """Return the layers that have weights of their own, in the order of their creation."""
    return [m for m in model.modules() if any(True for _ in m.parameters(recurse=False))]


@torch.no_grad()
def _shuffle_layer(layer: nn.Module, generator: torch.Generator) -> None:
    for weights in layer.parameters(recurse=False):
        order = torch.randperm(weights.numel(), generator=generator)
        weights.copy_(weights.flatten()[order].view_as(weights))

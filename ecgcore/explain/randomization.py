"""Networks whose weights say nothing: copies of a network with the weights of layers shuffled.

Sanity checks of maps (Adebayo et al. 2018, arXiv:1810.03292) draw weights anew, layer by layer from
the head. Here each tensor's own values change places: it keeps their spread, so that a map changes
for what was learnt and not for its scale, and a network that was never trained stays what it was.
"""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn


def cascade(model: nn.Module, stops: int, seed: int = 0) -> Iterator[tuple[int, nn.Module]]:
    """Yield how many layers are shuffled, from the head on, and the network; all of them at last.

    The network that is yielded is one copy, shuffled further each time; ``model`` stays as it is.

    Parameters
    ----------
    stops
        How often, evenly spread over the layers; the first is the head's last layer alone.
    """
    shuffled = copy.deepcopy(model)
    layers = with_weights(shuffled)[::-1]
    generator = torch.Generator().manual_seed(seed)
    done = 0
    for stop in np.unique(np.linspace(1, len(layers), stops).round().astype(int)):
        for layer in layers[done:stop]:
            _shuffle(layer, generator)
        done = int(stop)
        yield done, shuffled


def shuffled(model: nn.Module, seed: int = 0) -> nn.Module:
    """Return a copy of a network with the weights of all layers shuffled."""
    *_, (_, last) = cascade(model, 1 if len(with_weights(model)) == 1 else 2, seed)
    return last


def with_weights(model: nn.Module) -> list[nn.Module]:
    """Return the layers that have weights of their own, in the order they were made in."""
    return [m for m in model.modules() if any(True for _ in m.parameters(recurse=False))]


@torch.no_grad()
def _shuffle(layer: nn.Module, generator: torch.Generator) -> None:
    for weights in layer.parameters(recurse=False):
        order = torch.randperm(weights.numel(), generator=generator)
        weights.copy_(weights.flatten()[order].view_as(weights))

"""Images: drawn in batches for the network, as paper for people, as PNG for other programs.

``draw`` comes on first use: importing this package does not import torch.
"""

from typing import TYPE_CHECKING, Any

from ecgcore.imaging.geometry import LAYOUTS, Geometry, geometry

if TYPE_CHECKING:
    from ecgcore.imaging.drawing import draw

__all__ = ["LAYOUTS", "Geometry", "draw", "geometry"]


def __getattr__(name: str) -> Any:
    """Return ``draw``, imported when first asked for."""
    if name != "draw":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from ecgcore.imaging.drawing import draw

    return draw

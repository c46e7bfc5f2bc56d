"""Images: drawn in batches for the network, as paper for people, as PNG for other programs.

``draw`` and ``draw_as`` come on first use: importing this package does not import torch.
"""

from typing import TYPE_CHECKING, Any

from ecgcore.imaging.geometry import LAYOUTS, Geometry, geometry, geometry_of

if TYPE_CHECKING:
    from ecgcore.imaging.drawing import draw, draw_as

__all__ = ["LAYOUTS", "Geometry", "draw", "draw_as", "geometry", "geometry_of"]


def __getattr__(name: str) -> Any:
    """Return ``draw`` or ``draw_as``, imported when first asked for."""
    if name not in ("draw", "draw_as"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from ecgcore.imaging import drawing

    return getattr(drawing, name)

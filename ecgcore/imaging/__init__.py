"""Network images: ECGs drawn in batches as tensors, and saved as PNG files.

``draw`` and ``draw_with_geometry`` are imported on first use, so that importing this package does
not import torch.
"""

from typing import TYPE_CHECKING, Any

from ecgcore.imaging.geometry import LAYOUTS, Geometry, geometry_from_json, make_geometry

if TYPE_CHECKING:
    from ecgcore.imaging.drawing import draw, draw_with_geometry

__all__ = [
    "LAYOUTS",
    "Geometry",
    "draw",
    "draw_with_geometry",
    "geometry_from_json",
    "make_geometry",
]


def __getattr__(name: str) -> Any:
    """Import ``draw`` or ``draw_with_geometry`` on first use."""
    if name not in ("draw", "draw_with_geometry"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from ecgcore.imaging import drawing

    return getattr(drawing, name)

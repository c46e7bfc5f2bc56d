"""Explanation methods by name; importable without torch."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from ecgcore.errors import NotFound

if TYPE_CHECKING:
    from ecgcore.explanation.relevance import ImageRelevance, SignalRelevance
    from ecgcore.explanation.target import Target

GUIDED_WARNING = (
    "Guided maps show the edges of what is drawn and hardly change when the network's weights are "
    "randomised (Adebayo et al. 2018): they resolve nothing finer than a cell of Grad-CAM."
)


@dataclass(frozen=True)
class Method:
    """An explanation method.

    Attributes
    ----------
    title
        Name for people.
    resolves
        What the method can tell apart, in words.
    module
        Module of this package with a function of the method's name.
    warning
        Text that must accompany the method's maps, if any.
    """

    name: str
    title: str
    resolves: str
    module: str
    warning: str | None = None

    @property
    def attribute(self) -> "Callable[[Target], ImageRelevance | SignalRelevance]":
        """Function that computes the relevance; imports torch on first use."""
        return getattr(import_module(f"ecgcore.explanation.{self.module}"), self.name)


METHODS = {
    method.name: method
    for method in (
        Method(
            "grad_cam",
            "Grad-CAM",
            "resolves regions of the image, as coarse as the cells of the network's last layer",
            "gradcam",
        ),
        Method(
            "integrated_gradients",
            "Integrated gradients",
            "resolves leads and waves, down to one pixel column of a lead",
            "integrated_gradients",
        ),
        Method(
            "occlusion_lead",
            "Occlusion by lead",
            "resolves leads, over the full time: each lead is replaced by its baseline in turn",
            "occlusion",
        ),
        Method(
            "occlusion_beat",
            "Occlusion by beat",
            "resolves beats, over all leads: each beat is removed in turn",
            "occlusion",
        ),
        Method(
            "occlusion_wave",
            "Occlusion by wave",
            "resolves P, QRS, ST and T of each lead, over all beats: each is removed in turn",
            "occlusion",
        ),
        Method(
            "guided_grad_cam",
            "Guided Grad-CAM (not to be relied on)",
            "shows fine lines, but resolves no more than Grad-CAM",
            "guided_gradcam",
            GUIDED_WARNING,
        ),
    )
}


def find_method(name: str) -> Method:
    """Return a method by any spelling of its name: ``gradcam``, ``Grad-CAM``, ``grad_cam``.

    Raises
    ------
    NotFound
        Unknown method.
    """
    by_plain_name = {known.replace("_", ""): method for known, method in METHODS.items()}
    plain_name = "".join(c for c in name.lower() if c.isalnum())
    if plain_name not in by_plain_name:
        raise NotFound.among("explanation method", name, METHODS)
    return by_plain_name[plain_name]

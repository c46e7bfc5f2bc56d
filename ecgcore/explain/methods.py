"""The methods by name: one call form, what each is called for people, and what it can tell."""

from collections.abc import Callable
from dataclasses import dataclass

from ecgcore.errors import NotFound
from ecgcore.explain.gradcam import grad_cam
from ecgcore.explain.guided_gradcam import WARNING, guided_grad_cam
from ecgcore.explain.integrated_gradients import integrated_gradients
from ecgcore.explain.occlusion import occlusion_beat, occlusion_lead, occlusion_wave
from ecgcore.explain.relevance import InPicture, InSignal
from ecgcore.explain.target import Question


@dataclass(frozen=True)
class Method:
    """A way to explain: its function, and what has to be said beside its maps (None: nothing)."""

    find: Callable[[Question], InPicture | InSignal]
    warning: str | None = None


METHODS = {
    "grad_cam": Method(grad_cam),
    "integrated_gradients": Method(integrated_gradients),
    "occlusion_lead": Method(occlusion_lead),
    "occlusion_beat": Method(occlusion_beat),
    "occlusion_wave": Method(occlusion_wave),
    "guided_grad_cam": Method(guided_grad_cam, WARNING),
}


def method_name(said: str) -> str:
    """Return a method's name, however it is spelled: ``gradcam``, ``Grad-CAM``, ``grad_cam``.

    Raises
    ------
    NotFound
        There is no such method.
    """
    plain = {name.replace("_", ""): name for name in METHODS}
    found = plain.get("".join(c for c in said.lower() if c.isalnum()))
    if found is None:
        raise NotFound.among("explanation method", said, METHODS)
    return found

"""Registry of networks by name, with their constructors and metadata."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from ecgcore.errors import NotFound, RequestError
from ecgcore.models.alexnet import AlexNet
from ecgcore.models.resnet1d import ResNet1d, scaled_shape

FC_SIZE = (224, 224)
SCALED_STEP = 0


@dataclass(frozen=True)
class ModelInfo:
    """Metadata of a network, available before it is built.

    Attributes
    ----------
    name
        Name in the registry.
    title
        Description in one line.
    input
        ``image``: (B, 3, H, W) in 0..1. ``signal``: (B, 12, T) in mV.
    fixed_size
        (H, W) in pixels where the network accepts no other size, else None.
    learning_rates
        Optimiser → default learning rate.
    options
        Keyword options of ``create_model``.
    """

    name: str
    title: str
    input: str
    fixed_size: tuple[int, int] | None
    learning_rates: Mapping[str, float]
    options: tuple[str, ...] = ("dropout",)

    def check_options(self, options: Collection[str]) -> None:
        """Refuse options that the network does not have."""
        if unknown := sorted(set(options) - set(self.options)):
            raise RequestError(
                f"Model '{self.name}' does not take the options {', '.join(unknown)}; "
                f"accepted: {', '.join(self.options)}."
            )


_VARIANTS: dict[str, tuple[str, dict[str, bool]]] = {
    "alexnet": ("AlexNet after Table 1, with local response normalisation", {}),
    "alexnet_m_se": (
        "AlexNet-M-SE: BatchNorm, dropout and Squeeze-and-Excitation",
        {"batch_norm": True, "se": True},
    ),
    "alexnet_bn": ("AlexNet with BatchNorm only (ablation)", {"batch_norm": True}),
    "alexnet_se": ("AlexNet with Squeeze-and-Excitation only (ablation)", {"se": True}),
}

# Chosen on validation at level 204 by the same search for plain and M-SE (docs/studies/rates). The
# other heads and the ablations use the rates of the network they resemble: BatchNorm tolerates a
# higher one. Those of networks on signals come from a few trainings, not from that search.
_PLAIN, _NORMALISED = {"adamw": 1e-4, "sgd": 0.001}, {"adamw": 3e-4, "sgd": 0.003}
_IMAGE_RATES = {
    "alexnet": _PLAIN,
    "alexnet_se": _PLAIN,
    "alexnet_m_se": _NORMALISED,
    "alexnet_bn": _NORMALISED,
}
_SIGNAL_RATES = {"adamw": 0.002, "sgd": 0.03}

_MODELS: dict[str, tuple[ModelInfo, Callable[..., nn.Module]]] = {}
for _name, (_title, _options) in _VARIANTS.items():
    _MODELS[_name] = (
        ModelInfo(_name, _title, "image", FC_SIZE, _IMAGE_RATES[_name]),
        partial(AlexNet, head="fc", **_options),
    )
    _MODELS[f"{_name}_gap"] = (
        ModelInfo(
            f"{_name}_gap", f"{_title}; global average pooling", "image", None, _IMAGE_RATES[_name]
        ),
        partial(AlexNet, head="gap", **_options),
    )
_MODELS["resnet1d"] = (
    ModelInfo(
        "resnet1d",
        "Residual network on signals: depth × width × kernel",
        "signal",
        None,
        _SIGNAL_RATES,
        ("dropout", "depth", "width", "kernel"),
    ),
    ResNet1d,
)
_MODELS["resnet1d_scaled"] = (
    ModelInfo(
        "resnet1d_scaled",
        "resnet1d in the shape that the scaling rule gives",
        "signal",
        None,
        _SIGNAL_RATES,
    ),
    partial(ResNet1d, **scaled_shape(SCALED_STEP)),
)


def list_models() -> list[str]:
    """Return the names of all networks."""
    return list(_MODELS)


def model_info(name: str) -> ModelInfo:
    """Return the metadata of the network ``name``."""
    if name not in _MODELS:
        raise NotFound.among("model", name, _MODELS)
    return _MODELS[name][0]


def create_model(name: str, classes: int = 10, **options: Any) -> nn.Module:
    """Build the network ``name`` with fresh weights.

    Parameters
    ----------
    name
        One of ``list_models()``.
    classes
        Width of the output.
    **options
        Options of the network: ``model_info(name).options``.

    Returns
    -------
    nn.Module
        Maps a batch as in ``model_info(name).input`` to logits (B, classes); has the attributes
        ``head`` and ``cam_layer``.

    Raises
    ------
    RequestError
        Unknown model or option, or a shape that cannot be built.
    """
    info = model_info(name)
    info.check_options(options)
    return _MODELS[name][1](classes, **options)

"""Recipes, which are named sets of settings, and settings files in TOML.

Where several say something, an option comes before the settings file, and the file before the
recipe; the defaults of ``TrainConfig`` are the recipe ``paper``.
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgcore.errors import NotFound, RequestError
from ecgcore.runs.config import TrainConfig, train_settings
from ecgcore.runs.settings import by_group

DEFAULT = "paper"
_ON_IMAGES = {"level": "all", "augmentation": "standard", "epochs": 6, "ema_decay": 0.995}
_ON_SIGNALS = {
    "level": "all",
    "augmentation": "standard",
    "epochs": 12,
    "batch_size": 64,
    "weight_decay": 0.02,
    "warmup_fraction": 0.2,
    "grad_clip": 1.0,
    "ema_decay": 0.99,
}
_STEADY = {"augmentation": "robust", "highpass_hz": 0.5}
# The shipped image networks' rate; the other networks on images were not tried at it.
_RATES = {"alexnet_gap": 5e-4, "alexnet_m_se_gap": 5e-4}


@dataclass(frozen=True)
class Recipe:
    """Named set of settings.

    Attributes
    ----------
    title
        One line for people.
    settings
        Network's name → the settings that differ from the defaults.
    """

    name: str
    title: str
    settings: Callable[[str], Mapping[str, Any]]


def _strong(model: str) -> Mapping[str, Any]:
    from ecgcore.models import model_info  # imports torch

    if model_info(model).input == "signal":
        return _ON_SIGNALS
    return _ON_IMAGES | ({"learning_rate": _RATES[model]} if model in _RATES else {})


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "paper",
            "The paper's protocol: 204 records, 20 epochs of batches of 16, 70/15/15 by patient.",
            lambda model: {},
        ),
        Recipe(
            "strong",
            "The settings of shipped networks: all records, augmentation and a moving average of "
            "the weights.",
            _strong,
        ),
        Recipe(
            "steady",
            "strong, with a high-pass of 0.5 Hz and robust augmentation: answers change less with "
            "wander, noise and lost leads.",
            lambda model: {**_strong(model), **_STEADY},
        ),
    )
}


def recipe_settings(name: str, model: str) -> dict[str, Any]:
    """Return the settings of a recipe for a network that differ from the defaults.

    Raises
    ------
    NotFound
        No such recipe, or no such network.
    """
    if name not in RECIPES:
        raise NotFound.among("recipe", name, RECIPES)
    return dict(RECIPES[name].settings(model))


def make_config(
    options: Mapping[str, Any], file: Path | None = None, recipe: str = DEFAULT
) -> TrainConfig:
    """Return the training that options, a settings file and a recipe describe together.

    Parameters
    ----------
    options
        Setting → value; None where it is not given.
    file
        Settings file in TOML, see ``read_toml``.

    Raises
    ------
    RequestError
        No cohort is named, a setting is unknown, or a value cannot be read.
    """
    settings = {} if file is None else read_toml(file)
    settings |= {name: value for name, value in options.items() if value is not None}
    if "cohort" not in settings:
        raise RequestError('Name a cohort: --cohort NAME, or cohort = "NAME" in a settings file.')
    known = {one.name: one for one in train_settings()}
    parsed = {name: known[name].parse(value) for name, value in settings.items()}
    for name, value in parsed.items():
        known[name].check(value)
    model = parsed.get("model", known["model"].default)
    return TrainConfig(**recipe_settings(recipe, model) | parsed)


def read_toml(file: Path) -> dict[str, Any]:
    """Return the settings in a TOML file, under the names of ``TrainConfig``.

    Raises
    ------
    RequestError
        There is no such file, it is no TOML, or it has a setting that does not exist.
    """
    try:
        settings = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise RequestError(f"The settings file {file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number without end
        reason = " ".join(str(error).split())
        raise RequestError(f"The settings file {file} is no TOML: {reason}.") from None
    require_known_settings(settings)
    return settings


def require_known_settings(names: Iterable[str]) -> None:
    """Refuse the first name that is no training setting, with the nearest one."""
    known = [one.name for one in train_settings()]
    for name in names:
        if name not in known:
            raise NotFound.among("setting", name, known)


def to_toml(config: TrainConfig, title: str) -> str:
    """Return a settings file that makes this training again, under a title and group by group.

    What is None, such as the network's own dropout, is left out.
    """
    lines = [f"# {title}"]
    for group, settings in by_group(train_settings()):
        values = {one.name: getattr(config, one.name) for one in settings}
        given = {name: value for name, value in values.items() if value is not None}
        if given:
            lines += ["", f"# {group}"]
            lines += [f"{name} = {_toml_value(value)}" for name, value in given.items()]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    """Return a value in TOML; its basic strings, lists, numbers and booleans are those of JSON."""
    return json.dumps(value, ensure_ascii=False)

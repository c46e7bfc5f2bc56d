"""Starting from another run's weights (paper 002): its network, its input, and nobody's data twice.

The head starts afresh where the classes differ. What the other run was trained on must not be
tested here: its patients and recordings are looked for among this training's test records.
"""

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ecgcore.errors import RequestError
from ecgcore.runs.config import ResolvedConfig
from ecgcore.runs.run import Run
from ecgcore.runs.weights import fill, read_tensors
from ecgcore.training.pretrained import SourceRun, need_unchanged


@dataclass(frozen=True)
class Parent(SourceRun):
    """The run that a training starts from."""

    takes = "Starts from"
    role = "init"
    apart = ("test", "untouched")
    judged = "tested"

    @property
    def input(self) -> dict[str, Any]:
        """What its network reads; what starts from it reads the same."""
        return self.run.meta["input"]

    def followed_by(self, recipe: ResolvedConfig) -> ResolvedConfig:
        """Return a recipe with the parent's network and pictures, or say what differs."""
        own = self.run.config
        if (own.model, own.model_options) != (recipe.model, recipe.model_options):
            raise RequestError(
                f"Run {self.run.id} is {_network(own)}, not {_network(recipe)}; name the same "
                "network to start from it."
            )
        return replace(recipe, layout=own.layout, size=own.size, rhythm=own.rhythm)


def start_from(model: nn.Module, parent: Run, meta: dict[str, Any]) -> None:
    """Give a network another run's weights; a head for other classes stays as it is.

    ``meta`` is the new run's: its classes, and the weights that it was prepared with.
    """
    need_unchanged(parent, Parent.role, meta)
    file, classes = parent.weights, meta["classes"]
    tensors, _ = read_tensors(file)
    if parent.meta["classes"] != classes:
        head = {f"head.{k}": v for k, v in model.get_submodule("head").state_dict().items()}
        tensors = {k: v for k, v in tensors.items() if not k.startswith("head.")} | head
    fill(model, tensors, file, parent.meta["model"])


def _network(config: ResolvedConfig) -> str:
    shape = ", ".join(f"{name} {value}" for name, value in config.model_options.items())
    return f"{config.model} ({shape})" if shape else config.model

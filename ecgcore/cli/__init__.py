"""The command line: the flow's verbs. Each command calls one function of the package."""

from ecgcore.cli import downloads, records, labelling, images, training, results, answers, benches  # isort: skip
from ecgcore.cli.shell import app, main

__all__ = [
    "answers",
    "app",
    "benches",
    "downloads",
    "images",
    "labelling",
    "main",
    "records",
    "results",
    "training",
]

"""The command line: the flow's verbs. Each command calls one function of the package."""

from ecgcore.cli import downloads, records, cohorts, measuring, labelling, images  # isort: skip
from ecgcore.cli import training, results, answers, studying, benches  # isort: skip
from ecgcore.cli.shell import app, main

__all__ = [
    "answers",
    "app",
    "benches",
    "cohorts",
    "downloads",
    "images",
    "labelling",
    "main",
    "measuring",
    "records",
    "results",
    "studying",
    "training",
]

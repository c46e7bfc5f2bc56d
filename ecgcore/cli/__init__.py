"""The command line: the flow's verbs. Each command calls one function of the package."""

from ecgcore.cli import download, ingest, cohorts, measure, label, images  # isort: skip
from ecgcore.cli import train, evaluate, classify, study, bench  # isort: skip
from ecgcore.cli.base import app, main

__all__ = [
    "app",
    "bench",
    "classify",
    "cohorts",
    "download",
    "evaluate",
    "images",
    "ingest",
    "label",
    "main",
    "measure",
    "study",
    "train",
]

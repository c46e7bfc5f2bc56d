"""Command line: one module per group of commands; each command calls one function."""

from ecgcore.cli import download, ingest, cohorts, measure, doctor, label, label_tables, images  # isort: skip
from ecgcore.cli import train, runs, evaluate, classify, study, bench, dashboard  # isort: skip
from ecgcore.cli.base import app, main

__all__ = [
    "app",
    "bench",
    "classify",
    "cohorts",
    "dashboard",
    "doctor",
    "download",
    "evaluate",
    "images",
    "ingest",
    "label",
    "label_tables",
    "main",
    "measure",
    "runs",
    "study",
    "train",
]

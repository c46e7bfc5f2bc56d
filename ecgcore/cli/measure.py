"""Measurements of ECGs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ecgcore.cli.base import (
    AssumeOrderOption,
    JsonOption,
    SourceRateOption,
    StartOption,
    app,
    print_answers,
)
from ecgcore.version import RESEARCH_USE_ONLY

_OURS = {
    "rate": ("rate_bpm", "/min"),
    "PR": ("pr_ms", "ms"),
    "QRS": ("qrs_ms", "ms"),
    "QT": ("qt_ms", "ms"),
    "QTcB": ("qtc_bazett_ms", "ms"),
    "QTcF": ("qtc_fridericia_ms", "ms"),
    "axis": ("axis_deg", "°"),
}
_MACHINE = {
    "rate": "rate_bpm",
    "PR": "pr_ms",
    "QRS": "qrs_ms",
    "QT": "qt_ms",
    "QTc": "qtc_ms",
    "axis": "axis_deg",
}


@app.command()
def measure(
    paths: Annotated[list[str], typer.Argument(help="ECG files, folders, zip files or globs.")],
    source_fs_hz: SourceRateOption = None,
    assume_order: AssumeOrderOption = False,
    start_s: StartOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure ECGs: rate, intervals (ms), axis (°), voltages and ST levels (mV); one line a record.

    With --json (JSON Lines) also R peaks (s), ST at J and J+60 ms and the waves of each lead. What
    cannot be measured is null. A machine's own values in the file are shown with ours.
    Of recordings longer than 5 minutes the first 5 from --start-s on are measured.

    Example: ecgcore measure examples/ptb-xl/records100/00000
    """
    from ecgcore.measurement.measure_files import measure_files
    from ecgcore.measurement.measurements import MEASUREMENT_STATUS
    from ecgcore.records.read import ReadOptions

    answers = measure_files(map(Path, paths), ReadOptions(source_fs_hz, assume_order, start_s))
    footer = f"Measurements are {MEASUREMENT_STATUS}. {RESEARCH_USE_ONLY}"
    print_answers(answers, _line, as_json, paths, footer)


def _line(answer: dict[str, Any]) -> str:
    from ecgcore.measurement.measurements import MEASUREMENT_STATUS

    if answer["error"]:
        return f"{answer['path']}: {answer['error']}"
    ours = ", ".join(
        f"{word} {_integer(answer[name])} {unit}" for word, (name, unit) in _OURS.items()
    )
    machine = ", ".join(
        f"{word} {_integer(answer['machine'][name])}"
        for word, name in _MACHINE.items()
        if name in answer["machine"]
    )
    notes = [note for note in answer["notes"] if note != MEASUREMENT_STATUS]
    remarks = [*([f"machine: {machine}"] if machine else []), *notes]
    return f"{answer['path']}: {ours}" + (f" ({'; '.join(remarks)})" if remarks else "")


def _integer(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"

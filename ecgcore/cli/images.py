"""Commands that draw ECGs: images for networks, paper pages for people."""

from pathlib import Path
from typing import Annotated

import typer

from ecgcore.cli.base import (
    AssumeOrderOption,
    JsonOption,
    SourceRateOption,
    StartOption,
    WorkersOption,
    WorkspaceOption,
    app,
    out,
    print_json,
    progress_bar,
)
from ecgcore.errors import RequestError
from ecgcore.workspace import Workspace

SHIPPED = "alexnet_m_se_gap"


@app.command()
def convert(
    cohort: Annotated[str, typer.Option(help="The cohort to convert.")],
    to: Annotated[Path, typer.Option(help="Folder for the CSV and PNG files.")],
    target_mode: Annotated[
        str, typer.Option(help="Rule that gives a record its class folder: exclusive or priority.")
    ] = "exclusive",
    label_tier: Annotated[str, typer.Option(help="core or broad statements.")] = "core",
    run: Annotated[
        str | None,
        typer.Option(
            help="Draw images as this run's network reads them: its layout, size and rate. "
            f"Default: {SHIPPED}, unless a layout or size is given."
        ),
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="stacked, clinical or panels, at the cohort's rate.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Image size in pixels: side (32 or more) or height x width (224x448)."),
    ] = None,
    workers: WorkersOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write each record as CSV and PNG into the folder of its class, as in paper 001.

    An interrupted conversion resumes. 'ecgcore classify' reads the PNG files and classifies them
    like their records, with the run for which they were drawn.

    Example: ecgcore convert --cohort examples --to /tmp/images
    """
    from ecgcore.cohort.store import Cohort
    from ecgcore.imaging.convert import convert as convert_cohort
    from ecgcore.imaging.geometry import parse_size
    from ecgcore.runs.run import find_run

    if run and (layout or size):
        raise RequestError(
            "A run sets layout and size itself: give either --run or --layout and --size."
        )
    run = run or (None if layout or size else SHIPPED)
    root = Workspace.find(workspace)
    source = Cohort.open(cohort, root)
    run_input = None if run is None else find_run(run, root).meta["input"]
    if run_input is not None and "layout" not in run_input:
        raise RequestError(f"Run {run} reads signals, not images: give --layout and --size.")
    with progress_bar() as progress:
        task = progress.add_task("Drawing", total=None, note="")

        def on_progress(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, note=f"{done}/{total}")

        answer = convert_cohort(
            source,
            to,
            mode=target_mode,
            label_tier=label_tier,
            layout=layout or "stacked",
            size=parse_size(size or "224"),
            on_progress=on_progress,
            run_input=run_input,
            workers=workers,
        )
    if as_json:
        print_json(answer)
    else:
        out.print(f"{answer['images']} images and CSV files in {to}.", markup=False)


@app.command()
def plot(
    record: Annotated[Path, typer.Argument(help="An ECG file.")],
    to: Annotated[Path, typer.Option(help="The file to write: .svg, .png or .pdf.")],
    layout: Annotated[str, typer.Option(help="3x4 (with a rhythm strip), 6x2 or 12x1.")] = "3x4",
    speed_mm_s: Annotated[float, typer.Option(help="Paper speed: 12.5, 25 or 50 mm/s.")] = 25,
    gain_mm_mv: Annotated[float, typer.Option(help="Gain: 5, 10 or 20 mm/mV.")] = 10,
    order: Annotated[str, typer.Option(help="Limb leads: standard or cabrera.")] = "standard",
    rhythm: Annotated[
        str | None,
        typer.Option(help="Up to 3 rhythm leads, such as II,V1, or none. Default: II below 3x4."),
    ] = None,
    start_s: StartOption = 0,
    duration_s: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=240,
            help="Seconds to show, up to 3 m of paper. Default: as much as 250 mm hold.",
        ),
    ] = None,
    display_filter: Annotated[
        str,
        typer.Option("--filter", help="Display filter in Hz: none, 0.05-150, 0.05-40 or 0.5-40."),
    ] = "none",
    paper: Annotated[
        str | None,
        typer.Option(help="fit, a4 or letter. Default: a4 for a PDF that fits it, else fit."),
    ] = None,
    theme: Annotated[str, typer.Option(help="light or dark.")] = "light",
    title: Annotated[
        str | None,
        typer.Option(
            help="Headline. Default: the record's name if it comes from a known database."
        ),
    ] = None,
    measures: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Print measurements, unconfirmed.")
    ] = True,
    source_fs_hz: SourceRateOption = None,
    assume_order: AssumeOrderOption = False,
) -> None:
    """Draw an ECG on millimetre paper, true to scale: SVG and PDF as vectors, PNG at 8 px/mm.

    Printed at 100 %, a millimetre on the page is a millimetre on paper.

    Example: ecgcore plot examples/ptb-xl/records100/01000/01500_lr.hea --to ecg.pdf
    """
    from ecgcore.measurement.measurements import MAX_MEASURED_S, measure
    from ecgcore.paper.draw import plot as plot_page
    from ecgcore.paper.layout import TRACE_LENGTH_MM
    from ecgcore.records.read import read_record
    from ecgcore.records.record import Record

    def read_window(window_start_s: float, window_s: float) -> Record:
        return read_record(
            record,
            source_fs_hz=source_fs_hz,
            assume_order=assume_order,
            start_s=window_start_s,
            duration_s=window_s,
        )

    shown_s = max(duration_s or TRACE_LENGTH_MM / max(speed_mm_s, 1), 10)
    window = read_window(start_s, shown_s)
    # The few beats of a late window would give poor measurements: measure from the start instead.
    measure_all = 0 < start_s and start_s + shown_s <= MAX_MEASURED_S
    measurements = None
    if measures:
        measurements = measure(read_window(0, MAX_MEASURED_S) if measure_all else window).as_json()
    if title is None and window.source == Record.source:
        title = "ECG"  # the file name may be a patient's name
    plot_page(
        window,
        to,
        layout=layout,
        speed_mm_s=speed_mm_s,
        gain_mm_mv=gain_mm_mv,
        lead_order=order,
        rhythm_leads=None if rhythm is None else parse_leads(rhythm),
        recording_offset_s=start_s,
        duration_s=duration_s,
        display_filter=display_filter,
        paper_size=paper,
        theme=theme,
        measurements=measurements,
        title=title,
    )
    out.print(f"{to} written.", markup=False)


def parse_leads(text: str) -> tuple[str, ...]:
    """Return the leads of a list such as ``II,V1``; ``none`` is the empty list."""
    return () if text == "none" else tuple(lead.strip() for lead in text.split(",") if lead.strip())

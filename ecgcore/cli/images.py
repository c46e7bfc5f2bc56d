"""ECGs as pictures: for networks, and on millimetre paper for people."""

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
        str, typer.Option(help="What names the class folders: exclusive or priority.")
    ] = "exclusive",
    label_tier: Annotated[str, typer.Option(help="core or broad statements.")] = "core",
    run: Annotated[
        str | None,
        typer.Option(
            help="Draw as this run's network sees: its layout, size and rate. Default: "
            f"{SHIPPED}, unless a layout or size is given."
        ),
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="stacked, clinical or panels, at the cohort's rate.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Image in pixels: its side, 32 or more, or height x width: 224x448."),
    ] = None,
    workers: WorkersOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write each record as CSV and as PNG in a folder of its class, as paper 001 does it.

    A conversion that was cut off goes on where it was. 'ecgcore classify' takes the PNG files back
    and answers them like their records, with the run that they are drawn for.

    Example: ecgcore convert --cohort examples --to /tmp/images
    """
    from ecgcore.cohort.store import Cohort
    from ecgcore.imaging.convert import convert as convert_cohort
    from ecgcore.imaging.geometry import square_or_sides
    from ecgcore.runs.run import find_run

    if run and (layout or size):
        raise RequestError("A run says its layout and size itself: give --run, or these, not both.")
    as_run = run or (None if layout or size else SHIPPED)
    place = Workspace.find(workspace)
    source = Cohort.open(cohort, place)
    drawn_for = None if as_run is None else find_run(as_run, place).meta["input"]
    if drawn_for is not None and "layout" not in drawn_for:
        raise RequestError(f"Run {as_run} reads signals, not pictures: give --layout and --size.")
    with progress_bar() as progress:
        task = progress.add_task("Drawing", total=None, note="")

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, note=f"{done}/{total}")

        answer = convert_cohort(
            source,
            to,
            mode=target_mode,
            label_tier=label_tier,
            layout=layout or "stacked",
            size=square_or_sides(size or "224"),
            on_progress=show,
            run_input=drawn_for,
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
        typer.Option(help="Rhythm leads, up to 3, such as II,V1; none. Default: II below 3x4."),
    ] = None,
    start_s: StartOption = 0,
    duration_s: Annotated[
        float | None, typer.Option(help="Seconds to show, up to 3 m. Default: what 250 mm hold.")
    ] = None,
    display_filter: Annotated[
        str,
        typer.Option("--filter", help="Shown through, in Hz: none, 0.05-150, 0.05-40 or 0.5-40."),
    ] = "none",
    paper: Annotated[
        str | None,
        typer.Option(help="fit, a4 or letter. Default: a4 for a PDF that fits it, else fit."),
    ] = None,
    theme: Annotated[str, typer.Option(help="light or dark.")] = "light",
    title: Annotated[
        str | None,
        typer.Option(help="Head line. Default: the record's name where a known source gave it."),
    ] = None,
    measures: Annotated[
        bool, typer.Option("--measure/--no-measure", help="With measurements, unconfirmed.")
    ] = True,
    source_fs_hz: SourceRateOption = None,
    assume_order: AssumeOrderOption = False,
) -> None:
    """Draw an ECG on millimetre paper, true to scale: SVG and PDF as vectors, PNG at 8 px/mm.

    Print it at 100 %: a millimetre on the page is then a millimetre on paper.

    Example: ecgcore plot examples/ptb-xl/records100/01000/01500_lr.hea --to ecg.pdf
    """
    from ecgcore.measure.measurements import LONGEST_S, measure
    from ecgcore.paper.draw import write_page
    from ecgcore.paper.layout import TRACE_MM
    from ecgcore.records.read import read_record
    from ecgcore.records.record import Record

    def read(first_s: float, long_s: float) -> Record:
        return read_record(
            record,
            fs_hz=source_fs_hz,
            assume_order=assume_order,
            start_s=first_s,
            duration_s=long_s,
        )

    shown_s = max(duration_s or TRACE_MM / max(speed_mm_s, 1), 10)
    shown = read(start_s, shown_s)
    by_whole = 0 < start_s and start_s + shown_s <= LONGEST_S  # a few beats would say little
    measured = measure(read(0, LONGEST_S) if by_whole else shown) if measures else None
    if title is None and shown.source == Record.source:
        title = "ECG"  # a file's own name may be a patient's
    write_page(
        shown,
        to,
        layout=layout,
        speed_mm_s=speed_mm_s,
        gain_mm_mv=gain_mm_mv,
        order=order,
        rhythm=None if rhythm is None else leads_named(rhythm),
        since_s=start_s,
        seconds=duration_s,
        band=display_filter,
        paper=paper,
        theme=theme,
        measured=None if measured is None else measured.as_json(),
        title=title,
    )
    out.print(f"{to} written.", markup=False)


def leads_named(text: str) -> tuple[str, ...]:
    """Return the leads in a list such as ``II,V1``; ``none`` names none."""
    return () if text == "none" else tuple(lead.strip() for lead in text.split(",") if lead.strip())

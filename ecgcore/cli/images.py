"""ECGs as pictures: for networks, and on millimetre paper for people."""

from pathlib import Path
from typing import Annotated

import typer

from ecgcore.cli.shell import HomeOption, JsonOption, app, bar, out, say_json
from ecgcore.home import Home


@app.command()
def convert(
    cohort: Annotated[str, typer.Option(help="The cohort to convert.")],
    to: Annotated[Path, typer.Option(help="Folder for the CSV and PNG files.")],
    target_mode: Annotated[
        str, typer.Option(help="What names the class folders: exclusive or priority.")
    ] = "exclusive",
    tier: Annotated[str, typer.Option(help="core or broad statements.")] = "core",
    layout: Annotated[str, typer.Option(help="Image layout.")] = "stacked",
    size: Annotated[int, typer.Option(min=67, help="Side of the image in pixels.")] = 224,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write each record as CSV and as PNG in a folder of its class, as paper 001 does it.

    Example: ecgcore convert --cohort examples --to /tmp/images
    """
    from ecgcore.cohort.store import Cohort
    from ecgcore.imaging.convert import convert as convert_cohort

    with bar() as progress:
        task = progress.add_task("Drawing", total=None, note="")

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, note=f"{done}/{total}")

        answer = convert_cohort(
            Cohort.open(cohort, Home.find(home)),
            to,
            mode=target_mode,
            tier=tier,
            layout=layout,
            size=size,
            on_progress=show,
        )
    if as_json:
        say_json(answer)
    else:
        out.print(f"{answer['images']} images and CSV files in {to}.", markup=False)


@app.command()
def page(
    record: Annotated[Path, typer.Argument(help="An ECG file.")],
    to: Annotated[Path, typer.Option(help="The SVG file to write.")],
    layout: Annotated[str, typer.Option(help="3x4 (with rhythm strip) or 12x1.")] = "3x4",
    speed_mm_s: Annotated[float, typer.Option(help="Paper speed: 12.5, 25 or 50 mm/s.")] = 25,
    gain_mm_mv: Annotated[float, typer.Option(help="Gain: 5, 10 or 20 mm/mV.")] = 10,
) -> None:
    """Draw an ECG on millimetre paper as SVG.

    Example: ecgcore page examples/ptb-xl/records100/01000/01500_lr.hea --to ecg.svg
    """
    from ecgcore.home import write_whole
    from ecgcore.imaging.paper import page_svg
    from ecgcore.records.reading import read_record

    svg = page_svg(read_record(record), layout=layout, speed_mm_s=speed_mm_s, gain_mm_mv=gain_mm_mv)
    write_whole(to, lambda path: path.write_text(svg, encoding="utf-8"))
    out.print(f"{to} written.", markup=False)

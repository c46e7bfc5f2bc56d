"""What runs are worth: evaluated, compared, shipped."""

from pathlib import Path
from typing import Annotated

import typer

from ecgcore.cli.shell import HomeOption, JsonOption, PartOption, app, out, say_json
from ecgcore.home import Home


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="A run's id or folder, or a shipped model's name.")],
    part: PartOption = "test",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a run, with intervals over patients.

    Example: ecgcore evaluate alexnet_m_se_gap
    """
    from ecgcore.evaluation.evaluate import evaluate_run
    from ecgcore.evaluation.text import report_text
    from ecgcore.training.run import find_run

    answer = evaluate_run(find_run(run, Home.find(home)), part)
    if as_json:
        say_json(answer)
    else:
        out.print(report_text(answer), markup=False)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="Run A: id, folder or shipped model.")],
    b: Annotated[str, typer.Argument(help="Run B; differences are B − A.")],
    part: PartOption = "test",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs on the same records: both reports, differences with intervals, p values.

    Example: ecgcore compare alexnet_gap alexnet_m_se_gap
    """
    from ecgcore.comparison.compare import compare as compare_runs
    from ecgcore.comparison.text import comparison_text
    from ecgcore.training.run import find_run

    found = Home.find(home)
    answer = compare_runs(find_run(a, found), find_run(b, found), part)
    if as_json:
        say_json(answer)
    else:
        out.print(comparison_text(answer), markup=False)


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="A finished run's id.")],
    to: Annotated[Path, typer.Option(help="Folder to write, such as checkpoints/NAME.")],
    attribution: Annotated[
        str, typer.Option(help="Source and licence of the training data, for the card.")
    ] = "",
    home: HomeOption = None,
) -> None:
    """Write a finished run as a model to ship: half precision, with its card.

    Example: ecgcore export RUN --to checkpoints/alexnet_gap
    """
    from ecgcore.inference.shipping import ship
    from ecgcore.training.run import find_run

    size = ship(find_run(run, Home.find(home)), to, attribution)
    out.print(f"{to} written: {size / 1e6:.1f} MB.", markup=False)

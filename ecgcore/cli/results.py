"""What runs are worth: evaluated, compared, shipped."""

from pathlib import Path
from typing import Annotated

import typer

from ecgcore.cli.shell import HomeOption, JsonOption, PartOption, app, err, out, say_json
from ecgcore.errors import RequestError
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
    run: Annotated[str, typer.Argument(help="A run's id or folder, or a shipped model's name.")],
    to: Annotated[
        Path | None,
        typer.Option(help="Folder to write a finished run into, such as checkpoints/NAME."),
    ] = None,
    onnx: Annotated[
        Path | None,
        typer.Option(help="ONNX file to write, such as NAME.onnx; of shipped models, too."),
    ] = None,
    attribution: Annotated[
        str, typer.Option(help="Source and licence of the training data, for the card in --to.")
    ] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run to give away: --to a folder for this program, --onnx a file for others, or both.

    The folder holds the weights in half precision, the scores and a card. The ONNX file takes
    batches of any size of what the network reads and gives logits and probabilities in float32; it
    is written only if it answers as the run does.

    Example: ecgcore export alexnet_m_se_gap --onnx alexnet_m_se_gap.onnx
    """
    from ecgcore.training.run import find_run

    if to is None and onnx is None:
        raise RequestError("Say what to write: --to FOLDER, --onnx FILE, or both.")
    found, answer = Home.find(home), {}
    chosen = find_run(run, found)
    if onnx is not None:
        from ecgcore.inference.classifier import load
        from ecgcore.inference.onnx_export import export_onnx

        answer = export_onnx(load(run, found), onnx)
        say = "{file} written: {bytes:,} bytes; largest difference of a probability "
        say += "{largest_difference:.0e} over {records} simulated records."
        _say(say.format(**answer), as_json)
    if to is not None:
        from ecgcore.inference.shipping import ship

        size = ship(chosen, to, attribution)
        answer |= {"run": chosen.id, "folder": str(to), "folder_bytes": size}
        _say(f"{to} written: {size / 1e6:.1f} MB.", as_json)
    if as_json:
        say_json(answer)


def _say(line: str, as_json: bool) -> None:
    (err if as_json else out).print(line, markup=False, soft_wrap=True)

"""What runs are worth: evaluated, compared, shipped."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecgcore.cli.base import (
    JsonOption,
    PartOption,
    WorkspaceOption,
    app,
    err,
    out,
    print_json,
    progress_bar,
)
from ecgcore.errors import RequestError
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.runs.run import Run


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="A run's id or folder, or a shipped model's name.")],
    part: PartOption = "test",
    cohort: Annotated[
        str | None,
        typer.Option(help="Another cohort to predict and score instead: external validation."),
    ] = None,
    prevalence: Annotated[
        list[str] | None,
        typer.Option(
            help="CODE=SHARE, 0 to 1, of the population in mind, for predictive values; by default "
            "that of the records. Repeat."
        ),
    ] = None,
    untrained: Annotated[
        bool,
        typer.Option(
            "--untrained", help="Beside it, the same network with fresh weights: predicts anew."
        ),
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a run, with intervals over patients.

    With --cohort, on all labelled records of another cohort but those that the run learnt from;
    classes that its sources do not annotate are left out by name.

    Example: ecgcore evaluate alexnet_m_se_gap --prevalence RBBB=0.02
    """
    from ecgcore.evaluation.evaluate import evaluate_run
    from ecgcore.evaluation.test_access_log import looks_text, note_look
    from ecgcore.evaluation.text import report_text
    from ecgcore.runs.run import find_run

    if cohort is not None and untrained:
        raise RequestError("--untrained is for a run's own records: leave --cohort out.")
    found = Workspace.find(workspace)
    shares = dict(map(_share, prevalence or ()))
    if cohort is None:
        chosen = find_run(run, found)
        answer = evaluate_run(chosen, part, workspace=found, prevalence=shares)
        if untrained:
            answer["untrained"] = _untrained(run, part, found)
        answer["looks"] = note_look(found, "evaluate", [chosen], part)
    else:
        answer = _external(run, cohort, found, shares)
    if as_json:
        print_json(answer)
    else:
        out.print(report_text(answer), markup=False)
        out.print(looks_text(answer.get("looks")), markup=False)


def _external(
    run: str, cohort: str, workspace: Workspace, shares: dict[str, float]
) -> dict[str, Any]:
    """Evaluate a run on another cohort, telling how far it is."""
    from ecgcore.cohort.store import Cohort
    from ecgcore.evaluation.external import evaluate_cohort
    from ecgcore.inference.model import load

    opened = Cohort.open(cohort, workspace)
    with _predicting() as on_batch:
        return evaluate_cohort(
            load(run, workspace), opened, workspace, prevalence=shares, on_batch=on_batch
        )


def _untrained(run: str, part: str, workspace: Workspace) -> dict[str, Any]:
    """Score a run's network with fresh weights, telling how far it is."""
    from ecgcore.evaluation.random_init_baseline import untrained
    from ecgcore.inference.model import load

    with _predicting() as on_batch:
        return untrained(load(run, workspace), workspace, part, on_batch=on_batch)


@contextmanager
def _predicting() -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr; it is told how many records are done, of how many."""
    with progress_bar() as progress:
        task = progress.add_task("Predicting", total=None, note="")

        def on_batch(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of, note=f"{done:,} of {of:,}")

        yield on_batch


def _share(text: str) -> tuple[str, float]:
    """Read CODE=SHARE."""
    code, _, share = text.partition("=")
    try:
        return code, float(share)
    except ValueError:
        raise RequestError(
            f"'{text}' is no prevalence; CODE=SHARE is accepted, such as RBBB=0.02."
        ) from None


@app.command()
def calibrate(
    run: Annotated[str, typer.Argument(help="A run's id or folder, or a shipped model's name.")],
    thresholds: Annotated[
        str,
        typer.Option(help="By f1, cost, empirical-cost, sensitivity or specificity (multilabel)."),
    ] = "f1",
    at: Annotated[
        float, typer.Option(help="Sensitivity or specificity to reach, a share in 0..1.")
    ] = 0.9,
    cost: Annotated[
        list[str] | None,
        typer.Option(help="CODE=FP:FN, costs of a false call and of a miss; others 1:1. Repeat."),
    ] = None,
    alpha: Annotated[
        float, typer.Option(help="Share of records that may be wrong outside the refer band, 0..1.")
    ] = 0.2,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a run's temperature, thresholds and refer band anew, on its validation records alone.

    Rewrites calibration.json, evaluation.json, the probabilities in predictions.parquet and a
    shipped model's card; logits and weights stay.

    Example: ecgcore calibrate RUN --thresholds cost --cost STEMI=1:20
    """
    from ecgcore.calibration.thresholds import Choice
    from ecgcore.evaluation.fit_calibration import calibrate_run
    from ecgcore.evaluation.test_access_log import note_look
    from ecgcore.evaluation.text import calibration_text
    from ecgcore.inference.release import renew_card
    from ecgcore.runs.run import find_run

    found = Workspace.find(workspace)
    chosen = find_run(run, found)
    costs = dict(map(_costs, cost or ()))
    evaluation = calibrate_run(chosen, Choice(thresholds, at, costs), alpha)
    note_look(found, "calibrate", [chosen], "test")
    renew_card(chosen)
    if as_json:
        print_json({"run": chosen.id, **chosen.calibration, "test": _figures(evaluation)})
    else:
        out.print("\n".join(calibration_text(evaluation)), markup=False)


def _costs(text: str) -> tuple[str, tuple[float, float]]:
    """Read CODE=FP:FN."""
    found = re.fullmatch(r"(\w+)=([\d.]+):([\d.]+)", text)
    try:
        return found[1], (float(found[2]), float(found[3]))  # type: ignore[index]
    except (TypeError, ValueError):
        raise RequestError(
            f"'{text}' is no cost; CODE=FP:FN is accepted, such as STEMI=1:20."
        ) from None


def _figures(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Return what calibrating changed on the test records, without bins and curves."""
    told = evaluation["calibration"]
    kept = ("ece", "ece_pooled", "brier", "nll")
    sides = {side: {name: told[side][name] for name in kept} for side in ("before", "after")}
    refer = {k: v for k, v in (evaluation["refer"] or {}).items() if k != "curve"}
    return {"binning": told["binning"], **sides, "refer": refer or None}


@app.command()
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Two runs, A and B (differences are B − A): ids, folders or shipped models; "
            "several of one configuration with other seeds joined by commas. Or more than two runs."
        ),
    ],
    part: PartOption = "test",
    cost: Annotated[
        bool, typer.Option("--cost", help="Measure ms per ECG on this machine, too: some seconds.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs on the same records: both reports, differences with intervals, p values.

    A1,A2,A3 B1,B2,B3 compares seeds: intervals over patients, over seeds and over both. More than
    two runs give one table, each against the first.

    Example: ecgcore compare alexnet_gap alexnet_m_se_gap
    """
    from ecgcore.comparison.seed_groups import compare_given
    from ecgcore.comparison.text import comparison_text, several_text
    from ecgcore.evaluation.test_access_log import note_look
    from ecgcore.runs.run import find_run

    found = Workspace.find(workspace)
    sides = [[find_run(name, found) for name in words.split(",")] for words in runs]
    answer = compare_given(sides, part)
    if cost:
        _measure(answer, [side[0] for side in sides], found)
    answer["looks"] = note_look(found, "compare", [run for side in sides for run in side], part)
    if as_json:
        print_json(answer)
    else:
        text = several_text(answer) if "rows" in answer else comparison_text(answer)
        out.print(text, markup=False)


def _measure(answer: dict[str, Any], runs: list["Run"], workspace: Workspace) -> None:
    """Add the time per ECG to a comparison's costs."""
    from ecgcore.comparison.costs import ms_per_ecg

    times = ms_per_ecg(runs, workspace)
    if "rows" in answer:
        for row, ms in zip(answer["rows"], times, strict=True):
            row["cost"]["ms_per_ecg"] = ms
    else:
        answer["cost"]["ms_per_ecg"] = dict(zip("ab", times, strict=True))


@app.command()
def report(
    a: Annotated[str, typer.Argument(help="Run A: id, folder or shipped model.")],
    b: Annotated[str, typer.Argument(help="Run B; differences are B − A.")],
    to: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    part: PartOption = "test",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the comparison of two runs as one HTML file, with figures and a checklist.

    Example: ecgcore report alexnet_gap alexnet_m_se_gap --to report.html
    """
    from ecgcore.evaluation.test_access_log import note_look
    from ecgcore.report.render import write_report
    from ecgcore.runs.run import find_run

    found = Workspace.find(workspace)
    pair = find_run(a, found), find_run(b, found)
    note_look(found, "report", pair, part)
    size = write_report(*pair, found, to, part)
    if as_json:
        print_json({"a": a, "b": b, "part": part, "file": str(to), "bytes": size})
    else:
        out.print(f"{to} written: {size / 1000:,.0f} kB.", markup=False)


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
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run to give away: --to a folder for this program, --onnx a file for others, or both.

    The folder holds the weights in half precision, the scores and a card. The ONNX file takes
    batches of any size of what the network reads and gives logits and probabilities in float32; it
    is written only if it answers as the run does.

    Example: ecgcore export alexnet_m_se_gap --onnx alexnet_m_se_gap.onnx
    """
    from ecgcore.runs.run import find_run

    if to is None and onnx is None:
        raise RequestError("Say what to write: --to FOLDER, --onnx FILE, or both.")
    found, answer = Workspace.find(workspace), {}
    chosen = find_run(run, found)
    if onnx is not None:
        from ecgcore.inference.model import load
        from ecgcore.inference.onnx_export import export_onnx

        answer = export_onnx(load(run, found), onnx)
        say = "{file} written: {bytes:,} bytes; largest difference of a probability "
        say += "{largest_difference:.0e} over {records} simulated records."
        _say(say.format(**answer), as_json)
    if to is not None:
        from ecgcore.inference.release import ship

        size = ship(chosen, to, attribution)
        answer |= {"run": chosen.id, "folder": str(to), "folder_bytes": size}
        _say(f"{to} written: {size / 1e6:.1f} MB.", as_json)
    if as_json:
        print_json(answer)


def _say(line: str, as_json: bool) -> None:
    (err if as_json else out).print(line, markup=False, soft_wrap=True)

"""Commands on finished runs: evaluate, calibrate, compare, report and export."""

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
    from ecgcore.comparison.results import Comparison, MultiComparison
    from ecgcore.evaluation.results import Evaluation
    from ecgcore.runs.run import Run

LabelsOption = Annotated[
    str | None,
    typer.Option(
        "--labels",
        help="Version of the cohort's imported labels to score on: a hash, a number, latest or "
        "ingested. Default: the version of the training.",
    ),
]
RunArgument = Annotated[
    str, typer.Argument(help="A run's id or folder, or a shipped model's name.")
]


@app.command()
def evaluate(
    run: RunArgument,
    part: PartOption = "test",
    cohort: Annotated[
        str | None,
        typer.Option(help="Another cohort to predict and score instead: external validation."),
    ] = None,
    prevalence: Annotated[
        list[str] | None,
        typer.Option(
            help="CODE=SHARE, 0 to 1, in the target population, for predictive values; by default "
            "that of the records. Repeatable."
        ),
    ] = None,
    untrained: Annotated[
        bool,
        typer.Option(
            "--untrained",
            help="Also score the same network with untrained weights as a baseline.",
        ),
    ] = False,
    labels: LabelsOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a run, with intervals over patients.

    With --cohort, score all labelled records of another cohort except those that the run was
    trained on; classes that its sources do not annotate are left out by name.

    Example: ecgcore evaluate alexnet_m_se_gap --prevalence RBBB=0.02
    """
    from ecgcore.evaluation.evaluate import evaluate_run
    from ecgcore.evaluation.test_access_log import access_text, log_access
    from ecgcore.runs.run import find_run

    if cohort is not None and labels is not None:
        raise RequestError("--labels is for a run's own records: leave --cohort out.")
    if cohort is not None and untrained:
        raise RequestError("--untrained is for a run's own records: leave --cohort out.")
    home = Workspace.find(workspace)
    shares = dict(map(_prevalence, prevalence or ()))
    looks = None
    if cohort is None:
        evaluated = _relabelled(find_run(run, home), labels, home)
        evaluation = evaluate_run(evaluated, part, workspace=home, prevalence=shares)
        if untrained:
            evaluation = evaluation.extended(untrained=_untrained(run, part, home))
        looks = log_access(home, "evaluate", [evaluated], part)
        evaluation = evaluation.extended(looks=looks)
    else:
        evaluation = evaluate_on_cohort(run, cohort, home, shares)
    if as_json:
        print_json(evaluation.as_json())
    else:
        out.print(str(evaluation), markup=False)
        out.print(access_text(looks), markup=False)


def evaluate_on_cohort(
    run: str, cohort: str, workspace: Workspace, prevalence: dict[str, float] | None = None
) -> "Evaluation":
    """Evaluate a run on another cohort, with a progress bar."""
    from ecgcore.cohort.store import Cohort
    from ecgcore.evaluation.external import evaluate_cohort
    from ecgcore.inference.model import load_model
    from ecgcore.inference.predict import row_predictor

    opened, classifier = Cohort.open(cohort, workspace), load_model(run, workspace)
    with _prediction_progress() as on_batch:
        predict = row_predictor(classifier, on_batch)
        return evaluate_cohort(classifier.run, opened, predict, workspace, prevalence=prevalence)


def _relabelled(run: "Run", labels: str | None, workspace: Workspace) -> "Run":
    """Return a run to be scored on a version of its cohort's labels, its own by default."""
    from ecgcore.runs.relabelled import relabel

    return run if labels is None else relabel(run, labels, workspace)


def _untrained(run: str, part: str, workspace: Workspace) -> dict[str, Any]:
    """Score a run's network with untrained weights, with a progress bar."""
    from ecgcore.evaluation.random_init_baseline import random_init_baseline
    from ecgcore.inference.model import load_model
    from ecgcore.inference.predict import row_predictor, with_random_weights

    classifier = load_model(run, workspace)
    with _prediction_progress() as on_batch:
        predict = row_predictor(with_random_weights(classifier), on_batch)
        return random_init_baseline(classifier.run, predict, workspace, part)


@contextmanager
def _prediction_progress() -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr; yield its update function: (records done, their total)."""
    with progress_bar() as progress:
        task = progress.add_task("Predicting", total=None, note="")

        def on_batch(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, note=f"{done:,} of {total:,}")

        yield on_batch


def _prevalence(text: str) -> tuple[str, float]:
    """Parse CODE=SHARE."""
    code, _, share = text.partition("=")
    try:
        return code, float(share)
    except ValueError:
        raise RequestError(
            f"'{text}' is not a prevalence; CODE=SHARE is accepted, such as RBBB=0.02."
        ) from None


@app.command()
def calibrate(
    run: RunArgument,
    thresholds: Annotated[
        str,
        typer.Option(
            help="Criterion: f1, cost, empirical-cost, sensitivity or specificity (multilabel)."
        ),
    ] = "f1",
    at: Annotated[
        float, typer.Option(help="Sensitivity or specificity to reach, a share in 0..1.")
    ] = 0.9,
    cost: Annotated[
        list[str] | None,
        typer.Option(
            help="CODE=FP:FN, costs of a false positive and of a false negative; 1:1 for classes "
            "not named. Repeatable."
        ),
    ] = None,
    least_ppv: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="With f1: share of calls that must be right, where any threshold reaches it.",
        ),
    ] = 0.0,
    alpha: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Share of records that may be wrong outside the referral band, 0..1: an aim.",
        ),
    ] = 0.2,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refit a run's temperature, thresholds and referral band on the records that chose them.

    These are its validation records; a shipped network's are its out-of-fold answers.

    Rewrites calibration.json, evaluation.json, the probabilities in predictions.parquet and a
    shipped model's card; logits and weights stay unchanged.

    Example: ecgcore calibrate RUN --thresholds cost --cost STEMI=1:20
    """
    from ecgcore.calibration.thresholds import ThresholdRule
    from ecgcore.evaluation.fit_calibration import calibrate_run
    from ecgcore.evaluation.test_access_log import log_access
    from ecgcore.evaluation.text import calibration_text
    from ecgcore.inference.model_card import refresh_card
    from ecgcore.runs.run import find_run

    home = Workspace.find(workspace)
    calibrated = find_run(run, home)
    costs = dict(map(_costs, cost or ()))
    rule = ThresholdRule(thresholds, at, costs, least_ppv)
    evaluation = calibrate_run(calibrated, rule, alpha).as_json()
    log_access(home, "calibrate", [calibrated], "test")
    refresh_card(calibrated)
    if as_json:
        test = _calibration_summary(evaluation)
        print_json({"run": calibrated.id, **calibrated.calibration, "test": test})
    else:
        out.print("\n".join(calibration_text(evaluation)), markup=False)


def _costs(text: str) -> tuple[str, tuple[float, float]]:
    """Parse CODE=FP:FN."""
    match = re.fullmatch(r"([^=]+)=([\d.]+):([\d.]+)", text)
    try:
        return match[1], (float(match[2]), float(match[3]))  # type: ignore[index]
    except (TypeError, ValueError):
        raise RequestError(
            f"'{text}' is not a pair of costs; CODE=FP:FN is accepted, such as STEMI=1:20."
        ) from None


def _calibration_summary(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Return the effect of a calibration on the test records, without bins and curves."""
    calibration = evaluation["calibration"]
    metrics = ("ece", "ece_pooled", "brier", "nll")
    sides = {
        side: {name: calibration[side][name] for name in metrics} for side in ("before", "after")
    }
    refer = {k: v for k, v in (evaluation["refer"] or {}).items() if k != "curve"}
    return {"binning": calibration["binning"], **sides, "refer": refer or None}


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
        bool, typer.Option("--cost", help="Also measure ms per ECG on this machine (seconds).")
    ] = False,
    labels: LabelsOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs on the same records: both reports, differences with intervals, p values.

    A1,A2,A3 B1,B2,B3 compares seeds, with intervals over patients, over seeds and over both. More
    than two runs give one table, each against the first.

    Example: ecgcore compare alexnet_gap alexnet_m_se_gap
    """
    from ecgcore.comparison.seed_groups import compare_groups
    from ecgcore.evaluation.test_access_log import log_access
    from ecgcore.runs.run import find_run

    home = Workspace.find(workspace)
    groups = [
        [_relabelled(find_run(name, home), labels, home) for name in names.split(",")]
        for names in runs
    ]
    comparison = compare_groups(groups, part)
    if cost:
        comparison = _with_latency(comparison, [group[0] for group in groups], home)
    looks = log_access(home, "compare", [run for group in groups for run in group], part)
    comparison = comparison.extended(looks=looks)
    if as_json:
        print_json(comparison.as_json())
    else:
        out.print(str(comparison), markup=False)


def _with_latency(
    comparison: "Comparison | MultiComparison", runs: list["Run"], workspace: Workspace
) -> "Comparison | MultiComparison":
    """Return a comparison whose costs include the time per ECG on this machine."""
    from ecgcore.inference.latency import ms_per_ecg

    content, times = comparison.as_json(), ms_per_ecg(runs, workspace)
    if "rows" in content:
        rows = [
            row | {"cost": row["cost"] | {"ms_per_ecg": ms}}
            for row, ms in zip(content["rows"], times, strict=True)
        ]
        return comparison.extended(rows=rows)
    both = dict(zip("ab", times, strict=True))
    return comparison.extended(cost=content["cost"] | {"ms_per_ecg": both})


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
    from ecgcore.evaluation.test_access_log import log_access
    from ecgcore.report.render import write_report
    from ecgcore.runs.run import find_run

    home = Workspace.find(workspace)
    pair = find_run(a, home), find_run(b, home)
    log_access(home, "report", pair, part)
    size = write_report(*pair, home, to, part)
    if as_json:
        print_json({"a": a, "b": b, "part": part, "file": str(to), "bytes": size})
    else:
        out.print(f"{to} written: {size / 1000:,.0f} kB.", markup=False)


@app.command()
def export(
    run: RunArgument,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder to write a finished run into, such as checkpoints/NAME."),
    ] = None,
    onnx: Annotated[
        Path | None,
        typer.Option(help="ONNX file to write, such as NAME.onnx; also of shipped models."),
    ] = None,
    attribution: Annotated[
        str, typer.Option(help="Source and licence of the training data, for the card in --to.")
    ] = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export a run: --to a folder for this program, --onnx a file for others, or both.

    The folder holds the weights in half precision, the scores and a card. The ONNX file takes
    batches of any size of the network's input and returns logits and probabilities in float32; it
    is written only if it gives the same answers as the run.

    Example: ecgcore export alexnet_m_se_gap --onnx alexnet_m_se_gap.onnx
    """
    from ecgcore.runs.run import find_run

    if to is None and onnx is None:
        raise RequestError("Nothing to write; add --to FOLDER, --onnx FILE, or both.")
    home, answer = Workspace.find(workspace), {}
    exported = find_run(run, home)
    if onnx is not None:
        from ecgcore.inference.model import load_model
        from ecgcore.inference.onnx_export import export_onnx

        answer = export_onnx(load_model(run, home), onnx)
        _print_written(
            "{file} written: {bytes:,} bytes; largest difference of a probability "
            "{largest_difference:.0e} over {records} simulated records.".format(**answer),
            as_json,
        )
    if to is not None:
        from ecgcore.inference.release import write_release

        size = write_release(exported, to, attribution)
        answer |= {"run": exported.id, "folder": str(to), "folder_bytes": size}
        _print_written(f"{to} written: {size / 1e6:.1f} MB.", as_json)
    if as_json:
        print_json(answer)


def _print_written(line: str, as_json: bool) -> None:
    """Print a line for people: on stdout, or on stderr where stdout is JSON."""
    (err if as_json else out).print(line, markup=False, soft_wrap=True)

"""Classification of ECGs by a network, and explanations of its answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecgcore.cli.base import (
    MOST_WORKERS,
    AssumeOrderOption,
    ExecutorOption,
    JsonOption,
    RunOption,
    SourceRateOption,
    StartOption,
    WorkspaceOption,
    app,
    err,
    out,
    print_answers,
    print_json,
    progress_bar,
)
from ecgcore.errors import RequestError
from ecgcore.executors.select import LOCAL
from ecgcore.version import RESEARCH_USE_ONLY
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.records.read import ReadOptions
    from ecgcore.runs.run import Run


@app.command()
def classify(
    paths: Annotated[
        list[str] | None, typer.Argument(help="ECG files, folders, zip files or globs.")
    ] = None,
    run: RunOption = "alexnet_m_se_gap",
    cohort: Annotated[
        str | None, typer.Option(help="Cohort to classify instead of PATHS; needs --to.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Folder of parquet files to write instead of lines; resumes after an interruption."
        ),
    ] = None,
    source_fs_hz: SourceRateOption = None,
    assume_order: AssumeOrderOption = False,
    start_s: StartOption = 0,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_WORKERS,
            help="Number of processes. Default: one, or one per core for many.",
        ),
    ] = None,
    executor: ExecutorOption = LOCAL,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Classify ECGs: one line per record (JSON Lines with --json), in stable order.

    With --to one row per record is written in parallel; a record that fails is a row with its
    reason.

    Example: ecgcore classify examples/ptb-xl/records100/00000 --run alexnet_m_se_gap
    """
    from ecgcore.records.read import ReadOptions

    _check_request(paths, cohort, to, executor)
    options, home = ReadOptions(source_fs_hz, assume_order, start_s), Workspace.find(workspace)
    if to is not None:
        _classify_to(to, paths or [], cohort, run, options, workers, executor, home, as_json)
        return
    from ecgcore.executors.local import limit_torch_threads
    from ecgcore.inference.classify import classify_paths
    from ecgcore.inference.model import load_model

    limit_torch_threads(1)  # a second thread mostly waits; more cores are used by more processes
    classifier = load_model(run, home)
    answers = classify_paths(map(Path, paths or []), classifier, options, workers)
    footer = "\n".join(filter(None, [_referral_basis(classifier.run), RESEARCH_USE_ONLY]))
    print_answers(answers, _answer_line, as_json, paths or [], footer)


def _check_request(
    paths: list[str] | None, cohort: str | None, to: Path | None, executor: str
) -> None:
    """Refuse options that contradict each other."""
    if bool(paths) == (cohort is not None):
        raise RequestError("Give either PATHS or --cohort NAME.")
    if to is None and cohort is not None:
        raise RequestError("--cohort NAME needs --to FOLDER, where the rows are written.")
    if to is None and executor != LOCAL:
        raise RequestError("--executor needs --to FOLDER: lines come from this machine.")


def _classify_to(
    to: Path,
    paths: list[str],
    cohort: str | None,
    run: str,
    options: "ReadOptions",
    workers: int | None,
    executor: str,
    workspace: Workspace,
    as_json: bool,
) -> None:
    from ecgcore.cohort.store import Cohort
    from ecgcore.inference.batch import classify_cohort_to, classify_files_to

    with progress_bar() as progress:
        task = progress.add_task("Classifying", total=None, note="")

        def show(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total, note=f"{done:,}")

        if cohort is None:
            files = map(Path, paths)
            summary = classify_files_to(to, files, run, workspace, options, workers, executor, show)
        else:
            source = Cohort.open(cohort, workspace)
            summary = classify_cohort_to(to, source, run, workspace, workers, executor, show)
    if as_json:
        print_json(summary | {"folder": str(to)})
    else:
        out.print(
            f"{summary['records']:,} records in {summary['parts']:,} parts of {to} "
            f"({summary['kept']:,} existed): {summary['answered']:,} answered, "
            f"{summary['refused']:,} refused, in {summary['seconds']:.1f} s.",
            markup=False,
        )
        err.print(RESEARCH_USE_ONLY)
    if not summary["answered"]:
        raise typer.Exit(RequestError.exit_code)


def _answer_line(answer: dict[str, Any]) -> str:
    if answer["error"]:
        return f"{answer['path']}: {answer['error']}"
    ranked = sorted(answer["probabilities"].items(), key=lambda pair: -pair[1])[:3]
    probabilities = ", ".join(f"{code} {p:.3f}" for code, p in ranked)
    predicted = ", ".join(answer["called"]) or "no class"
    if answer["ranked"]:
        predicted += f" (ranked high, not called: {', '.join(answer['ranked'])})"
    remarks = dict.fromkeys((*answer["quality"], *answer["notes"]))
    notes = f" ({'; '.join(remarks)})" if remarks else ""
    return f"{answer['path']}: {predicted}; {probabilities}{_referral(answer)}{notes}"


def _referral(answer: dict[str, Any]) -> str:
    """Return the advice to refer a record to a person, and the classes in doubt."""
    from ecgcore.measurement.quality_gate import REFUSED

    if answer["gate"] == REFUSED:
        return "; refer: the recording is not fit for interpretation"
    if not answer["refer"]:
        return ""
    return f"; uncertain: refer ({', '.join(answer['uncertain']) or 'no class is likely'})"


def _referral_basis(run: "Run") -> str:
    """Return what "refer" aims at and where; empty where a run has no referral band."""
    from ecgcore.runs.provenance import training_sources

    band = run.calibration["refer"] if (run.folder / "calibration.json").exists() else None
    if band is None:
        return ""
    sources = ", ".join(sorted(training_sources(run))) or "its training"
    return (
        f'Answers without "refer" aim at no wrong class in {1 - band["alpha"]:.0%} of records of '
        f"{sources}; of other sources more are wrong (docs/referral.md)."
    )


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="An ECG file.")],
    run: RunOption = "alexnet_m_se_gap",
    class_code: Annotated[
        str | None, typer.Option("--class", help="Class code. Default: the most probable.")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="grad_cam (coarse, on the image), integrated_gradients (by lead and wave), "
            "occlusion_lead, occlusion_beat, occlusion_wave or guided_grad_cam (not reliable)."
        ),
    ] = "grad_cam",
    signed: Annotated[
        bool, typer.Option("--signed", help="Include evidence against the class.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Check the map's reliability (seconds).")
    ] = False,
    others: Annotated[
        list[str] | None,
        typer.Option("--other", help="Run of another seed to compare with; repeatable."),
    ] = None,
    source_fs_hz: SourceRateOption = None,
    assume_order: AssumeOrderOption = False,
    start_s: StartOption = 0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where in an ECG a network found evidence for a class, by lead and wave.

    Example: ecgcore explain FILE.hea --run alexnet_m_se_gap --class LBBB --method occlusion_wave
    """
    from ecgcore.explanation.api import explain as explain_record
    from ecgcore.inference.classify import classify_records
    from ecgcore.inference.inputs import read_input
    from ecgcore.inference.model import load_model
    from ecgcore.records.read import ReadOptions

    home = Workspace.find(workspace)
    classifier = load_model(run, home)
    record = read_input(file, classifier, ReadOptions(source_fs_hz, assume_order, start_s))
    code = class_code or classify_records([record], classifier)[0]["top"]
    explanation = explain_record(classifier, record, code, method, signed)
    if trust:
        from ecgcore.explanation.trust import check_trust

        peers = [load_model(other, home) for other in others or ()]
        explanation = check_trust(explanation, classifier, record, peers)
    answer = explanation.as_json()
    if as_json:
        print_json(answer)
        return
    out.print(f"{answer['method']} for {code}: {answer['message']}", markup=False)
    for line in _relevance_lines(answer):
        out.print(line, markup=False)


def _relevance_lines(answer: dict[str, Any]) -> Iterator[str]:
    """Yield an explanation's relevance by lead and wave, its warning and its trust checks."""
    for lead, share in answer["lead_relevance"].items():
        if share is not None:
            yield f"  {lead:4s} {share:6.1%}"
    for wave, share in (answer["wave_relevance"] or {}).items():
        yield f"  {wave:4s} {share:6.1%} in {answer['wave_time'][wave]:.1%} of the time"
    if answer["why"] and answer["evidence"]:
        yield f"By wave: {answer['why']}."
    if answer["warning"]:
        yield answer["warning"]
    for name, check in answer["trust"]["checks"].items():
        if check["value"] is not None:
            verdict = "passes" if check["passes"] else "fails"
            limit = f"{check['relation']} {check['threshold']:g}"
            yield f"  {name:9s} {verdict}: {check['value']:.2f} ({limit}; {check['statistic']})"
    trust = answer["trust"]
    if trust["verdict"]:
        yield f"Trust: {trust['verdict']}."
    elif trust["limits"]:
        yield f"Trust: {trust['why']}."
    if trust["limits"]:
        yield f"Limits: {trust['limits']}."

"""What a network says about ECGs, and where it looked."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecgcore import RESEARCH_USE_ONLY
from ecgcore.cli.base import (
    AssumeOrderOption,
    ExecutorOption,
    JsonOption,
    RunOption,
    SourceRateOption,
    StartOption,
    WorkersOption,
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
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.records.read import ReadOptions


@app.command()
def classify(
    paths: Annotated[
        list[str] | None, typer.Argument(help="ECG files, folders, zip files or globs.")
    ] = None,
    run: RunOption = "alexnet_m_se_gap",
    cohort: Annotated[
        str | None, typer.Option(help="Instead of PATHS: a cohort's records. Needs --to.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder of parquet parts to write instead; goes on where it was."),
    ] = None,
    source_fs_hz: SourceRateOption = None,
    assume_order: AssumeOrderOption = False,
    start_s: StartOption = 0,
    workers: WorkersOption = None,
    executor: ExecutorOption = LOCAL,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a network sees in ECGs: one line a record (JSON Lines with --json).

    With --to a row a record, side by side; a record that fails is a row with its reason.

    Example: ecgcore classify examples/ptb-xl/records100/00000 --run alexnet_m_se_gap
    """
    from ecgcore.records.read import ReadOptions

    _refuse_odd(paths, cohort, to, workers, on)
    how = ReadOptions(source_fs_hz, assume_order, start_s)
    if to is not None:
        _classify_to(
            to, paths or [], cohort, run, how, workers, on, Workspace.find(workspace), as_json
        )
        return
    from ecgcore.inference.classify import classify_paths
    from ecgcore.inference.model import load

    classifier = load(run, Workspace.find(workspace))
    answers = classify_paths(map(Path, paths or []), classifier, how)
    print_answers(answers, _answer_line, as_json, paths or [], RESEARCH_USE_ONLY)


def _refuse_odd(
    paths: list[str] | None, cohort: str | None, to: Path | None, workers: int | None, on: str
) -> None:
    """Refuse what cannot be meant."""
    if bool(paths) == (cohort is not None):
        raise RequestError("Give either PATHS or --cohort NAME.")
    if to is None and cohort is not None:
        raise RequestError("--cohort NAME needs --to FOLDER, where the parts are written.")
    if to is None and (workers is not None or on != LOCAL):
        raise RequestError("--workers and --on need --to FOLDER: lines come from one process.")


def _classify_to(
    to: Path,
    paths: list[str],
    cohort: str | None,
    run: str,
    how: "ReadOptions",
    workers: int | None,
    on: str,
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
            given = map(Path, paths)
            answer = classify_files_to(to, given, run, workspace, how, workers, on, show)
        else:
            opened = Cohort.open(cohort, workspace)
            answer = classify_cohort_to(to, opened, run, workspace, workers, on, show)
    if as_json:
        print_json(answer | {"folder": str(to)})
    else:
        out.print(
            f"{answer['records']:,} records in {answer['parts']:,} parts of {to} "
            f"({answer['kept']:,} were there): {answer['answered']:,} answered, "
            f"{answer['refused']:,} refused, in {answer['seconds']:.1f} s.",
            markup=False,
        )
        err.print(RESEARCH_USE_ONLY)
    if not answer["answered"]:
        raise typer.Exit(RequestError.exit_code)


def _answer_line(answer: dict[str, Any]) -> str:
    if answer["error"]:
        return f"{answer['path']}: {answer['error']}"
    best = sorted(answer["probabilities"].items(), key=lambda pair: -pair[1])[:3]
    said = [*answer["quality"], *answer["notes"]]
    notes = f" ({'; '.join(said)})" if said else ""
    told = ", ".join(f"{code} {p:.3f}" for code, p in best)
    called = ", ".join(answer["called"]) or "nothing"
    return f"{answer['path']}: calls {called}; {told}{_refer_words(answer)}{notes}"


def _refer_words(answer: dict[str, Any]) -> str:
    """Say that a record is to be left to a person, and for the doubt about which classes."""
    if not answer["refer"]:
        return ""
    return f"; uncertain: refer ({', '.join(answer['uncertain']) or 'no class is likely'})"


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
            help="How: grad_cam (coarse, in the picture), integrated_gradients (by lead and wave), "
            "occlusion_lead, occlusion_beat, occlusion_wave, guided_grad_cam (not to be relied on)."
        ),
    ] = "grad_cam",
    signed: Annotated[
        bool, typer.Option("--signed", help="Count what speaks against the class, too.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Check whether the map can be relied on (seconds).")
    ] = False,
    others: Annotated[
        list[str] | None,
        typer.Option("--other", help="A run of another seed, to compare with; may be repeated."),
    ] = None,
    source_fs_hz: SourceRateOption = None,
    assume_order: AssumeOrderOption = False,
    start_s: StartOption = 0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where in an ECG a network found evidence for a class, by lead and wave.

    Example: ecgcore explain FILE.hea --run alexnet_m_se_gap --class LBBB --method occlusion_wave
    """
    from ecgcore.explain.api import explain as explain_record
    from ecgcore.inference.classify import classify_records
    from ecgcore.inference.inputs import read_sight
    from ecgcore.inference.model import load
    from ecgcore.records.read import ReadOptions

    classifier = load(run, Workspace.find(workspace))
    record = read_sight(file, classifier, ReadOptions(source_fs_hz, assume_order, start_s))
    code = class_code or classify_records([record], classifier)[0]["top"]
    found = explain_record(classifier, record, code, method, signed)
    if trust:
        from ecgcore.explain.trust import checked

        found = checked(
            found, classifier, record, [load(o, Workspace.find(workspace)) for o in others or ()]
        )
    answer = found.as_json()
    if as_json:
        print_json(answer)
        return
    out.print(f"{answer['method']} for {code}: {answer['message']}", markup=False)
    for line in _relevance_lines(answer):
        out.print(line, markup=False)


def _relevance_lines(answer: dict[str, Any]) -> Iterator[str]:
    """Yield what an explanation says of leads and waves, and what has to be said beside it."""
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
            said = "passes" if check["passes"] else "fails"
            limit = f"{check['relation']} {check['threshold']:g}"
            yield f"  {name:9s} {said}: {check['value']:.2f} ({limit}; {check['statistic']})"
    if answer["trust"]["verdict"]:
        yield f"Trust: {answer['trust']['verdict']}."

"""The command line: the flow's verbs. Each command calls one function of the package.

Answers go to stdout (with ``--json``, one object on the last line), progress and errors to stderr.
Exit code 0: done; 1: the work failed; 2: the request was wrong.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ecgcore import RESEARCH_USE_ONLY, __version__
from ecgcore.errors import EcgError, RequestError
from ecgcore.home import Home

app = typer.Typer(
    help=f"Clinical-research workplace for 12-lead ECGs. {RESEARCH_USE_ONLY}",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
runs_app = typer.Typer(help="List, show, resume and cancel trainings.", no_args_is_help=True)
bench_app = typer.Typer(help="Measure how fast this machine is.", no_args_is_help=True)
app.add_typer(runs_app, name="runs")
app.add_typer(bench_app, name="bench")

# A pipe has no width: nothing is cut there.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, highlight=False)

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder of cohorts and runs. Default: $ECGCORE_HOME or ./workspace."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout's last line.")]
RunOption = Annotated[
    str, typer.Option("--run", help="A run's id, a run's folder, or a shipped model's name.")
]
PartOption = Annotated[
    str, typer.Option(help="Which records: validation, test or untouched (where there are any).")
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Processes. Default: one a core.")]


def main() -> None:
    """Run the command line; a known error is one line on stderr and an exit code."""
    try:
        app()
    except EcgError as error:
        err.print(f"{error}", style="red", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("Stopped.")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)


def say_json(answer: Any) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(answer, ensure_ascii=False, allow_nan=False), flush=True)


def bar() -> Progress:
    """Return a progress bar on stderr that leaves nothing behind."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
    return Progress(*columns, TimeRemainingColumn(), console=err, transient=True)


def table(*heads: str) -> Table:
    """Return a plain table; heads that end in '>' are right-aligned numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        justify: Literal["left", "right"] = "right" if head.endswith(">") else "left"
        made.add_column(head.rstrip(">"), justify=justify, overflow="fold")
    return made


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Read, label, draw, train, compare and explain 12-lead ECGs."""
    if show:
        out.print(__version__)
        raise typer.Exit


@app.command()
def ingest(
    folder: Annotated[Path, typer.Argument(help="Folder with ECG records, searched throughout.")],
    cohort: Annotated[str, typer.Option(help="Name of the cohort to make or bring up to date.")],
    fs_hz: Annotated[
        int | None,
        typer.Option(
            help="Rate to store, 100 or 500 Hz. Default: the highest 90 % of records have."
        ),
    ] = None,
    workers: WorkersOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a folder of ECGs into a cohort; what cannot be read is listed with its reason.

    Example: ecgcore ingest examples/ptb-xl --cohort examples
    """
    from ecgcore.cohort.ingest import ingest as ingest_folder

    with bar() as progress:
        task = progress.add_task("Reading", total=None, note="")

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, note=f"{done}/{total}")

        answer = ingest_folder(
            folder, cohort, Home.find(home), workers=workers, fs_hz=fs_hz, on_progress=show
        )
    if as_json:
        say_json(answer)
    else:
        _show_ingest(answer)
    if not answer["read"]:
        raise typer.Exit(RequestError.exit_code)


def _show_ingest(answer: dict[str, Any]) -> None:
    out.print(
        f"Cohort '{answer['cohort']}' at {answer['fs_hz']} Hz: {answer['found']} found = "
        f"{answer['read']} read + {len(answer['rejected'])} rejected + "
        f"{len(answer['duplicates'])} duplicates, in {answer['seconds']:.1f} s."
    )
    for refused in answer["rejected"]:
        out.print(f"  rejected {refused['path']}: {refused['reason']}", markup=False)
    if not answer["read"]:
        return
    counts = table("class", "core>", "broad>", "exclusive>")
    exclusive = answer["targets"]["exclusive"]["classes"]
    for code, n in answer["classes"]["core"].items():
        counts.add_row(code, str(n), str(answer["classes"]["broad"][code]), str(exclusive[code]))
    out.print(counts)


@app.command()
def cohorts(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the cohorts of the home folder.

    Example: ecgcore cohorts
    """
    from dataclasses import asdict

    from ecgcore.cohort.store import list_cohorts

    found = list_cohorts(Home.find(home))
    if as_json:
        say_json({"cohorts": [asdict(cohort) for cohort in found]})
        return
    if not found:
        out.print("No cohort yet: ecgcore ingest examples/ptb-xl --cohort examples")
        return
    shown = table("cohort", "records>", "Hz>", "sources")
    for cohort in found:
        shown.add_row(
            cohort.name, str(cohort.records), f"{cohort.fs_hz:g}", ", ".join(cohort.sources)
        )
    out.print(shown)


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


@app.command()
def train(
    cohort: Annotated[str, typer.Option(help="The cohort to train on.")],
    model: Annotated[str, typer.Option(help="The network; an unknown name lists all.")] = (
        "alexnet_m_se"
    ),
    level: Annotated[
        str, typer.Option(help="204, 440 or another number of records (balanced draw), or all.")
    ] = "204",
    target_mode: Annotated[
        str | None,
        typer.Option(
            help="exclusive (default at a number), multilabel (default at all), priority."
        ),
    ] = None,
    tier: Annotated[str, typer.Option(help="core or broad statements.")] = "core",
    layout: Annotated[str, typer.Option(help="Image layout.")] = "stacked",
    size: Annotated[int, typer.Option(help="Side of the image in pixels, 67 or more.")] = 224,
    epochs: Annotated[int, typer.Option(help="Passes over the training records, 1 or more.")] = 20,
    batch: Annotated[int, typer.Option(help="Records a step, 2 or more.")] = 16,
    optimiser: Annotated[str, typer.Option(help="sgd (momentum 0.9) or adamw.")] = "sgd",
    learning_rate: Annotated[
        float | None, typer.Option(help="Default: 0.001 for sgd, 0.0003 for adamw.")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Default: 0.0005 for sgd, 0.01 for adamw.")
    ] = None,
    schedule: Annotated[str, typer.Option(help="cosine (with warm-up) or constant.")] = "cosine",
    split: Annotated[
        str, typer.Option(help="patient (70/15/15 beside an untouched fold) or folds (published).")
    ] = "patient",
    seed: Annotated[int, typer.Option(help="Draw, split, start and order follow from it.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a network on a cohort. Ctrl-C stops it and keeps the best epoch.

    Example: ecgcore train --cohort examples --model alexnet_m_se_gap --epochs 2
    """
    from ecgcore.training.config import TrainConfig
    from ecgcore.training.preparing import prepare

    found = Home.find(home)
    config = TrainConfig(
        cohort=cohort, model=model, level=level, target_mode=target_mode, tier=tier,
        layout=layout, size=size, epochs=epochs, batch=batch, optimiser=optimiser,
        learning_rate=learning_rate, weight_decay=weight_decay, schedule=schedule, split=split,
        seed=seed, device=device, precision=precision,
    )  # fmt: skip
    run = prepare(config, found)
    err.print(f"Run {run.id}")
    for note in run.meta["split"]["notes"]:
        err.print(note, markup=False, soft_wrap=True)
    _work(run, found, as_json)


def _work(run: Any, home: Home, as_json: bool) -> None:
    """Train a prepared run with a bar, then say how it ended."""
    from ecgcore.training.work import work

    with bar() as progress:
        task = progress.add_task("Training", total=None, note="")

        def show(run: Any, now: dict[str, Any]) -> None:
            note = f"epoch {now['epoch']}"
            progress.update(task, completed=now["step"], total=now["steps"], note=note)
            if row := now["row"]:
                err.print(_epoch_line(row))

        work(run, home, show)
    status, metrics = run.status, run.evaluation
    if as_json:
        best = status.get("best_epoch")
        answer = {"run": run.id, "status": status["state"], "best_epoch": best, "metrics": metrics}
        say_json(answer)
        return
    out.print(f"Run {run.id}: {status['message']}", markup=False)
    if metrics:
        from ecgcore.evaluation.text import report_text

        out.print(report_text(metrics), markup=False)


def _epoch_line(row: dict[str, Any]) -> str:
    auc = "n/a" if row["val_macro_auc"] is None else f"{row['val_macro_auc']:.3f}"
    return (
        f"epoch {row['epoch']:3d}  loss {row['train_loss']:.4f}  validation: loss "
        f"{row['val_loss']:.4f}, macro AUC {auc}{'  (best)' if row['best'] else ''}"
    )


@runs_app.command("list")
def runs_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List all runs, the newest first, and the shipped models.

    Example: ecgcore runs list
    """
    from ecgcore.training.run import list_runs, shipped_models

    rows = []
    for run in (*list_runs(Home.find(home)), *shipped_models()):
        meta, status, metrics = run.meta, run.status, run.evaluation or {}
        rows.append(
            {
                "run": run.id,
                "model": meta["model"],
                "cohort": meta["cohort"]["name"],
                "level": meta["config"]["level"],
                "target_mode": meta["target_mode"],
                "state": status["state"],
                "epoch": status["epoch"],
                "epochs": status["epochs"],
                "accuracy": metrics.get("accuracy"),
                "macro_f1": metrics.get("macro_f1"),
                "macro_auc": (metrics.get("macro_auc") or {}).get("value"),
            }
        )
    if as_json:
        say_json({"runs": rows})
        return
    if not rows:
        out.print("No run yet: ecgcore train --cohort examples --epochs 2")
        return
    shown = table("run", "targets", "state", "epoch>", "accuracy>", "macro F1>", "macro AUC>")
    for row in rows:
        numbers = (row[name] for name in ("accuracy", "macro_f1", "macro_auc"))
        shown.add_row(
            row["run"],
            row["target_mode"],
            row["state"],
            f"{row['epoch']}/{row['epochs']}",
            *("n/a" if n is None else f"{n:.3f}" for n in numbers),
        )
    out.print(shown)


@runs_app.command("show")
def runs_show(
    run: Annotated[str, typer.Argument(help="A run's id or folder, or a shipped model's name.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a run was asked, where it stands and what it scored.

    Example: ecgcore runs show alexnet_m_se_gap
    """
    from ecgcore.evaluation.text import report_text
    from ecgcore.training.run import find_run

    found = find_run(run, Home.find(home))
    history = found.history.to_dict("records")
    if as_json:
        say_json({"run": found.meta, "status": found.status, "history": history})
        return
    meta, status = found.meta, found.status
    records = ", ".join(f"{n} {part}" for part, n in meta["split"]["records"].items())
    out.print(
        f"{found.id}: {status['state']}. {status['message']}\n"
        f"{meta['model']} ({meta['parameters']:,} parameters) on cohort "
        f"{meta['cohort']['name']}, level {meta['config']['level']}, {meta['target_mode']}: "
        f"{records}.",
        markup=False,
    )
    for row in history:
        out.print(_epoch_line(row))
    if metrics := found.evaluation:
        out.print(report_text(metrics), markup=False)


@runs_app.command("resume")
def runs_resume(
    run: Annotated[str, typer.Argument(help="A run's id.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Work on a run that waits or was cut off; it starts again from its first epoch.

    Example: ecgcore runs resume 20261121-101500-alexnet-examples-204-s1-0a1b
    """
    from ecgcore.training.run import find_run

    found = Home.find(home)
    chosen = find_run(run, found)
    if chosen.status["state"] in ("running", "done"):
        raise RequestError(
            f"Run {chosen.id} is {chosen.status['state']}; there is nothing to resume."
        )
    _work(chosen, found, as_json)


@runs_app.command("cancel")
def runs_cancel(
    run: Annotated[str, typer.Argument(help="A run's id.")], home: HomeOption = None
) -> None:
    """Ask a run to stop; it ends within a batch and keeps its best epoch.

    Example: ecgcore runs cancel 20261121-101500-alexnet-examples-204-s1-0a1b
    """
    from ecgcore.training.run import find_run

    chosen = find_run(run, Home.find(home))
    chosen.cancel()
    out.print(f"Run {chosen.id} was asked to stop.", markup=False)


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
def classify(
    paths: Annotated[list[str], typer.Argument(help="ECG files, folders or globs.")],
    run: RunOption = "alexnet_m_se_gap",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a network sees in ECGs: one line a record (JSON Lines with --json).

    Example: ecgcore classify examples/ptb-xl/records100/00000 --run alexnet_m_se_gap
    """
    from ecgcore.inference.classifier import load
    from ecgcore.inference.classify import classify_paths

    classifier = load(run, Home.find(home))
    asked = answered = 0
    for answer in classify_paths(map(Path, paths), classifier):
        asked += 1
        answered += answer["error"] is None
        if as_json:
            say_json(answer)
        else:
            out.print(_answer_line(answer), markup=False)
    if not asked:
        raise RequestError(f"No ECG record in {', '.join(paths)}.")
    if not as_json:
        err.print(RESEARCH_USE_ONLY)
    if not answered:
        raise typer.Exit(RequestError.exit_code)


def _answer_line(answer: dict[str, Any]) -> str:
    if answer["error"]:
        return f"{answer['path']}: {answer['error']}"
    best = sorted(answer["probabilities"].items(), key=lambda pair: -pair[1])[:3]
    notes = f" ({'; '.join(answer['notes'])})" if answer["notes"] else ""
    return f"{answer['path']}: " + ", ".join(f"{code} {p:.3f}" for code, p in best) + notes


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(help="An ECG file.")],
    run: RunOption = "alexnet_m_se_gap",
    class_code: Annotated[
        str | None, typer.Option("--class", help="Class code. Default: the most probable.")
    ] = None,
    method: Annotated[str, typer.Option(help="How: gradcam.")] = "gradcam",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where in an ECG a network found evidence for a class, by lead.

    Example: ecgcore explain FILE.hea --run alexnet_m_se_gap --class LBBB
    """
    from ecgcore.explain.explaining import explain as explain_record
    from ecgcore.inference.classifier import load
    from ecgcore.inference.classify import classify_records
    from ecgcore.records.reading import read_record

    classifier, record = load(run, Home.find(home)), read_record(file)
    code = class_code or classify_records([record], classifier)[0]["top"]
    answer = explain_record(classifier, record, code, method).as_json()
    if as_json:
        say_json(answer)
        return
    resolution = answer["resolution"]
    out.print(
        f"{method} for {code}; a cell spans {resolution['ms']:.0f} ms and "
        f"{resolution['leads']:.1f} leads."
    )
    if answer["message"]:
        out.print(answer["message"], markup=False)
        return
    for lead, share in answer["lead_relevance"].items():
        out.print(f"  {lead:4s} {share:6.1%}")


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


@bench_app.command("imaging")
def bench_imaging(
    full: Annotated[bool, typer.Option("--full", help="Every series; takes minutes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure how many images a second are drawn from signals in memory.

    Example: ecgcore bench imaging --json
    """
    from ecgcore.bench.imaging import bench_imaging as measure

    with err.status("Drawing for up to 50 seconds ..."):
        answer = measure(full)
    if as_json:
        say_json(answer)
    else:
        out.print_json(data=answer)

"""Commands ``ecgcore label import|versions|diff|sets|new``: labels of one's own."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecgcore.cli.base import JsonOption, WorkspaceOption, err, out, print_json, table
from ecgcore.cli.label import label_app
from ecgcore.errors import RequestError
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.cohort.label_import import ImportPlan

CohortArgument = Annotated[str, typer.Argument(help="Name of a cohort.")]
_MOST_SHOWN = 20


def _column(role: str) -> Any:
    return typer.Option(help=f"Column of {role}.")


@label_app.command("import")
def label_import(
    cohort: CohortArgument,
    table_file: Annotated[
        Path, typer.Argument(metavar="TABLE", help="Table: CSV, TSV, XLSX or Parquet.")
    ],
    record_column: Annotated[
        str | None,
        typer.Option(help="Column of record names, file names, ends of paths, or ids."),
    ] = None,
    id_from: Annotated[
        str | None,
        typer.Option(
            help="Regular expression whose group is the id in a record's path, such as "
            "'(\\d+)_lr' or 's(\\d+)/'."
        ),
    ] = None,
    label_columns: Annotated[
        str | None,
        typer.Option(help="Columns of yes, no or empty, separated by commas. Default: all such."),
    ] = None,
    class_column: Annotated[str | None, _column("class names, one or several to a cell")] = None,
    separator: Annotated[
        str | None, typer.Option(help="Separator of class names in one cell, such as ';'.")
    ] = None,
    number_columns: Annotated[
        str | None, typer.Option(help="Columns of numbers, for thresholds of a label set.")
    ] = None,
    patient_column: Annotated[
        str | None, _column("patients; without a column of records, a row is a patient's")
    ] = None,
    age_column: Annotated[str | None, _column("ages in years")] = None,
    sex_column: Annotated[str | None, _column("the sex: m, f, male, female")] = None,
    date_column: Annotated[
        str | None, _column("dates, of which only the order within the patient is kept")
    ] = None,
    site_column: Annotated[str | None, _column("sites")] = None,
    device_column: Annotated[str | None, _column("devices")] = None,
    fold_column: Annotated[str | None, _column("folds, whole numbers")] = None,
    ignore: Annotated[
        str | None, typer.Option(help="Columns to leave out, separated by commas.")
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(help="NAME=CODE, the code of a column or class. Repeatable."),
    ] = None,
    absent_if_missing: Annotated[
        bool,
        typer.Option(
            "--absent-if-missing",
            help="Take empty cells, and classes that a row does not name, for absent. Default: "
            "unknown.",
        ),
    ] = False,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook with several.")] = None,
    who: Annotated[
        str | None, typer.Option(help="Name stored with the version. Default: the login name.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be imported; write nothing.")
    ] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a table of labels into a cohort as a new version of its labels.

    Rows are matched by record name, file name, end of path, or an id inside the path; what does not
    match is listed from both sides, and nothing is guessed.

    Example: ecgcore label import examples labels.csv --dry-run
    """
    from ecgcore.cohort.label_columns import ColumnRoles
    from ecgcore.cohort.label_import import apply_import, plan_import
    from ecgcore.cohort.store import Cohort

    home = Workspace.find(workspace)
    opened = Cohort.open(cohort, home)
    roles = ColumnRoles(
        record=record_column,
        labels=_listed(label_columns),
        numbers=_listed(number_columns),
        classes=class_column,
        separator=separator,
        patient=patient_column,
        age=age_column,
        sex=sex_column,
        date=date_column,
        site=site_column,
        device=device_column,
        fold=fold_column,
        ignored=_listed(ignore),
    )
    codes = dict(map(_renamed, rename or ()))
    plan = plan_import(opened, table_file, home, roles, absent_if_missing, id_from, codes, sheet)
    version = None if dry_run else apply_import(opened, plan, home, who or _login())
    if as_json:
        print_json(plan.as_json() | {"version": version.hash if version else None})
        return
    _show_plan(plan)
    if version is None:
        out.print("Dry run: nothing was written.")
    else:
        out.print(f"Version {version.number} of the labels of '{cohort}': {version.hash}.")
        err.print(f"Next: ecgcore label new NAME --from {cohort}, and train with --label-set NAME.")


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _renamed(text: str) -> tuple[str, str]:
    name, equals, code = text.partition("=")
    if not (name and equals and code):
        raise RequestError(f"'{text:.60}' is no new name; NAME=CODE is accepted.")
    return name, code


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a user's name
        return "unknown"


def _show_plan(plan: "ImportPlan") -> None:
    """Print what an import holds and what it leaves out."""
    answer = plan.as_json()
    out.print(
        f"{plan.rows:,} rows: {plan.matched:,} matched to {plan.records:,} records, "
        f"{plan.n_unmatched:,} without a record; {len(plan.without_row):,} records without a row; "
        f"{plan.repeated:,} repeated rows, {len(plan.conflicts):,} contradictions."
    )
    columns = (f"{role}: {_named(value)}" for role, value in answer["columns"].items())
    out.print(f"  columns: {'; '.join(columns)}", markup=False)
    if plan.unused:
        out.print(f"  not used: {_named(plan.unused)}", markup=False)
    for row in plan.unmatched[:_MOST_SHOWN]:
        named = f" '{row.id}'" if row.id else ""
        nearest = f"; nearest: {row.nearest}" if row.nearest else ""
        out.print(f"  row {row.row}{named}: {row.why}{nearest}", markup=False)
    _show_more(plan.n_unmatched)
    _show_names("records without a row", plan.without_row)
    contradictions = [f"{record} ({code})" for record, code in plan.conflicts]
    _show_names("contradictions, left unknown", contradictions)
    for note in plan.notes:
        out.print(f"  {note}", markup=False)
    counts = table("code", "column or class", "present>", "absent>", "unknown>")
    for finding in plan.findings:
        states = (finding.present, finding.absent, finding.unknown)
        counts.add_row(finding.code, finding.title, *(f"{n:,}" for n in states))
    out.print(counts)
    for name, n in plan.attributes.items():
        out.print(f"  {name}: of {n:,} records")


def _show_names(title: str, names: Any) -> None:
    if names:
        more = f" and {len(names) - _MOST_SHOWN:,} more" if names[_MOST_SHOWN:] else ""
        out.print(f"  {title}: {', '.join(names[:_MOST_SHOWN])}{more}", markup=False)


def _show_more(n: int) -> None:
    if n > _MOST_SHOWN:
        out.print(f"  and {n - _MOST_SHOWN:,} more (--json lists them)")


def _named(value: Any) -> str:
    if isinstance(value, str):
        return value
    names = list(value)
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if names[12:] else "")


@label_app.command("versions")
def label_versions(
    cohort: CohortArgument, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """List the versions of a cohort's labels: who imported or corrected what, and when.

    Example: ecgcore label versions examples
    """
    from dataclasses import asdict

    from ecgcore.cohort.label_versions import AS_INGESTED, list_versions
    from ecgcore.cohort.store import Cohort

    versions = list_versions(Cohort.open(cohort, Workspace.find(workspace)).folder)
    if as_json:
        print_json({"cohort": cohort, "versions": [asdict(version) for version in versions]})
        return
    rows = table("version>", "hash", "kind", "who", "when", "records>", "findings and attributes")
    rows.add_row("0", AS_INGESTED, "", "", "", "", "statements of the sources")
    for one in versions:
        what = [*one.counts.get("findings", {}), *one.counts.get("attributes", {})]
        cells = (one.hash, one.kind, one.who, one.when, str(one.counts.get("records", "")))
        rows.add_row(str(one.number), *cells, _named(what))
    out.print(rows)


@label_app.command("diff")
def label_diff(
    cohort: CohortArgument,
    first: Annotated[str, typer.Argument(help="Hash or number of a version, or ingested.")],
    second: Annotated[str, typer.Argument(help="Hash or number of another version.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what changed between two versions of a cohort's labels, record by record.

    Example: ecgcore label diff examples ingested 1
    """
    from ecgcore.cohort.label_versions import diff
    from ecgcore.cohort.store import Cohort

    opened = Cohort.open(cohort, Workspace.find(workspace))
    changes = diff(opened.folder, opened.index["record"], first, second)
    if as_json:
        print_json({"cohort": cohort, "changes": changes.to_dict("records")})
        return
    out.print(f"{len(changes):,} changes in {changes['record'].nunique():,} records.")
    counts = table("column", "from", "to", "records>")
    for keys, n in changes.groupby(["column", "before", "after"], sort=False).size().items():
        counts.add_row(*map(str, keys), f"{n:,}")
    out.print(counts)
    for change in changes.head(_MOST_SHOWN).to_dict("records"):
        line = "{record}: {column} {before} → {after}".format(**change)
        out.print(f"  {line}", markup=False)
    _show_more(len(changes))


@label_app.command("sets")
def label_sets(
    show: Annotated[
        str | None, typer.Option(help="Print one set in the form of a file, as an example.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the label sets, built in and of this home, and check their files.

    Example: ecgcore label sets --show ptbxl5
    """
    from ecgcore.labels.label_set_file import as_rules, find_label_set, set_names, to_toml

    folder = Workspace.find(workspace).label_sets
    if show is not None:
        text = to_toml(as_rules(find_label_set(show, folder)))
        print_json({"name": show, "toml": text}) if as_json else out.print(text, markup=False)
        return
    sets = [_described(name, folder) for name in set_names(folder)]
    if as_json:
        print_json({"sets": sets})
        return
    rows = table("label set", "classes>", "mode", "codes, or what is wrong")
    for one in sets:
        text = one["error"] or _named(one["classes"])
        rows.add_row(one["name"], str(len(one["classes"])), one["mode"] or "", text)
    out.print(rows)


def _described(name: str, folder: Path) -> dict[str, Any]:
    """Return a set's classes and mode, or the error of its file."""
    from ecgcore.labels.label_set_file import find_label_set

    try:
        label_set = find_label_set(name, folder)
    except RequestError as error:
        return {"name": name, "classes": [], "mode": None, "error": str(error)}
    return {"name": name, "classes": list(label_set.codes), "mode": label_set.mode, "error": None}


@label_app.command("new")
def label_new(
    name: Annotated[str, typer.Argument(help="Name of the new label set.")],
    source: Annotated[
        str, typer.Option("--from", help="A cohort with imported labels, or a label set to copy.")
    ],
    columns: Annotated[
        str | None, typer.Option(help="Imported columns, separated by commas. Default: all.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="Target mode: multilabel, exclusive or priority.")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a label set to edit: one class for each imported column, or a copy of another set.

    One column becomes two classes: the finding, and its absence.

    Example: ecgcore label new mine --from ptbxl5
    """
    from ecgcore.cohort.label_set_draft import write_draft

    home = Workspace.find(workspace)
    file, drafted = write_draft(name, source, home, _listed(columns), mode)
    if as_json:
        print_json({"name": name, "file": str(file), "classes": list(drafted.codes)})
    else:
        out.print(f"{file} written: {len(drafted.codes)} classes ({_named(drafted.codes)}).")
        err.print("Edit it as needed; `ecgcore label sets` checks it.")

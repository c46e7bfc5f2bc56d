"""Labels of records: their audit over a cohort, and their reasons for one record."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ecgcore.cli.base import JsonOption, WorkspaceOption, app, err, out, print_json, table
from ecgcore.errors import NotFound
from ecgcore.workspace import Workspace

label_app = typer.Typer(
    help="Audit the labels of a cohort, or explain those of a record.", no_args_is_help=True
)
app.add_typer(label_app, name="label")

_FOOTER = "Measurements and labels from them are automatic, unconfirmed."


@label_app.command("audit")
def label_audit(
    cohort: Annotated[str, typer.Argument(help="Name of a cohort.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count a cohort's statements and their labels, and the records lost on the way.

    Example: ecgcore label audit examples
    """
    from ecgcore.cohort.label_audit import audit_cohort
    from ecgcore.cohort.store import Cohort

    answer = audit_cohort(Cohort.open(cohort, Workspace.find(workspace)))
    if as_json:
        print_json(answer)
    else:
        _show_audit(answer)


@label_app.command("explain")
def label_explain(
    record: Annotated[str, typer.Argument(help="An ECG file, or a record's id in --cohort.")],
    cohort: Annotated[str | None, typer.Option(help="Cohort of the record's id.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the state of every class in a record, with the statements or measurements behind it.

    Example: ecgcore label explain examples/ptb-xl/records100/00000/00147_lr.hea
    """
    answer = _explain(record, cohort, workspace)
    if as_json:
        print_json(answer)
    else:
        _show_explanation(answer)


def _explain(record: str, cohort: str | None, workspace: Path | None) -> dict[str, Any]:
    if cohort is not None:
        from ecgcore.cohort.label_audit import explain_stored
        from ecgcore.cohort.store import Cohort

        return explain_stored(Cohort.open(cohort, Workspace.find(workspace)), record)
    from ecgcore.labels.explain import explain_labels
    from ecgcore.measurement.measurements import measure
    from ecgcore.records.read import read_record

    if "/" not in record and "." not in record and not Path(record).exists():
        raise NotFound(f"There is no file {record}; for a record of a cohort add --cohort NAME.")
    loaded = read_record(Path(record))
    return explain_labels(loaded, measure(loaded).as_row())


def _show_audit(answer: dict[str, Any]) -> None:
    _show_flow(answer["cohort"], answer["flow"])
    _show_statements(answer["statements"])
    _show_classes(answer)
    _show_rules(answer["rules"])
    _show_criteria(answer["criteria"])
    for name in ("contradictions", "doubts"):
        out.print(f"\n{name.title()} (records):" if answer[name] else f"\nNo {name}.")
        for words, n in answer[name].items():
            out.print(f"  {n:>6}  {words}", markup=False)
    err.print(_FOOTER)


def _show_flow(cohort: str, flow: dict[str, Any]) -> None:
    out.print(f"Cohort '{cohort}'")
    out.print(f"  found {flow['found']}")
    _show_reasons(flow["not_readable"])
    out.print(f"  readable {flow['readable']}")
    _show_reasons(flow["not_labelled"])
    out.print(f"  labelled {flow['labelled']}")
    for mode, used in flow["used"].items():
        out.print(f"  used as {mode} targets {used['used']}")
        _show_reasons(used["left_out"])


def _show_reasons(reasons: dict[str, int]) -> None:
    for reason, n in reasons.items():
        out.print(f"    – {n}: {reason}", markup=False)


def _show_statements(statements: list[dict[str, Any]]) -> None:
    rows = table("statement", "words", "records>", "became")
    for statement in statements:
        effects = "; ".join(f"{n} {effect}" for effect, n in statement["became"].items())
        code = f"{statement['system']} {statement['code']}"
        rows.add_row(code, statement["words"] or "in no table", str(statement["records"]), effects)
    out.print()
    out.print(rows)


def _show_classes(answer: dict[str, Any]) -> None:
    core, broad = answer["classes"]["core"], answer["classes"]["broad"]
    exclusive = answer["flow"]["used"]["exclusive"]["classes"]
    rows = table("class", "core>", "broad>", "unknown (core)>", "exclusive>")
    for code, n in core["present"].items():
        row = (n, broad["present"][code], core["unknown"][code], exclusive[code])
        rows.add_row(code, *map(str, row))
    out.print()
    out.print(rows)


def _show_rules(rules: dict[str, dict[str, int]]) -> None:
    out.print("\nRecords with exactly one class, after each rule of the exclusive targets:")
    rows = table("rule", *(f"{code}>" for code in next(iter(rules.values()))))
    for rule, counts in rules.items():
        rows.add_row(rule, *map(str, counts.values()))
    out.print(rows)


def _show_criteria(criteria: dict[str, dict[str, Any]]) -> None:
    if not criteria:
        out.print("\nNot measured: no criteria labels. Ingest with --measure.")
        return
    out.print("\nCriteria labels against the expert's (core tier):")
    heads = ("both>", "expert only>", "criteria only>", "not measured>", "sensitivity>")
    rows = table("thresholds", "class", *heads, "specificity>")
    for name, classes in criteria.items():
        for code, agreement in classes.items():
            counts = ("both", "expert_only", "criteria_only", "not_measured")
            shares = (_share(agreement["sensitivity"]), _share(agreement["specificity"]))
            rows.add_row(name, code, *(str(agreement[count]) for count in counts), *shares)
    out.print(rows)


def _share(share: float | None) -> str:
    return "n/a" if share is None else f"{share:.3f}"


def _show_explanation(answer: dict[str, Any]) -> None:
    sex = answer["sex"] or "sex unknown"
    age = "age unknown" if answer["age"] is None else f"{answer['age']:.0f} years"
    out.print(f"{answer['record']} ({answer['source']}; {sex}, {age})", markup=False)
    sources = [(f"expert, {tier} tier", labels) for tier, labels in answer["expert"].items()]
    sources += [(f"criteria, {name}", labels) for name, labels in answer["criteria"].items()]
    for source, labels in sources:
        out.print(f"\n{source}")
        for code, label in labels.items():
            out.print(f"  {code:5s} {label['state']}", markup=False)
            opening = f"{code} {label['state']}: "
            for reason in label["why"]:
                out.print(f"        {reason.removeprefix(opening)}", markup=False)
    for name in ("contradictions", "doubts"):
        out.print(f"\n{name}: " + ("; ".join(answer[name]) or "none"), markup=False)
    err.print(_FOOTER)

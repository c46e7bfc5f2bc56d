"""What records are labelled as, and why."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ecgcore.cli.base import JsonOption, WorkspaceOption, app, err, out, print_json, table
from ecgcore.errors import NotFound
from ecgcore.workspace import Workspace

label_app = typer.Typer(help="Audit labels, and explain those of a record.", no_args_is_help=True)
app.add_typer(label_app, name="label")

_STANDING = "Measurements and labels from them are automatic, unconfirmed."


@label_app.command("audit")
def label_audit(
    cohort: Annotated[str, typer.Argument(help="Name of a cohort.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count what a cohort's records state, what each statement became, and what was lost where.

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
    cohort: Annotated[str | None, typer.Option(help="Cohort that the record's id is of.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say of every class whether a record has it, and which statement or measurement says so.

    Example: ecgcore label explain examples/ptb-xl/records100/00000/00147_lr.hea
    """
    answer = _explained(record, cohort, workspace)
    if as_json:
        print_json(answer)
    else:
        _show_explained(answer)


def _explained(record: str, cohort: str | None, workspace: Path | None) -> dict[str, Any]:
    if cohort is not None:
        from ecgcore.cohort.label_audit import explain_stored
        from ecgcore.cohort.store import Cohort

        return explain_stored(Cohort.open(cohort, Workspace.find(workspace)), record)
    from ecgcore.labels.explain import explain_labels
    from ecgcore.measure.measurements import measure
    from ecgcore.records.read import read_record

    if "/" not in record and "." not in record and not Path(record).exists():
        raise NotFound(f"There is no file {record}; for a record of a cohort add --cohort NAME.")
    read = read_record(Path(record))
    return explain_labels(read, measure(read).as_row())


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
    err.print(_STANDING)


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
    shown = table("statement", "words", "records>", "became")
    for one in statements:
        fates = "; ".join(f"{n} {fate}" for fate, n in one["became"].items())
        code = f"{one['system']} {one['code']}"
        shown.add_row(code, one["words"] or "in no table", str(one["records"]), fates)
    out.print()
    out.print(shown)


def _show_classes(answer: dict[str, Any]) -> None:
    core, broad = answer["classes"]["core"], answer["classes"]["broad"]
    exclusive = answer["flow"]["used"]["exclusive"]["classes"]
    shown = table("class", "core>", "broad>", "unknown (core)>", "exclusive>")
    for code, n in core["present"].items():
        row = (n, broad["present"][code], core["unknown"][code], exclusive[code])
        shown.add_row(code, *map(str, row))
    out.print()
    out.print(shown)


def _show_rules(rules: dict[str, dict[str, int]]) -> None:
    out.print("\nRecords with exactly one class, after each rule of the exclusive targets:")
    shown = table("rule", *(f"{code}>" for code in next(iter(rules.values()))))
    for rule, counts in rules.items():
        shown.add_row(rule, *map(str, counts.values()))
    out.print(shown)


def _show_criteria(criteria: dict[str, dict[str, Any]]) -> None:
    if not criteria:
        out.print("\nNot measured: no criteria labels. Ingest with --measure.")
        return
    out.print("\nCriteria labels against the expert's (core tier):")
    heads = ("both>", "expert only>", "criteria only>", "not measured>", "sensitivity>")
    shown = table("thresholds", "class", *heads, "specificity>")
    for name, classes in criteria.items():
        for code, one in classes.items():
            counts = ("both", "expert_only", "criteria_only", "not_measured")
            shares = (_share(one["sensitivity"]), _share(one["specificity"]))
            shown.add_row(name, code, *(str(one[count]) for count in counts), *shares)
    out.print(shown)


def _share(share: float | None) -> str:
    return "n/a" if share is None else f"{share:.3f}"


def _show_explained(answer: dict[str, Any]) -> None:
    told = [f"{answer['sex'] or 'sex unknown'}"]
    told.append("age unknown" if answer["age"] is None else f"{answer['age']:.0f} years")
    out.print(f"{answer['record']} ({answer['source']}; {', '.join(told)})", markup=False)
    policies = [(f"expert, {tier} tier", labels) for tier, labels in answer["expert"].items()]
    policies += [(f"criteria, {name}", labels) for name, labels in answer["criteria"].items()]
    for policy, labels in policies:
        out.print(f"\n{policy}")
        for code, one in labels.items():
            out.print(f"  {code:5s} {one['state']}", markup=False)
            opening = f"{code} {one['state']}: "
            for why in one["why"]:
                out.print(f"        {why.removeprefix(opening)}", markup=False)
    for name in ("contradictions", "doubts"):
        out.print(f"\n{name}: " + ("; ".join(answer[name]) or "none"), markup=False)
    err.print(_STANDING)

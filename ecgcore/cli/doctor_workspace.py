"""Examination of the home folder by ``ecgcore doctor``."""

from typing import TYPE_CHECKING, Any

import typer

from ecgcore.cli.base import out, print_json
from ecgcore.errors import EcgError, NotFound
from ecgcore.workspace import Workspace

if TYPE_CHECKING:
    from ecgcore.runs.workspace_check import Finding


def examine_workspace(workspace: Workspace, repair: bool, as_json: bool) -> None:
    """Print what of a workspace is whole and what is damaged; exit 1 where damage remains."""
    from ecgcore.runs import workspace_check

    if not workspace.path.is_dir():
        raise NotFound(f"There is no home folder {workspace.path}; name one with --home.")
    findings = list(workspace_check.check_workspace(workspace))
    n_damaged = sum(finding.damage is not None for finding in findings)
    moved = workspace_check.repair(workspace, findings) if repair else {}
    if as_json:
        rows = [_row(finding) for finding in findings]
        print_json({"findings": rows, "set_aside": {str(a): str(b) for a, b in moved.items()}})
    else:
        for finding in findings:
            out.print(_line(finding), markup=False)
        for old, new in moved.items():
            out.print(f"set aside: {old} is now {new}", markup=False)
        n_whole = len(findings) - n_damaged
        out.print(f"{n_whole:,} whole, {n_damaged:,} damaged, {len(moved):,} set aside.")
    if n_damaged and not repair:
        raise typer.Exit(EcgError.exit_code)


def _line(finding: "Finding") -> str:
    if finding.damage is None:
        return f"whole: {finding.kind} {finding.name}"
    what = f"{finding.damage.partition(';')[0].rstrip('.')}. If set aside: {finding.remedy}."
    return f"damaged: {finding.kind} {finding.name}: {what}"


def _row(finding: "Finding") -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "name": finding.name,
        "damage": finding.damage,
        "path": None if finding.path is None else str(finding.path),
        "remedy": finding.remedy or None,
    }

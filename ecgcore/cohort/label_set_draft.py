"""A label set to begin with: from a cohort's imported columns, or from another label set."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ecgcore.atomic import write_atomic
from ecgcore.cohort.catalogue import cohort_names
from ecgcore.cohort.store import Cohort
from ecgcore.errors import NotFound, RequestError
from ecgcore.labels.classes import EcgClass
from ecgcore.labels.label_rules import COLUMN, ClassRule, Term
from ecgcore.labels.label_set_file import (
    MOST_CLASSES,
    as_rules,
    check_name,
    find_label_set,
    parse_label_set,
    set_names,
    to_toml,
)
from ecgcore.labels.label_sets import LabelSet
from ecgcore.workspace import Workspace


def write_draft(
    name: str,
    source: str,
    workspace: Workspace,
    columns: tuple[str, ...] = (),
    mode: str | None = None,
) -> tuple[Path, LabelSet]:
    """Write a new label set into the workspace; return its file and the set.

    Parameters
    ----------
    source
        Name of a cohort whose labels were imported, or of a label set to copy.
    columns
        Imported columns; all by default.

    Raises
    ------
    RequestError
        A set of that name exists, or the cohort has no imported labels.
    """
    check_name(name)
    file = workspace.label_sets / f"{name}.toml"
    if file.exists():
        raise RequestError(f"There is a label set '{name}' already; edit it, or choose a new name.")
    if source in set_names(workspace.label_sets):
        drafted = as_rules(find_label_set(source, workspace.label_sets))
    elif source in (names := cohort_names(workspace)):
        drafted = from_columns(Cohort.open(source, workspace), columns)
    else:
        known = [*names, *set_names(workspace.label_sets)]
        raise NotFound.among("cohort or label set", source, known)
    drafted = replace(drafted, name=name, mode=mode or drafted.mode)
    text = to_toml(drafted)
    checked = parse_label_set(text, name)
    write_atomic(file, lambda path: path.write_text(text, encoding="utf-8"))
    return file, checked


def from_columns(cohort: Cohort, columns: tuple[str, ...] = ()) -> LabelSet:
    """Return a label set of one class for each column of yes and no; of one column, two classes."""
    overlay = cohort.overlay
    able = [code for code, values in overlay.values.items() if _is_yes_or_no(values)]
    for code in columns:
        if code not in able:
            raise NotFound.among("imported column of yes and no", code, able)
    chosen = list(columns) or able
    if not 1 <= len(chosen) <= MOST_CLASSES:
        raise RequestError(
            f"Cohort '{cohort.name}' has {len(chosen)} imported columns of yes and no; 1 to "
            f"{MOST_CLASSES} make a label set. Import a table: ecgcore label import."
        )
    classes = [EcgClass(code, overlay.titles.get(code, code)) for code in chosen]
    rules = {code: ClassRule((Term(COLUMN, code),)) for code in chosen}
    if len(chosen) == 1:
        other = f"no_{chosen[0]}"[:40]
        classes.append(EcgClass(other, f"Without {classes[0].name}"))
        rules[other] = ClassRule(otherwise=True)
    mode = "exclusive" if len(chosen) == 1 or _is_exclusive(cohort, chosen) else "multilabel"
    title = f"imported labels of {cohort.name}"
    return LabelSet("", tuple(classes), {}, title, rules, mode)


def _is_yes_or_no(values: np.ndarray) -> bool:
    known = values[~np.isnan(values)]
    return bool(len(known)) and bool(np.isin(known, (0, 1)).all())


def _is_exclusive(cohort: Cohort, codes: list[str]) -> bool:
    """Return whether every labelled record has exactly one class, and nothing is known absent."""
    values = np.column_stack([cohort.overlay.values[code] for code in codes])
    present, absent = (values == 1).sum(axis=1), (values == 0).any()
    return bool((present[present > 0] == 1).all()) and not absent

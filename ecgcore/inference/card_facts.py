"""Facts of a model card: figures, other hospitals, steadiness.

They are files beside the card, so that it is written again without computing them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecgcore.atomic import read_json, write_json
from ecgcore.errors import RequestError
from ecgcore.evaluation.card_figures import CardFigures, card_figures
from ecgcore.evaluation.results import Evaluation
from ecgcore.runs.run import Run

FIGURES, EXTERNAL, STEADINESS = "figures.json", "external.json", "steadiness.json"


def stored_figures(run: Run) -> list[CardFigures]:
    """Return the figures beside a card, computed where there are none."""
    file = run.folder / FIGURES
    return [CardFigures(**one) for one in read_json(file)] if file.exists() else card_figures(run)


def store_figures(run: Run) -> None:
    """Write the figures of a run beside its card."""
    write_json(run.folder / FIGURES, [asdict(one) for one in card_figures(run)])


def store_external(run: Run, evaluations: Sequence[Evaluation]) -> None:
    """Write the figures of evaluations on other cohorts beside the card of a shipped model."""
    content = [_external(one.content) for one in evaluations]
    write_json(run.folder / EXTERNAL, {"run": run.meta["run"], "evaluations": content})


def _external(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    auc = {code: of_class["auc"] for code, of_class in evaluation["classes"].items()}
    return {
        **{name: evaluation[name] for name in ("n", "patients", "macro_auc", "refer")},
        "cohort": evaluation["cohort"]["name"],
        "sources": evaluation["cohort"]["sources"],
        "classes": {code: value for code, value in auc.items() if value is not None},
        "not_available": evaluation["not_available"],
    }


def store_steadiness(run: Run, file: Path) -> None:
    """Write a network's part of a robustness benchmark beside the card of a shipped model.

    Parameters
    ----------
    file
        JSON file of ``ecgcore bench robustness``.

    Raises
    ------
    RequestError
        The file has no network of this run: it was measured on other weights.
    """
    measured = read_json(file)
    released = run.meta["run"]
    own = [n for n in measured["networks"].values() if n.get("stands_for", n["run"]) == released]
    if not own:
        raise RequestError(
            f"{file.name} has no network of run {run.meta['run']}; measure it: "
            f"ecgcore bench robustness --model {run.id}."
        )
    names = ("records", "changed", "low", "high")
    changes = {
        change: {name: figures[name] for name in names}
        for change, figures in own[0]["changes"].items()
    }
    content = {"run": run.meta["run"], "fold": measured["fold"], "records": measured["records"]}
    write_json(run.folder / STEADINESS, content | {"changes": changes})

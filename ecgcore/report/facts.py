"""Content of a report: its numbers and sentences, gathered once before anything is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from ecgcore.atomic import read_json, sha256_file
from ecgcore.calibration.calibration import is_out_of_fold
from ecgcore.calibration.scores import Scores
from ecgcore.cohort.exclusions import exclusion_counts
from ecgcore.cohort.store import Cohort
from ecgcore.comparison.compare import compare, on_common_records
from ecgcore.comparison.text import display_names
from ecgcore.errors import NotFound
from ecgcore.evaluation.evaluate import run_scores, utility_report
from ecgcore.evaluation.subgroups import run_traits
from ecgcore.inference.model_card import EXTERNAL
from ecgcore.report.data_sources import DataSource, data_sources
from ecgcore.runs.config import settings_in_words
from ecgcore.runs.run import Run
from ecgcore.version import __version__
from ecgcore.workspace import Workspace

SHOWN_DISAGREEMENTS = 20
HASHED = ("run.json", "weights.safetensors", "calibration.json", "predictions.parquet")


@dataclass(frozen=True)
class Side:
    """One run of a report.

    Attributes
    ----------
    scores, evaluation
        Scores and metrics of the common records.
    utility
        Operating points and subgroups (``evaluate.utility_report``) on them.
    """

    letter: str
    name: str
    run: Run
    scores: Scores
    evaluation: Mapping[str, Any]
    utility: Mapping[str, Any]

    @property
    def meta(self) -> dict[str, Any]:
        """Content of run.json."""
        return self.run.meta

    @property
    def is_out_of_fold(self) -> bool:
        """True if each fold was predicted by a network that was not trained on it."""
        return is_out_of_fold(self.run.calibration)

    @property
    def external(self) -> list[dict[str, Any]]:
        """Figures on other cohorts that are kept with a shipped network; empty where none are."""
        file = self.run.folder / EXTERNAL
        return read_json(file)["evaluations"] if file.exists() else []

    @property
    def settings(self) -> dict[str, str]:
        """Name and value of each training setting, every default made explicit."""
        return settings_in_words(self.run.config)

    @property
    def best(self) -> dict[str, Any]:
        """Row of the best epoch, with its validation scores."""
        rows = self.run.history
        return rows[rows["epoch"] == self.run.status["best_epoch"]].iloc[0].to_dict()

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the files that the report is based on."""
        files = (self.run.folder / name for name in HASHED)
        return {file.name: sha256_file(file) for file in files if file.exists()}


@dataclass(frozen=True)
class Facts:
    """Everything that a report contains.

    Attributes
    ----------
    part
        Part of the records: ``test``, ``validation`` or ``holdout``.
    comparison
        The answer of ``ecgcore compare --json``.
    finding
        The result in one sentence.
    sides
        A and B, with their scores on the common records in the same order.
    traits
        Age, sex, source, quality of the scored records by record; None where not known.
    cohort
        The cohort if it is in this workspace and unchanged, else None.
    written
        Time of writing, UTC.
    """

    part: str
    comparison: dict[str, Any]
    finding: str
    sides: tuple[Side, Side]
    traits: pd.DataFrame | None
    cohort: Cohort | None
    written: str
    version: str = __version__

    @property
    def exclusions(self) -> dict[str, int] | None:
        """Files excluded from the cohort by kind of reason; None where not known."""
        return None if self.cohort is None else exclusion_counts(self.cohort)

    @property
    def sources(self) -> list[str]:
        """Databases of the scored records, the largest first; empty where not known."""
        return [] if self.traits is None else [*self.traits["source"].value_counts().index]

    @property
    def data_sources(self) -> list[DataSource]:
        """Descriptions of those databases, as far as they are known here."""
        return [data_sources()[name] for name in self.sources if name in data_sources()]

    @property
    def unknown_sources(self) -> list[str]:
        """Databases that nothing is known about here; all records where even these are not."""
        unknown = [name for name in self.sources if name not in data_sources()]
        return unknown if self.sources else ["unknown"]

    @property
    def shown_disagreements(self) -> list[dict[str, Any]]:
        """The most telling records on which the sides differ."""
        return self.comparison["disagreement_details"][:SHOWN_DISAGREEMENTS]


def gather(run_a: Run, run_b: Run, workspace: Workspace, part: str = "test") -> Facts:
    """Return the content of a report on two runs; raises the errors of ``compare``."""
    comparison = compare(run_a, run_b, part)
    content = comparison.as_json()
    scores = on_common_records(run_scores(run_a, part), run_scores(run_b, part))
    sides = tuple(
        Side(
            letter.upper(),
            name,
            run,
            side_scores,
            content["evaluations"][letter],
            _utility(run, side_scores, workspace),
        )
        for letter, name, run, side_scores in zip(
            "ab", display_names(content), (run_a, run_b), scores, strict=True
        )
    )
    return Facts(
        part=part,
        comparison=content,
        finding=comparison.finding,
        sides=sides,  # type: ignore[arg-type]
        traits=_traits(run_a, scores[0], workspace),
        cohort=_cohort(run_a, workspace),
        written=datetime.now(UTC).isoformat(timespec="minutes"),
    )


def _utility(run: Run, scores: Scores, workspace: Workspace) -> dict[str, Any]:
    return utility_report(scores, run_traits(run, scores.part, workspace))


def _traits(run: Run, scores: Scores, workspace: Workspace) -> pd.DataFrame | None:
    """Return the traits of the scored records, in their order."""
    traits = run_traits(run, scores.part, workspace)
    return None if traits is None else traits.set_index("record").loc[scores.record]


def _cohort(run: Run, workspace: Workspace) -> Cohort | None:
    """Return a run's cohort if it is in this workspace and unchanged."""
    try:
        cohort = Cohort.open(run.meta["cohort"]["name"], workspace)
    except NotFound:
        return None
    return cohort if cohort.hash == run.meta["cohort"]["hash"] else None

"""Groups of runs that differ in their seeds: one configuration trained several times a side."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ecgcore.comparison.compare import compare, config_differences
from ecgcore.comparison.multi import compare_multi
from ecgcore.comparison.results import Comparison, MultiComparison
from ecgcore.comparison.seeds import difference_over_seeds, metrics_over_seeds
from ecgcore.errors import RequestError
from ecgcore.evaluation.bootstrap import RESAMPLES
from ecgcore.evaluation.evaluate import run_scores

if TYPE_CHECKING:
    from ecgcore.runs.run import Run

IGNORED_SETTINGS = {"seed", "device", "precision"}
"""Settings in which runs of one configuration may differ."""


def compare_groups(
    groups: Sequence[Sequence["Run"]], part: str = "test", resamples: int = RESAMPLES
) -> Comparison | MultiComparison:
    """Compare two seed groups, or more than two single runs.

    See :func:`compare_seed_groups` and :func:`ecgcore.comparison.multi.compare_multi`.

    Raises
    ------
    RequestError
        Fewer than two groups, or seeds in more than two.
    """
    if len(groups) < 2:
        raise RequestError("Only one run is given; a comparison takes two or more.")
    if len(groups) == 2:
        return compare_seed_groups(groups[0], groups[1], part, resamples)
    if any(len(group) > 1 for group in groups):
        raise RequestError("Runs joined by commas are seeds of one side; give two such sides.")
    return compare_multi([group[0] for group in groups], part, resamples)


def compare_seed_groups(
    a: Sequence["Run"], b: Sequence["Run"], part: str = "test", resamples: int = RESAMPLES
) -> Comparison:
    """Compare two groups of as many runs each, one a seed, in pairs of the same seed.

    Returns
    -------
    Comparison
        That of :func:`ecgcore.comparison.compare.compare` for the first pair, with ``seeds``: a, b
        (run ids), sides {a, b} (see :func:`ecgcore.comparison.seeds.metrics_over_seeds`),
        differences (B − A, the same form), notes; None with one run a side.

    Raises
    ------
    RequestError
        The groups have different numbers of runs, a run occurs twice in one, or a pair cannot be
        compared.
    """
    started = perf_counter()
    a, b, notes = _paired_by_seed(a, b)
    first = compare(a[0], b[0], part, resamples)
    if len(a) == 1:
        return first.extended(seeds=None)
    scores = {
        side: [run_scores(run, part) for run in group]
        for side, group in zip("ab", (a, b), strict=True)
    }
    seeds = {
        "a": [run.id for run in a],
        "b": [run.id for run in b],
        "sides": {side: metrics_over_seeds(group, resamples) for side, group in scores.items()},
        "differences": difference_over_seeds(scores["a"], scores["b"], resamples),
        "notes": notes,
    }
    return first.extended(seeds=seeds, seconds=perf_counter() - started)


def complete_seed_groups(
    a: Sequence["Run"], b: Sequence["Run"], candidates: Iterable["Run"]
) -> tuple[list["Run"], list["Run"]]:
    """Return both groups with every seed that both have, one run a seed, in order of seeds.

    A candidate belongs to a group if it differs from the group's first run in its seed alone, on
    the same cohort and labels. Runs of the groups take precedence over candidates of their seed.
    """
    candidates = list(candidates)
    by_seed = [_runs_by_seed(group, candidates) for group in (a, b)]
    common = sorted(set(by_seed[0]) & set(by_seed[1]))
    return [by_seed[0][seed] for seed in common], [by_seed[1][seed] for seed in common]


def _runs_by_seed(group: Sequence["Run"], candidates: Sequence["Run"]) -> dict[int, "Run"]:
    settings = _common_settings(group[0])
    if settings is None:
        return {}
    runs = [*group, *(run for run in candidates if _common_settings(run) == settings)]
    return {run.config.seed: run for run in reversed(runs)}


def _common_settings(run: "Run") -> dict[str, Any] | None:
    """Return the settings that runs of other seeds share; None for a run of another version."""
    try:
        config = asdict(run.config)
    except RequestError:
        return None
    settings = {name: value for name, value in config.items() if name not in IGNORED_SETTINGS}
    return settings | {name: run.meta.get(name) for name in ("cohort", "labels")}


def _paired_by_seed(
    a: Sequence["Run"], b: Sequence["Run"]
) -> tuple[list["Run"], list["Run"], list[str]]:
    """Return both groups in pairs of the same seed where possible, and notes on the pairing."""
    for side, group in (("A", a), ("B", b)):
        if len({run.id for run in group}) < len(group):
            raise RequestError(f"The same run is given twice on side {side}; give each run once.")
    if len(a) != len(b):
        raise RequestError(
            f"{len(a)} runs against {len(b)}: pairs of the same seed are compared; give as many "
            "on each side."
        )
    notes = [*_other_differences("A", a), *_other_differences("B", b)]
    seeds = [[run.config.seed for run in group] for group in (a, b)]
    if sorted(seeds[0]) != sorted(seeds[1]) or len(set(seeds[0])) < len(a):
        words = " and ".join(", ".join(map(str, side)) for side in seeds)
        notes.append(f"The sides' seeds are {words}: runs are paired in the order given.")
        return list(a), list(b), notes
    b_by_seed = {run.config.seed: run for run in b}
    return list(a), [b_by_seed[seed] for seed in seeds[0]], notes


def _other_differences(side: str, group: Sequence["Run"]) -> list[str]:
    """Return a note on the settings besides the seed that differ in a group, if there are any."""
    first = asdict(group[0].config)
    names = {name for run in group[1:] for name in config_differences(first, asdict(run.config))}
    differ = sorted(names - IGNORED_SETTINGS)
    if not differ:
        return []
    return [f"The runs of side {side} differ in {', '.join(differ)}, not in their seeds alone."]

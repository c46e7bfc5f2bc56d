"""Several runs a side: the same training with other seeds, compared as such."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ecgcore.comparison.compare import compare, differences_between
from ecgcore.comparison.multi import compare_several
from ecgcore.comparison.seeds import difference_over_seeds, over_seeds
from ecgcore.errors import RequestError
from ecgcore.evaluation.bootstrap import RESAMPLES
from ecgcore.evaluation.evaluate import scores_of

if TYPE_CHECKING:
    from ecgcore.runs.run import Run

BY_THE_WAY = {"seed", "device", "precision"}
"""Settings in which runs of one recipe may differ."""


def compare_given(
    sides: Sequence[Sequence["Run"]], part: str = "test", resamples: int = RESAMPLES
) -> dict:
    """Compare two sides (see :func:`compare_sides`) or more than two runs (``compare_several``).

    Raises
    ------
    RequestError
        Fewer than two sides, or seeds on more than two.
    """
    if len(sides) < 2:
        raise RequestError("Only one run is given; a comparison takes two or more.")
    if len(sides) == 2:
        return compare_sides(sides[0], sides[1], part, resamples)
    if any(len(side) > 1 for side in sides):
        raise RequestError("Runs joined by commas are seeds of one side; give two such sides.")
    return compare_several([side[0] for side in sides], part, resamples)


def compare_sides(
    a: Sequence["Run"], b: Sequence["Run"], part: str = "test", resamples: int = RESAMPLES
) -> dict:
    """Compare two sides of as many runs each, one a seed; pairs of the same seed are compared.

    Returns
    -------
    dict
        That of :func:`ecgcore.comparison.compare.compare` for the first pair, and ``seeds``: a, b
        (run ids), sides {a, b} (see :func:`ecgcore.comparison.seeds.over_seeds`), differences (B −
        A, the same form), notes; None with one run a side.

    Raises
    ------
    RequestError
        The sides have different numbers of runs, a run stands twice on one, or a pair cannot be
        compared.
    """
    started = perf_counter()
    a, b, notes = _paired(a, b)
    found = compare(a[0], b[0], part, resamples) | {"seeds": None}
    if len(a) == 1:
        return found
    scores = [[scores_of(run, part) for run in side] for side in (a, b)]
    found["seeds"] = {
        "a": [run.id for run in a],
        "b": [run.id for run in b],
        "sides": {name: over_seeds(s, resamples) for name, s in zip("ab", scores, strict=True)},
        "differences": difference_over_seeds(scores[0], scores[1], resamples),
        "notes": notes,
    }
    found["seconds"] = perf_counter() - started
    return found


def all_seeds(
    a: Sequence["Run"], b: Sequence["Run"], there: Iterable["Run"]
) -> tuple[list["Run"], list["Run"]]:
    """Return both sides with every seed that both have, one run a seed, in order of seeds.

    ``there`` are the runs to choose from; one belongs to a side where it differs from its first run
    in the seed alone, on the same cohort and labels. Those given stay before others of their seed.
    """
    there = list(there)
    by_seed = [_by_seed(side, there) for side in (a, b)]
    common = sorted(set(by_seed[0]) & set(by_seed[1]))
    return [by_seed[0][seed] for seed in common], [by_seed[1][seed] for seed in common]


def _by_seed(side: Sequence["Run"], there: Sequence["Run"]) -> dict[int, "Run"]:
    recipe = _recipe(side[0])
    if recipe is None:
        return {}
    runs = [*side, *(run for run in there if _recipe(run) == recipe)]
    return {run.config.seed: run for run in reversed(runs)}


def _recipe(run: "Run") -> dict[str, Any] | None:
    """Return all that runs of other seeds have in common; None of another version's run."""
    try:
        config = asdict(run.config)
    except RequestError:
        return None
    meta = run.meta
    kept = {name: value for name, value in config.items() if name not in BY_THE_WAY}
    return kept | {name: meta.get(name) for name in ("cohort", "labels")}


def _paired(a: Sequence["Run"], b: Sequence["Run"]) -> tuple[list["Run"], list["Run"], list[str]]:
    """Return both sides so that pairs have the same seed where they can, and what is to be said."""
    for name, side in (("A", a), ("B", b)):
        if len({run.id for run in side}) < len(side):
            raise RequestError(f"A run stands twice on side {name}; give each once.")
    if len(a) != len(b):
        raise RequestError(
            f"{len(a)} runs against {len(b)}: pairs of the same seed are compared; give as many "
            "on each side."
        )
    notes = [_strange(name, side) for name, side in (("A", a), ("B", b))]
    seeds = [[run.config.seed for run in side] for side in (a, b)]
    if sorted(seeds[0]) != sorted(seeds[1]) or len(set(seeds[0])) < len(a):
        told = " and ".join(", ".join(map(str, side)) for side in seeds)
        notes.append(f"The sides' seeds are {told}: runs are paired in the order given.")
        return list(a), list(b), [note for note in notes if note]
    place = {run.config.seed: run for run in b}
    return list(a), [place[seed] for seed in seeds[0]], [note for note in notes if note]


def _strange(name: str, side: Sequence["Run"]) -> str:
    """Say which settings beside the seed differ on one side."""
    first = asdict(side[0].config)
    other = {key for run in side[1:] for key in differences_between(first, asdict(run.config))}
    differ = sorted(other - BY_THE_WAY)
    if not differ:
        return ""
    return f"The runs of side {name} differ in {', '.join(differ)}, not in their seeds alone."

"""Does a network that knows other recordings learn a small target better (paper 002)?

Targets are small sets from elsewhere: a device and a site of PTB-XL with no patient on both sides,
and other hospitals. Of each a level draws a few records, the same for every arm; all records of
other patients test. Arms: from scratch; the head alone on a random encoder; and fine-tuning a
network that learnt from one other source, or from several.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.seeds import difference_over_seeds, interval_over_seeds, over_seeds
from ecgcore.evaluation.metrics import class_metrics
from ecgcore.evaluation.text import number, with_range
from ecgcore.runs.config import TrainConfig
from ecgcore.studies.claims import Claim
from ecgcore.studies.markdown import span, table
from ecgcore.studies.study import Study
from ecgcore.studies.trial import Cell, TrialResult


@dataclass(frozen=True)
class Target:
    """Where a network is to be used.

    Attributes
    ----------
    only
        Its records (see ``cohort.record_filter``).
    cohort
        Its cohort, where it is another one than the sources'.
    sizes
        How many records are drawn.
    one, several
        The records of one other source, and of several.
    """

    title: str
    where: str
    sizes: tuple[str, ...]
    one: str
    several: str | None
    cohort: str = ""


TARGETS = {
    "at60": Target(
        "PTB-XL's device AT-60 3",
        "device=AT-60 3",
        ("50", "100"),
        "device=CS100 3,device!=AT-60 3",
        "device!=AT-60 3",
    ),
    "site2": Target(
        "PTB-XL's site 2",
        "site=2",
        ("50", "100", "200", "400"),
        "site=0,site!=2",
        "site!=2",
    ),
    "others": Target(
        "other hospitals (Chapman–Ningbo, CPSC, Georgia, LUDB, CODE-15 %)",
        "source!=ptb-xl,source!=ptb",
        ("50", "100"),
        "device=CS100 3",
        None,
        "others",
    ),
}
ARMS = {
    "scratch": "from scratch",
    "frozen": "random encoder, frozen",
    "one": "fine-tuned from one source",
    "several": "fine-tuned from several",
}
SEEDS = (1, 2, 3, 4, 5)
TOLD = "100"  # the size whose classes are told in the results
CLAIMS = (("scratch", "one"), ("scratch", "several"), ("frozen", "several"))

_SHAPE = TrainConfig(
    cohort="",
    model="resnet1d",
    depth=4,
    width=32,
    kernel=5,
    level="all",
    batch_size=64,
    weight_decay=0.02,
    warmup_fraction=0.2,
    grad_clip=1.0,
)
PARENT = replace(_SHAPE, split="none", epochs=6, augmentation="standard", ema_decay=0.99)
CHILD = replace(
    _SHAPE,
    split="rest",
    target_mode="multilabel",
    epochs=30,
    batch_size=16,
    augmentation="standard",
)

HEAD = """\
`resnet1d` ({shape}) on signals at 100 Hz, labels expert statements, core tier, several a record;
{epochs} epochs of batches of {batch} for each arm, at the network's own rate. A parent learnt for
{parent} epochs. Each draw takes about a tenth of its records for each class, as far as there are
any; every record of the target's other patients tests. Differences are paired by draw. Intervals
at 95 %: over patients, over draws, and over both. All draws start from the same parent network: the
luck of its own training is in no interval. A large draw takes the rare classes' records with it, so
that its macro AUC is over fewer classes: sizes are not to be compared.

"""


def cells(cohort: str, _finished: Sequence[TrialResult]) -> list[Cell]:
    """Return the trainings: for each target and size all arms, draw by draw."""
    return [
        cell
        for key, target in TARGETS.items()
        for size in target.sizes
        for seed in SEEDS
        for cell in _arms(key, target, cohort, size, seed)
    ]


def _arms(key: str, target: Target, cohort: str, size: str, seed: int) -> Iterator[Cell]:
    asked = replace(
        CHILD, cohort=target.cohort or cohort, where=target.where, level=size, seed=seed
    )
    frozen = replace(asked, backbone_lr_factor=0.0)
    one, several = (
        Cell(f"{key}-{name}", replace(PARENT, cohort=cohort, where=where))
        for name, where in (("one", target.one), ("several", target.several))
    )
    for arm, config, parent in (
        ("scratch", asked, None),
        ("frozen", frozen, None),
        ("one", asked, one),
        ("several", asked, several),
    ):
        yield Cell(f"{key}-{size}-{arm}-s{seed}", config, parent)


def page(finished: Sequence[TrialResult]) -> str:
    """Return a section for each target with its arms, its differences, and its classes."""
    text = HEAD.format(
        shape=f"depth {CHILD.depth}, width {CHILD.width}, kernel {CHILD.kernel}",
        epochs=CHILD.epochs,
        batch=CHILD.batch_size,
        parent=PARENT.epochs,
    )
    for key, target in TARGETS.items():
        for size in target.sizes:
            text += _section(key, target, size, finished)
    return text


def claims(finished: Sequence[TrialResult]) -> list[Claim]:
    """Return whether fine-tuning beats training from scratch, for each target and size."""
    found = []
    for key, target in TARGETS.items():
        for size in target.sizes:
            of = _drawn(key, size, finished)
            n = len(of["scratch"])
            if n < 2:
                continue
            for arm in ("one", "several"):
                scratch, tuned = ([c.scores("test") for c in of[x]] for x in ("scratch", arm))
                apart = difference_over_seeds(scratch, tuned)["macro_auc"]["both"]
                says = (
                    f"On {target.title}, {size} records asked, a network {ARMS[arm]} reads better"
                )
                what = (
                    f"macro AUC against from scratch, {n} draws of {_drawn_in(of)} records, "
                    f"{_tested_in(scratch)} tested (draws and patients vary)"
                )
                found.append(Claim(says, apart, what))
    return found


def _drawn(key: str, size: str, finished: Sequence[TrialResult]) -> dict[str, list[TrialResult]]:
    """Return each arm's cells of a target and size, draw by draw, where all arms are there."""
    of = {
        arm: {c.config.seed: c for c in finished if c.name.startswith(f"{key}-{size}-{arm}-s")}
        for arm in ARMS
    }
    seeds = sorted(set.intersection(*(set(cells) for cells in of.values())))
    return {arm: [cells[seed] for seed in seeds] for arm, cells in of.items()}


def _section(key: str, target: Target, size: str, finished: Sequence[TrialResult]) -> str:
    of = _drawn(key, size, finished)
    if len(of["scratch"]) < 2:
        return ""
    sides = {arm: [cell.scores("test") for cell in cells] for arm, cells in of.items()}
    parents = {arm: of[arm][0].content["parent"]["records"] for arm in ("one", "several")}
    return (
        f"## {target.title}: {size} records asked\n\n{_drawn_in(of)} drawn, "
        f"{_tested_in(sides['scratch'])} tested in {len(of['scratch'])} draws; the parents learnt "
        f"from {parents['one']:,} and {parents['several']:,} records.\n\n"
        f"{_figures(sides)}\n{_by_class(sides)}\n"
    )


def _drawn_in(of: dict[str, list[TrialResult]]) -> str:
    return span(cell.content["split"]["records"]["train"] for cell in of["scratch"])


def _tested_in(side: Sequence[Scores]) -> str:
    return span(len(scores) for scores in side)


def _figures(sides: dict[str, list[Scores]]) -> str:
    """Return the table of macro AUCs of each arm, and of what the paper claims."""
    rows = []
    for arm, words in ARMS.items():
        spread = over_seeds(sides[arm])["macro_auc"]
        rows.append((words, *(with_range(spread[unit]) for unit in ("patients", "seeds", "both"))))
    for a, b in CLAIMS:
        spread = difference_over_seeds(sides[a], sides[b])["macro_auc"]
        ranges = (with_range(spread[unit], 3, True) for unit in ("patients", "seeds", "both"))
        rows.append((f"**{ARMS[b]} − {ARMS[a]}**", *ranges))
    return table(("macro AUC", "patients", "draws", "both"), rows)


def _by_class(sides: dict[str, list[Scores]]) -> str:
    """Return the gain of each class beside how often it is there, and how the two go together."""
    gains = _gains(sides)
    known = [gain for gain in gains if gain.is_known]
    head = ("class", "positives tested", "scratch", "from several", "gain in AUC (over draws)")
    text = table(
        head,
        [
            (
                gain.code,
                f"{gain.n:.0f}",
                number(gain.before),
                number(gain.after),
                with_range(gain.more, 3, True),
            )
            for gain in gains
        ],
    )
    if len(known) > 2:
        text += f"\nGain against frequency over {len(known)} classes: {_together(known)}.\n"
    return text


class _Gain(NamedTuple):
    """A class, its positives among the tested, its mean AUC from scratch and from several sources,
    and how much more that is, with its interval over draws; None where a draw tests no positive."""

    code: str
    n: float
    before: float | None
    after: float | None
    more: dict

    @property
    def is_known(self) -> bool:
        """Whether every draw tests some of the class."""
        return self.more["value"] is not None

    @property
    def is_sure(self) -> bool:
        """Whether the interval of the gain is above zero."""
        return self.is_known and self.more["low"] > 0


def _gains(sides: dict[str, list[Scores]]) -> list[_Gain]:
    found = []
    for i, code in enumerate(sides["scratch"][0].classes):
        n = float(np.mean([scores.positive[:, i].sum() for scores in sides["scratch"]]))
        before, after = (
            np.array([class_metrics(scores, i)["auc"] for scores in sides[arm]], float)
            for arm in ("scratch", "several")
        )
        mean_before, mean_after, more = (
            interval_over_seeds(areas) for areas in (before, after, after - before)
        )
        found.append(_Gain(code, n, mean_before["value"], mean_after["value"], more))
    return found


def _together(known: Sequence[_Gain]) -> str:
    """Return how the gain of classes goes with their frequency."""
    found = spearmanr([gain.n for gain in known], [gain.more["value"] for gain in known])
    return f"Spearman's ρ {number(found.statistic, 2)}, p {found.pvalue:.2f}"


def summary(finished: Sequence[TrialResult]) -> str:
    """Return how many diseases fine-tuning improves, and whether these are the rare ones."""
    told = []
    for key, target in TARGETS.items():
        of = _drawn(key, TOLD, finished)
        if len(of["scratch"]) < 2:
            continue
        sides = {arm: [cell.scores("test") for cell in cells] for arm, cells in of.items()}
        known = [gain for gain in _gains(sides) if gain.is_known]
        sure = ", ".join(gain.code for gain in known if gain.is_sure) or "none"
        told.append(
            f"on {target.title} {sure} of {len(known)} classes ({_drawn_in(of)} drawn; "
            f"{_together(known)})"
        )
    if not told:
        return ""
    return (
        f"Does it improve more diseases? Classes whose AUC rises, fine-tuned from several sources "
        f"against from scratch with {TOLD} records asked, with an interval over draws above zero: "
        f"{'; '.join(told)}. ρ tells how the gain goes with the number of positives tested."
    )


STUDY = Study(
    "finetune", "Fine-tuning on a small target", cells, page, claims=claims, summary=summary
)

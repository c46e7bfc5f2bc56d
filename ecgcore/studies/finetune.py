"""Study ``finetune``: pretraining on other recordings for a small target (paper 002).

Targets are small sets from elsewhere: a device and a site of PTB-XL, with no patient in both source
and target, and other hospitals. A level draws a few records of each, the same for every arm; all
records of other patients test. Arms: from scratch; only the head, on a random encoder; and
fine-tuning of a network that was trained on one other source, or on several.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from ecgcore.calibration.scores import Scores
from ecgcore.comparison.seeds import difference_over_seeds, interval_over_seeds, metrics_over_seeds
from ecgcore.evaluation.markdown import span, table
from ecgcore.evaluation.metrics import class_metrics
from ecgcore.evaluation.text import number, with_range
from ecgcore.runs.config import TrainConfig
from ecgcore.studies.claims import Claim
from ecgcore.studies.study import Study
from ecgcore.studies.trial import TrialConfig, TrialResult


@dataclass(frozen=True)
class Target:
    """A target domain: its records, and the source records of its parent networks.

    Attributes
    ----------
    only
        Its records (see ``cohort.record_filter``).
    cohort
        Its cohort, if it differs from that of the sources.
    sizes
        Numbers of records drawn.
    one, several
        Records of one other source, and of several.
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
PRIMARY = ("others", "100", "several")
"""Target, size and arm of the paper's claim: several sources, then another clinic."""
ARMS = {
    "scratch": "from scratch",
    "frozen": "random encoder, frozen",
    "one": "fine-tuned from one source",
    "several": "fine-tuned from several",
}
SEEDS = (1, 2, 3, 4, 5)
SUMMARY_SIZE = "100"  # the size whose classes the results summarise
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
{epochs} epochs of batches of {batch} for each arm, at the network's own rate. A parent was
trained for {parent} epochs. Each draw takes about a tenth of its records for each class, as far as
available; every record of the target's other patients tests. Differences are paired by draw.
Intervals are at 95 %: over patients, over draws, and over both. All draws start from the same
parent network: the variation of its own training is in no interval. A large draw takes the records
of rare classes with it, so that its macro AUC is over fewer classes: sizes cannot be compared.

"""


def trials(cohort: str, _finished: Sequence[TrialResult]) -> list[TrialConfig]:
    """Return the trials of all arms, draw by draw, for each target and size."""
    return [
        trial
        for key, target in TARGETS.items()
        for size in target.sizes
        for seed in SEEDS
        for trial in _arms(key, target, cohort, size, seed)
    ]


def _arms(key: str, target: Target, cohort: str, size: str, seed: int) -> Iterator[TrialConfig]:
    config = replace(
        CHILD, cohort=target.cohort or cohort, where=target.where, level=size, seed=seed
    )
    one, several = (
        TrialConfig(f"{key}-{name}", replace(PARENT, cohort=cohort, where=where))
        for name, where in (("one", target.one), ("several", target.several))
    )
    for arm, of_arm, parent in (
        ("scratch", config, None),
        ("frozen", replace(config, backbone_lr_factor=0.0), None),
        ("one", config, one),
        ("several", config, several),
    ):
        yield TrialConfig(f"{key}-{size}-{arm}-s{seed}", of_arm, parent)


def page(finished: Sequence[TrialResult]) -> str:
    """Return a section for each target and size with its arms, differences and classes."""
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
    """Return the claims that fine-tuning beats training from scratch, by target and size."""
    tested = []
    for key, target in TARGETS.items():
        for size in target.sizes:
            arms = _complete_draws(key, size, finished)
            n_draws = len(arms["scratch"])
            if n_draws < 2:
                continue
            scratch = _test_scores(arms["scratch"])
            for arm in ("one", "several"):
                tuned = _test_scores(arms[arm])
                difference = difference_over_seeds(scratch, tuned)["macro_auc"]["both"]
                statement = (
                    f"On {target.title}, {size} records requested, a network {ARMS[arm]} reads "
                    "better"
                )
                basis = (
                    f"macro AUC against from scratch, {n_draws} draws of {_n_drawn(arms)} records, "
                    f"{_n_tested(scratch)} tested (draws and patients vary)"
                )
                is_primary = (key, size, arm) == PRIMARY
                tested.append(Claim(statement, difference, basis, is_primary))
    return tested


def _complete_draws(
    key: str, size: str, finished: Sequence[TrialResult]
) -> dict[str, list[TrialResult]]:
    """Return each arm's trials of a target and size, draw by draw, where all arms are finished."""
    by_seed = {
        arm: {t.config.seed: t for t in finished if t.name.startswith(f"{key}-{size}-{arm}-s")}
        for arm in ARMS
    }
    seeds = sorted(set.intersection(*(set(trials) for trials in by_seed.values())))
    return {arm: [trials[seed] for seed in seeds] for arm, trials in by_seed.items()}


def _test_scores(trials: Sequence[TrialResult]) -> list[Scores]:
    return [trial.scores("test") for trial in trials]


def _section(key: str, target: Target, size: str, finished: Sequence[TrialResult]) -> str:
    arms = _complete_draws(key, size, finished)
    if len(arms["scratch"]) < 2:
        return ""
    scores = {arm: _test_scores(trials) for arm, trials in arms.items()}
    parents = {arm: arms[arm][0].content["parent"]["records"] for arm in ("one", "several")}
    return (
        f"## {target.title}: {size} records requested\n\n{_n_drawn(arms)} drawn, "
        f"{_n_tested(scores['scratch'])} tested in {len(arms['scratch'])} draws; the parents were "
        f"trained on {parents['one']:,} and {parents['several']:,} records.\n\n"
        f"{_arms_table(scores)}\n{_classes_table(scores)}\n"
    )


def _n_drawn(arms: dict[str, list[TrialResult]]) -> str:
    return span(trial.content["split"]["records"]["train"] for trial in arms["scratch"])


def _n_tested(scores: Sequence[Scores]) -> str:
    return span(len(of_draw) for of_draw in scores)


def _arms_table(scores: dict[str, list[Scores]]) -> str:
    """Return the table of each arm's macro AUC, and of the differences that the paper claims."""
    rows = []
    for arm, words in ARMS.items():
        auc = metrics_over_seeds(scores[arm])["macro_auc"]
        rows.append((words, *(with_range(auc[unit]) for unit in ("patients", "seeds", "both"))))
    for a, b in CLAIMS:
        difference = difference_over_seeds(scores[a], scores[b])["macro_auc"]
        ranges = (with_range(difference[unit], 3, True) for unit in ("patients", "seeds", "both"))
        rows.append((f"**{ARMS[b]} − {ARMS[a]}**", *ranges))
    return table(("macro AUC", "patients", "draws", "both"), rows)


def _classes_table(scores: dict[str, list[Scores]]) -> str:
    """Return the gain of each class with its frequency, and the correlation of the two."""
    gains = _gains(scores)
    known = [gain for gain in gains if gain.is_known]
    head = ("class", "positives tested", "scratch", "from several", "gain in AUC (over draws)")
    rows = [
        (
            gain.code,
            f"{gain.n_positive:.0f}",
            number(gain.auc_scratch),
            number(gain.auc_tuned),
            with_range(gain.gain, 3, True),
        )
        for gain in gains
    ]
    text = table(head, rows)
    if len(known) > 2:
        text += f"\nGain against frequency over {len(known)} classes: {_correlation(known)}.\n"
    return text


class _Gain(NamedTuple):
    """Gain in AUC of a class from fine-tuning on several sources, with its interval over draws.

    ``n_positive`` counts positives among the tested records; values are None if a draw tests none.
    """

    code: str
    n_positive: float
    auc_scratch: float | None
    auc_tuned: float | None
    gain: dict

    @property
    def is_known(self) -> bool:
        """Return True if every draw tests positives of the class."""
        return self.gain["value"] is not None

    @property
    def is_positive(self) -> bool:
        """Return True if the interval of the gain is above zero."""
        return self.is_known and self.gain["low"] > 0


def _gains(scores: dict[str, list[Scores]]) -> list[_Gain]:
    gains = []
    for i, code in enumerate(scores["scratch"][0].classes):
        n_positive = float(np.mean([s.positive[:, i].sum() for s in scores["scratch"]]))
        scratch, tuned = (
            np.array([class_metrics(s, i)["auc"] for s in scores[arm]], float)
            for arm in ("scratch", "several")
        )
        mean_scratch, mean_tuned, gain = (
            interval_over_seeds(aucs) for aucs in (scratch, tuned, tuned - scratch)
        )
        gains.append(_Gain(code, n_positive, mean_scratch["value"], mean_tuned["value"], gain))
    return gains


def _correlation(known: Sequence[_Gain]) -> str:
    """Return the rank correlation of the gain with the frequency of a class."""
    result = spearmanr([g.n_positive for g in known], [g.gain["value"] for g in known])
    return f"Spearman's ρ {number(result.statistic, 2)}, p {result.pvalue:.2f}"


def summary(finished: Sequence[TrialResult]) -> str:
    """Return the classes that fine-tuning improves, and whether these are the rare ones."""
    texts = []
    for key, target in TARGETS.items():
        arms = _complete_draws(key, SUMMARY_SIZE, finished)
        if len(arms["scratch"]) < 2:
            continue
        scores = {arm: _test_scores(trials) for arm, trials in arms.items()}
        known = [gain for gain in _gains(scores) if gain.is_known]
        improved = ", ".join(gain.code for gain in known if gain.is_positive) or "none"
        texts.append(
            f"on {target.title} {improved} of {len(known)} classes ({_n_drawn(arms)} drawn; "
            f"{_correlation(known)})"
        )
    if not texts:
        return ""
    return (
        "Does it improve more diseases? Classes whose AUC rises, fine-tuned from several sources "
        f"against from scratch with {SUMMARY_SIZE} records requested, with an interval over draws "
        f"above zero: {'; '.join(texts)}. ρ is the correlation of the gain with the number of "
        "positives tested."
    )


STUDY = Study(
    "finetune", "Fine-tuning on a small target", trials, page, claims=claims, summary=summary
)

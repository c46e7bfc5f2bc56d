"""What a training is asked to do, checked before anything is written."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from ecgcore.errors import NotFound, RequestError
from ecgcore.imaging import LAYOUTS
from ecgcore.labels.targets import MODES
from ecgcore.records.record import LEADS

LEVELS = ("204", "440", "all")
TIERS = ("core", "broad")
SPLITS = ("patient", "folds")
"""Ways to split to choose from; ``splits.WAYS`` has all."""
SCHEDULES = ("cosine", "step", "constant")
SMALLEST_SIDE_PX = 67  # below, nothing is left after the last pool
AUGMENTATIONS = ("none", "standard", "targeted")
PRECISIONS = ("auto", "float32", "bfloat16")
CLASS_BALANCES = ("none", "weights", "sampling")

# optimiser → weight decay where none is given: AdamW's is Loshchilov & Hutter's 2019, SGD's (with
# a momentum of 0.9) that of Krizhevsky et al. 2012, section 5. Each network has its own rates.
OPTIMIZERS = {"adamw": 0.01, "sgd": 5e-4}

OLD_NAMES = {
    "augment": "augmentation",
    "average": "ema_decay",
    "balance": "class_balance",
    "batch": "batch_size",
    "clip_norm": "grad_clip",
    "init": "pretrained",
    "only": "where",
    "optimiser": "optimizer",
    "policy": "label_source",
    "tier": "label_tier",
    "trunk_rate": "backbone_lr_factor",
    "warm_up": "warmup_fraction",
}
"""Settings as version 0.1.0 stored them, and their names since then."""

MODEL_OPTIONS = ("dropout", "depth", "width", "kernel")
# setting → (least, most accepted)
RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, math.inf),
    "batch_size": (2, math.inf),
    "learning_rate": (0, math.inf),
    "weight_decay": (0, math.inf),
    "warmup_fraction": (0, 0.5),
    "label_smoothing": (0, 0.5),
    "dropout": (0, 0.95),
    "grad_clip": (1e-6, math.inf),
    "patience": (1, math.inf),
    "ema_decay": (0, 0.99999),
    "backbone_lr_factor": (0, 1),
}


@dataclass(frozen=True)
class TrainConfig:
    """One training. The defaults are paper 001's protocol: 20 epochs, batch 16, 70/15/15.

    Attributes
    ----------
    cohort, model
        Names of a cohort and of a network.
    level
        ``204``, ``440``, another number of records (a class-balanced draw), or ``all``.
    target_mode
        ``exclusive``, ``multilabel`` or ``priority``; by default ``exclusive`` for a numbered
        level and ``multilabel`` for ``all``.
    tier
        ``core`` or ``broad``.
    label_set
        ``paper10``, ``ptbxl5`` or ``ptbxl71`` (see ``labels.label_sets``): the classes of the head.
    policy, thresholds
        Of ``paper10``: labels by ``expert`` (what sources state) or by ``criteria`` (measurements
        against the thresholds of ``paper``, ``aha2009`` or ``udmi2018``).
    layout, size, rhythm
        The image: layout, side or (height, width) in pixels, and the lead of the rhythm strip.
    augment
        How training records are changed before they are drawn: ``none`` (the paper's protocol),
        ``standard`` (see ``augmentation``) or ``targeted`` (also mixed near the borderlines).
    optimiser, learning_rate, weight_decay, schedule
        ``adamw`` or ``sgd`` (momentum 0.9); the network's own rate where none is given (see
        ``models.registry``); ``optimising.lr_factor`` has the schedules.
    warm_up
        Share of all steps in which the rate rises.
    balance
        ``none``, ``weights`` (rare classes weigh more in the loss) or ``sampling`` (their records
        come more often).
    label_smoothing, dropout
        Shares; dropout is the network's own where not given.
    clip_norm
        Longest gradient; longer ones are shortened to it.
    patience
        Epochs without a better validation macro AUC after which the training stops.
    average
        Decay a step of a running average of the weights, which is then what is kept; 0: none.
    depth, width, kernel
        Shape of ``resnet1d``, its default where not given.
    init
        A run or shipped model whose weights are the start and whose pre-processing is used. The
        head starts afresh where the classes differ.
    teacher
        A run or shipped model whose answers to the training records are learnt from beside their
        labels (see ``teaching``).
    trunk_rate
        What all but the head takes of the learning rate; 0 freezes it.
    deterministic
        Only algorithms that give the same twice, on a GPU as well; slower there.
    split
        ``patient`` (70/15/15 beside an untouched fold), ``folds`` (the published ones),
        ``source:NAME`` (all of that source tests, the others train and validate), ``fold:K`` (that
        fold tests, all others train), ``rest`` (what a level leaves tests) or ``none`` (all
        train). Where nothing validates, the last epoch is kept and nothing is calibrated.
    only
        Conditions on records that take part (see ``cohort.record_filter``), such as ``site=2``.
    device, precision
        ``auto`` takes the GPU where there is one, and bfloat16 where the device computes in it.
    """

    cohort: str
    model: str = "alexnet_m_se"
    level: str = "204"
    target_mode: str | None = None
    label_tier: str = "core"
    label_set: str = "paper10"
    label_source: str = "expert"
    thresholds: str = "paper"
    layout: str = "stacked"
    size: int | tuple[int, int] = 224
    rhythm: str = "II"
    augmentation: str = "none"
    epochs: int = 20
    batch_size: int = 16
    optimizer: str = "adamw"
    learning_rate: float | None = None
    weight_decay: float | None = None
    schedule: str = "cosine"
    warmup_fraction: float = 0.05
    class_balance: str = "none"
    label_smoothing: float = 0.0
    dropout: float | None = None
    grad_clip: float | None = None
    patience: int | None = None
    ema_decay: float = 0.0
    depth: int | None = None
    width: int | None = None
    kernel: int | None = None
    pretrained: str | None = None
    teacher: str | None = None
    backbone_lr_factor: float = 1.0
    deterministic: bool = False
    split: str = "patient"
    where: str | None = None
    seed: int = 1
    device: str = "auto"
    precision: str = "auto"

    @property
    def sides_px(self) -> tuple[int, int]:
        """Height and width of the image."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @property
    def model_options(self) -> dict[str, Any]:
        """What the network is built with beside its defaults."""
        asked = {name: getattr(self, name) for name in MODEL_OPTIONS}
        return {name: value for name, value in asked.items() if value is not None}

    def filled(self) -> "ResolvedConfig":
        """Return the same training with every default made explicit, or say what is wrong."""
        self._check()
        from ecgcore.models import model_info  # torch comes with it: not for reading a run

        rate, decay = model_info(self.model).rates[self.optimizer], OPTIMIZERS[self.optimizer]
        by_level = "multilabel" if self.level == "all" else "exclusive"
        explicit = {
            "target_mode": self.target_mode or by_level,
            "learning_rate": rate if self.learning_rate is None else self.learning_rate,
            "weight_decay": decay if self.weight_decay is None else self.weight_decay,
        }
        return ResolvedConfig(**(asdict(self) | explicit))

    def _check(self) -> None:
        from ecgcore.cohort import splits  # scipy comes with it
        from ecgcore.cohort.record_filter import conditions
        from ecgcore.cohort.store import LABEL_SOURCES
        from ecgcore.labels.criteria import SETS
        from ecgcore.labels.label_sets import SETS as LABEL_SETS
        from ecgcore.models import model_info  # torch comes with it: not for reading a run

        splits.check_way(self.split)
        if self.where is not None:
            conditions(self.where)
        if self.patience is not None and not splits.validates(self.split):
            raise RequestError(f"Split '{self.split}' has no validation; patience needs one.")
        info = model_info(self.model)
        for kind, value, known in (
            ("label set", self.label_set, LABEL_SETS),
            ("label tier", self.label_tier, TIERS),
            ("layout", self.layout, LAYOUTS),
            ("lead", self.rhythm, LEADS),
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("schedule", self.schedule, SCHEDULES),
            ("class balance", self.class_balance, CLASS_BALANCES),
            ("label source", self.label_source, LABEL_SOURCES),
            ("set of thresholds", self.thresholds, SETS),
            ("augmentation", self.augmentation, AUGMENTATIONS),
            ("precision", self.precision, PRECISIONS),
            ("target mode", self.target_mode or MODES[0], MODES),
        ):
            if value not in known:
                raise NotFound.among(kind, value, known)
        if self.level not in LEVELS and not (self.level.isdecimal() and int(self.level) >= 10):
            raise RequestError(
                f"Level '{self.level}' is neither 204, 440, all nor a number of records from 10 up."
            )
        self._check_numbers()
        self._check_label_set()
        info.check_options(self.model_options)
        drawn = (self.layout, self.size, self.rhythm)
        if info.input == "signal" and drawn != (LAYOUTS[0], 224, "II"):
            raise RequestError(
                f"{self.model} reads signals: layout, size and rhythm are for networks on images."
            )
        if info.fixed_size and self.sides_px != info.fixed_size:
            raise RequestError(
                f"{self.model} reads {info.fixed_size[0]}×{info.fixed_size[1]} pixels, not "
                f"{self.sides_px[0]}×{self.sides_px[1]}; the '_gap' variants take any size."
            )

    def _check_label_set(self) -> None:
        """Refuse what only the paper's ten classes have."""
        if self.label_set == "paper10":
            return
        for name, value, accepted in (
            ("label source", self.label_source, ("expert",)),
            ("label tier", self.label_tier, ("core",)),
            ("augmentation", self.augmentation, ("none", "standard")),
            ("target mode", self.target_mode, (None, "multilabel", "exclusive")),
        ):
            if value not in accepted:
                raise RequestError(
                    f"{name} '{value}' is of the label set paper10 only; with {self.label_set}, "
                    f"{' and '.join(filter(None, accepted))} are accepted."
                )

    def _check_numbers(self) -> None:
        if min(self.sides_px) < SMALLEST_SIDE_PX:
            raise RequestError(
                f"size {min(self.sides_px)} is too small; {SMALLEST_SIDE_PX} or more is accepted."
            )
        for name, (least, most) in RANGES.items():
            value, said = getattr(self, name), name.replace("_", " ")
            if value is None or least <= value <= most:
                continue
            if most == math.inf:
                accepted = f"too small; {least:g} or more is accepted"
            else:
                accepted = f"not accepted; {least:g} to {most:g} is"
            raise RequestError(f"{said} {value} is {accepted}.")


@dataclass(frozen=True)
class ResolvedConfig(TrainConfig):
    """A training with every default made explicit, as ``run.json`` keeps it."""

    target_mode: str = "exclusive"
    learning_rate: float = 1e-4
    weight_decay: float = 0.01

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ResolvedConfig":
        """Read a stored configuration, old spellings as well; refuse unknown settings by name."""
        content = {OLD_NAMES.get(name, name): value for name, value in content.items()}
        known = {f.name for f in fields(cls)}
        if strange := sorted(set(content) - known):
            raise RequestError(f"This version does not know the setting {', '.join(strange)}.")
        size = content.get("size", 224)
        return cls(**content | {"size": size if isinstance(size, int) else tuple(size)})

"""Configuration of a training: every setting once, checked before anything is written."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from ecgcore.errors import RequestError
from ecgcore.runs.settings import (
    DATA,
    IMAGE,
    INITIALISATION,
    MACHINE,
    NETWORK,
    OPTIMISATION,
    REGULARISATION,
    Setting,
    by_group,
    setting,
    settings_of,
    with_default,
)

LEVELS = ("204", "440", "all")
SMALLEST_LEVEL, LARGEST_LEVEL = 10, 10_000_000
SMALLEST_SIDE_PX = 67  # below, nothing is left after the last pool
SCHEDULES = ("cosine", "step", "constant")
AUGMENTATIONS = ("none", "standard", "robust", "targeted")
PRECISIONS = ("auto", "float32", "bfloat16")
CLASS_BALANCES = ("none", "weights", "sampling")

# optimizer → default weight decay: AdamW's is Loshchilov & Hutter's 2019, SGD's (with a momentum
# of 0.9) that of Krizhevsky et al. 2012, section 5. Each network has its own learning rates.
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
IMAGE_SETTINGS = ("layout", "size", "rhythm")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training; the defaults are the protocol of paper 001.

    Every setting is described here and nowhere else (see ``runs.settings``).

    Examples
    --------
    >>> config = ecgcore.TrainConfig(cohort="examples", model="alexnet_gap", level="all")
    >>> config.epochs, config.batch_size
    (20, 16)
    """

    cohort: str = setting(help="Cohort to train on.", group=DATA, is_advanced=False)
    model: str = setting(
        "alexnet_m_se",
        help="Network to train; an unknown name lists all.",
        group=NETWORK,
        label="Network",
        is_advanced=False,
    )
    level: str = setting(
        "204",
        help="Number of records, drawn evenly over the classes (204 and 440 are the paper's), or "
        "all.",
        group=DATA,
        is_advanced=False,
    )
    target_mode: str | None = setting(
        None,
        help="Answer: exclusive (one class a record; by default for a number of records), "
        "multilabel (each class by itself; by default for all) or priority (the class that ranks "
        "highest).",
        group=DATA,
        among="ecgcore.labels.targets.MODES",
        default_text="by level",
    )
    label_tier: str = setting(
        "core",
        help="Statements that count: core, or broad for the weaker ones as well.",
        group=DATA,
        among="ecgcore.labels.classes.TIERS",
    )
    label_set: str = setting(
        "paper10",
        help="Classes: paper10 (the paper's ten), ptbxl5 (PTB-XL's superclasses), ptbxl71 (all its "
        "statements), or a label set of your own.",
        group=DATA,
    )
    label_source: str = setting(
        "expert",
        help="Source of the labels: expert (statements) or criteria (automatic, unconfirmed: "
        "measurements against thresholds).",
        group=DATA,
        among="ecgcore.cohort.store.LABEL_SOURCES",
    )
    thresholds: str = setting(
        "paper",
        help="Thresholds for labels by criteria: paper, aha2009 or udmi2018.",
        group=DATA,
        among="ecgcore.labels.criteria.THRESHOLD_SETS",
        noun="set of thresholds",
    )
    layout: str = setting(
        "stacked",
        help="Arrangement of the leads: stacked (twelve rows), clinical (3×4 above a rhythm "
        "strip) or panels (median beats above a rhythm strip).",
        group=IMAGE,
        among="ecgcore.imaging.LAYOUTS",
    )
    size: int | tuple[int, int] = setting(
        224,
        help="Side of the image in pixels, or height x width, such as 224x448.",
        group=IMAGE,
        label="Image size",
        unit="px",
        low=SMALLEST_SIDE_PX,
        high=4096,
    )
    rhythm: str = setting(
        "II",
        help="Lead of the rhythm strip in the layouts clinical and panels.",
        group=IMAGE,
        label="Rhythm lead",
        among="ecgcore.records.record.LEADS",
        noun="lead",
    )
    highpass_hz: float = setting(
        0.0,
        help="Cut-off of a zero-phase high-pass that every signal passes before the network reads "
        "it or it is drawn; 0 for none, measurements use 0.5.",
        group=DATA,
        label="High-pass",
        unit="Hz",
        low=0,
        high=0.67,
        step=0.05,
    )
    augmentation: str = setting(
        "none",
        help="Random changes to training records: standard (shift, crop, gain, wander, noise, "
        "lost lead, warp), robust (more gain, wander, noise and lost leads) or targeted (also "
        "mixed near the ST and voltage thresholds).",
        group=REGULARISATION,
        among=AUGMENTATIONS,
    )
    epochs: int = setting(
        20, help="Passes over the training records.", group=OPTIMISATION, low=1, high=10_000
    )
    batch_size: int = setting(
        16,
        help="Records in each step, of all workers together.",
        group=OPTIMISATION,
        unit="records",
        low=2,
        high=16_384,
    )
    optimizer: str = setting(
        "adamw",
        help="Optimizer: adamw, or sgd with a momentum of 0.9.",
        group=OPTIMISATION,
        among=tuple(OPTIMIZERS),
    )
    learning_rate: float | None = setting(
        None,
        help="Highest learning rate; each network's own was found in a search.",
        group=OPTIMISATION,
        low=1e-9,
        high=10,
        default_text="by network",
        step=1e-4,
    )
    weight_decay: float | None = setting(
        None,
        help="Weight decay.",
        group=OPTIMISATION,
        low=0,
        high=10,
        default_text="0.01 for adamw, 0.0005 for sgd",
        step=1e-3,
    )
    schedule: str = setting(
        "cosine",
        help="Learning rate after the warm-up: cosine (down to a hundredth), step (to a tenth at "
        "1/2 and at 3/4) or constant.",
        group=OPTIMISATION,
        among=SCHEDULES,
    )
    warmup_fraction: float = setting(
        0.05,
        help="Fraction of all steps over which the learning rate rises.",
        group=OPTIMISATION,
        label="Warm-up fraction",
        low=0,
        high=0.5,
        step=0.05,
    )
    class_balance: str = setting(
        "none",
        help="Balance of rare classes: weights (they weigh more in the loss) or sampling (their "
        "records are drawn more often).",
        group=OPTIMISATION,
        among=CLASS_BALANCES,
    )
    label_smoothing: float = setting(
        0.0,
        help="Fraction of each target that is spread evenly over the classes.",
        group=REGULARISATION,
        low=0,
        high=0.5,
        step=0.05,
    )
    dropout: float | None = setting(
        None,
        help="Fraction of activations that are dropped in training.",
        group=REGULARISATION,
        low=0,
        high=0.95,
        default_text="by network",
        step=0.05,
    )
    grad_clip: float | None = setting(
        None,
        help="Highest norm of the gradient; longer gradients are shortened to it.",
        group=OPTIMISATION,
        label="Gradient clipping",
        low=1e-6,
        high=1_000_000,
        default_text="no limit",
        step=0.1,
    )
    patience: int | None = setting(
        None,
        help="Epochs without a better validation macro AUC after which the training stops.",
        group=OPTIMISATION,
        unit="epochs",
        low=1,
        high=10_000,
        default_text="no limit",
    )
    ema_decay: float = setting(
        0.0,
        help="Decay per step of a moving average of the weights, which is then what is kept; 0 "
        "for none.",
        group=OPTIMISATION,
        label="Moving average (EMA) decay",
        low=0,
        high=0.99999,
        step=0.001,
    )
    depth: int | None = setting(
        None,
        help="Residual blocks of resnet1d.",
        group=NETWORK,
        unit="blocks",
        low=4,
        high=256,
        default_text="by network",
    )
    width: int | None = setting(
        None,
        help="Channels in the first stage of resnet1d.",
        group=NETWORK,
        unit="channels",
        low=1,
        high=1024,
        default_text="by network",
    )
    kernel: int | None = setting(
        None,
        help="Span of a convolution of resnet1d, an odd number.",
        group=NETWORK,
        unit="samples",
        low=1,
        high=255,
        default_text="by network",
        step=2,
    )
    pretrained: str | None = setting(
        None,
        help="Run or shipped model whose weights are the start and whose pre-processing is used; "
        "the head starts afresh where the classes differ.",
        group=INITIALISATION,
        label="Start from",
        default_text="fresh weights",
    )
    teacher: str | None = setting(
        None,
        help="Run or shipped model whose answers to the training records are trained on as well "
        "as the labels.",
        group=INITIALISATION,
        default_text="none",
    )
    backbone_lr_factor: float = setting(
        1.0,
        help="Learning rate of all layers but the head, as a fraction of the head's; 0 freezes "
        "them.",
        group=INITIALISATION,
        label="Backbone learning-rate factor",
        low=0,
        high=1,
        step=0.1,
    )
    deterministic: bool = setting(
        False,
        help="Repeatable results on a GPU, too: only deterministic algorithms, which are slower.",
        group=MACHINE,
    )
    split: str = setting(
        "patient",
        help="Split: patient (70/15/15 and a holdout fold), folds (published), source:NAME (that "
        "source tests, the others train), fold:K or fold:K+L (these folds test, all others train), "
        "rest (what a level leaves tests) or none (all train).",
        group=DATA,
        label="Split by",
    )
    where: str | None = setting(
        None,
        help="Conditions on the records that take part, such as 'site=2' or "
        "'source=georgia,device!=CS-12'.",
        group=DATA,
        label="Records where",
        default_text="all records",
    )
    seed: int = setting(
        1,
        help="Seed of the draw, the split, the first weights and the order of records.",
        group=MACHINE,
        low=0,
        high=2**32 - 1,
    )
    device: str = setting(
        "auto",
        help="Device: auto (a GPU where there is one), cpu, cuda (any free GPU) or one by number, "
        "such as cuda:1.",
        group=MACHINE,
    )
    precision: str = setting(
        "auto",
        help="Precision: auto (bfloat16 where the device computes in it), float32 or bfloat16.",
        group=MACHINE,
        among=PRECISIONS,
    )

    @property
    def sides_px(self) -> tuple[int, int]:
        """Height and width of the image."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @property
    def model_options(self) -> dict[str, Any]:
        """Options that the network is built with, its own defaults left out."""
        options = {name: getattr(self, name) for name in MODEL_OPTIONS}
        return {name: value for name, value in options.items() if value is not None}

    def resolve(self) -> "ResolvedConfig":
        """Return the training with every default made explicit; refuse impossible settings.

        Raises
        ------
        RequestError
            In one line: what was found and what is accepted.
        """
        self._check()
        from ecgcore.models import model_info  # imports torch, which reading a run must not need

        by_level = "multilabel" if self.level == "all" else "exclusive"
        rate, decay = (
            model_info(self.model).learning_rates[self.optimizer],
            OPTIMIZERS[self.optimizer],
        )
        explicit = {
            "target_mode": self.target_mode or by_level,
            "learning_rate": rate if self.learning_rate is None else self.learning_rate,
            "weight_decay": decay if self.weight_decay is None else self.weight_decay,
        }
        return ResolvedConfig(**(asdict(self) | explicit))

    def check_values(self, with_choices: bool = True) -> None:
        """Refuse a value of another kind, outside its range, or not among its choices."""
        for one in settings_of(type(self)):
            one.check(getattr(self, one.name), with_choices)

    def _check(self) -> None:
        from ecgcore.cohort import splits
        from ecgcore.cohort.record_filter import parse_conditions

        self.check_values()
        self._check_level()
        splits.check_way(self.split)
        if self.where is not None:
            parse_conditions(self.where)
        if self.patience is not None and not splits.validates(self.split):
            raise RequestError(f"Split '{self.split}' has no validation; patience needs one.")
        self._check_label_set()
        self._check_network()

    def _check_level(self) -> None:
        if self.level in LEVELS:
            return
        is_number = self.level.isdecimal() and len(self.level) <= len(str(LARGEST_LEVEL))
        if not is_number or not SMALLEST_LEVEL <= int(self.level) <= LARGEST_LEVEL:
            raise RequestError(
                f"Level '{self.level:.40}' is neither 204, 440, all nor a number of records from "
                f"{SMALLEST_LEVEL} to {LARGEST_LEVEL:,}."
            )

    def _check_label_set(self) -> None:
        """Refuse what only the paper's ten classes have."""
        from ecgcore.labels.label_sets import LABEL_SETS

        if self.label_set == "paper10":
            return
        modes: tuple[str | None, ...] = (None, "multilabel", "exclusive")
        if self.label_set not in LABEL_SETS:  # in a set of one's own the order of classes ranks
            modes = (*modes, "priority")
        for name, value, accepted in (
            ("label source", self.label_source, ("expert",)),
            ("label tier", self.label_tier, ("core",)),
            ("augmentation", self.augmentation, ("none", "standard", "robust")),
            ("target mode", self.target_mode, modes),
        ):
            if value not in accepted:
                raise RequestError(
                    f"{name} '{value}' is of the label set paper10 only; with {self.label_set}, "
                    f"{' and '.join(filter(None, accepted))} are accepted."
                )

    def _check_network(self) -> None:
        from ecgcore.models import model_info  # imports torch

        info = model_info(self.model)
        info.check_options(self.model_options)
        image = (self.layout, self.size, self.rhythm)
        if info.input == "signal" and image != ("stacked", 224, "II"):
            raise RequestError(
                f"{self.model} reads signals: layout, size and rhythm are for networks on images."
            )
        if info.fixed_size and self.sides_px != info.fixed_size:
            raise RequestError(
                f"{self.model} reads {info.fixed_size[0]}×{info.fixed_size[1]} pixels, not "
                f"{self.sides_px[0]}×{self.sides_px[1]}; the '_gap' variants take any size."
            )


@dataclass(frozen=True)
class ResolvedConfig(TrainConfig):
    """Training with every default made explicit, as ``run.json`` stores it."""

    target_mode: str = with_default(TrainConfig, "target_mode", "exclusive")
    learning_rate: float = with_default(TrainConfig, "learning_rate", 1e-4)
    weight_decay: float = with_default(TrainConfig, "weight_decay", 0.01)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ResolvedConfig":
        """Read a stored configuration, old spellings as well; refuse unknown settings by name."""
        content = {OLD_NAMES.get(name, name): value for name, value in content.items()}
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(content) - known):
            raise RequestError(f"This version does not know the setting {', '.join(unknown)}.")
        size = content.get("size", 224)
        return cls(**content | {"size": tuple(size) if isinstance(size, list) else size})


def train_settings() -> tuple[Setting, ...]:
    """Return the descriptions of all training settings."""
    return settings_of(TrainConfig)


def settings_in_words(config: TrainConfig) -> dict[str, str]:
    """Return the name and value of each setting for people, as reports and cards list them."""
    return {
        one.title: one.in_words(getattr(config, one.name, one.default))
        for _, settings in by_group(train_settings())
        for one in settings
    }

"""AlexNet after Table 1 of paper 001, and its modification M-SE.

The paper names M-SE's ingredients (BatchNorm, Dropout, Squeeze-and-Excitation) but shows no
architecture. Our interpretation, also in docs/models.md: each of the five blocks is convolution →
BatchNorm → ReLU → SE (reduction 16) → max-pooling where Table 1 pools; BatchNorm replaces local
response normalisation; dropout 0.5 precedes FC6 and FC7.

The weights are initialised after He et al. 2015 (doi:10.1109/ICCV.2015.123), the last layer's from
N(0, 0.01) as Krizhevsky's are.
"""

from typing import NamedTuple

from torch import Tensor, nn

from ecgcore.errors import EcgError

SE_REDUCTION = 16

# Mean and standard deviation of a drawn ECG's pixels (`stacked`, 224 × 224, PTB-XL). Inputs are
# standardised, as Krizhevsky et al. 2012 subtract ImageNet's mean: ink is sparse, and inputs that
# are not on unit scale fade in the plain net's local response normalisation.
INK_MEAN, INK_STD = 0.0375, 0.173


class Stage(NamedTuple):
    """One convolutional row of Table 1."""

    maps: int
    kernel: int
    stride: int
    padding: int
    normalised: bool  # the table's LRN; M-SE normalises every stage
    pooled: bool


TABLE_1 = (
    Stage(96, 11, 4, 2, normalised=True, pooled=True),
    Stage(256, 5, 1, 2, normalised=True, pooled=True),
    Stage(384, 3, 1, 1, normalised=False, pooled=False),
    Stage(384, 3, 1, 1, normalised=False, pooled=False),
    Stage(256, 3, 1, 1, normalised=False, pooled=True),
)
FC_WIDTH = 4096
FC_GRID = 6  # 224 × 224 pixels end as 6 × 6 cells of 256 maps


class LocalResponseNorm(nn.LocalResponseNorm):
    """Krizhevsky's normalisation over neighbouring maps: n = 5, k = 2, α = 1e-4, β = 0.75.

    Krizhevsky et al. 2012, section 3.3. torch's own forward uses a 3-D pooling that takes
    three times as long on a CPU and lacks bfloat16; the sum over n shifted squares is equivalent.
    torch divides α by n and the paper does not, hence 5e-4.
    """

    def __init__(self) -> None:
        super().__init__(size=5, alpha=5e-4, beta=0.75, k=2.0)

    def forward(self, maps: Tensor) -> Tensor:  # (B, C, H, W) → the same
        reach = self.size // 2
        squares = nn.functional.pad(maps.square(), (0, 0, 0, 0, reach, reach))
        around = sum(squares[:, i : i + maps.shape[1]] for i in range(self.size))
        return maps * (self.k + self.alpha / self.size * around) ** -self.beta


def block(inputs: int, stage: Stage, batch_norm: bool, se: bool) -> nn.Sequential:
    """Return one stage: convolution and activation with the layers that the variant adds."""
    layers: list[nn.Module] = [
        nn.Conv2d(
            inputs, stage.maps, stage.kernel, stage.stride, stage.padding, bias=not batch_norm
        )
    ]
    if batch_norm:
        layers.append(nn.BatchNorm2d(stage.maps))
    layers.append(nn.ReLU(inplace=True))
    if se:
        layers.append(squeeze_excitation(stage.maps))
    if stage.normalised and not batch_norm:
        layers.append(LocalResponseNorm())
    if stage.pooled:
        layers.append(nn.MaxPool2d(3, stride=2))
    return nn.Sequential(*layers)


def squeeze_excitation(maps: int) -> nn.Module:
    """Return torchvision's gate with reduction 16; refuse a torchvision that does not fit torch."""
    try:
        from torchvision.ops import SqueezeExcitation  # 2 s of import that only SE needs
    except (ImportError, OSError, RuntimeError) as error:
        raise EcgError(
            f"torchvision does not work beside the installed torch ({str(error).splitlines()[0]}); "
            "install both from one index, for the CPU alone: pip install --force-reinstall torch "
            "torchvision --index-url https://download.pytorch.org/whl/cpu (docs/install.md)."
        ) from error
    return SqueezeExcitation(maps, maps // SE_REDUCTION)


def fc_head(classes: int, dropout: float, before_each: bool) -> nn.Sequential:
    """Return FC6–FC8, with dropout after FC6 and FC7 (Table 1) or before each (M-SE)."""
    drop = [nn.Dropout(dropout)]
    first = [nn.Flatten(), *(drop if before_each else [])]
    wide = 256 * FC_GRID * FC_GRID
    return nn.Sequential(
        *first,
        *(nn.Linear(wide, FC_WIDTH), nn.ReLU(inplace=True), nn.Dropout(dropout)),
        *(nn.Linear(FC_WIDTH, FC_WIDTH), nn.ReLU(inplace=True)),
        *([] if before_each else [nn.Dropout(dropout)]),
        nn.Linear(FC_WIDTH, classes),
    )


def gap_head(classes: int, dropout: float) -> nn.Sequential:
    """Return global average pooling instead of FC6–FC7, the paper's own remedy for their size."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(256, classes)
    )


class AlexNet(nn.Module):
    """Five convolutional stages and a head.

    Parameters
    ----------
    classes
        Width of the output.
    batch_norm
        BatchNorm after every convolution, in place of local response normalisation.
    se
        Squeeze-and-Excitation after every activation.
    head
        ``fc`` (Table 1; input must be 224 × 224) or ``gap`` (any size from 67 pixels up).
    dropout
        Share dropped in the head.
    """

    def __init__(
        self,
        classes: int = 10,
        *,
        batch_norm: bool = False,
        se: bool = False,
        head: str = "fc",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        widths = (3, *(stage.maps for stage in TABLE_1))
        self.features = nn.Sequential(
            *(
                block(w, stage, batch_norm, se)
                for w, stage in zip(widths[:-1], TABLE_1, strict=True)
            )
        )
        if head == "fc":
            self.head = fc_head(classes, dropout, before_each=batch_norm or se)
        else:
            self.head = gap_head(classes, dropout)
        self.apply(init_he)
        *_, last = self.head.children()
        nn.init.normal_(last.get_parameter("weight"), std=0.01)

    @property
    def cam_layer(self) -> nn.Module:
        """The layer that Grad-CAM reads: the last convolution's activation, 13 × 13 at 224."""
        *_, last, _pool = self.features[-1].children()
        return last

    def forward(self, images: Tensor) -> Tensor:  # (B, 3, H, W) → (B, classes)
        return self.head(self.features((images - INK_MEAN) / INK_STD))


def init_he(module: nn.Module) -> None:
    """Initialise convolutions and linear layers with He's normal distribution, biases with zero."""
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)

"""Residual network on signals with free depth, width and kernel (paper 003).

Paper 003 studies how to scale a ResNet for ECGs and finds shallower, wider networks with smaller
kernels better. The blocks are those of He et al. 2016 (doi:10.1109/CVPR.2016.90) in one dimension,
with the activation after the addition as there; each stage but the first halves the rate and
doubles the channels.
"""

import torch
from torch import Tensor, nn

from ecgcore.errors import RequestError
from ecgcore.models.alexnet import init_he
from ecgcore.records.record import LEADS

STAGES = 4
LARGEST_MV = 20.0
"""Samples are clamped to this: beyond it lie artefacts, one of which could dominate the record."""


def scaled_shape(step: float) -> dict[str, int]:
    """Return depth, width and kernel of the compound scaling rule at a step (0 is the smallest).

    Following paper 003, most of the cost goes into width: each step doubles the multiply-adds, of
    which depth takes the fourth root and width the rest; the kernel stays small.
    """
    depth = max(STAGES, round(STAGES * 2 ** (step / 4)))
    width = 8 * max(1, round(32 * 2 ** (3 * step / 8) / 8))
    return {"depth": depth, "width": width, "kernel": 5}


class Block(nn.Module):
    """Residual block: two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        padding = kernel // 2
        self.convolutions = nn.Sequential(
            nn.Conv1d(inputs, outputs, kernel, stride, padding, bias=False),
            nn.BatchNorm1d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv1d(outputs, outputs, kernel, padding=padding, bias=False),
            nn.BatchNorm1d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool1d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
                nn.Conv1d(inputs, outputs, 1, bias=False),
                nn.BatchNorm1d(outputs),
            )
        self.activation = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:  # (B, inputs, T) → (B, outputs, T / stride)
        return self.activation(self.convolutions(maps) + self.shortcut(maps))


class ResNet1d(nn.Module):
    """Stem, four stages of residual blocks, and average and maximum pooling over time.

    Parameters
    ----------
    classes
        Width of the output.
    depth
        Total residual blocks, at least one a stage; the later stages take the remainder.
    width
        Channels of the first stage, doubled by each further stage up to eight times.
    kernel
        Kernel size in samples, odd.
    dropout
        Share dropped before the last layer.
    """

    def __init__(
        self,
        classes: int = 10,
        *,
        depth: int = 8,
        width: int = 64,
        kernel: int = 5,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if depth < STAGES or width < 1 or kernel < 1 or kernel % 2 == 0:
            raise RequestError(
                f"resnet1d has no shape depth {depth}, width {width}, kernel {kernel}: depth from "
                f"{STAGES}, width from 1 and an odd kernel are accepted."
            )
        self.stem = nn.Sequential(
            nn.Conv1d(len(LEADS), width, max(kernel, 7), 2, max(kernel, 7) // 2, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
        )
        blocks, channels = [], width
        for stage in range(STAGES):
            n_blocks = depth // STAGES + (stage >= STAGES - depth % STAGES)
            for number in range(n_blocks):
                stride = 2 if stage and number == 0 else 1
                blocks.append(Block(channels, width * 2**stage, kernel, stride))
                channels = width * 2**stage
        self.stages = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * channels, classes))
        self.apply(init_he)
        last = self.head[-1]
        nn.init.normal_(last.get_parameter("weight"), std=0.01)

    @property
    def cam_layer(self) -> nn.Module:
        """The layer that Grad-CAM reads: the last block's activation, a cell each 16 samples."""
        return self.stages[-1].activation  # type: ignore[return-value]

    def forward(self, signal_mv: Tensor) -> Tensor:  # (B, 12, T) in mV → (B, classes)
        clamped_mv = signal_mv.nan_to_num(0.0).clamp(-LARGEST_MV, LARGEST_MV)
        maps = self.stages(self.stem(clamped_mv))  # (B, 8 × width, T / 16)
        return self.head(torch.cat([maps.mean(2), maps.amax(2)], dim=1))

"""A small residual network with GroupNorm, which needs no batch statistics."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fedplat import check


class Block(nn.Module):
    """Two 3×3 convolutions with GroupNorm around a shortcut (1×1 where the shape changes)."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(groups, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(groups, outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.GroupNorm(groups, outputs)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = torch.relu(self.norm1(self.conv1(inputs)))
        return torch.relu(self.norm2(self.conv2(hidden)) + self.shortcut(inputs))


def resnet8(
    input_shape: Sequence[int], num_outputs: int, width: int = 16, groups: int = 8
) -> nn.Module:
    """ResNet-8: a 3×3 convolution, three residual blocks of width, 2·width, 4·width, mean, dense.

    Shapes: input (channels, height, width), each side at least 4.
    Raises: ValueError, if the input is no such image, or `groups` does not divide `width`.
    Source: He et al. 2016, "Deep Residual Learning", §4.2 with n = 1 (6n + 2 layers).
    arXiv:1512.03385   Deviates: GroupNorm (Wu & He 2018, arXiv:1803.08494) in place of BatchNorm,
    as Hsieh et al. 2020 (arXiv:1910.00189, §5) advise for label skew; 1×1 convolution shortcuts.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 4:
        raise ValueError(
            "resnet8 takes images (channels, height, width) of at least 4×4 pixels, got samples "
            f"of shape {tuple(input_shape)}"
        )
    check.at_least(1, width=width, groups=groups)
    if width % groups:
        raise ValueError(f"groups must divide width, got {groups} and {width}")
    return nn.Sequential(
        nn.Conv2d(input_shape[0], width, 3, padding=1, bias=False),
        nn.GroupNorm(groups, width),
        nn.ReLU(),
        Block(width, width, 1, groups),
        Block(width, 2 * width, 2, groups),
        Block(2 * width, 4 * width, 2, groups),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, num_outputs),
    )

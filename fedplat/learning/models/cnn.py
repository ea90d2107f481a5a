"""The small CNN of the federated literature: two 5×5 convolutions, two dense layers."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedplat import check

SMALLEST_UNPADDED = 16


class Cnn(nn.Module):
    """Convolution, 2×2 max pooling, ReLU, twice; a dense layer with ReLU; a dense layer out.

    It asks for its images with the channels last, where torch's pooling and convolutions are a
    third faster in training and twice as fast in evaluation; it computes the same from either.
    """

    memory_format = torch.channels_last

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: int,
        channels: Sequence[int],
        dense: int,
        padding: int,
    ) -> None:
        super().__init__()
        depth, height, width = input_shape
        first, second = channels
        self.conv1 = nn.Conv2d(depth, first, 5, padding=padding)
        self.conv2 = nn.Conv2d(first, second, 5, padding=padding)
        features = second * _pooled_twice(height, padding) * _pooled_twice(width, padding)
        self.dense = nn.Linear(features, dense)
        self.head = nn.Linear(dense, num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = torch.relu(functional.max_pool2d(self.conv1(inputs), 2))
        hidden = torch.relu(functional.max_pool2d(self.conv2(hidden), 2))
        outputs: Tensor = self.head(torch.relu(self.dense(hidden.flatten(1))))
        return outputs


def cnn(
    input_shape: Sequence[int],
    num_outputs: int,
    channels: Sequence[int] = (10, 20),
    dense: int = 50,
) -> nn.Module:
    """Two 5×5 convolutions of `channels` (each 2×2 max pool, ReLU), `dense`, outputs.

    The shorter side of the input chooses the variant, and nothing else does:
    from 16 pixels on, the convolutions are unpadded, as published (28×28×1 to 10 classes has
    exactly 21,840 parameters); from 4 to 15 pixels, they are padded by 2, so that each pooling
    halves the image (8×8 digits keep 2×2 positions at the end; 9,840 parameters).

    Shapes: input (channels, height, width).
    Raises: ValueError, if the input is not of three axes or a side is shorter than 4.
    """
    if len(input_shape) != 3:
        raise ValueError(
            f"cnn takes images (channels, height, width), got samples of shape {tuple(input_shape)}"
        )
    if len(channels) != 2:
        raise ValueError(f"channels must be two numbers, got {list(channels)}")
    check.at_least(1, dense=dense, channels=min(channels))
    side = min(input_shape[1:])
    if side < 4:
        raise ValueError(
            f"cnn takes images of at least 4×4 pixels, got {input_shape[1]}×{input_shape[2]}"
        )
    padding = 0 if side >= SMALLEST_UNPADDED else 2
    return Cnn(input_shape, num_outputs, channels, dense, padding)


def _pooled_twice(side: int, padding: int) -> int:
    for _ in range(2):
        side = (side + 2 * padding - 4) // 2
    return side

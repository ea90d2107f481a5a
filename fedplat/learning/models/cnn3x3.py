"""The wide CNN of the compression literature: two 3×3 convolutions and one large dense layer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedplat import check


class Cnn3x3(nn.Module):
    """Convolution, ReLU, convolution, 2×2 max pooling, ReLU; a dense layer with ReLU; outputs.

    It asks for its images with the channels last, as `cnn` does.
    """

    memory_format = torch.channels_last

    def __init__(
        self, input_shape: Sequence[int], num_outputs: int, channels: Sequence[int], dense: int
    ) -> None:
        super().__init__()
        depth, height, width = input_shape
        first, second = channels
        self.conv1 = nn.Conv2d(depth, first, 3)
        self.conv2 = nn.Conv2d(first, second, 3)
        self.dense = nn.Linear(second * ((height - 4) // 2) * ((width - 4) // 2), dense)
        self.head = nn.Linear(dense, num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = torch.relu(self.conv1(inputs))
        hidden = torch.relu(functional.max_pool2d(self.conv2(hidden), 2))  # relu and max commute
        outputs: Tensor = self.head(torch.relu(self.dense(hidden.flatten(1))))
        return outputs


def cnn3x3(
    input_shape: Sequence[int],
    num_outputs: int,
    channels: Sequence[int] = (32, 64),
    dense: int = 128,
) -> nn.Module:
    """Two unpadded 3×3 convolutions of `channels`, one 2×2 max pooling, `dense`, outputs.

    28×28×1 to 10 classes has exactly 1,199,882 parameters, 98 % of them in one dense layer.

    Shapes: input (channels, height, width), each side at least 6.
    Raises: ValueError, if the input is no such image.
    Source: Malekijoo et al. 2021, "FedZip", the authors' published code.  arXiv:2102.01593
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 6:
        raise ValueError(
            "cnn3x3 takes images (channels, height, width) of at least 6×6 pixels, got samples "
            f"of shape {tuple(input_shape)}"
        )
    if len(channels) != 2:
        raise ValueError(f"channels must be two numbers, got {list(channels)}")
    check.at_least(1, dense=dense, channels=min(channels))
    return Cnn3x3(input_shape, num_outputs, channels, dense)

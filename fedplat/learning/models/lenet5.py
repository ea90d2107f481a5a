"""LeNet-5 with ReLU and max pooling."""

from collections.abc import Sequence

from torch import nn


def lenet5(input_shape: Sequence[int], num_outputs: int) -> nn.Module:
    """Convolutions of 6 and 16 channels, dense layers of 120 and 84, and the outputs.

    28×28 images are padded by 2 to the 32×32 of the paper (61,706 parameters with 10 classes);
    32×32 images are taken as they are.

    Shapes: input (channels, 28, 28) or (channels, 32, 32).
    Raises: ValueError, if the input has another shape.
    Source: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", §II.B.
    Deviates: ReLU, max pooling and a dense output layer in place of the scaled tanh, trainable
    subsampling, partial connections and RBF units, as is usual today.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[1:] not in ((28, 28), (32, 32)):
        raise ValueError(
            f"lenet5 takes images of 28×28 or 32×32 pixels, got samples of shape {shape}; "
            "cnn takes any image of at least 4×4"
        )
    padding = 2 if shape[1] == 28 else 0
    return nn.Sequential(
        nn.Conv2d(shape[0], 6, 5, padding=padding),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, num_outputs),
    )

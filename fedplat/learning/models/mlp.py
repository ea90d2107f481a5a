"""A multi-layer perceptron with ReLU."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import nn

from fedplat import check


def mlp(
    input_shape: Sequence[int],
    num_outputs: int,
    hidden: Sequence[int] = (200,),
    dropout: float = 0.0,
) -> nn.Module:
    """Dense layers of the widths `hidden` with ReLU between them.

    The default is 784-200-10 on MNIST (159,010 parameters); `hidden=(200, 200)` is the 2NN of
    McMahan et al. (199,210).  `dropout` follows each hidden layer.
    Source: McMahan et al. 2017, "Communication-Efficient Learning of Deep Networks from
    Decentralized Data", §3.  arXiv:1602.05629
    """
    check.fraction(dropout=dropout)
    for width in hidden:
        check.at_least(1, hidden=width)
    layers: list[nn.Module] = [nn.Flatten()]
    for wide, narrow in pairwise([prod(input_shape), *hidden]):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    last = hidden[-1] if hidden else prod(input_shape)
    return nn.Sequential(*layers, nn.Linear(last, num_outputs))

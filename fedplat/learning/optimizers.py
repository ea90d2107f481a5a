"""SGD and Adam over flat vectors: a step is a few operations, however many layers there are.

`step` moves `weights` in place along `gradient`, which it may overwrite.  With a client's vector in
each row, `keep` forgets the moments of the rows beyond the first so many.
"""

from dataclasses import dataclass, field
from math import sqrt

from jaxtyping import Float32
from torch import Tensor

from fedplat import check
from fedplat.types import TrainSettings

Vector = Float32[Tensor, "*clients dim"]


@dataclass(slots=True)
class Sgd:
    """Stochastic gradient descent with heavy-ball momentum, as torch.optim.SGD (dampening 0)."""

    lr: float
    momentum: float = 0.0
    velocity: Vector | None = field(default=None, init=False)

    def step(self, weights: Vector, gradient: Vector) -> None:
        if self.momentum:
            if self.velocity is None:
                self.velocity = gradient.clone()
            else:
                self.velocity.mul_(self.momentum).add_(gradient)
            gradient = self.velocity
        weights.add_(gradient, alpha=-self.lr)

    def keep(self, rows: int) -> None:
        self.velocity = None if self.velocity is None else self.velocity[:rows]


@dataclass(slots=True)
class Adam:
    """Adam with bias correction.

    Source: Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization", Algorithm 1.
    arXiv:1412.6980   Deviates: weight decay, if any, is L2 in the gradient, as in torch.optim.Adam.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    steps: int = field(default=0, init=False)
    first: Vector | None = field(default=None, init=False)
    second: Vector | None = field(default=None, init=False)

    def step(self, weights: Vector, gradient: Vector) -> None:
        if self.first is None or self.second is None:
            self.first = gradient.new_zeros(gradient.shape)
            self.second = gradient.new_zeros(gradient.shape)
        self.steps += 1
        self.first.lerp_(gradient, 1 - self.beta1)
        self.second.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        denominator = self.second.sqrt().div_(sqrt(1 - self.beta2**self.steps)).add_(self.epsilon)
        weights.addcdiv_(self.first, denominator, value=-self.lr / (1 - self.beta1**self.steps))

    def keep(self, rows: int) -> None:
        self.first = None if self.first is None else self.first[:rows]
        self.second = None if self.second is None else self.second[:rows]


Optimizer = Sgd | Adam


def optimizer(settings: TrainSettings) -> Optimizer:
    """A fresh optimizer: every client starts each round without moments of its own."""
    if settings.optimizer == "adam":
        return Adam(settings.lr)
    return Sgd(settings.lr, settings.momentum)


def check_settings(settings: TrainSettings) -> None:
    """Raises: ValueError, if a value is out of range or two of them contradict each other."""
    check.one_of(("sgd", "adam"), optimizer=settings.optimizer)
    check.positive(lr=settings.lr)
    check.fraction(momentum=settings.momentum)
    check.non_negative(weight_decay=settings.weight_decay)
    check.at_least(1, batch_size=settings.batch_size)
    if settings.clip_norm is not None:
        check.positive(clip_norm=settings.clip_norm)
    if (settings.epochs is None) == (settings.steps is None):
        raise ValueError("exactly one of epochs and steps must be given")
    work = settings.epochs if settings.epochs is not None else settings.steps
    check.at_least(0, **{"epochs" if settings.steps is None else "steps": float(work or 0)})
    if settings.optimizer == "adam" and settings.momentum:
        raise ValueError("momentum belongs to sgd; adam has its own")

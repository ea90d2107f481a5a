"""Local training and evaluation of any torch module: the learner that the others are measured by.

How a step is made is told in `docs/learning.md`; what its forms cost, by `benchmarks.local_step`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Tensor, nn

from fedplat import rng
from fedplat.learning import tasks
from fedplat.learning.batches import epoch_orders, num_steps
from fedplat.learning.bound import BoundModule
from fedplat.learning.divergence import diverged, refused
from fedplat.learning.optimizers import Optimizer, check_settings, optimizer
from fedplat.learning.seeding import seeded
from fedplat.params import ALIGNMENT, Params
from fedplat.protocols import LocalTraining, Trained
from fedplat.types import Dataset, Mean, Metrics, TaskKind, TrainSettings, merge

Vector = Float32[Tensor, " dim"]
EVALUATION_CHUNK = 512
SUPPORTS = frozenset({"proximal", "correction", "roles", "epochs"})


class TorchLearner:
    """Trains and evaluates the module that `factory` makes.

    One instance computes in memory of its own, so it belongs to one thread; what it answers
    depends on its arguments alone.  A client's steps, each: the gradient of the mean loss of the
    batch, plus the proximal term (both are the local loss), clipped to `clip_norm`; plus the
    correction; plus weight_decay · w; then the optimizer.  Frozen roles take no part in it.
    Images are laid out as the module's attribute `memory_format` says, if it has one.
    Normalisation statistics move as the module's forward moves them, whatever the roles.
    `stepped`, if there is one, is called after every step and takes no part in it.

    Guarantees: equal arguments give equal bits, in any process configured by
    `numerics.configure`; no step and no sample give an update of exactly zero.
    Raises: ConfigError, if the module can not be federated; ValueError, if the settings contradict
    themselves.
    """

    def __init__(
        self,
        factory: Callable[[], nn.Module],
        settings: TrainSettings,
        task: TaskKind = "classification",
        seed: int = 0,
    ) -> None:
        check_settings(settings)
        self.settings = settings
        self._recipe = (factory, settings, task, seed)
        self.task = tasks.BY_KIND[task]
        self.stepped: Callable[[], None] | None = None
        with seeded(rng.derive(seed, "model")):
            self._bound = BoundModule(factory())
        self._initial = self._bound.read()
        default = torch.contiguous_format
        self._inputs: torch.memory_format = getattr(self.module, "memory_format", default)

    def __reduce__(self) -> tuple[Any, ...]:
        return TorchLearner, self._recipe

    @property
    def supports(self) -> frozenset[str]:
        return SUPPORTS | {"sgd"} if self.settings.optimizer == "sgd" else SUPPORTS

    @property
    def module(self) -> nn.Module:
        """The module that it computes with; its values are those of the last call."""
        return self._bound.module

    def initial(self) -> Params:
        return self._initial

    def train(self, request: LocalTraining, data: Dataset, seed: int) -> Trained:
        """Minimises the local loss from `request.start`.

        Metrics: `train_loss`, the mean over all samples that were trained on.
        Raises: DivergenceError, if a loss or the result is not finite; round and client are "?".
        """
        steps = num_steps(self.settings, request.epochs, len(data))
        if steps == 0:
            return Trained(request.start, 0, {"train_loss": Mean(Fraction(0), 0)})
        self._bound.load(request.start)
        self._bound.module.train()
        with seeded(rng.derive(seed, "torch")):
            train_loss = self._steps(request, data, seed, steps)
        params = self._bound.read()
        if not params.vector.isfinite().all():
            raise diverged(steps, "the trained model")
        return Trained(params, steps, {"train_loss": train_loss})

    def _steps(self, request: LocalTraining, data: Dataset, seed: int, steps: int) -> Mean:
        bound, task, size = self._bound, self.task, self.settings.batch_size
        stepped = self.stepped
        rule = _Step(self.settings, request, bound)
        step, total, seen = 0, 0.0, 0
        for order in epoch_orders(len(data), size, steps, seed):
            for batch, wanted in _batches(data, order, size, self._inputs):
                step += 1
                try:
                    loss = task.loss(bound.module(batch), wanted)
                    rule.differentiate(loss)
                except (RuntimeError, ValueError) as error:
                    raise refused(f"local step {step} on {len(batch)} samples", error) from error
                value = loss.item()
                if not isfinite(value):
                    raise diverged(step, "the training loss")
                total += value * len(batch)
                seen += len(batch)
                rule.apply()
                if stepped is not None:
                    stepped()
        return Mean.of(total, seen)

    def evaluate(self, params: Params, data: Dataset) -> Metrics:
        """Raises: DivergenceError, if a loss is not finite; its step is 0."""
        return self.evaluate_chunks(params, data, 0, num_chunks(len(data)))

    def evaluate_chunks(self, params: Params, data: Dataset, first: int, last: int) -> Metrics:
        """The metrics of chunks `first` to `last` (exclusive) of `num_chunks(len(data))`.

        Guarantees: merged over any split of the chunks, equal to `evaluate` in every bit.
        """
        self._bound.load(params)
        self._bound.module.eval()
        with torch.inference_mode():
            try:
                parts = [
                    self.task.metrics(self._bound.module(inputs), targets)
                    for inputs, targets in _chunks(data, first, last, self._inputs)
                ]
            except ValueError as error:
                raise diverged(0, "the loss of an evaluation") from error
        return merge([self.task.nothing(), *parts])


def _batches(
    data: Dataset, order: Int64[Tensor, " used"], size: int, layout: torch.memory_format
) -> Iterator[tuple[Tensor, Tensor]]:
    """Gathers an epoch's samples once, on fresh aligned memory, and cuts it into batches."""
    rows = data.inputs.reshape(len(data), -1)  # whole rows are copied four times as fast
    gathered = rows.index_select(0, order).view(-1, *data.inputs.shape[1:])
    inputs = _laid_out(gathered, layout).split(size)  # type: ignore[no-untyped-call]
    targets = data.targets[order].split(size)  # type: ignore[no-untyped-call]
    return zip(inputs, targets, strict=True)


def _laid_out(inputs: Tensor, layout: torch.memory_format) -> Tensor:
    """Copies images into the layout; other samples, and the default layout, stay as they are."""
    if layout == torch.contiguous_format or inputs.dim() != 4:
        return inputs
    return torch.empty_like(inputs, memory_format=layout).copy_(inputs)


def num_chunks(samples: int) -> int:
    """The number of fixed chunks that an evaluation of so many samples consists of."""
    return -(-samples // EVALUATION_CHUNK)


def _chunks(
    data: Dataset, first: int, last: int, layout: torch.memory_format
) -> Iterator[tuple[Shaped[Tensor, "chunk *features"], Shaped[Tensor, "chunk *outputs"]]]:
    """Cuts out the chunks, each on 64 bytes: a misaligned start would choose other kernels."""
    for start in range(first * EVALUATION_CHUNK, last * EVALUATION_CHUNK, EVALUATION_CHUNK):
        inputs = _laid_out(data.inputs[start : start + EVALUATION_CHUNK].contiguous(), layout)
        if inputs.data_ptr() % ALIGNMENT:
            inputs = inputs.clone()
        yield inputs, data.targets[start : start + EVALUATION_CHUNK]


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """A contiguous run of trained weights, with its gradient and its own optimizer."""

    weights: Vector
    gradient: Vector
    anchor: Vector | None
    correction: Vector | None
    optimizer: Optimizer


class _Step:
    """What is done to the weights once a batch's gradient stands in the flat vector."""

    def __init__(self, settings: TrainSettings, request: LocalTraining, bound: BoundModule) -> None:
        proximal, correction = request.proximal, request.correction
        self.settings, self.gradients = settings, bound.gradients
        self.mu = proximal.weight if proximal else 0.0
        self.spans = [
            _Span(
                bound.weights[span],
                bound.gradients[span],
                proximal.anchor[span] if proximal and proximal.weight else None,
                correction[span] if correction is not None else None,
                optimizer(settings),
            )
            for span in bound.trained_spans(request.roles)
        ]

    def differentiate(self, loss: Tensor) -> None:
        self.gradients.zero_()
        loss.backward()  # type: ignore[no-untyped-call]

    def apply(self) -> None:
        for span in self.spans:
            if span.anchor is not None:
                span.gradient.add_(span.weights, alpha=self.mu).sub_(span.anchor, alpha=self.mu)
        if self.settings.clip_norm is not None:
            norm = self.gradients.norm().item()
            self.gradients.mul_(min(1.0, self.settings.clip_norm / (norm + 1e-6)))
        for span in self.spans:
            if span.correction is not None:
                span.gradient.add_(span.correction)
            if self.settings.weight_decay:
                span.gradient.add_(span.weights, alpha=self.settings.weight_decay)
            span.optimizer.step(span.weights, span.gradient)

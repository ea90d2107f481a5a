"""Trains many clients as one tensor program: every step is taken by all of them at once.

Pays on an accelerator, and with tiny batches; on a CPU the clients' weights fall out of the cache,
and one client after another is faster.  Results agree with `TorchLearner` to rounding, not to the
bit: sums are split otherwise, so `numerics` is an id of its own.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import torch
from jaxtyping import Float32
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from fedplat import check
from fedplat.errors import DivergenceError
from fedplat.learning import numerics
from fedplat.learning.cohort_modules import (
    refuse_changing_buffers,
    refuse_module,
    refusing_what_torch_refuses,
)
from fedplat.learning.cohort_plan import Plan, plan, working
from fedplat.learning.divergence import diverged
from fedplat.learning.optimizers import optimizer
from fedplat.learning.torch_learner import TorchLearner
from fedplat.params import Params, aligned
from fedplat.protocols import LocalTraining, Trained
from fedplat.types import Dataset, Mean, Metrics

Matrix = Float32[Tensor, "clients dim"]
Outcome = Trained | DivergenceError


@dataclass(frozen=True, slots=True, eq=False)
class _Terms:
    """What the requests add to the gradients, stacked over clients.

    Shapes: `mu` (clients, 1); `anchor`, `correction` (clients, num_trainable); `mask`
    (num_trainable,), 1 where a weight is trained.
    """

    mu: Tensor | None
    anchor: Tensor | None
    correction: Tensor | None
    mask: Tensor | None


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """What is counted on the way: each client's sum of losses, and its first step that failed."""

    losses: Tensor
    bad_step: Tensor


class CohortLearner:
    """Trains the clients of a cohort together, with the steps of `learner`.

    Larger shards take more steps: clients are sorted by their number of steps, and each step is
    taken by those that still have one.  A batch that is smaller than the others is filled up with
    samples that weigh nothing.  At most `clients_at_once` train together.

    Guarantees: each update agrees with `learner.train`'s within a relative error of 1e-5.
    Raises: CompositionError, if the module draws random numbers (dropout), mixes the samples of a
    batch (BatchNorm), changes its buffers, or does what torch.func can not transform; the last two
    show at the first training.
    """

    numerics: ClassVar[str] = "cohort"

    def __init__(
        self, learner: TorchLearner, device: str = "cpu", clients_at_once: int = 128
    ) -> None:
        check.at_least(1, clients_at_once=clients_at_once)
        refuse_module(learner.module)
        self.learner, self.device = learner, torch.device(device)
        self.clients_at_once = clients_at_once
        self._layout = learner.initial().layout
        self._module = copy.deepcopy(learner.module).requires_grad_(False).to(self.device).train()
        self._probed = False

    @property
    def supports(self) -> frozenset[str]:
        return self.learner.supports

    def initial(self) -> Params:
        return self.learner.initial()

    def evaluate(self, params: Params, data: Dataset) -> Metrics:
        return self.learner.evaluate(params, data)

    def train(self, request: LocalTraining, data: Dataset, seed: int) -> Trained:
        """A cohort of one client.  Raises: DivergenceError, as `TorchLearner.train`."""
        (result,) = self.train_many([request], [data], [seed])
        if isinstance(result, DivergenceError):
            raise result
        return result

    def train_many(
        self, requests: Sequence[LocalTraining], data: Sequence[Dataset], seeds: Sequence[int]
    ) -> list[Outcome]:
        """Answers each request on its data with its seed, in the order given.

        A client whose loss or model is not finite has its error in place of an answer; the others
        are not disturbed.  Requests of different kinds (roles, terms) train one kind after another.
        """
        nothing = {"train_loss": Mean(Fraction(0), 0)}
        done: list[Outcome] = [Trained(request.start, 0, nothing) for request in requests]
        for members in self._groups(requests, data):
            part = plan(self.learner.settings, requests, data, seeds, members).to(self.device)
            with numerics.accelerator(self.device):
                results = self._train([requests[i] for i in members], part)
            for index, result in zip(members, results, strict=True):
                done[index] = result
        return done

    def _groups(
        self, requests: Sequence[LocalTraining], data: Sequence[Dataset]
    ) -> list[list[int]]:
        """Requests that can train together, those with most steps first, at most so many."""
        kinds: dict[object, list[int]] = {}
        for index in working(self.learner.settings, requests, data):
            one = requests[index]
            kind = one.roles, one.proximal is None, one.correction is None
            kinds.setdefault(kind, []).append(index)
        size = self.clients_at_once
        return [
            members[start : start + size]
            for members in kinds.values()
            for start in range(0, len(members), size)
        ]

    def _train(self, requests: Sequence[LocalTraining], part: Plan) -> list[Outcome]:
        weights = _stacked([request.start.vector for request in requests], self.device)
        beside = {
            spec.name: _stacked([r.start.beside[spec.name] for r in requests], self.device)
            for spec in self._layout.beside
        }
        if not self._probed:
            tensors = self._named(weights) | beside
            first = {name: tensor[0] for name, tensor in tensors.items()}
            refuse_changing_buffers(self._module, first, part.inputs[part.indices[0, 0, :2]])
            self._probed = True
        counts = _Counts(
            torch.zeros(len(requests), dtype=torch.float64, device=self.device),
            torch.zeros(len(requests), dtype=torch.int64, device=self.device),
        )
        self._steps(part, weights, beside, self._terms(requests), counts)
        return self._outcomes(requests, part, weights.cpu(), counts)

    def _steps(
        self, part: Plan, weights: Matrix, beside: dict[str, Tensor], terms: _Terms, counts: _Counts
    ) -> None:
        """Moves `weights` in place, step by step."""
        trainable = [spec.name for spec in self._layout.flat if spec.trainable]
        gradients_of = vmap(grad_and_value(self._loss), randomness="error")
        rule = optimizer(self.learner.settings)
        for step in range(part.steps[0]):
            active = part.active(step)
            rows = weights[:active, : self._layout.num_trainable]
            fixed = self._named(weights[:active]) | {n: t[:active] for n, t in beside.items()}
            trained = {name: fixed.pop(name) for name in trainable}
            indices = part.indices[:active, step]
            batch = part.inputs[indices], part.targets[indices]
            with refusing_what_torch_refuses():
                found, losses = gradients_of(
                    trained, fixed, *batch, part.sample_weights(step, active)
                )
            gradients = torch.cat([found[name].flatten(1) for name in trainable], 1)
            self._modify(gradients, rows, terms)
            rule.keep(active)
            rule.step(rows, gradients)
            counts.losses[:active] += losses.double() * part.counts[:active, step]
            failed = ~losses.isfinite() & (counts.bad_step[:active] == 0)
            counts.bad_step[:active] += failed * (step + 1)

    def _loss(
        self,
        trained: dict[str, Tensor],
        fixed: dict[str, Tensor],
        inputs: Tensor,
        targets: Tensor,
        sample_weights: Tensor,
    ) -> Tensor:
        """One client's loss on one batch; what is mapped over clients."""
        outputs = functional_call(self._module, (trained, fixed), (inputs,))
        return (self.learner.task.losses(outputs, targets) * sample_weights).sum()

    def _modify(self, gradients: Matrix, rows: Matrix, terms: _Terms) -> None:
        """Does to each row what `TorchLearner` does to a client's gradient."""
        settings, active = self.learner.settings, len(rows)
        if terms.anchor is not None and terms.mu is not None:
            gradients.add_(terms.mu[:active] * (rows - terms.anchor[:active]))
        if terms.mask is not None:
            gradients.mul_(terms.mask)
        if settings.clip_norm is not None:
            norms = gradients.norm(dim=1, keepdim=True)
            gradients.mul_((settings.clip_norm / (norms + 1e-6)).clamp(max=1.0))
        if terms.correction is not None:
            gradients.add_(terms.correction[:active])
        if settings.weight_decay:
            gradients.add_(rows, alpha=settings.weight_decay)
        if terms.mask is not None:
            gradients.mul_(terms.mask)

    def _terms(self, requests: Sequence[LocalTraining]) -> _Terms:
        proximal = [request.proximal for request in requests if request.proximal is not None]
        correction = [r.correction for r in requests if r.correction is not None]
        roles, mask = requests[0].roles, None
        if roles is not None:
            mask = torch.zeros(self._layout.num_trainable)
            spans = self._layout.spans()
            for spec in self._layout.flat:
                if spec.trainable and spec.role in roles:
                    mask[spans[spec.name]] = 1.0
            mask = mask.to(self.device)
        mu = [torch.tensor([one.weight]) for one in proximal]
        return _Terms(
            _stacked(mu, self.device) if mu else None,
            _stacked([one.anchor for one in proximal], self.device) if proximal else None,
            _stacked(correction, self.device) if correction else None,
            mask,
        )

    def _named(self, weights: Matrix) -> dict[str, Tensor]:
        """Cuts stacked vectors into named tensors with the clients in front, without a copy."""
        spans = self._layout.spans()
        return {
            spec.name: weights[:, spans[spec.name]].view(len(weights), *spec.shape)
            for spec in self._layout.flat
        }

    def _outcomes(
        self, requests: Sequence[LocalTraining], part: Plan, weights: Matrix, counts: _Counts
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        totals, failures = counts.losses.tolist(), counts.bad_step.tolist()
        for row, request in enumerate(requests):
            if failures[row]:
                outcomes.append(diverged(failures[row], "the training loss"))
            elif not weights[row].isfinite().all():
                outcomes.append(diverged(part.steps[row], "the trained model"))
            else:
                vector = aligned(self._layout.dim).copy_(weights[row])
                seen = int(part.counts[row, : part.steps[row]].sum())
                metrics = {"train_loss": Mean.of(totals[row], seen)}
                params = Params(self._layout, vector, request.start.beside)
                outcomes.append(Trained(params, part.steps[row], metrics))
        return outcomes


def _stacked(tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    return torch.stack(list(tensors)).to(device)

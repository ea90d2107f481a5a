"""Bring your own training: a learner around a user's functions over named arrays.

Whatever the user's code is (PyTorch, scikit-learn, JAX, a shell call), it sees NumPy arrays by name
and gives NumPy arrays by name; this module checks what comes back, and says exactly what is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np
import torch

from fedplat import rng
from fedplat.errors import ConfigError, TrainingError
from fedplat.learning import returned
from fedplat.learning.optimizers import check_settings
from fedplat.learning.seeding import seeded
from fedplat.params import Layout, Params
from fedplat.protocols import LocalTraining, Trained
from fedplat.types import ClientId, Dataset, Mean, Metrics, TensorSpec, TrainSettings

Arrays = dict[str, np.ndarray[Any, Any]]
OFFERED = frozenset({"proximal", "epochs"})


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """A shard as NumPy arrays, which share memory with the platform's: read-only to good manners.

    Shapes: `inputs` (samples, *features) float32; `targets` (samples,) int64 class indices, or
    (samples, outputs) float32 for a regression.
    """

    inputs: np.ndarray[Any, Any]
    targets: np.ndarray[Any, Any]
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What a user's function is told besides the parameters.

    `client` and `round` are None where nobody is meant: in `initial`, and in the coordinator's own
    evaluation.  `seed` (below 2**32, as scikit-learn wants it) differs for every client and round;
    torch's global generator is already set to it, those of NumPy and `random` are not.
    `epochs` is the amount of work, if the algorithm or the scenario gives it in epochs.
    `proximal`, if the app says that it supports it, is (μ, anchor arrays): add
    μ/2 · ‖w − anchor‖² to the loss.
    """

    seed: int
    settings: TrainSettings
    data: Samples
    client: ClientId | None = None
    round: int | None = None
    epochs: int | None = None
    proximal: tuple[float, Arrays] | None = None
    _logged: dict[str, Mean] = field(default_factory=dict, repr=False)

    def log(self, name: str, value: float, num_examples: int = 1) -> None:
        """Counts `value`, a mean over `num_examples`, into the metric `name` of this call.

        Raises: ValueError, if the value is not finite or nothing was counted.
        """
        if not isfinite(value) or num_examples < 1:
            raise ValueError(f"metric {name} must be finite, over >= 1 examples: {value!r}")
        mean = Mean(Fraction(value) * num_examples, num_examples)
        self._logged[name] = self._logged[name] + mean if name in self._logged else mean

    def generator(self) -> np.random.Generator:
        """A fresh NumPy generator for this call's seed."""
        return rng.numpy_generator(self.seed, "app")


@dataclass(frozen=True, slots=True)
class App:
    """A user's training code: three functions, and the parts of `LocalTraining` that it obeys.

    `initial(context)` gives the arrays that everybody starts from.  `fit(params, context)` gives
    the trained arrays, or (arrays, {"num_examples": n, "num_steps": s, metric: mean, …}).
    `evaluate(params, context)` gives {"loss": mean, metric: mean, …, "num_examples": n}.
    `where` names the file, for messages.
    """

    where: str
    initial: Callable[[Context], Any]
    fit: Callable[[Arrays, Context], Any]
    evaluate: Callable[[Arrays, Context], Any]
    supports: frozenset[str] = frozenset()


class AppLearner:
    """Trains and evaluates by a user's functions.

    Guarantees: the functions get arrays of their own to write to; what they give back has exactly
    the names, shapes and dtypes of `initial`, and is finite, or is refused.
    Raises: ConfigError, if `initial` fails or gives no arrays; ValueError, if the app claims to
    support what a context can not carry.  A TrainingError's round and client are "?" unless `at`
    has set them.
    """

    def __init__(self, app: App, settings: TrainSettings, seed: int = 0) -> None:
        check_settings(settings)
        if app.supports - OFFERED:
            unknown = ", ".join(sorted(app.supports - OFFERED))
            raise ValueError(f"an app can support {', '.join(sorted(OFFERED))}; got {unknown}")
        self.app, self.settings = app, settings
        self._client: ClientId | None = None
        self._round: int | None = None
        nothing = Samples(np.zeros((0, 0), np.float32), np.zeros(0, np.int64))
        context = Context(_seed(seed, "model"), settings, nothing)
        try:
            value = self._call("initial", app.initial, context)
            arrays = returned.arrays(value, "initial", app.where)
        except TrainingError as error:
            reason = f"initial: {error.fields['reason']}"
            raise ConfigError(where=app.where, reason=reason) from error
        specs = [
            TensorSpec(name, torch.from_numpy(array).dtype, array.shape)
            for name, array in arrays.items()
        ]
        self._layout = Layout.of(specs)
        self._initial = self._layout.params({n: torch.from_numpy(a) for n, a in arrays.items()})

    @property
    def supports(self) -> frozenset[str]:
        return self.app.supports

    def at(self, client: ClientId, round_id: int) -> "AppLearner":
        """The same learner, whose context names this client and round."""
        placed = object.__new__(AppLearner)
        placed.__dict__.update(self.__dict__, _client=client, _round=round_id)
        return placed

    def initial(self) -> Params:
        return self._initial

    def train(self, request: LocalTraining, data: Dataset, seed: int) -> Trained:
        """Raises: TrainingError, if the user's code fails or gives back what does not fit."""
        self._refuse_unsupported(request)
        if not len(data):
            return Trained(request.start, 0)
        context = self._context(data, _seed(seed, "app"))
        context = replace(context, epochs=_first(request.epochs, self.settings.epochs))
        if request.proximal is not None:
            anchor = self._initial.layout.views(request.proximal.anchor)
            copies = {name: tensor.numpy().copy() for name, tensor in anchor.items()}
            context = replace(context, proximal=(request.proximal.weight, copies))
        result = self._call("fit", self.app.fit, _arrays(request.start), context)
        try:
            given, info = returned.fitted(result, self._layout, self.app.where)
            metrics = returned.counted(info, len(data), "fit", self.app.where)
            steps = returned.steps(info, self.settings.num_steps(len(data)))
        except TrainingError as error:
            raise self._placed(error) from error
        tensors = {name: torch.from_numpy(array) for name, array in given.items()}
        return Trained(self._layout.params(tensors), steps, {**context._logged, **metrics})

    def evaluate(self, params: Params, data: Dataset) -> Metrics:
        """Raises: TrainingError, if the user's code fails or gives no finite numbers."""
        context = self._context(data, 0)
        if not len(data):
            return {"loss": Mean(Fraction(0), 0)}
        result = self._call("evaluate", self.app.evaluate, _arrays(params), context)
        try:
            metrics = returned.counted(result, len(data), "evaluate", self.app.where)
        except TrainingError as error:
            raise self._placed(error) from error
        return {**context._logged, **metrics}

    def _context(self, data: Dataset, seed: int) -> Context:
        samples = Samples(data.inputs.numpy(), data.targets.numpy(), data.classes)
        return Context(seed, self.settings, samples, self._client, self._round)

    def _call(self, stage: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls the user's code: the one place where any exception at all is expected."""
        with seeded(arguments[-1].seed):
            try:
                return function(*arguments)
            except (Exception, SystemExit) as error:  # a script may end itself
                reason = f"{type(error).__name__}: {error}{_place(error, self.app.where)}"
                raise self._placed(returned.failed(stage, reason)) from error

    def _placed(self, error: TrainingError) -> TrainingError:
        place = {"round_id": self._round, "client": self._client}
        known = {name: value for name, value in place.items() if value is not None}
        return TrainingError(**{**error.fields, **known})

    def _refuse_unsupported(self, request: LocalTraining) -> None:
        asked = {
            "proximal": request.proximal is not None,
            "correction": request.correction is not None,
            "roles": request.roles is not None,
            "epochs": request.epochs is not None,
        }
        missing = [name for name, wanted in asked.items() if wanted and name not in self.supports]
        if missing:
            raise ValueError(f"{self.app.where} does not support {', '.join(missing)}")


def _seed(seed: int, part: str) -> int:
    return rng.derive(seed, part) % 2**32


def _arrays(params: Params) -> Arrays:
    return {name: tensor.numpy().copy() for name, tensor in params.tensors().items()}


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _place(error: BaseException, where: str) -> str:
    """The last line of the user's own file that the exception passed, if any."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == where:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" ({where}, line {line})" if line is not None else ""

"""Which clients a round asks: seeded, pure, the same on every machine.

A round's cost does not depend on how many clients are registered (an availability trace's windows
aside): ids are made when they are drawn, and drawing is Floyd's, never a shuffle.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from fedplat import check, parts, rng
from fedplat.engine.availability import Trace
from fedplat.engine.fates import DELAYS, Destiny, Fates
from fedplat.engine.plan import Selected
from fedplat.errors import ConfigError
from fedplat.types import ClientId, client_id

Samples = Callable[[ClientId], int]
Weights = Int64[np.ndarray, " clients"]


@runtime_checkable
class Registered(Protocol):
    """The clients of a federation; a tuple of ids is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> ClientId: ...

    def __contains__(self, client: object, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Population:
    """The clients `client-000000` to `client-COUNT−1`, of which none exists before it is asked for.

    >>> Population(1_000_000)[7]
    'client-000007'
    """

    count: int

    def __post_init__(self) -> None:
        check.whole(1, count=self.count)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int, /) -> ClientId:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return client_id(index)

    def __contains__(self, client: object, /) -> bool:
        digits = str(client).removeprefix("client-")
        if not (digits.isascii() and digits.isdigit()):
            return False
        return int(digits) < self.count and client == client_id(int(digits))


@dataclass(frozen=True, slots=True)
class Clients:
    """What a sampler may know of a federation: who is registered, and how many samples each has."""

    registered: Registered
    samples: Samples


@runtime_checkable
class Sampler(Protocol):
    """Draws `ask` clients without replacement, in ClientId order; fewer, if fewer can be asked."""

    def __call__(
        self, ask: int, round_id: int, time_s: float, generator: np.random.Generator
    ) -> tuple[ClientId, ...]: ...


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every set of `ask` clients is as likely as any other."""

    clients: Clients

    def __call__(
        self, ask: int, round_id: int, time_s: float, generator: np.random.Generator
    ) -> tuple[ClientId, ...]:
        registered = self.clients.registered
        return _named(registered, floyd(ask, len(registered), generator))


@dataclass(frozen=True)
class Weighted:
    """Draws one after another, each in proportion to its training samples among those left.

    A client without samples is never asked.  Sample counts are read once.
    Raises: ConfigError, if no client has a sample.
    """

    clients: Clients

    def __post_init__(self) -> None:
        if not self.weights.any():
            raise ConfigError(where="clients.sampler", reason="no client has a training sample")

    @cached_property
    def weights(self) -> Weights:
        registered = self.clients.registered
        members = (registered[index] for index in range(len(registered)))
        return np.fromiter((self.clients.samples(client) for client in members), dtype=np.int64)

    @cached_property
    def _bounds(self) -> Weights:
        return self.weights.cumsum()

    def __call__(
        self, ask: int, round_id: int, time_s: float, generator: np.random.Generator
    ) -> tuple[ClientId, ...]:
        ask = min(ask, int(np.count_nonzero(self.weights)))
        chosen: dict[int, None] = {}
        bounds = self._bounds
        while True:
            draws = generator.integers(0, bounds[-1], size=2 * (ask - len(chosen)) + 8)
            for index in np.searchsorted(bounds, draws, side="right").tolist():
                if len(chosen) < ask:
                    chosen.setdefault(index)
            if len(chosen) == ask:
                return _named(self.clients.registered, chosen)
            # a few clients hold most of the weight: leave them out instead of drawing them again
            left = self.weights.copy()
            left[list(chosen)] = 0
            bounds = left.cumsum()


@dataclass(frozen=True, slots=True)
class Available:
    """Uniform among the clients that a trace says are there; all of them, if they are too few.

    A scenario gives `trace` as a file (CSV or JSON), and `period` to repeat it.
    Raises: ConfigError, if the trace names a client that is not registered.
    """

    clients: Clients
    trace: Trace

    def __post_init__(self) -> None:
        registered = self.clients.registered
        for client in self.trace.clients:
            if client not in registered:
                reason = f"names {client!r}, which is none of the {len(registered)} clients"
                raise ConfigError(where="clients.sampler.trace", reason=reason)

    def __call__(
        self, ask: int, round_id: int, time_s: float, generator: np.random.Generator
    ) -> tuple[ClientId, ...]:
        there = self.trace.available(round_id, time_s)
        return _named(there, floyd(min(ask, len(there)), len(there), generator))


BY_NAME: Mapping[str, Callable[..., Sampler]] = {
    "availability": Available,
    "uniform": Uniform,
    "weighted": Weighted,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The clients of each round with their fates: an engine's `Select`.

    Guarantees: a function of the seed, the round and (under a trace in seconds) the time alone.
    """

    sampler: Sampler
    ask: int
    fates: Destiny
    seed: int
    registered: int
    in_reserve: int = 0

    def __call__(self, round_id: int, time_s: float) -> tuple[Selected, ...]:
        """The round's cohort, in ClientId order."""
        generator = rng.numpy_generator(self.seed, "cohort", "round", round_id)
        return self._fated(self.sampler(self.ask, round_id, time_s, generator), round_id)

    def reserve(self, round_id: int, time_s: float) -> tuple[Selected, ...]:
        """`in_reserve` clients in a random order, to be asked one by one; all alike, cohort or not.

        The sampler has its say in who is among them, not in their order.
        """
        generator = rng.numpy_generator(self.seed, "reserve", "round", round_id)
        drawn = self.sampler(self.in_reserve, round_id, time_s, generator)
        return self._fated([drawn[index] for index in generator.permutation(len(drawn))], round_id)

    def stand_ins(self, round_id: int, time_s: float) -> Iterator[Selected]:
        """Everybody who can be asked, in a random order; drawn as far as the caller takes them."""
        generator = rng.numpy_generator(self.seed, "stand-ins", "round", round_id)
        seen, count, most = set[ClientId](), min(self.ask, self.registered), self.registered
        while True:
            drawn = self.sampler(count, round_id, time_s, generator)
            order = (drawn[index] for index in generator.permutation(len(drawn)))
            fresh = [client for client in order if client not in seen]
            seen.update(fresh)
            yield from self._fated(fresh, round_id)
            if count == most:
                return
            count = min(2 * count, most)

    def _fated(self, clients: Sequence[ClientId], round_id: int) -> tuple[Selected, ...]:
        fates = [self.fates.of(client, round_id) for client in clients]
        pairs = zip(clients, fates, strict=True)
        return tuple(Selected(client, fate.dropped, fate.delay_s) for client, fate in pairs)


def selection(
    *,
    sampler: Mapping[str, Any],
    population: int | tuple[ClientId, ...],
    ask: int,
    samples: Samples,
    seed: int,
    dropout: float = 0.0,
    stragglers: Mapping[str, Any] | None = None,
    in_reserve: int = 0,
) -> Selection:
    """Makes a `Select` of a scenario's parts, with its reserve.

    `ask` is per_round plus over_selection; `in_reserve` is cut to the population; `sampler` and
    `stragglers` are parts, `{"name": …, …}`; the trace of `{"name": "availability", "trace": …}` is
    a `Trace`, not a file's name.

    Raises: ConfigError, if a name or key is unknown (the nearest one is offered), a value is
    refused, or more clients are asked than are registered.
    """
    try:
        check.whole(1, ask=ask)
        registered = Population(population) if isinstance(population, int) else population
        if ask > len(registered):
            raise ValueError(
                f"a round asks {ask} clients (per_round + over_selection) of {len(registered)}"
            )
        delay = (
            None if stragglers is None else parts.build("clients.stragglers", DELAYS, stragglers)
        )
        fates = Fates(seed=seed, dropout=dropout, stragglers=delay)
    except ValueError as error:
        raise ConfigError(where="clients", reason=str(error)) from error
    clients = Clients(registered, samples)
    table = {name: partial(maker, clients) for name, maker in BY_NAME.items()}
    drawn = parts.build("clients.sampler", table, sampler)
    count = len(registered)
    return Selection(drawn, ask, fates, seed, count, min(in_reserve, count))


def floyd(ask: int, count: int, generator: np.random.Generator) -> list[int]:
    """`ask` distinct indices below `count`, every set alike, ascending, in O(ask).

    Raises: ValueError, if `ask` > `count`.
    Source: Bentley & Floyd 1987, "Programming Pearls: A Sample of Brilliance", Algorithm F2.
    """
    if ask > count:
        raise ValueError(f"can not draw {ask} of {count}")
    tops = range(count - ask, count)
    draws = generator.integers(0, np.arange(tops.start, tops.stop), endpoint=True).tolist()
    chosen: set[int] = set()
    for top, draw in zip(tops, draws, strict=True):
        chosen.add(top if draw in chosen else draw)
    return sorted(chosen)


def _named(population: Registered, indices: Iterable[int]) -> tuple[ClientId, ...]:
    return tuple(sorted((population[index] for index in indices), key=str.encode))

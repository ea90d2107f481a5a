"""The data of each client of a federation, cut out of one data set."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from fedplat import check, rng
from fedplat.data.partition import FeatureSkew
from fedplat.errors import ConfigError
from fedplat.params import ALIGNMENT
from fedplat.types import ClientData, ClientId, Dataset, Split, client_id

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Rows = Int64[Tensor, " samples"]


class PartitionedShards:
    """Hands out each client's training, validation and test samples, as views of one data set.

    The samples are copied once, into the clients' order; after that a client costs no time that
    grows with its data or with the number of clients, and processes forked afterwards share the
    memory.  The three splits are drawn by the client's own random stream, without stratification.
    Clients beyond the number of `shards` (see `num_clients`) use the shards again, in turn.
    `indices` are the shards: each client's samples in the data set.

    Guarantees: a client's splits part its shard; validation and test get the floor of their exact
    fraction, so a shard that is not empty leaves at least one sample to train on; every split's
    inputs start on 64 bytes.
    Raises: ValueError, if the fractions are outside [0, 1) or sum to 1 or more.
    """

    def __init__(
        self,
        dataset: Dataset,
        shards: Sequence[Rows],
        *,
        seed: int,
        client_validation: float = 0.0,
        client_test: float = 0.0,
        skew: FeatureSkew | None = None,
        num_clients: int | None = None,
    ) -> None:
        check.fraction(client_validation=client_validation, client_test=client_test)
        validation, test = Fraction(str(client_validation)), Fraction(str(client_test))
        if validation + test >= 1:
            raise ValueError("client_validation + client_test must leave something to train on")
        self.indices = tuple(shards)
        self.num_clients = len(shards) if num_clients is None else num_clients
        self._index = {client_id(index): index for index in range(self.num_clients)}
        sizes = [_split_sizes(len(rows), validation, test) for rows in shards]
        self._spans = _aligned_spans(sizes, math.prod(dataset.inputs.shape[1:]) * 4)
        self._data = _in_client_order(dataset, shards, self._spans, seed)
        if skew is not None:
            self._apply(skew, len(shards), seed)

    def __iter__(self) -> Iterator[ClientId]:
        return iter(self._index)

    def __len__(self) -> int:
        return self.num_clients

    def client(self, client: ClientId) -> ClientData:
        """The client's three splits, without a copy: treat them as read-only.

        Raises: ConfigError, if the federation has no such client.
        """
        spans = self._spans[self._shard(client)]
        return ClientData(*(self._view(start, stop) for start, stop in spans))

    def samples(self, client: ClientId) -> int:
        """The number of training samples.

        Raises: ConfigError, if the federation has no such client.
        """
        start, stop = self._spans[self._shard(client)][0]
        return stop - start

    def union(self, split: Split) -> Dataset:
        """Copies the samples of one split of all shards into one data set, in client order.

        What central training may see if it is to be compared with the federation.
        """
        position = SPLITS.index(split)
        rows = [torch.arange(*spans[position]) for spans in self._spans]
        return self._data.take(torch.cat(rows) if rows else torch.arange(0))

    def _shard(self, client: ClientId) -> int:
        if client not in self._index:
            reason = f"there is no client {client!r} among {self.num_clients}"
            raise ConfigError(where="clients", reason=reason)
        return self._index[client] % len(self._spans)

    def _view(self, start: int, stop: int) -> Dataset:
        data = self._data
        groups = None if data.groups is None else data.groups[start:stop]
        return Dataset(
            data.inputs[start:stop], data.targets[start:stop], data.task, data.classes, groups
        )

    def _apply(self, skew: FeatureSkew, num_shards: int, seed: int) -> None:
        inputs = self._data.inputs
        for index, spans in enumerate(self._spans):
            plain = torch.cat([inputs[start:stop] for start, stop in spans])
            seen = skew.transform(plain, index, num_shards, seed)
            pieces = torch.split(seen, [stop - start for start, stop in spans])
            for (start, stop), piece in zip(spans, pieces, strict=True):
                inputs[start:stop] = piece


Spans = tuple[tuple[int, int], ...]


def _split_sizes(samples: int, validation: Fraction, test: Fraction) -> tuple[int, ...]:
    held = math.floor(samples * validation), math.floor(samples * test)
    return samples - sum(held), *held


def _aligned_spans(sizes: Sequence[tuple[int, ...]], row_bytes: int) -> list[Spans]:
    """Where each shard's splits lie, each on a row that starts on an alignment boundary."""
    step = ALIGNMENT // math.gcd(ALIGNMENT, row_bytes)
    spans, start = [], 0
    for shard in sizes:
        places = []
        for size in shard:
            places.append((start, start + size))
            start += -(-size // step) * step
        spans.append(tuple(places))
    return spans


def _in_client_order(
    dataset: Dataset, shards: Sequence[Rows], spans: Sequence[Spans], seed: int
) -> Dataset:
    last = max((stop for shard in spans for _, stop in shard), default=0)
    order = np.zeros(last, dtype=np.int64)  # gaps repeat sample 0; nobody sees them
    for index, (rows, places) in enumerate(zip(shards, spans, strict=True)):
        generator = rng.numpy_generator(seed, "data", "splits", client_id(index))
        drawn, taken = generator.permutation(rows.numpy()), 0
        for start, stop in places:
            order[start:stop] = drawn[taken : taken + stop - start]
            taken += stop - start
    return dataset.take(torch.from_numpy(order))

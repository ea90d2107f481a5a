"""The pinned payloads: updates made from seeds, kept outside the checkout once they are made.

"developed": the context coder was developed on such ones (the first client's, seed 0).
"judged": other seeds, rounds and models, on which it was not.
"made": independent random numbers, in which there is nothing to find.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from torch import Tensor

from benchmarks.coding import training
from benchmarks.coding.training import Images, rmsprop, sgd
from fedplat import rng
from fedplat.params import Layout, Vector
from fedplat.types import TensorSpec

Group = Literal["developed", "judged", "made"]
Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Recipe:
    """How payloads come about: `make` gives one or several tensors by name, `about` in words.

    Of several, the names are those of `parts`.
    """

    name: str
    group: Group
    about: str
    make: Callable[[Images], Mapping[str, Tensors]]
    parts: tuple[str, ...] = ("",)
    quick: bool = True

    @property
    def names(self) -> list[str]:
        return [self.name + part for part in self.parts]


@dataclass(frozen=True, eq=False)
class Payload:
    """An update to be encoded."""

    name: str
    group: Group
    layout: Layout
    vector: Vector

    @classmethod
    def of(cls, name: str, group: Group, tensors: Tensors) -> "Payload":
        specs = [TensorSpec(key, one.dtype, tuple(one.shape)) for key, one in tensors.items()]
        layout = Layout.of(specs)
        return cls(name, group, layout, layout.params(tensors).vector)

    @cached_property
    def digest(self) -> str:
        """The beginning of SHA-256 of the values' bytes."""
        return hashlib.sha256(self.vector.numpy().data).hexdigest()[:16]

    def first(self, count: int) -> "Payload":
        """Its first values, as one tensor."""
        return Payload.of(self.name, self.group, {"first": self.vector[:count]})

    @property
    def size_bytes(self) -> int:
        return 4 * self.layout.dim


def _one(tensors: Tensors) -> Mapping[str, Tensors]:
    return {"": tensors}


def _rounds(model: str, clients: int) -> Callable[[Images], Mapping[str, Tensors]]:
    def make(data: Images) -> Mapping[str, Tensors]:
        found = training.rounds(model, data, clients, 600, (5, 20), seed=1)
        return {f", round {number}": tensors for number, tensors in found}

    return make


def normal(dim: int) -> Mapping[str, Tensors]:
    """Independent normal values in a matrix of 1,000 rows."""
    values = torch.randn(1000, dim // 1000, generator=rng.generator(0, "normal"))
    return _one({"normal": values})


ROUNDS = (", round 5", ", round 20")
RECIPES = (
    Recipe(
        "cnn delta A",
        "developed",
        "CNN of 1.2 M, 100 images, 10 epochs of RMSprop",
        lambda data: _one(training.delta("cnn3x3", data.part(0, 100), 10, rmsprop, 0)),
    ),
    Recipe(
        "cnn delta B",
        "developed",
        "CNN of 1.2 M, 1,200 images, 1 epoch of SGD with momentum",
        lambda data: _one(training.delta("cnn3x3", data.part(0, 1200), 1, sgd, 0)),
    ),
    Recipe(
        "cnn gradient",
        "developed",
        "CNN of 1.2 M, a batch of 64 after 1,136 images",
        lambda data: _one(training.gradient("cnn3x3", data.part(0, 1200), 0)),
    ),
    Recipe(
        "cnn delta A, seed 1",
        "judged",
        "as A, from another client and another first model",
        lambda data: _one(training.delta("cnn3x3", data.part(7, 100), 10, rmsprop, 1)),
    ),
    Recipe(
        "cnn delta B, seed 1",
        "judged",
        "as B, from another client and another first model",
        lambda data: _one(training.delta("cnn3x3", data.part(7, 1200), 1, sgd, 1)),
    ),
    Recipe(
        "cnn gradient, seed 1",
        "judged",
        "as the gradient, from another client and another first model",
        lambda data: _one(training.gradient("cnn3x3", data.part(7, 1200), 1)),
    ),
    Recipe(
        "cnn",
        "judged",
        "CNN of 1.2 M, one of 5 clients with 600 images in a federation",
        _rounds("cnn3x3", 5),
        parts=ROUNDS,
        quick=False,
    ),
    Recipe(
        "2nn",
        "judged",
        "2NN of 199,210, one of 10 clients with 600 images in a federation",
        _rounds("2nn", 10),
        parts=ROUNDS,
    ),
    Recipe(
        "resnet8",
        "judged",
        "ResNet-8 of 78 thousand, 1,200 images, 1 epoch of SGD with momentum",
        lambda data: _one(training.delta("resnet8", data.part(3, 1200), 1, sgd, 1)),
    ),
    Recipe(
        "lenet5",
        "judged",
        "LeNet-5 of 61,706, 1,200 images, 1 epoch of SGD with momentum",
        lambda data: _one(training.delta("lenet5", data.part(3, 1200), 1, sgd, 1)),
    ),
    Recipe(
        "lora",
        "judged",
        "adapters of rank 16 in a transformer of 0.8 M after 4,000 images; 1,200 others, Adam",
        lambda data: _one(training.adapters(data.part(1, 5200), 4000, 1)),
    ),
)
NORMAL = Recipe("normal", "made", "10 M independent normal values", lambda _: normal(10_000_000))
SMALL_NORMAL = Recipe(
    "normal", "made", "1 M independent normal values", lambda _: normal(1_000_000)
)


def recipes(quick: bool) -> list[Recipe]:
    chosen = [one for one in RECIPES if one.quick or not quick]
    return [*chosen, SMALL_NORMAL if quick else NORMAL]


def load(chosen: Iterable[Recipe], folder: Path, data: Path, stamp: str) -> list[Payload]:
    """The payloads; makes those that are not in `folder` yet.  `stamp`: what they depend on."""
    found = []
    for recipe in chosen:
        paths = {name: folder / f"{_slug(recipe, name)}-{stamp[:12]}" for name in recipe.names}
        if not all(path.exists() for path in paths.values()):
            sys.stderr.write(f"making {recipe.name} ({recipe.about}) …\n")
            made = recipe.make(training.images(data))
            for part, name in zip(recipe.parts, recipe.names, strict=True):
                _save(paths[name], made[part])
        for name, path in paths.items():
            tensors = safetensors.torch.load(path.read_bytes())
            found.append(Payload.of(name, recipe.group, tensors))
    return found


def _slug(recipe: Recipe, name: str) -> str:
    words = "-".join(name.replace(",", " ").split())
    return f"{words}-{hashlib.sha256(recipe.about.encode()).hexdigest()[:6]}"


def _save(path: Path, tensors: Tensors) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(
        safetensors.torch.save({key: one.contiguous() for key, one in tensors.items()})
    )
    os.replace(partial, path)

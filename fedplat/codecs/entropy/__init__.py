"""Entropy coders: the last step of a codec, from a packet to bytes and back, without loss.

A coder's module is imported when the coder is asked for: some start numba, or load a library.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fedplat import parts
from fedplat.codecs.stage import Entropy


@dataclass(frozen=True)
class Late(Mapping[str, Callable[..., Entropy]]):
    """Makers by name, each imported from "module:class" when it is looked up."""

    where: Mapping[str, str]

    def __getitem__(self, name: str) -> Callable[..., Entropy]:
        module, _, maker = self.where[name].partition(":")
        found: Callable[..., Entropy] = getattr(import_module(f"{__name__}.{module}"), maker)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self.where

    def __iter__(self) -> Iterator[str]:
        return iter(self.where)

    def __len__(self) -> int:
        return len(self.where)


BY_NAME: Mapping[str, Callable[..., Entropy]] = Late(
    {
        "raw": "raw:Raw",
        "zstd": "zstd:Zstd",
        "pco": "pco:Pco",
        "rice": "rice:Rice",
        "huffman": "huffman:Huffman",
        "addresses": "addresses:Addresses",
        "differences": "addresses:Differences",
        "context": "context:Context",
        "auto": "auto:Auto",
    }
)


def build(part: str | Mapping[str, Any]) -> Entropy:
    """Makes a coder of a scenario's part: "rice", or {"name": "zstd", "level": 3}.

    Raises: ConfigError, if the name or a key is unknown, or the coder refuses a value.
    """
    return parts.build("entropy", BY_NAME, {"name": part} if isinstance(part, str) else part)

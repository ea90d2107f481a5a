"""A small transformer with adapters: whose updates are low-rank factors."""

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 28


class Adapted(nn.Module):
    """A frozen dense layer W plus B·A of rank `rank`.

    Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", §4.1.
    arXiv:2106.09685   Deviates: no dropout, α = rank.
    """

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)
        self.lora_a = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.lora_b = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, inputs: Tensor) -> Tensor:
        dense: Tensor = self.dense(inputs)
        return dense + inputs @ self.lora_a.T @ self.lora_b.T


class Layer(nn.Module):
    """One layer of a transformer (norm first), each of its matrices adapted."""

    def __init__(self, width: int, heads: int, rank: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (Adapted(width, width, rank) for _ in range(4))
        self.up, self.down = Adapted(width, 4 * width, rank), Adapted(4 * width, width, rank)

    def forward(self, tokens: Tensor) -> Tensor:
        normal = self.before(tokens)
        query, key, value = (
            one(normal).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for one in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.out(mixed.transpose(1, 2).flatten(2))
        hidden: Tensor = self.down(functional.gelu(self.up(self.between(tokens))))
        return tokens + hidden


class Transformer(nn.Module):
    """Reads an image row by row: 28 tokens of 28 pixels."""

    def __init__(self, width: int = 128, layers: int = 4, heads: int = 4, rank: int = 16) -> None:
        super().__init__()
        self.embed = nn.Linear(SIDE, width)
        self.place = nn.Parameter(torch.randn(SIDE, width) * 0.02)
        self.layers = nn.Sequential(*(Layer(width, heads, rank) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.layers(self.embed(images.squeeze(1)) + self.place)
        scores: Tensor = self.head(self.norm(tokens.mean(1)))
        return scores

    def train_adapters(self, adapters: bool) -> None:
        """Lets either the adapters move, or everything else."""
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(("lora_" in name) == adapters)

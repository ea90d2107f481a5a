"""Learns handwritten digits with a small network: the same script, federated."""

import torch
from torch import nn
from torch.nn import functional

from fedplat.learning.torch_app import torch_app


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(64, 64)
        self.output = nn.Linear(64, 10)

    def forward(self, images):
        return self.output(torch.relu(self.hidden(images.flatten(1))))


def train(model, images, labels):
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(2):
        for batch in torch.randperm(len(images)).split(16):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
    return {"train_loss": loss.item()}


@torch.no_grad()
def test(model, images, labels):
    logits = model(images)
    accuracy = (logits.argmax(1) == labels).float().mean()
    return {"loss": functional.cross_entropy(logits, labels).item(), "accuracy": accuracy.item()}


initial, fit, evaluate = torch_app(Network, train, test)

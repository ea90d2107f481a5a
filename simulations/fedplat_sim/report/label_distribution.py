"""Who holds what: the training samples of every client, by class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fedplat.telemetry import readable
from fedplat.telemetry.records import Shards
from fedplat_sim.report.cards import Card, Key
from fedplat_sim.report.drawing import BLUE, SERIES, SLATE, bars, draw, series
from fedplat_sim.report.population import shaded, short
from fedplat_sim.report.run import Run

BARS_UP_TO = 60  # clients; above that one can not tell bars apart, and a heat map takes over
WIDTH, LEFT, RIGHT = 1040, 56, 14


def labels(run: Run) -> Card | None:
    """Stacked bars for few clients and classes, a sorted heat map under the sizes for many."""
    if run.shards is None or not run.shards.counts:
        return None
    clients = sorted(run.shards.counts)
    counts = _matrix(run.shards, clients)
    sizes = counts.sum(axis=1)
    title = "Labels of the clients" if run.shards.classes else "Samples of the clients"
    note = _sizes_in_words(sizes)
    if len(clients) <= BARS_UP_TO and counts.shape[1] <= len(SERIES):
        names = [short(client) for client in clients]
        chart = draw(
            "shards",
            title,
            lambda axes: _stacked(axes, counts, names),
            WIDTH,
            280,
            (10, RIGHT, 38, LEFT),
        )
        keys = [Key(name, series(i)) for i, name in enumerate(run.shards.classes)]
        return Card(title, (chart,), keys, note, wide=True)
    return _many(title, note, counts, run.shards.classes)


def _many(title: str, note: str, counts: np.ndarray, classes: Sequence[str]) -> Card:
    sizes = counts.sum(axis=1)
    shares = counts / np.maximum(sizes, 1)[:, None]
    order = _by_main_class(shares) if classes else np.argsort(-sizes, kind="stable")
    above = (10, RIGHT, 8 if classes else 38, LEFT)
    charts = [
        draw(
            "sizes",
            "samples of every client",
            lambda axes: _sizes(axes, sizes[order], classes),
            WIDTH,
            110 if classes else 240,
            above,
        )
    ]
    legend = []
    if classes:
        tall = min(460, 60 + 22 * len(classes)) if len(classes) <= 24 else 460
        below = (4, RIGHT, 38, LEFT)
        charts.append(
            draw(
                "shares",
                "share of each class in every client's samples",
                lambda axes: _heat(axes, shares[order], classes),
                WIDTH,
                tall,
                below,
            )
        )
        legend = [Key("share of a client's samples, from none (pale) to all", BLUE)]
        note += "; clients sorted by their most frequent class"
    return Card(title, tuple(charts), legend, note, wide=True)


def _matrix(shards: Shards, clients: Sequence[str]) -> np.ndarray:
    width = max([len(shards.classes), *(len(shards.counts[client]) for client in clients)])
    counts = np.zeros((len(clients), max(width, 1)))
    for row, client in enumerate(clients):
        held = shards.counts[client]
        counts[row, : len(held)] = held
    return counts


def _sizes_in_words(sizes: np.ndarray) -> str:
    if len(sizes) == 1:
        return f"one client with {readable.count(int(sizes[0]))} training samples"
    return (
        f"{readable.count(len(sizes))} clients with {readable.count(int(sizes.min()))} to "
        f"{readable.count(int(sizes.max()))} training samples, "
        f"median {readable.count(round(float(np.median(sizes))))}"
    )


def _by_main_class(shares: np.ndarray) -> np.ndarray:
    main = shares.argmax(axis=1)
    return np.lexsort((-shares[np.arange(len(shares)), main], main))


def _stacked(axes: Axes, counts: np.ndarray, names: Sequence[str]) -> None:
    tops = counts.cumsum(axis=1)
    at = np.arange(len(counts))
    for index in range(counts.shape[1]):
        bars(axes, at, tops[:, index] - counts[:, index], tops[:, index], series(index))
    axes.set_xlim(-0.6, max(len(counts), 4) - 0.4)
    axes.set_ylim(0, max(float(tops[:, -1].max()), 1.0) * 1.04)
    every = -(-len(names) // 40)
    axes.set_xticks(at[::every], list(names)[::every])
    axes.set_xlabel("client")
    axes.set_ylabel("training samples")


def _sizes(axes: Axes, sizes: np.ndarray, classes: Sequence[str]) -> None:
    bars(axes, np.arange(len(sizes)), np.zeros(len(sizes)), sizes, SLATE, 1.0)
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    axes.set_ylim(0, max(float(sizes.max()), 1.0) * 1.05)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3 if classes else 5, integer=True))
    axes.set_ylabel("samples")
    if classes:
        axes.set_xticks([])
    else:
        axes.set_xlabel("clients, sorted by their number of samples")


def _heat(axes: Axes, shares: np.ndarray, classes: Sequence[str]) -> None:
    axes.grid(False)
    axes.imshow(shaded(shares.T**0.7, BLUE), aspect="auto", interpolation="none")
    every = -(-len(classes) // 24)
    at = range(0, len(classes), every)
    axes.set_yticks(at, [classes[index][:8] for index in at])
    axes.set_xticks([])
    axes.set_xlabel(f"{readable.count(len(shares))} clients")
    axes.set_ylabel("class")
    axes.spines[:].set_visible(False)

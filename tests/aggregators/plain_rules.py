"""Robust rules as plain loops over all rows at once: what the fast ones are held against."""

from itertools import combinations

import numpy as np


def square(x, y):
    return float(((x - y) ** 2).sum())


def krum_scores(rows, f):
    scores = []
    for i, x in enumerate(rows):
        others = sorted(square(x, y) for j, y in enumerate(rows) if j != i)
        scores.append(sum(others[: max(0, len(rows) - f - 2)]))
    return scores


def krum(rows, f, selected=1):
    scores = krum_scores(rows, f)
    order = sorted(range(len(rows)), key=lambda i: (scores[i], i))
    return np.mean([rows[i] for i in order[:selected]], axis=0)


def around(column, centre, kept):
    """The mean of the `kept` values nearest to the centre; the lower window of two as far."""
    column = sorted(column)
    reach = [
        max(centre - column[s], column[s + kept - 1] - centre)
        for s in range(len(column) - kept + 1)
    ]
    start = reach.index(min(reach))
    return sum(column[start : start + kept]) / kept


def columnwise(rows, rule):
    return np.array([rule(list(column)) for column in rows.T])


def median(rows):
    return columnwise(rows, lambda c: float(np.median(c)))


def trimmed_mean(rows, f):
    return columnwise(rows, lambda c: float(np.mean(sorted(c)[f : len(c) - f])))


def meamed(rows, f):
    return columnwise(rows, lambda c: around(c, float(np.median(c)), len(c) - f))


def phocas(rows, f):
    return columnwise(
        rows, lambda c: around(c, float(np.mean(sorted(c)[f : len(c) - f])), len(c) - f)
    )


def bulyan(rows, f):
    left, chosen = list(rows), []
    while len(chosen) < len(rows) - 2 * f:
        scores = krum_scores(left, f)
        chosen.append(left.pop(scores.index(min(scores))))
    selected = np.array(chosen)
    return columnwise(selected, lambda c: around(c, float(np.median(c)), len(selected) - 2 * f))


def sign_majority(rows):
    return np.sign(np.sign(rows).sum(axis=0))


def geometric_median(rows, smoothing=1e-6, iterations=1000):
    point = rows.mean(axis=0)
    for _ in range(iterations):
        weights = 1 / np.maximum(np.linalg.norm(rows - point, axis=1), smoothing)
        point = weights @ rows / weights.sum()
    return point


def centered_clipping(rows, centre, tau, iterations):
    for _ in range(iterations):
        steps = [(x - centre) * min(1.0, tau / np.linalg.norm(x - centre)) for x in rows]
        centre = centre + np.mean(steps, axis=0)
    return centre


def subset(rows, f, measure):
    found, least = None, np.inf
    for chosen in combinations(range(len(rows)), len(rows) - f):
        value = measure(rows[list(chosen)])
        if value < least * (1 - 1e-12):
            found, least = chosen, value
    return rows[list(found)].mean(axis=0)


def mda(rows, f):
    return subset(rows, f, lambda s: max(square(x, y) for x in s for y in s))


def smea(rows, f):
    return subset(rows, f, lambda s: np.linalg.norm(s - s.mean(axis=0), ord=2) ** 2)


def cge(rows, f):
    norms = np.linalg.norm(rows, axis=1)
    return rows[np.argsort(norms, kind="stable")[: len(rows) - f]].mean(axis=0)


def monna(rows, f, trusted=0):
    distances = np.linalg.norm(rows - rows[trusted], axis=1)
    return rows[np.argsort(distances, kind="stable")[: len(rows) - f]].mean(axis=0)


def caf(rows, f):
    weights, best, least = np.ones(len(rows)), None, np.inf
    while weights.sum() > len(rows) - 2 * f or best is None:
        mean = weights @ rows / weights.sum()
        centred = rows - mean
        scaled = centred * np.sqrt(weights / weights.sum())[:, None]
        _, sizes, directions = np.linalg.svd(scaled, full_matrices=False)
        if sizes[0] < least:
            best, least = mean, sizes[0]
        along = (centred @ directions[0]) ** 2
        most = along[weights > 0].max()
        if most <= 0:
            break
        weights = weights * np.maximum(0, 1 - along / most)
    return best


def norm_bound(rows, norm):
    return clipping(rows, norm).mean(axis=0)


def clipping(rows, norm):
    return np.array([x * min(1.0, norm / np.linalg.norm(x)) for x in rows])


def arc(rows, f):
    n, norms = len(rows), np.linalg.norm(rows, axis=1)
    k = int(np.floor(2 * f / n * (n - f)))
    return clipping(rows, np.sort(norms)[::-1][k])


def nnm(rows, f):
    mixed = []
    for x in rows:
        order = np.argsort([square(x, y) for y in rows], kind="stable")
        mixed.append(rows[order[: len(rows) - f]].mean(axis=0))
    return np.array(mixed)


def dnc(rows, f):
    centred = rows - rows.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    along = (centred @ vectors[:, -1]) ** 2
    return rows[np.argsort(along, kind="stable")[: len(rows) - f]].mean(axis=0)


def fltrust(rows, root):
    total, trust = np.zeros(rows.shape[1]), 0.0
    for x in rows:
        score = max(0.0, float(x @ root) / (np.linalg.norm(x) * np.linalg.norm(root)))
        total += score * np.linalg.norm(root) / np.linalg.norm(x) * x
        trust += score
    return total / trust

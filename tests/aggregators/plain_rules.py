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


def first_majority(distances):
    """Rows that are joined pair by pair, the closest first, till a set has more than half of them.

    Pairs that are as close are joined together.
    """
    n = len(distances)
    sets = [{i} for i in range(n)]
    pairs = sorted((distances[i, j], i, j) for i in range(n) for j in range(i))
    level = -1.0
    for distance, i, j in pairs:
        if distance > level and max(map(len, sets)) > n // 2:
            break
        level = distance
        one = next(s for s in sets if i in s)
        other = next(s for s in sets if j in s)
        if one is not other:
            sets = [s for s in sets if s is not one and s is not other] + [one | other]
    return sorted(max(sets, key=len))


def flame(rows):
    """Without noise."""
    norms = [np.linalg.norm(x) for x in rows]
    distances = np.zeros((len(rows), len(rows)))
    for i, x in enumerate(rows):
        for j, y in enumerate(rows):
            if i != j:
                both = norms[i] * norms[j]
                distances[i, j] = 1 - (float(x @ y) / both if both else 0.0)
    usual = float(np.median(norms))
    chosen = first_majority(distances)
    return np.mean([rows[i] * min(1.0, usual / (norms[i] or 1)) for i in chosen], axis=0)


def within(values, bound):
    """Which values are less than `bound` standard deviations from the median."""
    middle, spread = float(np.median(values)), float(np.std(values))
    return [value == middle or abs(value - middle) / spread < bound - 1e-8 for value in values]


def lasa(rows, sizes, sparsity, norm_bound, sign_bound):
    usual = float(np.median([np.linalg.norm(x) for x in rows]))
    clipped = [x * min(1.0, usual / np.linalg.norm(x)) for x in rows]
    sparse = []
    for x in clipped:
        smallest = sorted(range(len(x)), key=lambda j, x=x: abs(x[j]))[: int(sparsity * len(x))]
        kept = x.copy()
        kept[smallest] = 0
        sparse.append(kept)
    layers, start = [], 0
    for size in sizes:
        large = [x[start : start + size] for x in sparse]
        lengths = [float(np.linalg.norm(x)) for x in large]
        purities = []
        for x in large:
            signs = [np.sign(value) for value in x if value]
            purities.append((1 + sum(signs) / len(signs)) / 2 if signs else 0.5)
        passed = np.logical_and(within(lengths, norm_bound), within(purities, sign_bound))
        chosen = np.flatnonzero(passed) if passed.any() else range(len(rows))
        layers.append(np.mean([clipped[i][start : start + size] for i in chosen], axis=0))
        start += size
    return np.concatenate(layers)

"""The factor of a lie that does most harm, found in few trials."""

from fedplat.attacks.lies import Harm


def most_harmful(harm: Harm, step: float, trials: int) -> tuple[float, float]:
    """The factor that does most harm of those that are tried, and the harm.

    The factor grows from 0 by `step`, which doubles as long as that does more harm, and halves at
    every factor that does not.

    Source: the search of Allouah et al. 2023 (see `nnm`), appendix "attacks".
    """
    best, most, growing = 0.0, harm(0.0), True
    for _ in range(trials - 1):
        if (found := harm(best + step)) > most:
            best, most = best + step, found
            step *= 2 if growing else 1
        else:
            growing, step = False, step / 2
    return best, most


def most_harmful_at_any_scale(harm: Harm, step: float, trials: int) -> tuple[float, float]:
    """As `most_harmful`, of rules that forgive small lies, or drop lies beyond a size at once.

    Half of the trials are of 0 and of factors that double, from an eighth of `step` on.  The others
    go from the best of these to either side, in steps that halve where neither does more harm.
    """
    scales = [0.0, *(step * 2.0 ** (k - 3) for k in range(trials // 2 - 1))]
    most, best = max(((harm(factor), factor) for factor in scales), key=lambda tried: tried[0])
    step, side, failed = best / 2 or step / 16, 1, 0
    for _ in range(trials - len(scales)):
        if (found := harm(best + side * step)) > most:
            best, most, failed = best + side * step, found, 0
        else:
            side, failed = -side, failed + 1
        if failed == 2:
            step, failed = step / 2, 0
    return best, most

"""The factor of a lie that does most harm."""

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

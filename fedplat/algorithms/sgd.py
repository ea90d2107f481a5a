"""What an update of plain local SGD says about gradients."""

from fedplat.types import TrainSettings

NEED = "sgd"  # in `Algorithm.needs`: the learner makes and counts plain SGD steps of `settings.lr`


def effective_steps(settings: TrainSettings, steps: int) -> float:
    """‖a‖₁: the sum of the factors with which a local update holds its steps' gradients.

    A client that makes steps 1 … K with momentum ρ ends at global − lr · Σ aₖ gₖ with
    aₖ = (1 − ρ^(K−k+1)) / (1 − ρ); so update / (−lr · ‖a‖₁) is a weighted mean of its gradients.
    Without momentum that is K.

    Raises: ValueError, if the optimizer is not SGD: its update is no such sum.
    Source: Wang et al. 2020, "Tackling the Objective Inconsistency Problem in Heterogeneous
    Federated Optimization", §4.1.  arXiv:2007.07481
    """
    if settings.optimizer != "sgd":
        raise ValueError(f"an update by {settings.optimizer} is no weighted sum of gradients")
    rho = settings.momentum
    return (steps - rho * (1 - rho**steps) / (1 - rho)) / (1 - rho)

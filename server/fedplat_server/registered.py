"""Names of clients, as an operator gives them."""

from difflib import get_close_matches

from fedplat.engine.plan import Plan
from fedplat.engine.sampling import Population
from fedplat.errors import ConfigError
from fedplat.types import ClientId

COMPARED = 10_000  # names among which the nearest one is looked for


def require_registered(plan: Plan, client: str) -> ClientId:
    """Raises: ConfigError with the nearest name, unless the federation has such a client."""
    if plan.registered is None:
        return ClientId(client)
    population = Population(plan.registered)
    if client in population:
        return ClientId(client)
    near: list[ClientId] = []
    digits = "".join(one for one in client if one.isascii() and one.isdigit())[-9:]
    if digits and int(digits) < len(population):
        near = [population[int(digits)]]  # the number is right, its form is not
    else:
        names = [population[index] for index in range(min(len(population), COMPARED))]
        near = [*map(ClientId, get_close_matches(client, names, n=1, cutoff=0.5))]
    of = f"its {len(population)} clients are {population[0]} to {population[len(population) - 1]}"
    hint = f"did you mean {near[0]}?" if near else of
    raise ConfigError(where="client", reason=f"the federation has no {client!r}; {hint}")

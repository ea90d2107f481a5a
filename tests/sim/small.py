"""A federation that is small enough to be run again and again."""

from fedplat.config import scenario as scenarios
from fedplat.config.scenario import Scenario

SMALL = {
    "name": "small",
    "seed": 3,
    "rounds": 3,
    "data": {"name": "digits"},
    "partition": {"name": "dirichlet", "alpha": 0.5},
    "clients": {"count": 6, "per_round": 4},
    "model": {"name": "logistic"},
    "training": {"lr": 0.1, "batch_size": 32, "epochs": 1},
}


def small(**overrides: object) -> Scenario:
    """The small scenario with dotted keys replaced: `small(**{"clients.count": 3})`."""
    table = {key: dict(one) if isinstance(one, dict) else one for key, one in SMALL.items()}
    for key, value in overrides.items():
        scenarios.put(table, key, value)
    return scenarios.parse(table)


class Told:
    """A subscriber that remembers the records."""

    def __init__(self) -> None:
        self.records: list[dict] = []

    def on(self, record) -> None:
        self.records.append(dict(record))

    def close(self) -> None: ...

    def events(self, name: str) -> list[dict]:
        return [record for record in self.records if record["event"] == name]

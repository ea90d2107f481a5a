"""Who counted: what a robust rule made of each client's updates, and who really lied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from fedplat.errors import ConfigError
from fedplat.telemetry import readable
from fedplat.telemetry.conduct import Conduct, Conducts, in_words
from fedplat_sim.report.population import short
from fedplat_sim.report.run import Run

NAMED = 12  # liars, or rounds, that a sentence has room for


@dataclass(frozen=True, eq=False)
class Judgement:
    """What the rounds say of each client, and who lies by the scenario."""

    conducts: Conducts
    liars: frozenset[str]

    @property
    def of(self) -> Mapping[str, Conduct]:
        return self.conducts.of

    def label(self, client: str) -> str:
        """A client in a chart; a liar says so."""
        return f"liar {short(client)}" if client in self.liars else short(client)


def judged(run: Run) -> Judgement:
    """Folds the run's rounds."""
    return Judgement(reduce(Conducts.after, run.rounds, Conducts()), liars(run))


def liars(run: Run) -> frozenset[str]:
    """The clients that lie, drawn as the run has drawn them.

    Nobody, where the scenario has no attack or is none that this version can read.
    """
    if "attack" not in run.scenario:
        return frozenset()
    from fedplat.config import scenario as scenarios  # late: it takes a second to import
    from fedplat.config.attacking import liars as drawn

    try:
        return frozenset(map(str, drawn(scenarios.parse(dict(run.scenario)))))
    except ConfigError:
        return frozenset()


def remarks(run: Run, found: Judgement) -> list[str]:
    """What the reader of an attacked run should mind."""
    texts = []
    if found.liars:
        names = _listed([short(one) for one in sorted(found.liars, key=str.encode)])
        attack = run.scenario["attack"]
        name = attack.get("name") if isinstance(attack, Mapping) else attack
        texts.append(f"Clients that lie ({name}): {names}.")
    suspects = found.conducts.suspects()
    if suspects:
        said = _listed([in_words(client, conduct) for client, conduct in suspects])
        texts.append(f"Suspected, which is a hint and no proof: {said}.")
    held = {client: one.round for one in run.rounds for client in one.quarantined}
    if held:
        said = _listed([f"{client} in round {number}" for client, number in held.items()])
        texts.append(f"Put in quarantine by the coordinator: {said}.")
    for reason, numbers in _by_reason(found.conducts.abandoned).items():
        rounds = f"round{'s' if len(numbers) > 1 else ''} {_listed(list(map(str, numbers)))}"
        texts.append(f"The rule gave up {rounds}, which left the model unchanged: {reason}.")
    return texts


def _by_reason(abandoned: Sequence[tuple[int, str]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, reason in abandoned:
        found.setdefault(reason, []).append(number)
    return found


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {readable.count(more)} more" if more > 0 else "")

"""What every client computes with, kept with the run; who computes with something else is told."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fedplat.types import ClientId
from fedplat.wire.environment import Fingerprint, differences

Tell = Callable[[Mapping[str, Any]], None]
Known = tuple[Fingerprint, tuple[str, ...]]


@dataclass
class ClientEnvironments:
    """Tells a `client_environment` record of each client, and a warning of each that is unlike.

    Told again only when a client comes back with another environment; a run that goes on after an
    interruption remembers what it has told.  `unlike` has, for each client whose environment is not
    `own`, the fields that differ.
    """

    own: Fingerprint
    tell: Tell
    unlike: dict[ClientId, tuple[str, ...]] = field(default_factory=dict)
    _told: dict[ClientId, Known] = field(default_factory=dict)

    def on(self, client: ClientId, theirs: Fingerprint) -> None:
        """A client has said what it computes with."""
        differing = self._set(client, theirs)
        if self._told.get(client) == (theirs, differing):
            return
        self._told[client] = theirs, differing
        record = {"event": "client_environment", "client": client, "environment": theirs}
        self.tell({**record, "unlike": differing})
        if differing:
            self.tell({"event": "warning", "text": in_words(client, differing)})

    def remember(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Takes the records of an earlier process of this run."""
        for record in records:
            if record["event"] == "client_environment":
                client, theirs = ClientId(record["client"]), plain(record["environment"])
                self._set(client, theirs)
                self._told[client] = theirs, tuple(record["unlike"])

    def _set(self, client: ClientId, theirs: Fingerprint) -> tuple[str, ...]:
        differing = differences(self.own, theirs)
        if differing:
            self.unlike[client] = differing
        else:
            self.unlike.pop(client, None)
        return differing


def plain(fields: Mapping[str, Any]) -> Fingerprint:
    """A fingerprint from JSON that fedplat has written itself."""
    return {name: tuple(one) if isinstance(one, list) else one for name, one in fields.items()}


def in_words(client: ClientId, differing: Iterable[str]) -> str:
    """What the reader of the results must know about a client."""
    return (
        f"{client} computes in another environment than the coordinator "
        f"({'; '.join(differing)}): its updates may differ in the last bits from a simulation here"
    )

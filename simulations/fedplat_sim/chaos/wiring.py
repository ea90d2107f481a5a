"""What the coordinator's process needs from the world around it."""

from typing import Protocol

from fedplat.types import ClientId


class Wires(Protocol):
    """The coordinator's end of all sessions."""

    def to_client(self, client: ClientId, payload: bytes) -> None: ...

    def coordinator_died(self) -> None: ...

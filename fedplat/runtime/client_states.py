"""What clients remember between rounds: staged with its round, in effect once acknowledged."""

from fedplat.runtime.ports import StateStore
from fedplat.types import ClientId


class ClientStates:
    """The states of clients in a store, each with at most one more that waits for its round."""

    def __init__(self, states: StateStore) -> None:
        self._states = states

    def get(self, client: ClientId) -> bytes:
        """The client's state, encoded; nothing where it has none yet."""
        return self._states.get(kept(client)) or b""

    def stage(self, client: ClientId, round_id: int, state: bytes) -> None:
        """Puts the state aside that came with the update of a round."""
        if state:
            self._states.put({_staged(client): round_id.to_bytes(8, "little") + state})

    def keep(self, client: ClientId, round_id: int) -> None:
        """The update of that round counts: the state that came with it takes effect."""
        staged = self._waiting(client, round_id)
        if staged is not None:
            self._states.put({kept(client): staged, _staged(client): None})

    def drop(self, client: ClientId, round_id: int) -> None:
        """The update of that round does not count: forgets the state that came with it."""
        if self._waiting(client, round_id) is not None:
            self._states.put({_staged(client): None})

    def _waiting(self, client: ClientId, round_id: int) -> bytes | None:
        """The state that waits, if it is of this round: answers may come late, and twice."""
        staged = self._states.get(_staged(client))
        if staged is None or int.from_bytes(staged[:8], "little") != round_id:
            return None
        return staged[8:]


def kept(client: ClientId) -> str:
    """The key under which a client's state is stored."""
    return f"kept/{client}"


def _staged(client: ClientId) -> str:
    return f"staged/{client}"

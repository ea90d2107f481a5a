"""The last word of a coordinator: how the federation ended, said until everybody has heard it."""

import asyncio
import json
from collections.abc import Set
from time import monotonic

from fedplat.engine.commands import Finish
from fedplat.errors import InterruptedRunError
from fedplat.runtime.ports import StateStore
from fedplat.transports.grpc.session_server import SessionService
from fedplat.types import ClientId
from fedplat.wire.session import Drain, Finished, Frame
from fedplat_server.coordination import Coordination

LINGER_S = 20.0  # how long those who are away have to come back
RETRY_S = 2.0
POLL_S = 0.02
KEY = "told"


def last_word(end: Finish | BaseException, round_id: int) -> Frame:
    """What the clients are told of an end that came in a round."""
    match end:
        case Finish(last, _, _, model):
            return Finished(last, model)
        case InterruptedRunError() | KeyboardInterrupt():
            return Drain("the coordinator was stopped", RETRY_S)
        case _:
            return Finished(round_id, None, str(end).removeprefix(f"round {round_id}: "))


class Goodbye:
    """Says the last word to everybody who is connected, or comes while it lingers.

    A client has heard of the end when it has said the same word back: one that is killed before has
    not, though its session was there.  Who has heard of a result is kept in `store`.
    """

    def __init__(
        self, work: Coordination, sessions: SessionService, store: StateStore, word: Frame
    ) -> None:
        self._work, self._store, self._word = work, store, word
        self._is_result = isinstance(word, Finished) and word.model is not None
        self._told = set(map(ClientId, json.loads(store.get(KEY) or b"[]")))
        self._stopped = asyncio.Event()
        work.last_word = word
        for client in sessions.connected:
            sessions.send(client, word)

    def stop(self) -> None:
        """Ends `linger` at once."""
        self._stopped.set()

    async def linger(self, owed: Set[ClientId], linger_s: float = LINGER_S) -> list[ClientId]:
        """Waits until all of `owed` have heard the word, for a while; returns those who have not.

        Nobody is waited for who is to come back later anyway.
        """
        if not isinstance(self._word, Finished):
            return []
        deadline_s = monotonic() + linger_s
        while (left := self._left(owed)) and monotonic() < deadline_s:
            if self._stopped.is_set():
                break
            await asyncio.sleep(POLL_S)
        return sorted(left, key=str.encode)

    def _left(self, owed: Set[ClientId]) -> set[ClientId]:
        heard = self._work.said_back - self._told
        if heard:
            self._told |= heard
            if self._is_result:
                names = sorted(self._told, key=str.encode)
                self._store.put({KEY: json.dumps(names).encode()})
        return set(owed) - self._told

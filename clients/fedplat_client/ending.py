"""The end of a federation as its client has heard it: noted once, known for ever."""

import json
from typing import Any

from fedplat.runtime.ports import StateStore
from fedplat.types import Digest
from fedplat.wire.session import Finished

KEY = "federation/ended"
OVER = "this folder's federation has ended; another one needs a `folder` of its own"
LONG_S = 60.0  # without the coordinator: its operator should look
AWAY = (
    "it will be tried for ever: if its federation has ended, the coordinator's operator can have "
    "it said again (`fedplat server start` with its file); Ctrl-C or `fedplat down` ends this "
    "client, which goes on where it was when it is started again"
)


def note(store: StateStore, end: Finished) -> None:
    """Notes, durably, a federation's result.  A failure is not: its coordinator may go on yet."""
    if end.model is not None:
        text = json.dumps({"round": end.round_id, "model": str(end.model)})
        store.put({KEY: text.encode()})


def noted(store: StateStore) -> Finished | None:
    """What an earlier process has noted."""
    text = store.get(KEY)
    if text is None:
        return None
    facts = json.loads(text)
    return Finished(int(facts["round"]), Digest(facts["model"]))


def hint(away_s: float) -> dict[str, Any]:
    """What a client says besides that it has lost its coordinator, if that was long ago."""
    return {"away_s": round(away_s), "hint": AWAY} if away_s >= LONG_S else {}

"""The end of a federation as its client has heard it: noted once, known for ever."""

import json

from fedplat.runtime.ports import StateStore
from fedplat.types import Digest
from fedplat.wire.session import Finished

KEY = "federation/ended"


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

"""One daemon of the federation, which kills itself or its training at an event of its log.

python -m benchmarks.faults.doomed (server|client) FILE KILL…
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults.kills import Kill, parse
from fedplat.config.deployment import ClientDeployment, CoordinatorDeployment, load
from fedplat.storage.claim import Claim
from fedplat.storage.sqlite import SqliteStore


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that live."""
    found = []
    for one in Path("/proc").iterdir():
        try:
            words = (one / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if one.name.isdigit() and int(words[1]) == pid and words[0] != "Z":
            found.append(int(one.name))
    return found


def doom(kills: Sequence[Kill]) -> None:
    """Has this process's logs strike at their boundaries."""
    append = SqliteStore.append

    def appended(store: SqliteStore, events: Sequence[bytes], version: int, *rest: Any) -> int:
        reached = version + len(events)
        _strike(kills, "before", version, reached)
        append(store, events, version, *rest)
        _strike(kills, "after", version, reached)
        return reached

    SqliteStore.append = appended  # type: ignore[method-assign,assignment]


def _strike(kills: Sequence[Kill], moment: str, last: int, reached: int) -> None:
    """Kills whom the events after `last`, up to `reached`, doom."""
    for kill in kills:
        if kill.moment == moment and last < kill.number <= reached:
            for pid in children(os.getpid()) if kill.of_training else [os.getpid()]:
                os.kill(pid, signal.SIGKILL)
            _say({"struck": str(kill)})


def _say(word: dict[str, Any]) -> None:
    os.write(int(os.environ["FEDPLAT_NURSERY_LINE"]), json.dumps(word).encode())


def main(words: Sequence[str]) -> None:
    """Serves until the federation has ended."""
    kind, file, *kills = words
    sys.executable = os.environ["FEDPLAT_LAUNCHER"]
    doom([kill for text in kills for kill in parse(text)])
    if kind == "server":
        from fedplat_server import daemon as server

        deployment = load(Path(file), CoordinatorDeployment)
        with Claim(deployment.run):
            outcome = server.serve(deployment, (), lambda address, _: _say({"address": address}))
            _say({"digest": outcome.digest})
    else:
        from fedplat_client import daemon as client

        settings = load(Path(file), ClientDeployment)
        with Claim(settings.folder):
            client.serve(settings, lambda record: print(json.dumps(record), flush=True))


if __name__ == "__main__":
    main(sys.argv[1:])

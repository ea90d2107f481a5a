"""The process that trains: it has the data and the model, and no connection to anybody.

Its parent writes one JSON line an order, and reads one JSON line an answer.  The first order sets
limits, before anything is imported that has threads of its own; the second brings the scenario;
the others are tasks (`tasks`).  Usage: python -m fedplat_client.training FD FOLDER
"""

import json
import resource
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from fedplat_client.sandbox import Confined, confine

MOST_FILES = 1024


def main(arguments: list[str]) -> None:
    """Answers orders until the parent closes the line."""
    connection, folder = socket.socket(fileno=int(arguments[0])), Path(arguments[1])
    lines = connection.makefile("rw", encoding="utf-8", newline="\n")
    order = json.loads(lines.readline())
    _limit(order)
    confined = Confined((), {}) if order["sandbox"] == "off" else confine(folder)
    if order["sandbox"] == "required" and confined.missing:
        _say(lines, {"refused": dict(confined.missing)})
        return
    from fedplat_client import tasks  # late: see above

    tasks.answer(lines, folder, {"holds": confined.holds, "missing": dict(confined.missing)})


def _limit(order: Mapping[str, Any]) -> None:
    if order["memory_mb"] is not None:
        limit = order["memory_mb"] << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the data
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


def _say(lines: TextIO, answer: Mapping[str, Any]) -> None:
    lines.write(json.dumps(answer) + "\n")
    lines.flush()


if __name__ == "__main__":
    main(sys.argv[1:])

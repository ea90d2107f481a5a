"""The process that trains: it has the data and the model, and no connection to anybody.

Its parent writes one JSON line an order, and reads one JSON line an answer.  The first order sets
limits, before anything is imported that has threads of its own; the second brings the scenario;
the others are tasks (`tasks`).  Usage: python -m fedplat_client.training FD FOLDER
"""

import json
import os
import resource
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> None:
    """Answers orders until the parent closes the line."""
    connection, folder = socket.socket(fileno=int(arguments[0])), Path(arguments[1])
    lines = connection.makefile("rw", encoding="utf-8", newline="\n")
    _limit(json.loads(lines.readline()))
    from fedplat_client import tasks  # late: see above

    tasks.answer(lines, folder)


def _limit(order: Mapping[str, Any]) -> None:
    if order["memory_mb"] is not None:
        limit = order["memory_mb"] << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


if __name__ == "__main__":
    os.setpgid(0, 0)  # the terminal's Ctrl-C is its parent's business
    main(sys.argv[1:])

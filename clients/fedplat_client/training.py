"""The process that trains: it has the data and the model, and no connection to anybody.

Its parent writes one JSON line an order, and reads one JSON line an answer; updates and states
travel as files in a folder that both see.  Usage: python -m fedplat_client.training FD FOLDER
"""

import json
import os
import resource
import socket
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from fedplat.config import scenario as scenarios
from fedplat.config.build import build
from fedplat.errors import FedplatError
from fedplat.learning import numerics
from fedplat.runtime.client_work import ClientTask, ClientWork, Done, Outcome
from fedplat.types import ClientId, Digest, Metrics

UPDATE, STATE = "update.bin", "state.bin"


def main(arguments: list[str]) -> None:
    """Answers orders until the parent closes the line."""
    connection, folder = socket.socket(fileno=int(arguments[0])), Path(arguments[1])
    lines = connection.makefile("rw", encoding="utf-8", newline="\n")
    order = json.loads(lines.readline())
    if order["memory_mb"] is not None:
        limit = order["memory_mb"] << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        numerics.configure()
        work = build(scenarios.parse(order["scenario"])).work
        answer: Mapping[str, Any] = {"ready": True}
    except FedplatError as error:
        work, answer = None, _told(error)
    _say(lines, answer)
    while work is not None and (line := lines.readline()):
        _say(lines, _answer(work, json.loads(line), folder))


def _say(lines: Any, answer: Mapping[str, Any]) -> None:
    lines.write(json.dumps(answer) + "\n")
    lines.flush()


def _answer(work: ClientWork, order: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    task = ClientTask(
        ClientId(order["client"]),
        order["round_id"],
        order["kind"],
        Digest(order["broadcast"]),
        Path(order["state"]).read_bytes() if order["state"] else b"",
    )
    try:
        return _written(work.do(task, memoryview(Path(order["path"]).read_bytes())), folder)
    except FedplatError as error:
        return _told(error)


def _written(outcome: Outcome, folder: Path) -> Mapping[str, Any]:
    if not isinstance(outcome, Done):
        return _told(outcome.error)
    (folder / UPDATE).write_bytes(outcome.payload)
    (folder / STATE).write_bytes(outcome.state)
    return {
        "update": outcome.update,
        "weight": outcome.weight,
        "metrics": plain_metrics(outcome.metrics),
    }


def _told(error: FedplatError) -> Mapping[str, Any]:
    fields = {name: str(value) for name, value in error.fields.items()}
    return {"error": type(error).__name__, "fields": fields, "text": str(error)}


def plain_metrics(metrics: Metrics) -> dict[str, list[Any]]:
    """Metrics as JSON takes them: exact."""
    return {name: [str(Fraction(mean.total)), mean.count] for name, mean in metrics.items()}


if __name__ == "__main__":
    os.setpgid(0, 0)  # the terminal's Ctrl-C is its parent's business
    main(sys.argv[1:])

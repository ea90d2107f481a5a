"""Everything that has left a client, for its owner: read from the ledger, told in plain words."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fedplat.errors import ConfigError
from fedplat_client import ledger

MAY_HAVE_LEFT, SENT = "may have left", "sent"
SHOWN = 12  # tensors named in a line

Record = dict[str, Any]


def read(folder: Path) -> list[Record]:
    """What left the client that keeps its log in `folder`, in order, each once.

    An answer has a `status`: "sent", the coordinator's verdict once that has come, or "may have
    left", if the client ended between writing it down and sending it.

    Raises: ConfigError, if no client has worked there; StorageError, if its account is damaged.
    """
    path = folder / ledger.NAME
    if not path.is_file():
        reason = f"holds no {ledger.NAME}: no client has said anything from there"
        raise ConfigError(where=str(folder), reason=reason)
    return fold(ledger.lines(path))


def fold(lines: Iterable[Mapping[str, Any]]) -> list[Record]:
    """The answers with what became of them; the other lines as they are."""
    found: list[Record] = []
    answers: dict[tuple[int, str], Record] = {}
    for line in lines:
        match line["event"]:
            case "answer":
                record = {**line, "status": MAY_HAVE_LEFT}
                answers[line["round"], line["task"]] = record
                found.append(record)
            case "sent":
                _settle(answers.get((line["round"], line["task"])), SENT)
            case "answered":
                _settle(answers.get((line["round"], "fit")), str(line["verdict"]))
            case _:
                found.append(dict(line))
    return found


def _settle(answer: Record | None, status: str) -> None:
    if answer is not None and (answer["status"] in (MAY_HAVE_LEFT, SENT) or status != SENT):
        answer["status"] = status


def in_words(record: Mapping[str, Any]) -> str:
    """A record in one line for people.

    >>> in_words({"event": "federation", "at": "2026-01-01", "name": "q", "scenario": "ab" * 32})
    '2026-01-01  federation q (scenario abababababab…)'
    """
    line = f"{record['at']}  {_words(record)}"
    return "".join(one if one.isprintable() else "�" for one in line)  # names are strangers'


def _words(record: Mapping[str, Any]) -> str:
    match record["event"]:
        case "hello":
            environment = ", ".join(f"{k} {_plain(v)}" for k, v in record["environment"].items())
            who = f"to {record['coordinator']} as {record['client']}"
            return f"hello {who}: {record['software']}; {environment}"
        case "federation":
            return f"federation {record['name']} (scenario {record['scenario'][:12]}…)"
        case "tensors":
            names = record["tensors"]
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            return f"an update here is {len(names)} tensors: {', '.join(names[:SHOWN])}{more}"
        case "answer":
            return f"round {record['round']}  {_answer(record)}  [{record['status']}]"
        case event:
            return f"{event}: {_plain(record)}"


def _answer(record: Mapping[str, Any]) -> str:
    kept = f"; withheld: {', '.join(record['withheld'])}" if record["withheld"] else ""
    if "declined" in record:
        detail = f": {record['detail']}" if record["detail"] else ""
        return f"declined, {record['declined']}{detail}{kept}"
    metrics = [
        f"{name} {one['value']} of {one['count']}" for name, one in record["metrics"].items()
    ]
    said = f"metrics: {', '.join(metrics)}" if metrics else "no metrics"
    if record["update"] is None:
        return f"evaluation, {said}{kept}"
    update = f"update {record['update'][:12]}… of {record['bytes']} bytes"
    return f"{update}, weight {record['weight']:g} (training samples), {said}{kept}"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

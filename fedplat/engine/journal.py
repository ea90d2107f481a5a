"""A machine's events as log entries: one canonical JSON object each, and back."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, get_args

from fedplat.engine.events import ClientEvent, CoordinatorEvent, RoundCommitted
from fedplat.engine.messages import Offer
from fedplat.errors import CorruptPayloadError
from fedplat.types import Digest, Mean, Metrics

Event = CoordinatorEvent | ClientEvent
_BY_NAME: Mapping[str, type[Event]] = {cls.__name__: cls for cls in get_args(Event)}

# came later: left out where they say nothing, so that the receipts of older records hold
_LATER = frozenset({"influence", "refused", "abandoned", "quarantined"})
_FIELDS = {cls: tuple(f.name for f in dataclasses.fields(cls)) for cls in _BY_NAME.values()}


def encode(event: Event) -> bytes:
    """One line of canonical JSON (sorted keys, no spaces): the same event gives the same bytes."""
    named = ((name, getattr(event, name)) for name in _FIELDS[type(event)])
    fields = {name: value for name, value in named if value or name not in _LATER}
    if "metrics" in fields:
        fields["metrics"] = _plain_metrics(fields["metrics"])
    if "offer" in fields:
        fields["offer"] = dataclasses.asdict(fields["offer"])
    entry = {"event": type(event).__name__, **fields}
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def decode(entry: bytes) -> Any:
    """Reads what `encode` wrote: an event of the machine whose log it is.

    Raises: CorruptPayloadError, if the entry is not an event of this version.
    """
    try:
        fields: dict[str, Any] = json.loads(entry)
        cls = _BY_NAME[fields.pop("event")]
        if "metrics" in fields:
            fields["metrics"] = _metrics(fields["metrics"])
        if "offer" in fields:
            fields["offer"] = Offer(**fields["offer"])
        if "accepted" in fields:
            fields["accepted"] = tuple((c, d, float(w)) for c, d, w in fields["accepted"])
        if "influence" in fields:
            fields["influence"] = tuple(map(float, fields["influence"]))
        return cls(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptPayloadError(reason=f"not a log entry: {entry[:80]!r} ({error})") from error


def receipt(record: RoundCommitted) -> Digest:
    """The hash of a commit record, which the next record names: a chain that can be checked."""
    return Digest(hashlib.sha256(encode(record)).hexdigest())


def _plain_metrics(metrics: Metrics) -> dict[str, list[str | int]]:
    return {name: [str(mean.total), mean.count] for name, mean in metrics.items()}


def _metrics(plain: Mapping[str, Any]) -> dict[str, Mean]:
    return {name: Mean(Fraction(total), int(count)) for name, (total, count) in plain.items()}

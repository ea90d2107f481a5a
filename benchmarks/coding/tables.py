"""Measurements as they are printed: a line for each codec on each payload, a column a coder."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

Row = Mapping[str, Any]
SPEEDS = {
    "encode_mb_s": "encode, MB/s",
    "decode_mb_s": "decode, MB/s",
    "encode_peak": "encode, peak memory / float32 bytes",
    "decode_peak": "decode, peak memory / float32 bytes",
}


def sizes(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """`len(frame)` by entropy coder; of the smallest, the ratio and what it is of the reference."""
    for (payload, codec), group in _lines(rows):
        best = min(group, key=lambda row: row["bytes"])
        yield {
            "payload": payload,
            "codec": codec,
            "nmse": best["nmse"],
            "cosine": best["cosine"],
            "iid_bytes": best["iid_bytes"],
            **{f"{row['coder']}_bytes": row["bytes"] for row in group},
            "least": best["coder"],
            "ratio": best["ratio"],
            "of_iid": best["vs_iid"],
        }


def speeds(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """MB of dense float32 a second, and memory, by entropy coder: only what was measured."""
    for (payload, codec), group in _lines(rows):
        timed = [row for row in group if "encode_mb_s" in row]
        for key, words in SPEEDS.items():
            if timed:
                found = {row["coder"]: row[key] for row in timed}
                yield {"payload": payload, "codec": codec, "measured": words, **found}


def _lines(rows: Iterable[Row]) -> Iterator[tuple[tuple[str, str], Sequence[Row]]]:
    for key, group in groupby(rows, key=lambda row: (row["payload"], row["codec"])):
        yield key, list(group)

"""FedZip's arithmetic beside what its ids take: the bits that its authors add up, and frames."""

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.coding.arms import FEDZIP_ENCODINGS, Arm
from fedplat.codecs.fedzip_claims import claimed_bits


def beside(arm: Arm, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each of FedZip's encodings: claimed bytes, and those of a frame that can be decoded.

    Nothing for other codecs.
    """
    if arm.part["name"] != "fedzip":
        return []
    taken = {row["coder"]: row["bytes"] for row in rows}
    size = arm.payload.size_bytes
    found = []
    for encoding in FEDZIP_ENCODINGS:
        claimed = claimed_bits(arm.packet.letters, arm.packet.edges(), encoding) / 8
        found.append(
            {
                "payload": arm.payload.name,
                "codec": arm.name,
                "encoding": encoding,
                "claimed_bytes": round(claimed),
                "claimed_ratio": size / claimed if claimed else None,
                "frame_bytes": taken[encoding],
                "frame_ratio": size / taken[encoding],
                "context_frame_ratio": size / taken["context"],
            }
        )
    return found

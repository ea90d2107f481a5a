"""From measured cells to what is claimed: losses, ratios, curves and costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.compressing import clock
from benchmarks.compressing.arms import FLOAT32, Arm
from benchmarks.compressing.clock import Cost
from benchmarks.compressing.curve import Point, Reach, ratio_at, spread
from benchmarks.compressing.grid import Study

Split = Literal["validation", "test"]
Found = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Compared:
    """A study's cells, each beside the float32 run of its seed."""

    study: Study
    found: Found

    def seeds(self, arm: Arm) -> list[int]:
        """Those of which this arm and float32 were measured."""
        return [
            seed
            for seed in self.study.seeds
            if all(self.study.cell(one, seed) in self.found for one in (FLOAT32, arm))
        ]

    def cell(self, arm: Arm, seed: int) -> Mapping[str, Any]:
        return self.found[self.study.cell(arm, seed)]

    def losses_pt(self, arm: Arm, split: Split, against: Arm = FLOAT32) -> list[float]:
        """Points of final accuracy that `arm` lost against another, seed by seed."""
        seeds = [seed for seed in self.seeds(arm) if seed in self.seeds(against)]
        return [
            100 * (_accuracy(self.cell(against, seed), split) - _accuracy(cell, split))
            for seed in seeds
            for cell in [self.cell(arm, seed)]
        ]

    def ratio(self, arm: Arm) -> float:
        """Bytes as float32 of all updates of all seeds over the bytes of their frames."""
        uplinks = [self.cell(arm, seed)["uplink"] for seed in self.seeds(arm)]
        return float(sum(u["raw_bytes"] for u in uplinks) / sum(u["frame_bytes"] for u in uplinks))

    def points(self, family: str, split: Split) -> list[Point]:
        """The curve of a family: each arm's mean over the seeds."""
        return [
            Point(self.ratio(arm), spread(self.losses_pt(arm, split))[0])
            for arm in self.study.arms
            if arm.family == family and self.seeds(arm)
        ]

    def families(self) -> list[str]:
        return list(dict.fromkeys(arm.family for arm in self.study.arms if arm.family))

    def best_family(self, loss_pt: float) -> str | None:
        """The family that reaches the largest ratio at a loss, by validation alone."""
        reaches = {
            name: ratio_at(self.points(name, "validation"), loss_pt) for name in self.families()
        }
        known = {name: reach.ratio for name, reach in reaches.items() if reach is not None}
        return max(known, key=lambda name: known[name]) if known else None

    def reach(self, family: str, loss_pt: float) -> Reach | None:
        """The ratio of a family at a loss on the test set."""
        return ratio_at(self.points(family, "test"), loss_pt)

    def costs(self, arm: Arm, accuracy: float) -> list[Cost]:
        """Until a validation accuracy, for the seeds that reached it."""
        found = [clock.until(self.cell(arm, s)["rounds"], accuracy) for s in self.seeds(arm)]
        return [cost for cost in found if cost is not None]

    def bytes_to_target(self, arm: Arm, accuracy: float) -> float | None:
        """How many times fewer bytes than float32, both directions; None if not always reached."""
        mine, plain = self.costs(arm, accuracy), self.costs(FLOAT32, accuracy)
        if not mine or len(mine) < len(self.seeds(arm)) or len(plain) < len(self.seeds(FLOAT32)):
            return None
        return _mean([cost.size_bytes for cost in plain]) / _mean([c.size_bytes for c in mine])


def _accuracy(cell: Mapping[str, Any], split: Split) -> float:
    value = cell["test_accuracy"] if split == "test" else cell["rounds"][-1]["accuracy"]
    return float(value)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


def arm_row(compared: Compared, arm: Arm) -> dict[str, Any] | None:
    """One line of a study's table; None where the arm was not measured."""
    seeds = compared.seeds(arm)
    if not seeds:
        return None
    cells = [compared.cell(arm, seed) for seed in seeds]
    accuracy, deviation = spread([100 * _accuracy(cell, "test") for cell in cells])
    loss, loss_deviation = spread(compared.losses_pt(arm, "test"))
    uplinks = [cell["uplink"] for cell in cells]
    frames = sum(uplink["frames"] for uplink in uplinks)
    megabytes = {
        way: _mean([sum(one[f"bytes_{way}"] for one in cell["rounds"]) for cell in cells]) / 1e6
        for way in ("up", "down")
    }
    return {
        "study": compared.study.name,
        "arm": arm.name,
        "seeds": len(seeds),
        "test_%": accuracy,
        "sd": deviation,
        "lost_pt": loss,
        "lost_sd": loss_deviation,
        "ratio": compared.ratio(arm),
        "frame_bytes": sum(uplink["frame_bytes"] for uplink in uplinks) / frames,
        "up_MB": megabytes["up"],
        "down_MB": megabytes["down"],
        "encode_ms": 1000 * sum(uplink["encode_s"] for uplink in uplinks) / frames,
        "decode_ms": 1000 * sum(uplink["decode_s"] for uplink in uplinks) / frames,
        "wall_s": _mean([cell["wall_s"] for cell in cells]),
    }


def encoding_rows(compared: Compared, arm: Arm) -> list[dict[str, Any]]:
    """What other coders write of the same symbols, beside the bits that FedZip's code counts."""
    uplinks = [compared.cell(arm, seed)["uplink"] for seed in compared.seeds(arm)]
    if not uplinks or not arm.claims:
        return []
    raw = sum(uplink["watched"]["raw"] for uplink in uplinks)
    written = {"differences": sum(uplink["watched"]["frame"] for uplink in uplinks)}
    for name in arm.beside or {}:
        written[name] = sum(uplink["beside_bytes"][name] for uplink in uplinks)
    claimed = {
        name: sum(uplink["claimed_bits"][name] for uplink in uplinks) / 8
        for name in uplinks[0]["claimed_bits"]
    }
    return [
        {
            "arm of FedZip": arm.name,
            "encoding": name,
            "ratio": raw / size,
            "claimed_ratio": raw / claimed[name] if name in claimed else None,
        }
        for name, size in written.items()
    ]


def target_row(compared: Compared, arm: Arm, accuracy: float) -> dict[str, Any] | None:
    """What it costs an arm to reach an accuracy; None where it was not measured."""
    if not compared.seeds(arm):
        return None
    costs = compared.costs(arm, accuracy)
    always = len(costs) == len(compared.seeds(arm))
    shown = costs if always else []
    return {
        "study": compared.study.name,
        "to": f"{accuracy:.1%}",
        "with": arm.name,
        "rounds": _mean([c.rounds for c in shown]) if shown else None,
        "up MB": _mean([c.bytes_up for c in shown]) / 1e6 if shown else None,
        "down MB": _mean([c.bytes_down for c in shown]) / 1e6 if shown else None,
        "fewer bytes": compared.bytes_to_target(arm, accuracy),
        **{
            f"h at {link} Mbit/s": _mean([c.hours[link] for c in shown]) if shown else None
            for link in clock.LINKS_MBIT_S
        },
        "last test %": spread(
            [100 * _accuracy(compared.cell(arm, s), "test") for s in compared.seeds(arm)]
        )[0],
    }

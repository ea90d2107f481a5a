"""One federation in a fresh process, through the path that a user's run takes.

usage: python -m benchmarks.compressing.train DATA SPEC      (SPEC: JSON, see `spec`)
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.compressing.arms import FLOAT32, Arm
from benchmarks.compressing.claims import fedzip_claims
from benchmarks.compressing.federation import Federation
from benchmarks.compressing.observed import Observed
from fedplat import codecs
from fedplat.config.build import Parts
from fedplat.params import Params
from fedplat.protocols import Codec, Stamp
from fedplat.types import values
from fedplat_sim.run import Options, run

COORDINATOR = ("aggregate", "commit")
KEPT = ("round", "accuracy", "bytes_up", "bytes_down", "accepted")


def spec(federation: Federation, arm: Arm) -> dict[str, Any]:
    """What a process must be told to run an arm of a federation."""
    codec = FLOAT32.codec if arm.refused else arm.codec
    told = replace(federation, codec=dict(codec), downlink=arm.downlink)
    return {
        "federation": told.as_json(),
        "uplink": dict(arm.codec),
        "beside": {name: dict(part) for name, part in (arm.beside or {}).items()},
        "claims": arm.claims,
    }


class Rounds:
    """A subscriber that keeps each round's accuracy, bytes and seconds.

    `client_s` is what a client takes to train, to encode, and to decode what comes down; `server_s`
    what the coordinator takes for all updates.  It decodes each twice, when it comes (which the
    record counts as training) and when it is folded (which is remembered here, and added).  What
    was spent on watching counts nowhere.
    """

    def __init__(self, observed: Observed) -> None:
        self.observed = observed
        self.rows: list[dict[str, Any]] = []
        self._watching_s, self._decode_s = 0.0, 0.0

    def on(self, record: Mapping[str, Any]) -> None:
        if record["event"] != "round":
            return
        watching_s = self.observed.watching_s - self._watching_s
        decode_s = self.observed.decode_s - self._decode_s
        self._watching_s, self._decode_s = self.observed.watching_s, self.observed.decode_s
        seconds = record["seconds"]
        train_s = max(0.0, seconds["train"] - watching_s - decode_s)
        self.rows.append(
            {
                **{key: record[key] for key in KEPT},
                "client_s": train_s / max(1, record["accepted"]),
                "server_s": 2 * decode_s + sum(seconds.get(name, 0.0) for name in COORDINATOR),
            }
        )

    def close(self) -> None:
        """Holds nothing."""


def measure(told: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Runs the federation; its validation accuracies, bytes and seconds by round, and its test."""
    federation = Federation(**told["federation"])
    parts = federation.parts(folder)
    codec = codecs.build(told["uplink"])
    beside = {name: codecs.build(part) for name, part in told["beside"].items()}
    observed = Observed(codec, beside, fedzip_claims(codec) if told["claims"] else None)
    _warm(codec, parts.work.cargo.initial)
    parts = _with_codec(parts, observed)
    rounds = Rounds(observed)
    result = run(parts.scenario, Options(executor="sequential"), [rounds], parts)
    found = values(parts.work.learner.evaluate(result.params, parts.loaded.test))
    return {
        "rounds": rounds.rows,
        "test_accuracy": found["accuracy"],
        "uplink": observed.answer(),
        "parameters": parts.work.cargo.shared.dim,
        "digest": result.digest,
    }


def _warm(codec: Codec, initial: Params) -> None:
    """Has loops compiled that would else be counted as the first round's."""
    layout, update = initial.layout, initial.vector.clone()
    frame, _ = codec.encode(update, layout, codec.init(layout), Stamp())
    codec.decode(frame, layout)


def _with_codec(parts: Parts, codec: Codec) -> Parts:
    return replace(parts, work=replace(parts.work, cargo=replace(parts.work.cargo, codec=codec)))


def main() -> None:
    folder, told = sys.argv[1:]
    print(json.dumps(measure(json.loads(told), Path(folder))))


if __name__ == "__main__":
    main()

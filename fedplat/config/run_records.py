"""What a run tells of itself, from `started` to `finished`: in one process or as daemons."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from fedplat.config.build import Parts
from fedplat.config.client_environments import ClientEnvironments
from fedplat.engine.commands import Finish
from fedplat.engine.events import CoordinatorEvent, RoundCommitted
from fedplat.learning import numerics
from fedplat.telemetry.display import Subscriber
from fedplat.telemetry.metrics_file import MetricsFile
from fedplat.telemetry.recorder import Recorder

Figures = Mapping[str, float | None]


class RunRecords:
    """Tells `subscribers` the records of a run, and counts the bytes of all its rounds."""

    def __init__(self, parts: Parts, subscribers: Sequence[Subscriber] = ()) -> None:
        self._parts = parts
        self.subscribers: list[Subscriber] = list(subscribers)
        self.totals = {"bytes_up": 0, "bytes_down": 0}
        self._validated = False
        self.environments = ClientEnvironments(asdict(numerics.environment()), self.tell)

    def tell(self, record: Mapping[str, Any]) -> None:
        """Tells one record to everybody."""
        self._validated |= _validates(record)
        if record["event"] == "round":
            for key in self.totals:
                self.totals[key] += record.get(key, 0)
        for subscriber in self.subscribers:
            subscriber.on(record)

    def start(self, executor: str, warnings: Iterable[str]) -> None:
        """Tells what begins, or goes on, and what its reader should know."""
        scenario = self._parts.scenario
        self.tell(
            {
                "event": "started",
                "name": scenario.name,
                "seed": scenario.seed,
                "rounds": scenario.rounds,
                "clients": scenario.clients.count,
                "model": {
                    "name": scenario.model["name"] if scenario.model else "app",
                    "parameters": self._parts.work.cargo.initial.layout.num_trainable,
                },
                "algorithm": scenario.algorithm["name"],
                "executor": executor,
            }
        )
        for text in warnings:
            self.tell({"event": "warning", "text": text})

    def catch_up(self, events: Sequence[CoordinatorEvent], recorder: Recorder) -> int:
        """Brings the records of a run that was begun earlier to where its log is.

        Returns: the last round whose record the earlier process has told; 0, if none.
        """
        rounds = [event.round_id for event in events if isinstance(event, RoundCommitted)]
        last = rounds[-1] if rounds else 0
        told: set[int] = set()
        for file in self.subscribers:
            if isinstance(file, MetricsFile):
                kept = file.keep(partial(_stands, last=last))
                told = {record["round"] for record in kept if record["event"] == "round"}
                self.environments.remember(kept)
                self._validated |= any(map(_validates, kept))
                for record, key in itertools.product(kept, self.totals):
                    self.totals[key] += record.get(key, 0)
        recorder.catch_up(events, told)
        return max(told, default=0)

    def choose(self, finished: Finish) -> None:
        """Says which round's model is the result, where that is not plainly the last one's."""
        plan, last = self._parts.plan, finished.round_id
        planned, said = plan.rounds, list[str]()
        if (plan.keep_best or plan.patience is not None) and last and not self._validated:
            said.append(
                "no client has told a validation loss, so `keep` and `patience` had nothing to go "
                "by: allow `*/validation/loss` by [disclose] in the clients' files, or give them "
                "validation samples (data.client_validation)"
            )
        if last < planned:
            said.append(
                f"stopped after round {last} of {planned}: the clients' validation loss has not "
                f"become less in {plan.patience} evaluations"
            )
        if finished.selected != last:
            said.append(f"the model is that of round {finished.selected}, which validated best")
        if said:
            self.tell({"event": "warning", "round": last, "text": "; ".join(said)})

    def finish(self, finished: Finish, found: Figures, seconds: float, run: Path | None) -> None:
        """Tells the result."""
        self.tell(
            {
                "event": "finished",
                "accuracy": found.get("accuracy"),
                **({"rmse": found["rmse"]} if "rmse" in found else {}),
                "loss": found.get("loss"),
                "digest": str(finished.model),
                "rounds": finished.round_id,
                "selected": finished.selected,
                **self.totals,
                "unlike_clients": len(self.environments.unlike),
                "seconds": seconds,
                "run": str(run) if run else None,
            }
        )


def _validates(record: Mapping[str, Any]) -> bool:
    """Whether it holds what a model can be chosen by."""
    wanted = record["event"] == "evaluation" and record["split"] == "validation"
    return wanted and record["overall"].get("loss") is not None


def _stands(record: Mapping[str, Any], last: int) -> bool:
    """Whether a record still holds when the run goes on from the commit of round `last`."""
    match record["event"]:
        case "round":
            return int(record["round"]) <= last
        case "evaluation":
            return int(record["round"]) < last
        case event:
            standing = ("started", "shards", "client_environment", "warning")
            return event in standing and "round" not in record

"""Whether rules of one name give one result: ours beside ByzFL's and Flower's."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.aggregating import rows
from benchmarks.aggregating.peers import Process, Size
from benchmarks.aggregating.rules import ONCE, SMALL, TIMED, Compared
from fedplat.aggregators.robust import Robust
from fedplat.errors import ToleranceError
from fedplat.runtime.folding import InMemory
from fedplat.runtime.robust_fold import fold_robustly

TOLERANCE = 1e-5
Processes = Mapping[str, Process]


def fold(chain: Robust, updates: np.ndarray, threads: int) -> np.ndarray:
    """Our aggregate, as a coordinator makes it."""
    held = [InMemory(torch.from_numpy(one)) for one in updates]
    value: np.ndarray = fold_robustly(chain, held, seed=0, threads=threads).value
    return value


def difference(theirs: np.ndarray, ours: np.ndarray) -> float:
    """The distance of two results over the length of ours; NaN counts as infinitely far."""
    apart = np.linalg.norm(theirs.astype(np.float64) - ours)
    found = float(apart / np.linalg.norm(ours.astype(np.float64)))
    return found if np.isfinite(found) else float("inf")


def compare(processes: Processes, size: Size) -> Iterator[dict[str, Any]]:
    """A row for every rule and peer that has it, on few updates, so that all of them can run."""
    updates = rows.updates(size.clients, size.dim, size.liars)
    for rule in (*TIMED, *ONCE, *SMALL):
        ours = fold(rule.chain(size.liars), updates, 1)
        for peer, question in questions(rule, size.liars).items():
            if peer not in processes:
                continue
            theirs = processes[peer].ask(question, keep=True).value
            assert theirs is not None
            apart = difference(theirs, ours)
            other = rule.differs if peer == "byzfl" else ""
            yield {
                "rule": rule.name,
                "peer": peer,
                "differs_by": apart,
                "agrees": apart <= TOLERANCE,
                "one_definition": not other,
                "but": other or rule.ties,
            }


def of_an_unusable_update(processes: Processes, size: Size) -> Iterator[dict[str, Any]]:
    """What each makes of the same updates where the last one is NaN."""
    updates = rows.updates(size.clients, size.dim, size.liars)
    updates[-1] = np.nan
    for rule in (*TIMED, *ONCE):
        found = {"fedplat": _finite(rule, updates, size.liars)}
        for peer, question in questions(rule, size.liars).items():
            if peer in processes:
                theirs = processes[peer].ask({**question, "unusable": True}, keep=True).value
                found[peer] = _said(theirs)
        yield {
            "rule, one update is NaN": rule.name,
            **{peer: found.get(peer) for peer in ("fedplat", "byzfl", "flower")},
        }


def _finite(rule: Compared, updates: np.ndarray, liars: int) -> str:
    try:
        found = fold(rule.chain(liars), updates, 1)
    except ToleranceError as error:
        return f"refused: {error}"
    return _said(found)


def _said(value: np.ndarray | None) -> str:
    if value is None:
        return "no result"
    return "finite" if np.isfinite(value).all() else "NaN"


def questions(rule: Compared, liars: int) -> dict[str, dict[str, Any]]:
    """What the peers' processes that have the rule are asked."""
    found: dict[str, dict[str, Any]] = {}
    if rule.byzfl:
        found["byzfl"] = {"chain": rule.asked(liars)}
    if rule.flower:
        found["flower"] = {"rule": rule.flower}
    return found

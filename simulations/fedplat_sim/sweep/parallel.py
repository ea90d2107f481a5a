"""Runs cells side by side, each in a process of its own."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from fedplat_sim.sweep.cells import Cell
from fedplat_sim.sweep.execution import execute
from fedplat_sim.sweep.folder import SweepFolder

OnRound = Callable[[Cell, int], None]
OnEnd = Callable[[Cell, str], None]  # with the reason why it left no record, or ""


@dataclass(frozen=True, slots=True)
class _Running:
    cell: Cell
    process: BaseProcess
    pipe: Connection


def run_cells(
    cells: Sequence[Cell], folder: SweepFolder, processes: int, on_round: OnRound, on_end: OnEnd
) -> None:
    """Runs `cells`, at most `processes` at a time; each puts its record into `folder`.

    Guarantees: what stands in the folder afterwards does not depend on `processes`; when this ends,
    by Ctrl-C too, no process is left behind, and every record is whole.
    Raises: KeyboardInterrupt, after Ctrl-C.
    """
    waiting, running = list(reversed(cells)), list[_Running]()
    try:
        while waiting or running:
            _fill(running, waiting, folder, processes)
            ended = [one for one in _ready(running) if not _listen(one, on_round)]
            running = [one for one in running if one not in ended]
            for one in ended:
                on_end(one.cell, _end(one))
    finally:
        _stop(running)


def _fill(
    running: list[_Running], waiting: list[Cell], folder: SweepFolder, processes: int
) -> None:
    while waiting and len(running) < processes:
        with _uninterrupted():
            running.append(_start(waiting.pop(), folder))


def _ready(running: Sequence[_Running]) -> list[_Running]:
    ready = wait([one.pipe for one in running])
    return [one for one in running if one.pipe in ready]


def _stop(running: Sequence[_Running]) -> None:
    for one in running:
        one.process.terminate()
    for one in running:
        one.process.join()
        one.pipe.close()


def _start(cell: Cell, folder: SweepFolder) -> _Running:
    context = multiprocessing.get_context("fork")  # what the checks have imported is there at once
    pipe, other = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(cell, folder, other), daemon=True)
    process.start()
    other.close()
    return _Running(cell, process, pipe)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Holds Ctrl-C back while a process is started; in the process itself it stays held back.

    What stops a cell is its parent, so that none is forgotten and none speaks for itself.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _child(cell: Cell, folder: SweepFolder, pipe: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        folder.keep(cell, execute(cell, pipe.send))
    except BrokenPipeError:
        os._exit(1)  # the parent is gone: nobody waits for this cell
    finally:
        pipe.close()


def _listen(one: _Running, on_round: OnRound) -> bool:
    """Takes one message of a cell; False once it has closed its pipe."""
    try:
        on_round(one.cell, one.pipe.recv())
    except EOFError:
        return False
    return True


def _end(one: _Running) -> str:
    one.process.join()
    one.pipe.close()
    code = one.process.exitcode or 0
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}" if code else ""

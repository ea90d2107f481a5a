"""Worker processes, one torch thread each, that share the data and the model with their parent.

The workers are forked, so they share the data set without a copy and start without importing
anything.  A broadcast is written once into memory that all of them see; an update comes back
through memory that its worker shares with the parent; the pipes carry only small messages.
"""

import gc
import itertools
import mmap
import multiprocessing
import os
import selectors
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from fedplat.errors import TransportError
from fedplat.learning import numerics
from fedplat.runtime.client_work import CentralTask, ClientWork, Done, Outcome, Task
from fedplat.runtime.ports import BlobReader
from fedplat.types import Digest

AHEAD = 2  # batches that a worker holds: it starts the next while the parent takes the last
BATCH = 8  # tasks in a batch, if there are many and their updates are small
PLENTY = 16  # waiting tasks a worker from which work begins before all are there
BATCH_BYTES = 1 << 20  # an update that is larger travels alone
PIPE_BYTES = 1 << 14  # of a client's state, which a pipe takes in while its worker is busy
BROADCASTS = 2  # the round's model, and the one that is being evaluated


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    outbox: mmap.mmap
    doing: deque[list[Task]] = field(default_factory=deque)
    sent: int = 0


class _Broadcasts:
    """The last few broadcasts, in memory that parent and workers share."""

    def __init__(self, size_bytes: int) -> None:
        self._slots = [mmap.mmap(-1, max(1, size_bytes)) for _ in range(BROADCASTS)]
        self._where: dict[Digest, tuple[int, int]] = {}

    def share(
        self, digest: Digest, read: BlobReader, in_use: Callable[[], set[Digest]]
    ) -> tuple[int, int] | None:
        """Where workers find the broadcast: (slot, length); None while all slots are in use."""
        if digest not in self._where:
            free = set(range(BROADCASTS)) - {self._where[d][0] for d in in_use()}
            if not free:
                return None
            payload, slot = read(digest), min(free)
            self._where = {d: at for d, at in self._where.items() if at[0] != slot}
            self._slots[slot][: len(payload)] = payload
            self._where[digest] = slot, len(payload)
        return self._where[digest]

    def view(self, at: tuple[int, int]) -> memoryview:
        slot, length = at
        return memoryview(self._slots[slot])[:length]


class ProcessPool:
    """Runs tasks on `processes` workers; the longest first, so that none is left waiting alone.

    Guarantees: a task's outcome is the same bits as from `Sequential`.
    Raises: TransportError, if a worker dies.
    """

    name = "process_pool"
    numerics = "step"

    def __init__(self, work: ClientWork, read: BlobReader, processes: int) -> None:
        if processes < 1:
            raise ValueError(f"processes must be >= 1, got {processes}")
        self.parts = processes
        self._work, self._read = work, read
        self._broadcasts = _Broadcasts(work.cargo.broadcast_bytes)
        self._most = max(1, min(BATCH, BATCH_BYTES // self._outbox_bytes))
        self._waiting: list[Task] = []
        self._sorted, self._closed = True, False
        self._done: dict[Task, Outcome] = {}
        self._workers: list[_Worker] = []
        gc.freeze()  # what is shared with the workers is not written to by their collector
        for number in range(processes):
            self._workers.append(self._fork(number))
        self._ready = selectors.DefaultSelector()
        for worker in self._workers:
            self._ready.register(worker.pipe, selectors.EVENT_READ, worker)

    def submit(self, task: Task) -> None:
        self._waiting.append(task)
        self._sorted = False
        if len(self._waiting) >= PLENTY * len(self._workers):
            self._dispatch()  # so many that their order does not matter: let nobody be idle

    def result(self, task: Task) -> Outcome:
        if not self._sorted:
            self._waiting.sort(key=self._size)  # the longest last: taken from the end
            self._sorted = True
        while task not in self._done:
            self._dispatch()
            self._receive()
        return self._done.pop(task)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        gc.unfreeze()
        self._ready.close()
        for worker in self._workers:
            with suppress(OSError):  # it may have died
                worker.pipe.send(None)  # the end: other pools' workers may hold the pipe open
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(timeout=5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def _size(self, task: Task) -> int:
        if isinstance(task, CentralTask):
            return sys.maxsize  # it is waited for first
        return self._work.shards.samples(task.client)

    def _fork(self, number: int) -> _Worker:
        fork = multiprocessing.get_context("fork")
        ours, theirs = fork.Pipe()
        outbox = mmap.mmap(-1, AHEAD * self._most * self._outbox_bytes)
        others = [ours, *(worker.pipe for worker in self._workers)]
        process = fork.Process(
            target=self._serve, args=(theirs, outbox, others), name=f"fedplat-{number}", daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, outbox)

    @property
    def _outbox_bytes(self) -> int:
        shared = self._work.cargo.shared
        vectors = 1 + len(self._work.cargo.algorithm.extra_kinds)
        return shared.size_bytes * vectors + 4096

    def _dispatch(self) -> None:
        for ahead in range(AHEAD):
            for worker in self._workers:
                if not self._waiting or len(worker.doing) != ahead:
                    continue
                batch = self._batch()
                if ahead and sum(map(_state_bytes, batch)) > PIPE_BYTES:
                    return  # both ends would write, and wait for the other to read
                at = self._broadcasts.share(batch[0].broadcast, self._read, self._in_use)
                if at is None:
                    return
                del self._waiting[-len(batch) :]
                self._send(worker, batch, at)

    def _batch(self) -> list[Task]:
        """The next tasks for one worker: fewer towards the end, so that all end together."""
        shares = AHEAD * len(self._workers)
        share = len(self._waiting) // shares - 2
        last = self._waiting[-1].broadcast
        most = self._waiting[: -1 - max(1, min(share, self._most)) : -1]
        return list(itertools.takewhile(lambda task: task.broadcast == last, most))

    def _in_use(self) -> set[Digest]:
        return {batch[0].broadcast for worker in self._workers for batch in worker.doing}

    def _send(self, worker: _Worker, batch: list[Task], at: tuple[int, int]) -> None:
        try:
            worker.pipe.send((batch, at, worker.sent % AHEAD))
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._died(worker, batch) from error
        worker.sent += 1
        worker.doing.append(batch)

    def _receive(self) -> None:
        if not any(worker.doing for worker in self._workers):
            raise ValueError("a result is asked for of a task that was not submitted")
        for key, _ in self._ready.select():
            self._take(key.data)

    def _take(self, worker: _Worker) -> None:
        batch = worker.doing[0] if worker.doing else []  # without any it can only have died
        try:
            answers = worker.pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            raise self._died(worker, batch) from error
        worker.doing.popleft()
        for task, (outcome, start, length) in zip(batch, answers, strict=True):
            if length:
                outcome = replace(outcome, payload=worker.outbox[start : start + length])
            self._done[task] = outcome

    def _died(self, worker: _Worker, batch: list[Task]) -> TransportError:
        worker.process.join(timeout=5)
        code = worker.process.exitcode
        how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
        names = [getattr(task, "client", "the evaluation") for task in batch]
        what = f"did {', '.join(names)}" if batch else "was idle"
        where = f"round {batch[0].round_id}: " if batch else ""
        return TransportError(
            reason=f"{where}the worker process that {what} ended {how}; "
            "signal 9 is usually a lack of memory: use fewer --processes; nothing that was "
            "committed is lost, and the run can be resumed"
        )

    def _serve(self, pipe: Connection, outbox: mmap.mmap, others: Iterable[Connection]) -> None:
        for other in others:
            other.close()  # else a worker would not notice that its parent has gone
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
        numerics.configure()
        try:
            while (order := pipe.recv()) is not None:
                batch, at, slot = order
                model, first = self._broadcasts.view(at), slot * self._most
                outcomes = (self._work.do(task, model) for task in batch)
                posted = [self._post(one, outbox, first + i) for i, one in enumerate(outcomes)]
                pipe.send(posted)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            pass  # the parent has gone
        os._exit(0)

    def _post(self, outcome: Outcome, outbox: mmap.mmap, slot: int) -> tuple[Outcome, int, int]:
        """Puts the update into the outbox; what is left of the outcome, and where the update is."""
        if not isinstance(outcome, Done) or not 0 < len(outcome.payload) <= self._outbox_bytes:
            return outcome, 0, 0
        start, length = slot * self._outbox_bytes, len(outcome.payload)
        outbox[start : start + length] = outcome.payload
        return replace(outcome, payload=b""), start, length


def _state_bytes(task: Task) -> int:
    return 0 if isinstance(task, CentralTask) else len(task.state)

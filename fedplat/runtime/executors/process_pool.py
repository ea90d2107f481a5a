"""Worker processes, one torch thread each, that share the data and the model with their parent.

The workers are forked, so they share the data set without a copy and start without importing
anything.  A broadcast is written once into memory that all of them see; an update comes back
through memory that its worker shares with the parent; the pipes carry only small messages.
"""

import gc
import mmap
import multiprocessing
import os
import selectors
import signal
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

AHEAD = 2  # tasks that a worker holds: it starts the next while the parent takes the last result
PIPE_BYTES = 1 << 14  # of a client's state, which a pipe takes in while its worker is busy
BROADCASTS = 2  # the round's model, and the one that is being evaluated


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    outbox: mmap.mmap
    doing: deque[Task] = field(default_factory=deque)
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
        self._waiting: list[Task] = []
        self._sorted = True
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

    def result(self, task: Task) -> Outcome:
        if not self._sorted:
            self._waiting.sort(key=self._size)  # the longest last: taken from the end
            self._sorted = True
        while task not in self._done:
            self._dispatch()
            self._receive()
        return self._done.pop(task)

    def close(self) -> None:
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
        return 0 if isinstance(task, CentralTask) else self._work.shards.samples(task.client)

    def _fork(self, number: int) -> _Worker:
        fork = multiprocessing.get_context("fork")
        ours, theirs = fork.Pipe()
        outbox = mmap.mmap(-1, AHEAD * self._outbox_bytes)
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
                if ahead and _state_bytes(self._waiting[-1]) > PIPE_BYTES:
                    return  # both ends would write, and wait for the other to read
                at = self._broadcasts.share(self._waiting[-1].broadcast, self._read, self._in_use)
                if at is None:
                    return
                self._send(worker, self._waiting.pop(), at)

    def _in_use(self) -> set[Digest]:
        return {task.broadcast for worker in self._workers for task in worker.doing}

    def _send(self, worker: _Worker, task: Task, at: tuple[int, int]) -> None:
        try:
            worker.pipe.send((task, at, worker.sent % AHEAD))
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._died(worker, task) from error
        worker.sent += 1
        worker.doing.append(task)

    def _receive(self) -> None:
        if not any(worker.doing for worker in self._workers):
            raise ValueError("a result is asked for of a task that was not submitted")
        for key, _ in self._ready.select():
            self._take(key.data)

    def _take(self, worker: _Worker) -> None:
        task = worker.doing[0] if worker.doing else None  # then it can only have died
        try:
            outcome, slot, length = worker.pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            raise self._died(worker, task) from error
        done = worker.doing.popleft()
        if length:
            start = slot * self._outbox_bytes
            outcome = replace(outcome, payload=worker.outbox[start : start + length])
        self._done[done] = outcome

    def _died(self, worker: _Worker, task: Task | None) -> TransportError:
        worker.process.join(timeout=5)
        code = worker.process.exitcode
        how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
        what = "was idle" if task is None else f"did {getattr(task, 'client', 'the evaluation')}"
        where = "" if task is None else f"round {task.round_id}: "
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
                task, at, slot = order
                outcome = self._work.do(task, self._broadcasts.view(at))
                pipe.send(self._post(outcome, outbox, slot))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            pass  # the parent has gone
        os._exit(0)

    def _post(self, outcome: Outcome, outbox: mmap.mmap, slot: int) -> tuple[Outcome, int, int]:
        if not isinstance(outcome, Done) or not 0 < len(outcome.payload) <= self._outbox_bytes:
            return outcome, slot, 0
        start, length = slot * self._outbox_bytes, len(outcome.payload)
        outbox[start : start + length] = outcome.payload
        return replace(outcome, payload=b""), slot, length


def _state_bytes(task: Task) -> int:
    return 0 if isinstance(task, CentralTask) else len(task.state)

"""One task after another, in this process: the executor that the others are compared with."""

from fedplat.runtime.client_work import ClientWork, Outcome, Task
from fedplat.runtime.ports import BlobReader


class Sequential:
    """Does a task when its result is asked for."""

    parts = 1
    name = "sequential"
    numerics = "step"

    def __init__(self, work: ClientWork, read: BlobReader) -> None:
        self._work, self._read = work, read

    def submit(self, task: Task) -> None:
        """Nothing to do before the result is wanted."""

    def result(self, task: Task) -> Outcome:
        return self._work.do(task, self._read(task.broadcast))

    def close(self) -> None:
        """Nothing is held."""

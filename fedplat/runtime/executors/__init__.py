"""Who runs the clients' work: one after another, a pool of processes, or many as one."""

from collections.abc import Callable, Mapping

from fedplat.runtime.client_work import ClientWork
from fedplat.runtime.executors.process_pool import ProcessPool
from fedplat.runtime.executors.sequential import Sequential
from fedplat.runtime.ports import BlobReader, Executor


def _sequential(work: ClientWork, read: BlobReader, processes: int) -> Executor:
    """Does one task after another in this process: what the others are measured against."""
    del processes  # there is only this one
    return Sequential(work, read)


NUMERICS: Mapping[str, str] = {
    "sequential": Sequential.numerics,
    "process_pool": ProcessPool.numerics,
    "cohort": "cohort",
}


def _cohort(work: ClientWork, read: BlobReader, processes: int) -> Executor:
    """Trains many clients as one tensor program, with bits of its own; pays on a GPU."""
    del processes  # a cohort is one program
    from fedplat.runtime.executors.cohort import Cohort  # late: torch.func takes a while to import

    return Cohort(work, read)


BY_NAME: Mapping[str, Callable[[ClientWork, BlobReader, int], Executor]] = {
    "sequential": _sequential,
    "process_pool": ProcessPool,
    "cohort": _cohort,
}

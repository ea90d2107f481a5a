"""Who runs the clients' work: one after another, a pool of processes, or many as one."""

from collections.abc import Callable, Mapping

from fedplat.runtime.client_work import ClientWork
from fedplat.runtime.executors.process_pool import ProcessPool
from fedplat.runtime.executors.sequential import Sequential
from fedplat.runtime.ports import BlobReader, Executor

BY_NAME: Mapping[str, Callable[[ClientWork, BlobReader, int], Executor]] = {
    "sequential": lambda work, read, _: Sequential(work, read),
    "process_pool": ProcessPool,
}

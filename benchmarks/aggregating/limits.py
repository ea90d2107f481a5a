"""What the machine allows: how fast rows can be read, and products be added up."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from fedplat.aggregators import gram_kernel

REPEATS = 3


def read_seconds(updates: np.ndarray, threads: int) -> float:
    """The seconds of one pass over all values that does next to nothing with them."""

    def part(index: int) -> None:
        for row in updates:
            low, high = (len(row) * i // threads for i in (index, index + 1))
            np.maximum.reduce(row[low:high])

    return _fastest(lambda: _in_parallel(part, threads))


def products_a_second(threads: int) -> float:
    """Multiplications with additions a second of the Gram kernel, if nothing waits for memory.

    All of its rows are one row, which stays in the first cache.
    """
    count, length = 64, 1 << 16
    row = np.ones(length, dtype=np.float32)
    addresses = np.full(count, row.ctypes.data, dtype=np.int64)

    def part(_: int) -> None:
        gram_kernel.add_products(addresses, length, np.zeros((count, count)))

    seconds = _fastest(lambda: _in_parallel(part, threads))
    return threads * length * count * (count + 1) / 2 / seconds


def _in_parallel(part: Callable[[int], None], threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, range(threads)))


def _fastest(run: Callable[[], None]) -> float:
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return min(found)

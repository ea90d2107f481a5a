"""Processes that are born with everything imported: forked from one that has done nothing else.

python -m benchmarks.faults.nursery SOCKET

Whoever connects to SOCKET sends one JSON order {"argv": […], "cwd": …, "log": …} and, with it, the
descriptors that the child shall inherit under the numbers of "fds"; it reads {"pid": …}, at last
{"exit": …} (negative: the signal), and between them whatever the child says on the connection.
The child is killed when the connection is closed.  A child runs the module that follows "-m".
"""

import contextlib
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

LARGEST = 1 << 16  # bytes of an order
MOST_FDS = 64
HARMLESS = {"python", "python3", "jemalloc_bg_thd"}  # jemalloc's own thread knows about forks


class Nursery:
    """Forks on order, and tells how its children end."""

    def __init__(self, path: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(path)
        self._listener.listen(64)
        self._parents: dict[int, socket.socket] = {}
        self._woken, self._waker = socket.socketpair()
        for one in (self._woken, self._waker):
            one.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ, self._reap)

    def run(self) -> None:
        """Serves for ever; a forked child returns from its own run with an exit code."""
        while True:
            for key, _ in self._selector.select():
                key.data(key.fileobj)

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        self._selector.register(connection, selectors.EVENT_READ, self._ordered)

    def _ordered(self, connection: socket.socket) -> None:
        try:
            content, fds, _, _ = socket.recv_fds(connection, LARGEST, MOST_FDS)
        except ConnectionError:
            content, fds = b"", []
        if not content:
            self._orphaned(connection)
            return
        order = json.loads(content)
        pid = os.fork()
        if pid == 0:
            self._become(order, connection, fds)
        for one in fds:
            os.close(one)
        self._parents[pid] = connection
        _tell(connection, {"pid": pid})

    def _orphaned(self, connection: socket.socket) -> None:
        """Nobody waits for this child any more."""
        for pid, one in self._parents.items():
            if one is connection:
                os.kill(pid, signal.SIGKILL)
        self._selector.unregister(connection)
        self._parents = {p: c for p, c in self._parents.items() if c is not connection}
        connection.close()

    def _reap(self, woken: socket.socket) -> None:
        woken.recv(4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (connection := self._parents.pop(pid, None)) is not None:
                self._selector.unregister(connection)
                _tell(connection, {"exit": os.waitstatus_to_exitcode(status)})
                connection.close()

    def _become(self, order: dict[str, Any], connection: socket.socket, fds: list[int]) -> None:
        """Runs the order in this process, which is the child; does not return."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            for one in (self._listener, self._woken, self._waker, *self._parents.values()):
                one.close()
            _stand_in(order, connection, fds)
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        except BaseException:  # noqa: BLE001  a process's last words
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _tell(connection: socket.socket, word: dict[str, int]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody waits any more
        connection.send(json.dumps(word).encode())


def _stand_in(order: dict[str, Any], connection: socket.socket, fds: list[int]) -> None:
    high = [os.dup2(one, 500 + i) for i, one in enumerate(fds)]  # out of each other's way
    line = os.dup2(connection.fileno(), 500 + len(fds), inheritable=False)
    for one in fds:
        os.close(one)
    connection.detach()
    for number, one in zip(order["fds"], high, strict=True):
        os.dup2(one, number)
        os.close(one)
    if order["log"]:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
    os.chdir(order["cwd"])
    module, *words = order["argv"]
    os.environ["FEDPLAT_NURSERY_LINE"] = str(line)
    sys.argv = [module, *words]
    warnings.filterwarnings("ignore", ".* found in sys.modules", RuntimeWarning)  # that is the idea
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def warm() -> None:
    """Imports what a daemon and its training need, and makes a small federation's parts once."""
    import fedplat_client.daemon
    import fedplat_client.training
    import fedplat_server.daemon
    from benchmarks.faults.federation import small
    from fedplat.config.build import build
    from fedplat.learning import numerics

    del fedplat_client, fedplat_server
    numerics.configure()
    build(small())
    threads = {(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}
    if not threads <= HARMLESS:
        raise RuntimeError(f"a process with the threads {sorted(threads)} must not fork")
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    warm()
    Nursery(sys.argv[1]).run()

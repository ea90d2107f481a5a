"""Stands in for `python -m fedplat_client.training …`: has the process forked by the nursery.

It lives and ends as that process does, so that its parent kills it, waits for it and hears of its
death as of any child.  Run with `python -I -S`, so without anything of this project.
"""

import json
import os
import signal
import socket
import sys

WANTED = "fedplat_client.training"


def main() -> None:
    """Sends the order and waits for the end."""
    words = sys.argv[1:]
    if words[:1] != ["-m"] or words[1] != WANTED:
        os.execv(PYTHON, [PYTHON, *words])  # type: ignore[name-defined]  # noqa: S606
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fds = [int(one) for one in os.listdir("/proc/self/fd")]
    fds = [one for one in fds if one > 2 and one != connection.fileno() and is_open(one)]
    connection.connect(NURSERY)  # type: ignore[name-defined]
    given = [1, 2, *fds]
    order = {"argv": words[1:], "cwd": os.getcwd(), "log": "", "fds": given}
    socket.send_fds(connection, [json.dumps(order).encode()], given)
    for one in fds:
        os.close(one)
    code = 1
    while content := connection.recv(1 << 16):
        code = json.loads(content).get("exit", code)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    os._exit(code)


def is_open(number: int) -> bool:
    """The folder that was listed is no descriptor any more."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


main()

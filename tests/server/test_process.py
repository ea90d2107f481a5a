"""What the coordinator asks of the system for a thousand clients and a hundred large uploads."""

import platform
import resource
import subprocess
import sys

import pytest

OPENS = """
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
if {raises}:
    from fedplat_server.process import allow_open_files
    allow_open_files()
kept = [socket.socket() for _ in range(200)]
"""

KEEPS = """
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from fedplat_server.process import give_memory_back
if {gives}:
    assert give_memory_back()
def used():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10
def frames(_):
    for size in (1 << 18, 1 << 20):
        several = [bytes([1]) * (size + n) for n in range(64)]
        small = bytes(100)
        del several
with ThreadPoolExecutor(8) as pool:
    before = used()
    list(pool.map(frames, range(64)))
    print(used() - before)
"""


def python(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_more_files_than_the_usual_limit_can_be_open():
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 256:
        pytest.skip("the system lets nobody open so many files")
    assert python(OPENS.format(raises=True)).returncode == 0
    assert "Too many open files" in python(OPENS.format(raises=False)).stderr


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_what_many_threads_have_used_goes_back_to_the_system():
    given, kept = (int(python(KEEPS.format(gives=gives)).stdout) for gives in (True, False))
    assert given < 20 and given < kept, (given, kept)


HOLED = """
import re
from pathlib import Path
from fedplat_server.process import give_memory_back, trim
give_memory_back()
def used():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10
before = used()
pieces = [bytes([1]) * 8192 for _ in range(8192)]
last = bytes(8192)
del pieces
if {trims}:
    trim()
print(used() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_small_pieces_below_one_that_lives_on_go_back_too():
    trimmed, kept = (int(python(HOLED.format(trims=trims)).stdout) for trims in (True, False))
    assert trimmed < 8 and kept > 48, (trimmed, kept)

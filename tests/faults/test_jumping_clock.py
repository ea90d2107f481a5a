"""The wall clock says when something was, never what happens: it may jump."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fedplat
import fedplat_client
import fedplat_server
import fedplat_sim
from benchmarks.faults.federation import conduct, grounds, small
from benchmarks.faults.kills import parse
from fedplat_sim.run import Options, run

WALL = re.compile(r"time\.time\b|import time\(|time_ns\(\)|datetime\.now|utcnow|CLOCK_REALTIME")
FOR_PEOPLE = {  # from and to when a certificate is valid, and when something was disclosed
    "fedplat/transports/grpc/handshake.py",
    "fedplat_server/authority.py",
    "fedplat_client/ledger.py",
}
CLOCK = Path(__file__).with_name("jumping_clock.c")
LOOK = "import time; print(*[time.sleep(0.1) or time.time() - time.monotonic() for _ in range(18)])"


@pytest.fixture(scope="module")
def jumping(tmp_path_factory):
    """The environment of a process whose wall clock jumps."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("a clock that jumps takes a C compiler and Linux")
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    command = [compiler, "-shared", "-fPIC", "-O1", str(CLOCK), "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)
    return {"LD_PRELOAD": str(library)}


@pytest.mark.slow
def test_the_clock_does_jump(jumping):
    out = subprocess.run([sys.executable, "-c", LOOK], env=jumping, capture_output=True).stdout
    ages = [float(one) for one in out.split()]
    assert {round((age - min(ages)) / 60) for age in ages} == {0, 4, 64}


@pytest.mark.slow
def test_clocks_that_jump_in_every_process_change_nothing(jumping):
    scenario = small()
    calm = run(scenario, Options(executor="sequential")).digest
    with grounds(scenario, calm, extra=jumping) as ground:
        for point in ((), *map(parse, ("coordinator/after/5", "client-000001/before/3"))):
            ended = conduct(ground, point)
            assert (ended.flaws, ended.missed) == ((), ())


def test_no_file_of_the_platform_asks_the_wall_clock_but_for_dates_that_people_read():
    asking = set()
    for package in (fedplat, fedplat_server, fedplat_client, fedplat_sim):
        root = Path(package.__file__).parent
        for path in root.rglob("*.py"):
            if WALL.search(path.read_text(encoding="utf-8")):
                asking.add(path.relative_to(root.parent).as_posix())
    assert asking <= FOR_PEOPLE
    assert "fedplat_server/authority.py" in asking  # the pattern does find it

"""The client's training process, as the daemon sees it: started, asked, watched, started again."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from fedplat import errors
from fedplat.config.build import Own
from fedplat.config.scenario import Scenario
from fedplat.errors import ConfigError, DivergenceError, TrainingError
from fedplat.runtime.client_work import ClientTask, Done, Failed, Outcome
from fedplat.types import Digest, Mean
from fedplat_client.tasks import STATE, UPDATE

MAX_LINE_BYTES = 16 << 20
START_S = 600.0  # how long data and model may take to load


Sandbox = Literal["required", "available", "off"]
KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ", "VIRTUAL_ENV", "HF_HOME")
KEPT_KINDS = (
    "PYTHON", "LC_", "OMP_", "MKL_", "KMP_", "OPENBLAS_", "ATEN_", "ONEDNN_", "DNNL_", "CUDA_",
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What a training may take; None: as much as there is."""

    memory_mb: int | None = None
    timeout_s: float | None = None
    sandbox: Sandbox = "available"


class Trainer:
    """Keeps one training process, warm from the start; one that dies is started again.

    The process inherits no descriptor but its own line to the daemon, and writes into a folder of
    its own: one that outlives a killed daemon disturbs nobody.  A task during which the process
    died is done once more, by the next process; then it counts as failed.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self._scenario: Scenario | None = None
        self._own: Own | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._tensors: list[str] = []
        self.sandbox: Mapping[str, Any] = {}
        self._starting = asyncio.Lock()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    @property
    def process_id(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def ready(self) -> bool:
        """Whether the process has made the scenario's parts."""
        return self._ready

    async def warm(self) -> None:
        """Starts the process, if none is there, and does not wait for what it imports."""
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()  # what one that died left
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "fedplat_client.training", str(theirs.fileno())]
        self._room = Path(tempfile.mkdtemp(dir=self._folder))
        self._process = subprocess.Popen(  # noqa: S603  our own module
            [*command, str(self._room)], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
            env=_environment(self._room),
        )  # fmt: skip
        theirs.close()
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE_BYTES)
        self._write({"memory_mb": self._limits.memory_mb, "sandbox": self._limits.sandbox})

    async def load(self, scenario: Scenario, own: Own | None = None) -> list[str]:
        """Has the process make the scenario's parts; one that is started later makes them too.

        Returns: the tensors that an update is made of, in words.
        Raises: ConfigError, if it can not; TrainingError, if it dies.
        """
        self._scenario, self._own = scenario, own
        await self._start()
        return self._tensors

    async def _start(self) -> None:
        """Waits until a process is there that has the scenario's parts.  Raises: as `load`."""
        async with self._starting:
            await self.warm()
            if self._ready or self._scenario is None:
                return
            warm = await self._answer(START_S, "start")
            if warm is None:
                raise self._death("start")
            if "refused" in warm:
                raise _unconfined(warm["refused"])
            self.sandbox = warm["sandbox"]
            answer = await self._ask(_order(self._scenario, self._own), START_S, "start")
            if answer is None:
                raise self._death("start")
            if "error" in answer:
                raise ConfigError(where="the scenario", reason=answer["text"])
            self._tensors = list(answer["tensors"])
            self._ready = True

    async def do(self, task: ClientTask, broadcast: Path) -> Outcome:
        """Does one task on the broadcast in that file."""
        try:
            answer = await self._attempt(task, broadcast) or await self._attempt(task, broadcast)
            if answer is None:
                raise self._death("training")
        except TrainingError as error:
            fields = {**error.fields, "round_id": task.round_id, "client": task.client}
            return Failed(TrainingError(**fields))
        return self._outcome(answer)

    async def _attempt(self, task: ClientTask, broadcast: Path) -> dict[str, Any] | None:
        """The answer to a task; None, if the process died of it."""
        await self._start()
        state = self._room / "before.bin"
        state.write_bytes(task.state)
        order = {
            "client": task.client,
            "round_id": task.round_id,
            "kind": task.kind,
            "broadcast": task.broadcast,
            "path": str(broadcast),
            "state": str(state) if task.state else "",
        }
        return await self._ask(order, self._limits.timeout_s, "training")

    def stop(self) -> None:
        """Ends the process at once."""
        if self._process is not None:
            self._process.kill()
            self._code = self._process.wait()
            self._process, self._ready = None, False
            self._writer.close()
            shutil.rmtree(self._room, ignore_errors=True)

    async def _ask(
        self, order: Mapping[str, Any], timeout_s: float | None, stage: str
    ) -> dict[str, Any] | None:
        self._write(order)
        return await self._answer(timeout_s, stage)

    def _write(self, order: Mapping[str, Any]) -> None:
        self._writer.write(json.dumps(order).encode() + b"\n")

    async def _answer(self, timeout_s: float | None, stage: str) -> dict[str, Any] | None:
        """The next line; None, if the process died.  Raises: TrainingError, if it took too long."""
        try:
            line = await asyncio.wait_for(self._reader.readline(), timeout_s)
        except TimeoutError:
            self.stop()
            reason = f"it took longer than {timeout_s:g} s; raise `training_timeout_s`"
            raise TrainingError(round_id="?", client="?", stage=stage, reason=reason) from None
        except ConnectionError:
            line = b""
        except asyncio.CancelledError:
            self.stop()  # what it computes is wanted no more
            raise
        if not line:
            self.stop()
            return None
        return dict(json.loads(line))

    def _death(self, stage: str) -> TrainingError:
        """What to say of the process that has just died."""
        code = self._code
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        reason = f"the training process ended {how}; "
        reason += "signal 9 is usually a lack of memory: see `memory_mb`"
        return TrainingError(round_id="?", client="?", stage=stage, reason=reason)

    def _outcome(self, answer: Mapping[str, Any]) -> Outcome:
        if "error" in answer:
            kind = getattr(errors, answer["error"])
            if kind is DivergenceError:
                fields = {**answer["fields"], "step": int(answer["fields"]["step"])}
                return Failed(DivergenceError(**fields))
            fields = {"round_id": "?", "client": "?", "stage": "training", "reason": answer["text"]}
            return Failed(TrainingError(**fields))
        metrics = {
            name: Mean(Fraction(total), count) for name, (total, count) in answer["metrics"].items()
        }
        payload = (self._room / UPDATE).read_bytes()
        state = (self._room / STATE).read_bytes()
        update = Digest(answer["update"]) if answer["update"] else None
        return Done(metrics, payload, update, float(answer["weight"]), state)


def _environment(room: Path) -> dict[str, str]:
    """What of the daemon's environment the process needs: no token, no address of anything."""
    kept = {k: v for k, v in os.environ.items() if k in KEPT or k.startswith(KEPT_KINDS)}
    return {**kept, "HOME": str(room), "TMPDIR": str(room), "PYTHONDONTWRITEBYTECODE": "1"}


def _unconfined(missing: Mapping[str, str]) -> ConfigError:
    what = "; ".join(f"{name}: {why}" for name, why in missing.items())
    reason = f"this machine can not shut the training process in ({what}); what works: Linux 5.13 "
    reason += 'or newer, or `sandbox = "available"`, which trains without'
    return ConfigError(where='sandbox = "required"', reason=reason)


def _order(scenario: Scenario, own: Own | None) -> dict[str, Any]:
    return {
        "scenario": scenario.model_dump(mode="json"),
        "own": None if own is None else asdict(own),
    }

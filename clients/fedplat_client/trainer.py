"""The client's training process, as the daemon sees it: started, asked, watched, started again."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fedplat.config.build import Own
from fedplat.config.scenario import Scenario
from fedplat.errors import ConfigError, TrainingError
from fedplat.params import Layout
from fedplat.runtime.client_work import ClientTask, Failed, Outcome
from fedplat_client import answers, compiled
from fedplat_client.answers import Answer
from fedplat_client.tasks import FIRST, STATE

MAX_LINE_BYTES = 16 << 20
START_S = 600.0  # how long data and model may take to load


Stepped = Callable[[int], None]  # is told how many local steps of a task are done
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
        self._moved: Layout | None = None
        self.sandbox: Mapping[str, Any] = {}
        self._starting = asyncio.Lock()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._state = folder / STATE  # not in a room: the process could put a link there

    @property
    def process_id(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def begun(self) -> tuple[Layout | None, Path]:
        """The tensors that the downlink's steps move, if there are any, and the first model's file.

        Both as the process says.
        """
        return self._moved, self._room / FIRST

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
            env=_environment(self._room), start_new_session=True,
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
        await self.start()
        return self._tensors

    async def start(self) -> None:
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
            await asyncio.to_thread(compiled.provide, self._scenario.codec, self._room)
            answer = await self._ask(_order(self._scenario, self._own), START_S, "start")
            if answer is None:
                raise self._death("start")
            if "error" in answer:
                raise ConfigError(where="the scenario", reason=str(answer.get("text")))
            self._tensors, self._moved = answers.tensors(answer), answers.moved(answer)
            self._ready = True

    async def ready_again(self) -> None:
        """Has a process ready for the next task; where that fails, the task will say so."""
        with suppress(TrainingError):
            await self.start()

    async def do(
        self, task: ClientTask, broadcast: Path, stepped: Stepped = lambda step: None
    ) -> Outcome:
        """Does one task on the broadcast in that file; `stepped` is told its steps now and then."""
        try:
            answer = await self._attempt(task, broadcast, stepped)
            if answer is None:
                answer = await self._attempt(task, broadcast, stepped)
            if answer is None:
                raise self._death("training")
            return await asyncio.to_thread(answers.outcome, answer, self._room)
        except TrainingError as error:
            self.stop()  # what it says next is not to be trusted either
            fields = {**error.fields, "round_id": task.round_id, "client": task.client}
            return Failed(TrainingError(**fields))

    async def _attempt(self, task: ClientTask, broadcast: Path, stepped: Stepped) -> Answer | None:
        """The answer to a task; None, if the process died of it."""
        await self.start()
        self._state.write_bytes(task.state)
        order = {
            "client": task.client,
            "round_id": task.round_id,
            "kind": task.kind,
            "broadcast": task.broadcast,
            "path": str(broadcast),
            "state": str(self._state) if task.state else "",
        }
        return await self._ask(order, self._limits.timeout_s, "training", stepped)

    def stop(self) -> None:
        """Ends the process at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):  # it and what it has started
                os.killpg(self._process.pid, signal.SIGKILL)
            self._code = self._process.wait()
            self._process, self._ready = None, False
            self._writer.close()
            shutil.rmtree(self._room, ignore_errors=True)
            self._state.unlink(missing_ok=True)

    async def _ask(
        self,
        order: Mapping[str, Any],
        timeout_s: float | None,
        stage: str,
        stepped: Stepped | None = None,
    ) -> Answer | None:
        self._write(order)
        return await self._answer(timeout_s, stage, stepped)

    def _write(self, order: Mapping[str, Any]) -> None:
        self._writer.write(json.dumps(order).encode() + b"\n")

    async def _answer(
        self, timeout_s: float | None, stage: str, stepped: Stepped | None = None
    ) -> Answer | None:
        """What it answers; None, if it died.  Raises: TrainingError, if that took too long."""
        answer: Answer | None = None
        try:
            answer = await asyncio.wait_for(self._heard(stage, stepped), timeout_s)
        except TimeoutError:
            self.stop()
            reason = f"it took longer than {timeout_s:g} s; raise `training_timeout_s`"
            raise TrainingError(round_id="?", client="?", stage=stage, reason=reason) from None
        except ConnectionError:
            pass
        except TrainingError:
            self.stop()
            raise
        except ValueError as error:
            self.stop()
            raise answers.garbled(stage, f"a line over {MAX_LINE_BYTES >> 20} MiB") from error
        except asyncio.CancelledError:
            self.stop()  # what it computes is wanted no more
            raise
        if answer is None:
            self.stop()
        return answer

    async def _heard(self, stage: str, stepped: Stepped | None) -> Answer | None:
        """The line that answers; `stepped` is told the steps of the lines before it."""
        pace = answers.Pace()
        while line := await self._reader.readline():
            answer = answers.read(line, stage)
            step = None if stepped is None else pace.step(answer)
            if stepped is None or step is None:
                return answer
            stepped(step)
        return None

    def _death(self, stage: str) -> TrainingError:
        """What to say of the process that has just died."""
        code = self._code
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        reason = f"the training process ended {how}; "
        reason += "signal 9 is usually a lack of memory: see `memory_mb`"
        return TrainingError(round_id="?", client="?", stage=stage, reason=reason)


def _environment(room: Path) -> dict[str, str]:
    """What of the daemon's environment the process needs: no token, no address of anything."""
    kept = {k: v for k, v in os.environ.items() if k in KEPT or k.startswith(KEPT_KINDS)}
    own = {"HOME": str(room), "TMPDIR": str(room), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, **own, **compiled.environment(room)}


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

"""What `fedplat sim run` does once its flags are read; imports what is slow to import."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedplat.config import run_folder as folders
from fedplat.config import scenario as scenarios
from fedplat.errors import ConfigError
from fedplat.telemetry.display import for_terminal
from fedplat_sim.run import Options, run

RUNS = Path("runs")


@dataclass(frozen=True, kw_only=True)
class Run:
    """The flags of `fedplat sim run`."""

    scenario: Path | None
    resume: Path | None
    folder: Path | None
    memory: bool
    overrides: Mapping[str, Any]
    executor: str
    processes: int | None
    keep_updates: bool
    as_json: bool


def start(flags: Run) -> None:
    """Runs a scenario, or goes on with a run.

    Raises: ConfigError, if the flags contradict each other; and whatever the run raises.
    """
    if (flags.scenario is None) == (flags.resume is None):
        raise ConfigError(where="fedplat sim run", reason="give either a SCENARIO or --resume RUN")
    if flags.memory and flags.keep_updates:
        reason = "keeps updates in the run's folder, which --memory does not make: leave out one"
        raise ConfigError(where="--keep-updates", reason=reason)
    if flags.memory and flags.folder is not None:
        raise ConfigError(where="--memory", reason="leaves no folder: leave out --run, or this")
    if flags.resume is not None:
        if flags.overrides or flags.memory or flags.folder is not None:
            reason = "a run goes on as it began: "
            reason += "only --executor, --processes and --keep-updates may change"
            raise ConfigError(where="--resume", reason=reason)
        _, scenario, _ = folders.reopen(flags.resume)
    else:
        scenario = scenarios.load(Path(str(flags.scenario)), flags.overrides)
    folder = flags.resume or flags.folder
    if folder is None and not flags.memory:
        folder = folders.unused(RUNS, scenario.name)
    options = Options(
        executor=flags.executor,
        processes=flags.processes,
        folder=folder,
        resume=flags.resume is not None,
        keep_updates=flags.keep_updates,
    )
    run(scenario, options, [for_terminal(flags.as_json)])

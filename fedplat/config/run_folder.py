"""A run's folder: what is in it, how it is made, and how it is opened again."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fedplat.config import scenario as scenarios
from fedplat.config.scenario import Scenario
from fedplat.errors import ConfigError, StorageError
from fedplat.params import Params
from fedplat.storage import claim
from fedplat.types import Environment

LAST_EVENTS = 1 << 20  # bytes of the log in which an abort is looked for
LONGEST_NAME = 60  # characters of a scenario's name in its folder's


@dataclass(frozen=True)
class RunFolder:
    """Names the files of a run."""

    path: Path

    @property
    def scenario(self) -> Path:
        return self.path / "scenario.toml"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"

    @property
    def settings(self) -> Path:
        return self.path / "run.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def store(self) -> Path:
        return self.path / "store.sqlite"

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"


def is_free(path: Path) -> bool:
    """Whether a run can begin there.

    Nothing is in the folder but a daemon's claim on it, and what a process that was killed while
    it made a run's folder has left: the scenario is its last file.
    """
    if not path.is_dir():
        return not path.exists()
    folder = RunFolder(path)
    begun = {claim.NAME, folder.environment.name, folder.settings.name, _part(folder.scenario).name}
    return all(one.name in begun for one in path.iterdir())


def create(
    path: Path, scenario: Scenario, environment: Environment, settings: Mapping[str, object]
) -> RunFolder:
    """Makes the folder of a new run.

    Raises: ConfigError, if there is something there already; StorageError, if it can not be made.
    """
    folder = RunFolder(path)
    try:
        if not is_free(path):
            reason = "exists already; give another --run, or go on with it: "
            reason += f"fedplat sim run --resume {path}"
            raise ConfigError(where=str(path), reason=reason)
        path.mkdir(parents=True, exist_ok=True)
        folder.environment.write_text(json.dumps(asdict(environment), indent=1) + "\n")
        folder.settings.write_text(json.dumps(dict(settings), indent=1) + "\n")
        part = _part(folder.scenario)
        part.write_text(scenario.to_toml(), encoding="utf-8")
        part.replace(folder.scenario)
    except OSError as error:
        reason = f"can not be written ({error.strerror}); choose another folder with --run"
        raise StorageError(where=str(path), reason=reason) from error
    return folder


def located(path: Path) -> Path:
    """The run's folder, where `path` is that, or a folder of `fedplat up`."""
    begun = path / "coordinator"
    inside = not RunFolder(path).settings.exists() and RunFolder(begun).settings.is_file()
    return begun if inside else path


def has_finished(folder: RunFolder) -> bool:
    """Whether the run has come to its result."""
    metrics = folder.metrics
    return metrics.is_file() and '"event":"finished"' in metrics.read_text(encoding="utf-8")


def aborted(folder: RunFolder) -> str | None:
    """Why an operator has ended the run for good; None, if nobody has."""
    if not folder.events.is_file():
        return None
    with folder.events.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LAST_EVENTS))
        lines = [line for line in file.read().splitlines() if b'"AbortRequested"' in line]
    return str(json.loads(lines[-1])["reason"]) if lines else None


def reopen(path: Path) -> tuple[RunFolder, Scenario, dict[str, object]]:
    """Opens the folder of an interrupted run: its scenario and its settings.

    Raises: ConfigError, if it is no run's folder; StorageError, if it can not be read.
    """
    folder = RunFolder(path)
    try:
        if not folder.scenario.is_file() or not folder.settings.is_file():
            reason = "is not a run's folder: it has no scenario.toml and run.json"
            raise ConfigError(where=str(path), reason=reason)
        settings = json.loads(folder.settings.read_text(encoding="utf-8"))
    except OSError as error:
        reason = f"can not be read ({error.strerror})"
        raise StorageError(where=str(path), reason=reason) from error
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        reason = (
            'is damaged; write {"executor": "sequential", "numerics": "step"} into it, '
            'or "cohort" twice if that was the executor'
        )
        raise ConfigError(where=str(folder.settings), reason=reason)
    return folder, scenarios.load(folder.scenario), settings


def same_arithmetic(path: Path, arithmetic: str) -> RunFolder:
    """Opens the folder of an interrupted run for an executor of this arithmetic.

    Raises: ConfigError, if the run was begun with another: its rounds would not fit together.
    """
    folder, _, settings = reopen(path)
    begun = settings.get("numerics")
    if begun != arithmetic:
        reason = (
            f"was begun with the arithmetic {begun!r} of --executor {settings.get('executor')}, "
            f"this executor has {arithmetic!r}; go on with --executor {settings.get('executor')}"
        )
        raise ConfigError(where=str(path), reason=reason)
    return folder


def changed(folder: RunFolder, now: Environment) -> tuple[str, ...]:
    """What a reader must know, if a run goes on in another environment than it began in."""
    before = json.loads(folder.environment.read_text())
    after = json.loads(json.dumps(asdict(now)))
    pairs = [(key, before.get(key), after[key]) for key in after if before.get(key) != after[key]]
    if not pairs:
        return ()
    what = "; ".join(f"{key} {old} → {new}" for key, old, new in pairs)
    return (f"the environment has changed ({what}): the last bits may differ from a run in one",)


def unused(runs: Path, name: str) -> Path:
    """The first free `runs/NAME-001`, `runs/NAME-002`, …; a long name is cut."""
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in name[:LONGEST_NAME])
    number = 1
    while (path := runs / f"{safe}-{number:03d}").exists():
        number += 1
    return path


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def write_model(path: Path, params: Params) -> None:
    """Writes the final model as safetensors, whole or not at all."""
    import safetensors.torch  # late: not wanted by `fedplat sim list`

    part = path.with_suffix(".part")
    safetensors.torch.save_file({n: t.contiguous() for n, t in params.tensors().items()}, part)
    part.replace(path)

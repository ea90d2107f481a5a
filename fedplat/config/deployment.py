"""A deployment: *how* a daemon runs (addresses, keys, folders, limits).  Changes no result."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fedplat.config.explain import explain
from fedplat.errors import ConfigError

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"  # X.509 ends a common name after 64
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Deployment = TypeVar("_Deployment", bound="_Frozen")


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class TlsConfig(_Frozen):
    """PEM files for mutual TLS."""

    key: Path
    """The private key, readable by nobody else."""
    certificate: Path
    """Its certificate; a client's name is the certificate's."""
    authority: Path
    """The certificates of the authority that the other side's must be from."""


class DiscloseConfig(_Frozen):
    """What a client tells besides its updates and their weights; without it, nothing."""

    metrics: tuple[str, ...] = ()
    """Names of metrics that may leave, or patterns: `train_loss`, `*/validation/*`, `*`."""
    min_count: int = Field(default=10, ge=0)
    """A metric over fewer samples than this stays."""
    errors: bool = False
    """Whether the text of an error may leave; it can quote data.  Its type always may."""


class SourceConfig(BaseModel):
    """A client's own data; the other keys go to the source, and paths are relative to the file."""

    model_config = ConfigDict(
        frozen=True, extra="allow", allow_inf_nan=False, use_attribute_docstrings=True
    )

    name: str
    """The source: a key of `fedplat.data.source.BY_NAME`, `npz` or `csv` for example."""
    path: Path | None = None
    """Where the data are, if the source reads a file or a folder."""
    test_path: Path | None = None
    """A second file, if the source takes one."""

    @property
    def part(self) -> dict[str, Any]:
        """The source as a scenario would write it."""
        paths = {"path": self.path, "test_path": self.test_path}
        given = {key: str(path) for key, path in paths.items() if path is not None}
        return {"name": self.name, **(self.model_extra or {}), **given}


class CoordinatorDeployment(_Frozen):
    """`server/coordinator.toml`: how a coordinator runs."""

    scenario: Path
    """The scenario file."""
    clients: int | None = Field(default=None, ge=1)
    """Replaces the scenario's number of clients."""
    run: Path
    """The run's folder; one that is there is gone on with."""
    address: str = "localhost:7700"
    """Where sessions are taken: HOST:PORT; port 0 takes a free one."""
    data_address: str = "localhost:0"
    """Where blobs travel: HOST:PORT; clients are told the port."""
    tls: TlsConfig | None = None
    """Keys; without them plain text is spoken, on this machine alone."""
    heartbeat_s: float = Field(default=20.0, gt=0)
    """How often a client that has nothing else to say says that it is alive."""
    idle_timeout_s: float = Field(default=120.0, gt=0)
    """How long a client may be silent before its session is taken for dead."""
    transfers: int = Field(default=8, ge=1)
    """How many blobs travel at a time; others wait in a queue."""
    spool_quota_gb: float | None = Field(default=None, gt=0)
    """How much the run's blobs may take before uploads are refused until others have gone."""
    reflection: bool = False
    """Whether gRPC tools may ask which services there are: on loopback, or the operator alone."""
    keep_updates: bool = False
    """Whether updates are kept after their round, for `fedplat replay`."""

    @model_validator(mode="after")
    def _beats_in_time(self) -> "CoordinatorDeployment":
        if self.heartbeat_s * 2 > self.idle_timeout_s:
            raise ValueError("idle_timeout_s must be at least twice heartbeat_s")
        return self


class ClientDeployment(_Frozen):
    """`clients/client.toml`: how a client daemon runs."""

    coordinator: str
    """The coordinator's HOST:PORT."""
    folder: Path
    """Where the client keeps its log, its state and what it has not delivered yet."""
    tls: TlsConfig | None = None
    """Keys; without them plain text is spoken, with a coordinator on this machine."""
    name: str | None = Field(default=None, pattern=NAME)
    """The client's name where there is no certificate to name it."""
    local_files: bool = False
    """Whether a scenario may name files of this machine: data, and code that is run."""
    lab: bool = False
    """Whether a scenario may have this client lie (`attack`): for tests of robustness only."""
    data: SourceConfig | None = None
    """The client's own data, where the scenario's are of `name = "site"`: its shard, whole."""
    disclose: DiscloseConfig = DiscloseConfig()
    """What may leave."""
    approved_bundles: tuple[Sha256, ...] = ()
    """The digests of bundles of user code (`fedplat bundle show`) that may run here."""
    memory_mb: int | None = Field(default=None, ge=64)
    """How much memory training may take."""
    sandbox: Literal["required", "available", "off"] = "available"
    """Whether training is shut in: no network, no file written but its own; "available": as far
    as this machine can, and said what does not hold; "required": or not at all."""
    training_timeout_s: float | None = Field(default=None, gt=0)
    """How long one training may take."""
    transport: Literal["stream", "poll"] = "stream"
    """How control messages travel; "poll" is for networks that cut long streams."""
    proxy: str | None = None
    """The HTTP proxy that connects to the outside: http://HOST:PORT; with `tls` only."""

    @model_validator(mode="after")
    def _has_a_proxy_for_tls_alone(self) -> "ClientDeployment":
        if self.proxy is not None and self.tls is None:
            raise ValueError("a proxy is for `tls`; plain text does not leave this machine")
        return self

    @model_validator(mode="after")
    def _has_a_name(self) -> "ClientDeployment":
        if (self.tls is None) == (self.name is None):
            raise ValueError("give either `tls` (whose certificate names the client) or `name`")
        return self


def load(path: Path, kind: type[_Deployment]) -> _Deployment:
    """Reads a daemon's file; paths inside are relative to it.

    Raises: ConfigError, if it can not be read, is no TOML, or says what `kind` does not know.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(where=str(path), reason=f"can not be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(where=str(path), reason=f"is not TOML: {error}") from error
    try:
        found = kind.model_validate(table)
    except ValidationError as error:
        reasons = dict.fromkeys(explain(one, kind) for one in error.errors())
        raise ConfigError(where=str(path), reason="; ".join(reasons)) from error
    return found.model_validate(_absolute(found.model_dump(), path.resolve().parent))


def _absolute(value: Any, folder: Path) -> Any:
    """Every path made absolute, from the file's own folder."""
    if isinstance(value, dict):
        return {key: _absolute(one, folder) for key, one in value.items()}
    return folder / value if isinstance(value, Path) else value

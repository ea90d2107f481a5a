"""The one error tree of fedplat.

    FedplatError                fields, not prose; each has an exit code and a gRPC status
    ├── ConfigError             the operator's file or flag            INVALID_ARGUMENT     exit 2
    │   ├── CompositionError    parts that can not work together
    │   └── DataError           a data file that can not be read or does not fit
    ├── RoundError              the round can not finish               ABORTED              exit 3
    │   ├── QuorumError         fewer updates than the scenario's quorum
    │   ├── DivergenceError     a loss or an update is not finite
    │   ├── AbortedError        the operator ended the federation
    │   ├── FailedCellsError    runs of a sweep came to no result
    │   └── TrainingError       the user's own training code failed
    ├── ToleranceError          too few updates for a robust rule      FAILED_PRECONDITION  exit 3
    ├── TransportError          (retryable)                            UNAVAILABLE          exit 6
    ├── StorageError            (retryable)                            UNAVAILABLE          exit 7
    │   └── MissingBlobError    a digest that no store holds           NOT_FOUND
    ├── ProtocolError           a peer spoke out of turn or of format  INVALID_ARGUMENT     exit 8
    │   ├── CorruptPayloadError the only thing that a decoder may raise
    │   ├── StaleRoundError     a message for a round that is not open FAILED_PRECONDITION
    │   └── UnknownClientError  a client that this round did not ask   PERMISSION_DENIED
    ├── VerificationError       what was kept does not agree with itself FAILED_PRECONDITION exit 5
    ├── UnauthenticatedError    a caller that can not show who it is   UNAUTHENTICATED      exit 4
    │   └── NotPermittedError   a known caller that may not do this    PERMISSION_DENIED
    └── InterruptedRunError     stopped by the operator, can resume    CANCELLED            exit 130
        └── InterruptedSweepError

A programmer's mistake (a bad constructor argument) is `ValueError` or `TypeError` from `check`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class FedplatError(Exception):
    """Says what went wrong, where, why and what to do; the fields stay readable by programs.

    A leaf gives `template`, a `str.format` pattern over its keyword arguments; `exit_code` and
    `grpc_status` are inherited from the nearest ancestor that sets them.  Survives pickling, so
    that a worker process can hand it to its parent unchanged.

    >>> StaleRoundError(got=1, current=2).fields
    {'got': 1, 'current': 2}
    """

    template: ClassVar[str] = "{reason}"
    exit_code: ClassVar[int] = 1
    grpc_status: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False

    def __init__(self, **fields: Any) -> None:
        self.fields: Mapping[str, Any] = fields
        super().__init__(self.template.format(**fields))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), dict(self.fields))


def _rebuild(cls: type[FedplatError], fields: dict[str, Any]) -> FedplatError:
    return cls(**fields)


class ConfigError(FedplatError):
    """The operator's file or flag is wrong."""

    template = "{where}: {reason}"
    exit_code = 2
    grpc_status = "INVALID_ARGUMENT"


class CompositionError(ConfigError):
    """Two parts of a scenario can not work together."""

    template = "{where}: {reason}; what works: {instead}"


class DataError(ConfigError):
    """A data file can not be read, or its content does not fit the scenario."""


class RoundError(FedplatError):
    """The round can not finish."""

    template = "round {round_id}: {reason}"
    exit_code = 3
    grpc_status = "ABORTED"


class QuorumError(RoundError):
    """Fewer updates were accepted than the scenario's quorum."""

    template = (
        "round {round_id}: {accepted} of {asked} clients gave an accepted update, the quorum is "
        "{quorum} ({reasons}); lower `quorum`, or raise `over_selection` or `deadline_s`"
    )


class DivergenceError(RoundError):
    """A loss or an update is not finite."""

    template = (
        "round {round_id}, client {client}, local step {step}: {what} is not finite; lower the "
        "learning rate, set `training.clip_norm`, or continue without such clients by "
        '`on_divergence = "drop_client"`'
    )


class AbortedError(RoundError):
    """The operator ended the federation before its last round."""

    template = "round {round_id}: aborted by the operator ({reason}); what was committed is kept"


class TrainingError(RoundError):
    """The user's own training code failed."""

    template = "round {round_id}, client {client}: {stage} failed: {reason}"


class FailedCellsError(RoundError):
    """Runs of a sweep came to no result; the others are done and compared."""

    template = (
        "{failed} of {cells} runs came to no result: {reasons}; what the others found: {folder}"
    )


class ToleranceError(FedplatError):
    """A robust rule would promise nothing for so few updates, or so many liars among them."""

    template = "{rule} requires {requires}; got n={n}, f={f}"
    exit_code = 3
    grpc_status = "FAILED_PRECONDITION"


class TransportError(FedplatError):
    """A message could not be delivered."""

    exit_code = 6
    grpc_status = "UNAVAILABLE"
    retryable = True


class StorageError(FedplatError):
    """A store could not read or write."""

    template = "{where}: {reason}"
    exit_code = 7
    grpc_status = "UNAVAILABLE"
    retryable = True


class MissingBlobError(StorageError):
    """A digest that no store holds."""

    template = "{where}: there is no blob {digest}"
    grpc_status = "NOT_FOUND"
    retryable = False


class ProtocolError(FedplatError):
    """A peer spoke out of turn or of format."""

    exit_code = 8
    grpc_status = "INVALID_ARGUMENT"


class CorruptPayloadError(ProtocolError):
    """Bytes that do not decode: the only error that a decoder may raise."""

    template = "corrupt payload: {reason}"


class StaleRoundError(ProtocolError):
    """A message for a round that is not open."""

    template = "round {got} is not open (current round: {current})"
    grpc_status = "FAILED_PRECONDITION"


class UnknownClientError(ProtocolError):
    """A message from a client that this round did not ask."""

    template = "client {client} was not asked in round {round_id}"
    grpc_status = "PERMISSION_DENIED"


class VerificationError(FedplatError):
    """What was computed again, or checked, is not what was kept."""

    template = "{where}: {reason}"
    exit_code = 5
    grpc_status = "FAILED_PRECONDITION"


class UnauthenticatedError(FedplatError):
    """A caller that can not show who it is."""

    exit_code = 4
    grpc_status = "UNAUTHENTICATED"


class NotPermittedError(UnauthenticatedError):
    """A caller that is known, and may not do what it asks for."""

    grpc_status = "PERMISSION_DENIED"


class InterruptedRunError(FedplatError):
    """The operator stopped the run; what was committed is kept."""

    template = "interrupted after round {round_id}; {remedy}"
    exit_code = 130
    grpc_status = "CANCELLED"


class InterruptedSweepError(InterruptedRunError):
    """The operator stopped a sweep; finished cells are kept."""

    template = "interrupted, {done} of {cells} cells are finished; go on with: {command}"

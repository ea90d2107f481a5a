from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Lost(_message.Message):
    __slots__ = ("client", "reason")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    client: str
    reason: str
    def __init__(self, client: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Connected(_message.Message):
    __slots__ = ("client", "silent_s")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    SILENT_S_FIELD_NUMBER: _ClassVar[int]
    client: str
    silent_s: float
    def __init__(self, client: _Optional[str] = ..., silent_s: _Optional[float] = ...) -> None: ...

class Unlike(_message.Message):
    __slots__ = ("client", "differences")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    client: str
    differences: str
    def __init__(self, client: _Optional[str] = ..., differences: _Optional[str] = ...) -> None: ...

class Steps(_message.Message):
    __slots__ = ("client", "step")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    client: str
    step: int
    def __init__(self, client: _Optional[str] = ..., step: _Optional[int] = ...) -> None: ...

class Quarantined(_message.Message):
    __slots__ = ("client", "reason")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    client: str
    reason: str
    def __init__(self, client: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("phase", "round_id", "rounds", "asked", "accepted", "missing", "lost", "connected", "epoch", "paused", "draining", "model", "address", "data_address", "seconds", "waiting_for", "unlike", "steps", "quarantined")
    PHASE_FIELD_NUMBER: _ClassVar[int]
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DATA_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    UNLIKE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    QUARANTINED_FIELD_NUMBER: _ClassVar[int]
    phase: str
    round_id: int
    rounds: int
    asked: _containers.RepeatedScalarFieldContainer[str]
    accepted: _containers.RepeatedScalarFieldContainer[str]
    missing: _containers.RepeatedScalarFieldContainer[str]
    lost: _containers.RepeatedCompositeFieldContainer[Lost]
    connected: _containers.RepeatedCompositeFieldContainer[Connected]
    epoch: int
    paused: bool
    draining: bool
    model: bytes
    address: str
    data_address: str
    seconds: float
    waiting_for: str
    unlike: _containers.RepeatedCompositeFieldContainer[Unlike]
    steps: _containers.RepeatedCompositeFieldContainer[Steps]
    quarantined: _containers.RepeatedCompositeFieldContainer[Quarantined]
    def __init__(self, phase: _Optional[str] = ..., round_id: _Optional[int] = ..., rounds: _Optional[int] = ..., asked: _Optional[_Iterable[str]] = ..., accepted: _Optional[_Iterable[str]] = ..., missing: _Optional[_Iterable[str]] = ..., lost: _Optional[_Iterable[_Union[Lost, _Mapping]]] = ..., connected: _Optional[_Iterable[_Union[Connected, _Mapping]]] = ..., epoch: _Optional[int] = ..., paused: bool = ..., draining: bool = ..., model: _Optional[bytes] = ..., address: _Optional[str] = ..., data_address: _Optional[str] = ..., seconds: _Optional[float] = ..., waiting_for: _Optional[str] = ..., unlike: _Optional[_Iterable[_Union[Unlike, _Mapping]]] = ..., steps: _Optional[_Iterable[_Union[Steps, _Mapping]]] = ..., quarantined: _Optional[_Iterable[_Union[Quarantined, _Mapping]]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("resume_token",)
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    resume_token: int
    def __init__(self, resume_token: _Optional[int] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("resume_token", "event", "end", "detail")
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    resume_token: int
    event: str
    end: str
    detail: str
    def __init__(self, resume_token: _Optional[int] = ..., event: _Optional[str] = ..., end: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class AbortRequest(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DrainRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ShutdownRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListClientsRequest(_message.Message):
    __slots__ = ("after",)
    AFTER_FIELD_NUMBER: _ClassVar[int]
    after: str
    def __init__(self, after: _Optional[str] = ...) -> None: ...

class ClientStanding(_message.Message):
    __slots__ = ("client", "asked", "accepted", "refused", "influence", "suspicion", "judged", "quarantine")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    INFLUENCE_FIELD_NUMBER: _ClassVar[int]
    SUSPICION_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    QUARANTINE_FIELD_NUMBER: _ClassVar[int]
    client: str
    asked: int
    accepted: int
    refused: int
    influence: float
    suspicion: float
    judged: int
    quarantine: Quarantine
    def __init__(self, client: _Optional[str] = ..., asked: _Optional[int] = ..., accepted: _Optional[int] = ..., refused: _Optional[int] = ..., influence: _Optional[float] = ..., suspicion: _Optional[float] = ..., judged: _Optional[int] = ..., quarantine: _Optional[_Union[Quarantine, _Mapping]] = ...) -> None: ...

class Quarantine(_message.Message):
    __slots__ = ("since_s", "round_id", "reason", "alone")
    SINCE_S_FIELD_NUMBER: _ClassVar[int]
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ALONE_FIELD_NUMBER: _ClassVar[int]
    since_s: float
    round_id: int
    reason: str
    alone: bool
    def __init__(self, since_s: _Optional[float] = ..., round_id: _Optional[int] = ..., reason: _Optional[str] = ..., alone: bool = ...) -> None: ...

class ClientStandings(_message.Message):
    __slots__ = ("clients", "more")
    CLIENTS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    clients: _containers.RepeatedCompositeFieldContainer[ClientStanding]
    more: bool
    def __init__(self, clients: _Optional[_Iterable[_Union[ClientStanding, _Mapping]]] = ..., more: bool = ...) -> None: ...

class QuarantineRequest(_message.Message):
    __slots__ = ("client", "reason")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    client: str
    reason: str
    def __init__(self, client: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ReleaseRequest(_message.Message):
    __slots__ = ("client",)
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    client: str
    def __init__(self, client: _Optional[str] = ...) -> None: ...

class Done(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

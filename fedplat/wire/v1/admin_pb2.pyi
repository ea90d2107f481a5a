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

class Status(_message.Message):
    __slots__ = ("phase", "round_id", "rounds", "asked", "accepted", "missing", "lost", "connected", "epoch", "paused", "draining", "model", "address", "data_address", "seconds", "waiting_for", "unlike", "steps")
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
    def __init__(self, phase: _Optional[str] = ..., round_id: _Optional[int] = ..., rounds: _Optional[int] = ..., asked: _Optional[_Iterable[str]] = ..., accepted: _Optional[_Iterable[str]] = ..., missing: _Optional[_Iterable[str]] = ..., lost: _Optional[_Iterable[_Union[Lost, _Mapping]]] = ..., connected: _Optional[_Iterable[_Union[Connected, _Mapping]]] = ..., epoch: _Optional[int] = ..., paused: bool = ..., draining: bool = ..., model: _Optional[bytes] = ..., address: _Optional[str] = ..., data_address: _Optional[str] = ..., seconds: _Optional[float] = ..., waiting_for: _Optional[str] = ..., unlike: _Optional[_Iterable[_Union[Unlike, _Mapping]]] = ..., steps: _Optional[_Iterable[_Union[Steps, _Mapping]]] = ...) -> None: ...

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

class Done(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

from fedplat.wire.v1 import messages_pb2 as _messages_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Hello(_message.Message):
    __slots__ = ("protocol", "oldest_protocol", "software", "environment", "session")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    OLDEST_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    oldest_protocol: int
    software: str
    environment: str
    session: str
    def __init__(self, protocol: _Optional[int] = ..., oldest_protocol: _Optional[int] = ..., software: _Optional[str] = ..., environment: _Optional[str] = ..., session: _Optional[str] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("protocol", "epoch", "software", "environment", "scenario", "heartbeat_s", "idle_timeout_s", "data_port")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_S_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    DATA_PORT_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    epoch: int
    software: str
    environment: str
    scenario: str
    heartbeat_s: float
    idle_timeout_s: float
    data_port: int
    def __init__(self, protocol: _Optional[int] = ..., epoch: _Optional[int] = ..., software: _Optional[str] = ..., environment: _Optional[str] = ..., scenario: _Optional[str] = ..., heartbeat_s: _Optional[float] = ..., idle_timeout_s: _Optional[float] = ..., data_port: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Progress(_message.Message):
    __slots__ = ("round_id", "task", "step")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    round_id: int
    task: _messages_pb2.Task
    step: int
    def __init__(self, round_id: _Optional[int] = ..., task: _Optional[_Union[_messages_pb2.Task, str]] = ..., step: _Optional[int] = ...) -> None: ...

class Accept(_message.Message):
    __slots__ = ("round_id", "task")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    round_id: int
    task: _messages_pb2.Task
    def __init__(self, round_id: _Optional[int] = ..., task: _Optional[_Union[_messages_pb2.Task, str]] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("round_id", "reason")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    round_id: int
    reason: str
    def __init__(self, round_id: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ("reason", "retry_after_s")
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    reason: str
    retry_after_s: float
    def __init__(self, reason: _Optional[str] = ..., retry_after_s: _Optional[float] = ...) -> None: ...

class Finished(_message.Message):
    __slots__ = ("round_id", "model", "failure")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    round_id: int
    model: bytes
    failure: str
    def __init__(self, round_id: _Optional[int] = ..., model: _Optional[bytes] = ..., failure: _Optional[str] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("message", "hello", "welcome", "heartbeat", "progress", "accept", "cancel", "drain", "finished")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    message: _messages_pb2.Envelope
    hello: Hello
    welcome: Welcome
    heartbeat: Heartbeat
    progress: Progress
    accept: Accept
    cancel: Cancel
    drain: Drain
    finished: Finished
    def __init__(self, message: _Optional[_Union[_messages_pb2.Envelope, _Mapping]] = ..., hello: _Optional[_Union[Hello, _Mapping]] = ..., welcome: _Optional[_Union[Welcome, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., accept: _Optional[_Union[Accept, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ..., finished: _Optional[_Union[Finished, _Mapping]] = ...) -> None: ...

class PollRequest(_message.Message):
    __slots__ = ("frames", "wait_s", "session", "heard", "last")
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    WAIT_S_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[Frame]
    wait_s: float
    session: str
    heard: int
    last: bool
    def __init__(self, frames: _Optional[_Iterable[_Union[Frame, _Mapping]]] = ..., wait_s: _Optional[float] = ..., session: _Optional[str] = ..., heard: _Optional[int] = ..., last: bool = ...) -> None: ...

class PollReply(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[Frame]
    def __init__(self, frames: _Optional[_Iterable[_Union[Frame, _Mapping]]] = ...) -> None: ...

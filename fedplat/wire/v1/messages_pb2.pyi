from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Task(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_UNSPECIFIED: _ClassVar[Task]
    TASK_FIT: _ClassVar[Task]
    TASK_EVALUATE: _ClassVar[Task]

class DeclineReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECLINE_REASON_UNSPECIFIED: _ClassVar[DeclineReason]
    DECLINE_REASON_DROPOUT: _ClassVar[DeclineReason]
    DECLINE_REASON_DIVERGED: _ClassVar[DeclineReason]
    DECLINE_REASON_FAILED: _ClassVar[DeclineReason]

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_ACCEPTED: _ClassVar[Verdict]
    VERDICT_LATE: _ClassVar[Verdict]
    VERDICT_REFUSED: _ClassVar[Verdict]
TASK_UNSPECIFIED: Task
TASK_FIT: Task
TASK_EVALUATE: Task
DECLINE_REASON_UNSPECIFIED: DeclineReason
DECLINE_REASON_DROPOUT: DeclineReason
DECLINE_REASON_DIVERGED: DeclineReason
DECLINE_REASON_FAILED: DeclineReason
VERDICT_UNSPECIFIED: Verdict
VERDICT_ACCEPTED: Verdict
VERDICT_LATE: Verdict
VERDICT_REFUSED: Verdict

class Metric(_message.Message):
    __slots__ = ("name", "total", "count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    total: str
    count: int
    def __init__(self, name: _Optional[str] = ..., total: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class Offer(_message.Message):
    __slots__ = ("client", "round_id", "task", "broadcast", "dropout", "delay_s", "attempt", "epoch", "lease_s")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    BROADCAST_FIELD_NUMBER: _ClassVar[int]
    DROPOUT_FIELD_NUMBER: _ClassVar[int]
    DELAY_S_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    LEASE_S_FIELD_NUMBER: _ClassVar[int]
    client: str
    round_id: int
    task: Task
    broadcast: bytes
    dropout: bool
    delay_s: float
    attempt: int
    epoch: int
    lease_s: float
    def __init__(self, client: _Optional[str] = ..., round_id: _Optional[int] = ..., task: _Optional[_Union[Task, str]] = ..., broadcast: _Optional[bytes] = ..., dropout: bool = ..., delay_s: _Optional[float] = ..., attempt: _Optional[int] = ..., epoch: _Optional[int] = ..., lease_s: _Optional[float] = ...) -> None: ...

class Submit(_message.Message):
    __slots__ = ("client", "round_id", "task", "update", "weight", "metrics", "attempt", "epoch")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    client: str
    round_id: int
    task: Task
    update: bytes
    weight: float
    metrics: _containers.RepeatedCompositeFieldContainer[Metric]
    attempt: int
    epoch: int
    def __init__(self, client: _Optional[str] = ..., round_id: _Optional[int] = ..., task: _Optional[_Union[Task, str]] = ..., update: _Optional[bytes] = ..., weight: _Optional[float] = ..., metrics: _Optional[_Iterable[_Union[Metric, _Mapping]]] = ..., attempt: _Optional[int] = ..., epoch: _Optional[int] = ...) -> None: ...

class Decline(_message.Message):
    __slots__ = ("client", "round_id", "task", "reason", "detail", "step", "attempt", "epoch")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    client: str
    round_id: int
    task: Task
    reason: DeclineReason
    detail: str
    step: int
    attempt: int
    epoch: int
    def __init__(self, client: _Optional[str] = ..., round_id: _Optional[int] = ..., task: _Optional[_Union[Task, str]] = ..., reason: _Optional[_Union[DeclineReason, str]] = ..., detail: _Optional[str] = ..., step: _Optional[int] = ..., attempt: _Optional[int] = ..., epoch: _Optional[int] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("client", "round_id", "verdict", "detail", "epoch")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    client: str
    round_id: int
    verdict: Verdict
    detail: str
    epoch: int
    def __init__(self, client: _Optional[str] = ..., round_id: _Optional[int] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., detail: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class Envelope(_message.Message):
    __slots__ = ("offer", "submit", "decline", "ack")
    OFFER_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_FIELD_NUMBER: _ClassVar[int]
    DECLINE_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    offer: Offer
    submit: Submit
    decline: Decline
    ack: Ack
    def __init__(self, offer: _Optional[_Union[Offer, _Mapping]] = ..., submit: _Optional[_Union[Submit, _Mapping]] = ..., decline: _Optional[_Union[Decline, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ...) -> None: ...

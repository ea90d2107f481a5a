"""The one way out of a client: by its owner's policy, and written down first."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fedplat.config.deployment import DiscloseConfig
from fedplat.engine.messages import Decline, Offer, Submit
from fedplat.types import Metrics
from fedplat.wire.session import Frame, Progress
from fedplat_client.ledger import Ledger
from fedplat_client.policy import released


class Tell(Protocol):
    """Takes a record for the client's log."""

    def __call__(self, record: dict[str, Any], /) -> None: ...


class Gate:
    """Lets frames out by `say`, as `disclose` allows, each noted in the ledger first.

    Frames that tell nothing but that the client is there and goes on (heartbeats, accepts,
    progress) are not noted.
    """

    def __init__(
        self, disclose: DiscloseConfig, ledger: Ledger, say: Callable[[Frame], None], tell: Tell
    ) -> None:
        self._disclose, self._ledger, self._say, self._tell = disclose, ledger, say, tell

    def announce(self, answer: Submit | Decline, size_bytes: int = 0) -> None:
        """Notes, durably, what an answer will tell and the update that goes ahead of it."""
        frame, withheld = released(answer, self._disclose)
        if withheld:
            lost = ", ".join(withheld)
            self._tell({"event": "withheld", "round": answer.round_id, "what": lost})
        if isinstance(answer, Decline) and withheld:
            self._tell({"event": "failed", "round": answer.round_id, "why": answer.detail})
        self._ledger.before("answer", **_facts(frame, withheld, size_bytes))

    def __call__(self, frame: Frame) -> None:
        """Says the frame, without what may not leave."""
        frame, _ = released(frame, self._disclose)
        self._say(frame)
        if isinstance(frame, Submit | Decline):
            self._ledger.after("sent", round=frame.round_id, task=frame.task)

    def progress(self, offer: Offer) -> Callable[[int], None]:
        """Says how many steps of the offer's work are done, whenever it is told."""
        return lambda step: self(Progress(offer.round_id, offer.task, step))


def _facts(frame: Frame, withheld: tuple[str, ...], size_bytes: int) -> Mapping[str, Any]:
    match frame:
        case Submit():
            return {
                "round": frame.round_id,
                "task": frame.task,
                "update": frame.update,
                "bytes": size_bytes,
                "weight": frame.weight,
                "metrics": _plain(frame.metrics),
                "withheld": list(withheld),
            }
        case Decline():
            return {
                "round": frame.round_id,
                "task": frame.task,
                "declined": frame.reason,
                "detail": frame.detail,
                "step": frame.step,
                "withheld": list(withheld),
            }
        case _:
            raise ValueError(f"{type(frame).__name__} answers nothing")


def _plain(metrics: Metrics) -> dict[str, Any]:
    return {
        name: {"value": metrics[name].value, "count": metrics[name].count}
        for name in sorted(metrics)
    }

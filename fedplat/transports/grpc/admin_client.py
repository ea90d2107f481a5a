"""An operator's end of the control plane."""

from collections.abc import Callable, Iterator
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

import grpc

from fedplat.errors import TransportError
from fedplat.transports.grpc import status
from fedplat.transports.grpc.channel import CHANNEL_OPTIONS, Credentials, require_loopback
from fedplat.transports.grpc.identity import OPERATOR, metadata
from fedplat.types import ClientId
from fedplat.wire import admin as wire
from fedplat.wire import clients
from fedplat.wire.admin import End, Record, Standing
from fedplat.wire.clients import ClientStanding

SERVICE = "fedplat.wire.v1.AdminService"
ANSWER_S = 10.0  # how long an answer may take
PATIENCE_S = 30.0  # how long a watcher tries to come back
PAUSE_S = 0.5
OPTIONS = [*CHANNEL_OPTIONS, ("grpc.max_reconnect_backoff_ms", 1000)]


class AdminClient:
    """Speaks to the coordinator at `address` (HOST:PORT) as the operator.  A context manager.

    Without `keys` plain text is spoken, on this machine alone.

    Raises: ConfigError, if the address or the keys are not usable; from its methods, what the
    coordinator refuses with, and TransportError, if it can not be reached.
    """

    def __init__(self, address: str, keys: Credentials | None = None) -> None:
        self._address = address
        if keys is None:
            require_loopback(address)
            self._channel = grpc.insecure_channel(address, OPTIONS)
        else:
            self._channel = grpc.secure_channel(address, keys.of_client(), OPTIONS)
        self._metadata = metadata(OPERATOR, plain=keys is None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._channel.close()

    def standing(self) -> Standing:
        """How the federation stands."""
        return wire.decode_standing(self._ask("GetStatus"))

    def pause(self) -> None:
        """Opens no further round once the open one is committed."""
        self._ask("Pause")

    def resume(self) -> None:
        """Lets a paused federation go on."""
        self._ask("Resume")

    def abort(self, reason: str) -> None:
        """Ends the federation, without a result."""
        self._ask("Abort", wire.encode_abort(reason))

    def quarantine(self, client: str, reason: str) -> None:
        """Has nothing more asked of a client, and nothing of it count."""
        self._ask("Quarantine", clients.encode_quarantine(client, reason))

    def release(self, client: str) -> None:
        """Lets a client out of quarantine."""
        self._ask("Release", clients.encode_release(client))

    def clients(self) -> Iterator[ClientStanding]:
        """What the log says of each client that was ever asked, is there, or in quarantine."""
        after, more = ClientId(""), True
        while more:
            answer = self._ask("ListClients", clients.encode_list(after))
            found, more = clients.decode_standings(answer)
            yield from found
            after = found[-1].client if found else after

    def drain(self) -> None:
        """Stops the coordinator once the open round is committed."""
        self._ask("Drain")

    def shutdown(self) -> None:
        """Stops the coordinator now."""
        self._ask("Shutdown")

    def watch(
        self, resume_token: int = 0, away: Callable[[TransportError], None] = lambda error: None
    ) -> Iterator[Record]:
        """The events of the log from `resume_token` on, none twice, until the federation's end.

        A coordinator that goes away is waited for, for 30 s; `away` is told once.
        """
        since_s: float | None = None
        end: End | None = None
        while True:
            gone = TransportError(reason=f"{self._address}: the coordinator has stopped")
            try:
                for record in self._records(resume_token):
                    resume_token, end, since_s = record.resume_token, record.end, None
                    yield record
            except TransportError as error:
                gone = error
            if end in ("finished", "failed"):
                return
            if since_s is None:
                since_s = monotonic()
                away(gone)
            elif monotonic() - since_s > PATIENCE_S:
                raise gone
            sleep(PAUSE_S)

    def _records(self, resume_token: int) -> Iterator[Record]:
        method: Any = self._channel.unary_stream(f"/{SERVICE}/Watch")
        call = method(wire.encode_watch(resume_token), metadata=self._metadata)
        try:
            for payload in call:
                yield wire.decode_record(payload)
        except grpc.RpcError as error:
            raise status.error_of(error, self._address) from error
        finally:
            call.cancel()

    def _ask(self, name: str, request: bytes = b"") -> bytes:
        method: Any = self._channel.unary_unary(f"/{SERVICE}/{name}")
        try:
            answer: bytes = method(request, timeout=ANSWER_S, metadata=self._metadata)
        except grpc.RpcError as error:
            raise status.error_of(error, self._address) from error
        return answer

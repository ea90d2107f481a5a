"""AdminService: what an operator asks over gRPC.  Converts, asks `Operations`, answers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
import grpc.aio

from fedplat.errors import FedplatError
from fedplat.transports.grpc import status
from fedplat.transports.grpc.admin_client import SERVICE
from fedplat.transports.grpc.identity import require_operator
from fedplat.wire import admin as wire
from fedplat.wire import clients as client_wire
from fedplat_server.operations import Operations

Context = grpc.aio.ServicerContext[Any, Any]
DONE = b""  # a Done has no field
Answer = Callable[[bytes], Awaitable[bytes]]


class AdminService:
    """Lets in whoever has the name `admin`: in its certificate, or on loopback in its metadata."""

    def __init__(self, operations: Operations, *, plain: bool) -> None:
        self._operations, self._plain = operations, plain

    def handler(self) -> grpc.GenericRpcHandler:
        """What an aio server is given."""
        answers: dict[str, Answer] = {
            "GetStatus": self._status,
            "Abort": self._abort,
            "Pause": self._pause,
            "Resume": self._resume,
            "Drain": self._drain,
            "Shutdown": self._shutdown,
            "ListClients": self._list_clients,
            "Quarantine": self._quarantine,
            "Release": self._release,
        }
        methods = {name: self._unary(answer) for name, answer in answers.items()}
        methods["Watch"] = grpc.unary_stream_rpc_method_handler(self._watch)
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _unary(self, answer: Answer) -> Any:
        async def call(payload: bytes, context: Context) -> bytes:
            try:
                require_operator(context, plain=self._plain)
                return await answer(payload)
            except FedplatError as error:
                await _refuse(context, error)

        return grpc.unary_unary_rpc_method_handler(call)

    async def _watch(self, payload: bytes, context: Context) -> AsyncIterator[bytes]:
        try:
            require_operator(context, plain=self._plain)
            async for record in self._operations.records(wire.decode_watch(payload)):
                yield wire.encode_record(record)
        except FedplatError as error:
            await _refuse(context, error)

    async def _status(self, payload: bytes) -> bytes:
        return wire.encode_standing(await self._operations.standing())

    async def _abort(self, payload: bytes) -> bytes:
        await self._operations.abort(wire.decode_abort(payload))
        return DONE

    async def _pause(self, payload: bytes) -> bytes:
        await self._operations.pause()
        return DONE

    async def _resume(self, payload: bytes) -> bytes:
        await self._operations.resume()
        return DONE

    async def _drain(self, payload: bytes) -> bytes:
        await self._operations.drain()
        return DONE

    async def _shutdown(self, payload: bytes) -> bytes:
        self._operations.shutdown()
        return DONE

    async def _list_clients(self, payload: bytes) -> bytes:
        found, more = await self._operations.clients(client_wire.decode_list(payload))
        return client_wire.encode_standings(found, more=more)

    async def _quarantine(self, payload: bytes) -> bytes:
        await self._operations.quarantine(*client_wire.decode_quarantine(payload))
        return DONE

    async def _release(self, payload: bytes) -> bytes:
        await self._operations.release(client_wire.decode_release(payload))
        return DONE


async def _refuse(context: Context, error: FedplatError) -> NoReturn:
    await context.abort(status.code_of(error), status.details_of(error), status.trailing(error))

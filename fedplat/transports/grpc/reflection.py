"""Server reflection: gRPC tools ask a running coordinator which services it has, and their fields.

Off, unless the coordinator's file asks for it; whoever may ask is the operator, or on this machine.
"""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from fedplat.errors import FedplatError
from fedplat.transports.grpc import status
from fedplat.transports.grpc.identity import require_operator
from fedplat.wire.v1 import admin_pb2, session_pb2

SERVICES = (
    session_pb2.DESCRIPTOR.services_by_name["FleetService"].full_name,
    admin_pb2.DESCRIPTOR.services_by_name["AdminService"].full_name,
    health.SERVICE_NAME,
    reflection.SERVICE_NAME,
)


def add_to(server: grpc.aio.Server, *, plain: bool) -> None:
    """Adds the service to a server that has not started."""
    answering: Any = reflection.aio.ReflectionServicer(SERVICES)

    async def call(
        requests: AsyncIterator[ServerReflectionRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[ServerReflectionResponse]:
        try:
            if not plain:  # plain text does not leave this machine
                require_operator(context, plain=plain)
        except FedplatError as error:
            await context.abort(
                status.code_of(error), status.details_of(error), status.trailing(error)
            )
        async for answer in answering.ServerReflectionInfo(requests, context):
            yield answer

    method = grpc.stream_stream_rpc_method_handler(
        call,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": method}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(reflection.SERVICE_NAME, methods),)
    )

"""Health checking, as any gRPC probe asks for it."""

import asyncio

import grpc.aio
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from fedplat.transports.grpc.health import NAMES, Health


async def served():
    server = grpc.aio.server()
    health = Health(server)
    port = server.add_insecure_port("localhost:0")
    await server.start()
    return server, health, HealthStub(grpc.aio.insecure_channel(f"localhost:{port}"))


@pytest.mark.parametrize("name", NAMES)
def test_a_coordinator_serves_from_its_start_to_its_end_and_watchers_hear_of_it(name):
    async def conversation():
        server, health, stub = await served()
        request = HealthCheckRequest(service=name)
        await health.start()
        watched = stub.Watch(request)
        assert (await watched.read()).status == HealthCheckResponse.SERVING
        assert (await stub.Check(request)).status == HealthCheckResponse.SERVING
        await health.stop()
        assert (await watched.read()).status == HealthCheckResponse.NOT_SERVING
        assert (await stub.Check(request)).status == HealthCheckResponse.NOT_SERVING
        watched.cancel()
        await server.stop(0)

    asyncio.run(conversation())


def test_a_service_that_is_not_there_is_not_found():
    async def conversation():
        server, health, stub = await served()
        await health.start()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(HealthCheckRequest(service="elsewhere"))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        await server.stop(0)

    asyncio.run(conversation())

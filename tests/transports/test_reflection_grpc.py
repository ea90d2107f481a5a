"""Which services a coordinator has, as grpcurl asks for it."""

import asyncio
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from fedplat.errors import NotPermittedError
from fedplat.transports.grpc import admin_client, reflection, session_server, status
from fedplat.transports.grpc.channel import Credentials
from fedplat.transports.grpc.health import Health
from fedplat_server.authority import Authority


@asynccontextmanager
async def served(keys=None):
    server = grpc.aio.server()
    Health(server)
    reflection.add_to(server, plain=keys is None)
    if keys is None:
        port = server.add_insecure_port("localhost:0")
    else:
        port = server.add_secure_port("localhost:0", keys.of_server())
    await server.start()
    yield f"localhost:{port}"
    await server.stop(0)


async def asked(channel, **question):
    """The answer to one question."""
    async with channel:
        call = ServerReflectionStub(channel).ServerReflectionInfo(
            iter([ServerReflectionRequest(**question)])
        )
        answer = await call.read()
        call.cancel()
        return answer


def test_it_lists_the_services_that_a_coordinator_has():
    async def conversation():
        async with served() as where:
            return await asked(grpc.aio.insecure_channel(where), list_services="")

    names = {one.name for one in asyncio.run(conversation()).list_services_response.service}
    assert {session_server.SERVICE, admin_client.SERVICE, "grpc.health.v1.Health"} <= names


def test_it_describes_a_service_with_all_that_its_messages_need():
    async def conversation():
        async with served() as where:
            channel = grpc.aio.insecure_channel(where)
            return await asked(channel, file_containing_symbol=admin_client.SERVICE)

    answer = asyncio.run(conversation()).file_descriptor_response.file_descriptor_proto
    files = [FileDescriptorProto.FromString(one) for one in answer]
    [service] = [one for file in files for one in file.service]
    assert service.name == "AdminService" and "Pause" in {one.name for one in service.method}


def keys(folder, name, *hosts):
    authority = Authority(folder)
    key, certificate = authority.issue(name, hosts)
    return Credentials(key, certificate, authority.certificate)


@pytest.mark.parametrize("name", ["admin", "client-000000"])
def test_over_tls_it_answers_the_operator_alone(tmp_path, name):
    async def conversation():
        async with served(keys(tmp_path, "coordinator", "localhost")) as where:
            channel = grpc.aio.secure_channel(where, keys(tmp_path, name).of_client())
            return await asked(channel, list_services="")

    if name == "admin":
        assert asyncio.run(conversation()).list_services_response.service
        return
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        asyncio.run(conversation())
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
    error = status.error_of(refused.value, "here")
    assert isinstance(error, NotPermittedError) and "fedplat server ca" in str(error)

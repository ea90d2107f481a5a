"""grpc.health.v1: a supervisor or a load balancer asks whether the coordinator takes sessions."""

from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio

from fedplat.transports.grpc.session_server import SERVICE

NAMES = ("", SERVICE)  # "" is the whole server


class Health:
    """Says that a server serves, until it is told to say otherwise."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._service: Any = aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._service, server)

    async def start(self) -> None:
        """From here on it serves."""
        for name in NAMES:
            await self._service.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """It is about to go: whoever watches is told, and asks elsewhere."""
        await self._service.enter_graceful_shutdown()

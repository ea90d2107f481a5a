"""A coordinator's daemon answers health checks on its control port."""

from threading import Thread

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from sim.small import small

from fedplat.config.deployment import CoordinatorDeployment
from fedplat.errors import InterruptedRunError
from fedplat.transports.grpc.admin_client import AdminClient
from fedplat.transports.grpc.session_server import SERVICE
from fedplat_server.daemon import serve


@pytest.mark.slow
def test_the_daemon_says_that_it_serves_and_that_it_goes(tmp_path):
    (tmp_path / "scenario.toml").write_text(small(**{"clients.count": 4}).to_toml())
    deployment = CoordinatorDeployment(
        scenario=tmp_path / "scenario.toml", run=tmp_path / "run", address="localhost:0"
    )
    heard = []

    def probe(address):
        with grpc.insecure_channel(address) as channel, AdminClient(address) as admin:
            watched = HealthStub(channel).Watch(HealthCheckRequest(service=SERVICE))
            heard.append(next(watched).status)
            admin.shutdown()
            heard.append(next(watched).status)

    probing = []

    def ready(address, data_address):
        probing.append(Thread(target=probe, args=[address]))
        probing[0].start()

    with pytest.raises(InterruptedRunError):
        serve(deployment, [], ready)
    probing[0].join()
    assert heard == [HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING]

"""AdminService over real gRPC on loopback: an operator sees, pauses, aborts, drains and stops."""

import asyncio
from threading import Thread

import grpc
import grpc.aio
import pytest
from engine.machines import A, B, C, plan, update
from operated import FIRST, PATIENCE_S, operated, performers
from sim.small import small

from fedplat.config.deployment import CoordinatorDeployment
from fedplat.engine.commands import Finish
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import PauseRequested
from fedplat.engine.journal import decode
from fedplat.errors import (
    AbortedError,
    CorruptPayloadError,
    InterruptedRunError,
    NotPermittedError,
    ProtocolError,
    TransportError,
)
from fedplat.runtime.driver import Driver
from fedplat.storage.memory import MemoryEvents
from fedplat.transports.grpc import admin_client
from fedplat.transports.grpc.admin_client import SERVICE, AdminClient
from fedplat.transports.grpc.channel import Credentials
from fedplat.transports.grpc.identity import OPERATOR, metadata
from fedplat.wire.session import Progress
from fedplat_server.authority import Authority
from fedplat_server.daemon import serve
from fedplat_server.engine_thread import EngineThread


def test_the_status_names_the_round_its_clients_and_what_is_waited_for():
    async def main():
        async with operated() as one:
            one.operations.heard = lambda: {A: 0.5, B: 2.0}
            one.operations.unlike = {C: ("threads 2 ≠ 1", "torch 2.12.0 ≠ 2.13.0")}
            one.engine.post(update(A))
            standing = await one.ask("standing")
            assert (standing.phase, standing.round_id, standing.rounds) == ("collecting", 1, 2)
            assert (standing.asked, standing.accepted) == ((A, B, C), (A,))
            assert standing.missing == (B, C) and standing.connected == {A: 0.5, B: 2.0}
            assert standing.waiting_for == f"the updates of {B}, {C} (not connected: {C})"
            assert standing.unlike == {C: "threads 2 ≠ 1; torch 2.12.0 ≠ 2.13.0"}
            assert (standing.epoch, standing.paused, standing.model) == (7, False, FIRST.model)

    asyncio.run(main())


def test_the_status_tells_the_steps_of_those_that_the_open_round_waits_for():
    async def main():
        async with operated() as one:
            said = one.operations.progress = {A: Progress(1, "fit", 480)}
            assert (await one.ask("standing")).steps == {A: 480}
            said |= {B: Progress(9, "fit", 5), C: Progress(1, "evaluate", 5)}  # nobody asked
            said["client-777777"] = Progress(1, "fit", 5)
            assert (await one.ask("standing")).steps == {A: 480}
            one.engine.post(update(A))
            assert (await one.ask("standing")).steps == {}
            said[B] = Progress(1, "fit", 2**64 - 1)
            assert (await one.ask("standing")).steps == {B: 2**64 - 1}
            await one.answer(1)
            assert (await one.ask("standing")).steps == {}

    asyncio.run(main())


@pytest.mark.parametrize("name", ["pause", "resume"])
def test_what_was_answered_is_in_the_log(name):
    async def main():
        log = MemoryEvents()
        async with operated(log) as one:
            await one.ask(name)
            [*_, last] = map(decode, log.read())
            assert type(last).__name__ == f"{name.capitalize()}Requested"

    asyncio.run(main())


def test_a_paused_federation_stays_paused_over_a_restart_until_it_is_resumed():
    async def main():
        log = MemoryEvents()
        async with operated(log) as one:
            await one.ask("pause")
            await one.answer(1)
        async with operated(log) as one:
            standing = await one.ask("standing")
            assert (standing.phase, standing.paused) == ("paused", True)
            assert "fedplat server resume" in standing.waiting_for
            await one.ask("resume")
            standing = await one.ask("standing")
            assert (standing.phase, standing.round_id) == ("collecting", 2)

    asyncio.run(main())


def test_an_aborted_federation_fails_with_the_reason_also_after_a_restart():
    async def main():
        log = MemoryEvents()
        for _ in range(2):
            async with operated(log) as one:
                if not one.ended:
                    await one.ask("abort", "wrong labels")
                await one.until(lambda: one.ended)
                assert isinstance(one.ended[0], AbortedError)
                assert "wrong labels" in str(one.ended[0])
                assert "wrong labels" in (await one.ask("standing")).waiting_for

    asyncio.run(main())


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_abort_without_a_reason_is_refused_and_changes_nothing(reason):
    async def main():
        async with operated() as one:
            with pytest.raises(CorruptPayloadError, match="needs a reason"):
                await one.ask("abort", reason)
            assert (await one.ask("standing")).phase == "collecting" and not one.ended

    asyncio.run(main())


# ── drain and stop ───────────────────────────────────────────────────────────────────────────────


def test_drain_stops_after_the_commit_of_the_open_round_and_not_before():
    async def main():
        async with operated() as one:
            await one.ask("drain")
            assert (await one.ask("standing")).draining and not one.ended
            await one.answer(1)
            await one.until(lambda: one.ended)
            assert isinstance(one.ended[0], InterruptedRunError)

    asyncio.run(main())


def test_drain_stops_at_once_where_no_round_is_open():
    async def main():
        async with operated() as one:
            await one.ask("pause")
            await one.answer(1)
            await one.ask("drain")
            await one.until(lambda: one.ended)

    asyncio.run(main())


def test_drain_in_the_last_round_lets_the_federation_finish():
    async def main():
        async with operated(rounds=1) as one:
            await one.ask("drain")
            await one.answer(1)
            await one.until(lambda: one.ended)
            assert isinstance(one.ended[0], Finish)

    asyncio.run(main())


def test_stop_stops_at_once_and_says_how_to_go_on():
    async def main():
        async with operated() as one:
            await one.ask("shutdown")
            await one.until(lambda: one.ended)
            assert "start it again" in str(one.ended[0])

    asyncio.run(main())


# ── watch ────────────────────────────────────────────────────────────────────────────────────────


def test_a_watcher_is_told_every_event_once_over_a_restart_of_the_coordinator(monkeypatch):
    monkeypatch.setattr(admin_client, "PAUSE_S", 0.02)

    async def main():
        log, told, away = MemoryEvents(), [], []
        async with operated(log) as one:
            port = one.port

            def watch():
                with AdminClient(f"localhost:{port}") as admin:
                    told.extend(admin.watch(0, away.append))

            watching = asyncio.create_task(asyncio.to_thread(watch))
            await one.answer(1)
            await one.ask("shutdown")
            await one.until(lambda: one.ended)
        async with operated(log, port=port) as one:
            await one.answer(2)
            await one.until(lambda: one.ended)
            one.operations.close(one.ended[0])
            await asyncio.wait_for(watching, PATIENCE_S)
        events = [record.event.encode() for record in told if not record.end]
        assert events == list(log.read())
        assert told[-1].end == "finished" and len(away) == 1

    asyncio.run(main())


def test_a_watcher_begins_after_the_token_that_it_gives():
    async def main():
        log = MemoryEvents()
        async with operated(log, rounds=1) as one:
            await one.answer(1)
            await one.until(lambda: one.ended)
            one.operations.close(one.ended[0])
            told = await watched(one, 3)
            assert [r.event.encode() for r in told[:-1]] == list(log.read())[3:]
            assert [r.resume_token for r in told[:-1]] == list(range(4, log.version + 1))

    asyncio.run(main())


async def watched(one, token):
    def call():
        with AdminClient(f"localhost:{one.port}") as admin:
            return list(admin.watch(token))

    return await asyncio.to_thread(call)


def test_a_watcher_is_told_why_a_federation_failed():
    async def main():
        async with operated() as one:
            await one.ask("abort", "wrong labels")
            await one.until(lambda: one.ended)
            one.operations.close(one.ended[0])
            last = (await watched(one, 0))[-1]
            assert last.end == "failed" and "wrong labels" in last.detail

    asyncio.run(main())


def test_a_token_beyond_the_log_is_refused():
    async def main():
        async with operated() as one:
            with pytest.raises(ProtocolError, match="resume token 99"):
                await watched(one, 99)

    asyncio.run(main())


# ── who may ──────────────────────────────────────────────────────────────────────────────────────


def call(port, name, request=b"", who=OPERATOR):
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        pairs = metadata(who, plain=True) if who else ()
        method = channel.unary_unary(f"/{SERVICE}/{name}")
        return method(request, timeout=PATIENCE_S, metadata=pairs)


@pytest.mark.parametrize("name", ["GetStatus", "Abort", "Pause", "Resume", "Drain", "Shutdown"])
@pytest.mark.parametrize(
    ("who", "code"),
    [(A, grpc.StatusCode.PERMISSION_DENIED), (None, grpc.StatusCode.UNAUTHENTICATED)],
    ids=["a-client", "nobody"],
)
def test_only_the_operator_is_let_in(name, who, code):
    async def main():
        log = MemoryEvents()
        async with operated(log) as one:
            with pytest.raises(grpc.RpcError) as refused:
                await asyncio.to_thread(call, one.port, name, b"", who)
            assert refused.value.code() is code
            assert not any(isinstance(decode(entry), PauseRequested) for entry in log.read())
            assert not one.ended

    asyncio.run(main())


def credentials(authority, name, hosts=()):
    return Credentials(*authority.issue(name, hosts), authority.certificate)


def test_over_tls_the_certificate_says_who_is_the_operator(tmp_path):
    async def main():
        authority = Authority(tmp_path)
        keys = credentials(authority, "coordinator", ("localhost",))
        async with operated(keys=keys, of_operator=credentials(authority, "admin")) as one:
            assert (await one.ask("standing")).phase == "collecting"
            one.keys = credentials(authority, A)
            with pytest.raises(NotPermittedError, match="only 'admin' may"):
                await one.ask("standing")
            with pytest.raises(NotPermittedError, match="fedplat server ca"):
                await one.ask("pause")

    asyncio.run(main())


@pytest.mark.parametrize("payload", [b"\xff", b"\x0a\x05abc", b"x" * (1 << 17)])
def test_bytes_that_are_no_request_are_refused(payload):
    async def main():
        async with operated() as one:
            with pytest.raises(grpc.RpcError) as refused:
                await asyncio.to_thread(call, one.port, "Abort", payload)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    asyncio.run(main())


def test_where_nobody_listens_the_address_is_named(monkeypatch):
    monkeypatch.setattr(admin_client, "ANSWER_S", 1.0)
    with AdminClient("localhost:1") as admin, pytest.raises(TransportError, match="localhost:1"):
        admin.standing()


# ── in the daemon ────────────────────────────────────────────────────────────────────────────────


def served(tmp_path, operate):
    """Runs a coordinator's daemon to its end; a thread operates it once it listens."""
    (tmp_path / "scenario.toml").write_text(small(**{"clients.count": 4}).to_toml())
    deployment = CoordinatorDeployment(
        scenario=tmp_path / "scenario.toml", run=tmp_path / "run", address="localhost:0"
    )

    def ready(address, data_address):
        Thread(target=operated_by, args=(address,)).start()

    def operated_by(address):
        with AdminClient(address) as admin:
            operate(admin)

    serve(deployment, [], ready)


@pytest.mark.slow
def test_a_daemon_is_operated_on_its_control_port_and_an_abort_outlives_it(tmp_path):
    seen = []

    def first(admin):
        admin.pause()
        seen.append(admin.standing())
        admin.shutdown()

    def second(admin):
        seen.append(admin.standing())
        admin.abort("wrong labels")

    with pytest.raises(InterruptedRunError):
        served(tmp_path, first)
    with pytest.raises(AbortedError, match="wrong labels"):
        served(tmp_path, second)
    with pytest.raises(AbortedError, match="wrong labels"):
        served(tmp_path, lambda admin: None)
    before, after = seen
    assert (before.epoch, after.epoch) == (1, 2) and before.paused and after.paused
    assert before.address.startswith("localhost:") and before.data_address
    assert before.waiting_for.endswith("not connected") and len(before.missing) == 4


def test_what_was_posted_before_the_engine_starts_waits_until_the_log_is_folded():
    log = MemoryEvents()
    machine, ended = Coordinator(plan()), []
    engine = EngineThread(ended.append)
    driver = Driver(machine, log, performers(engine, ended))
    engine.post(update(A))
    engine.start(driver, lambda: driver.post(FIRST))
    engine.stop()
    assert [type(decode(entry)).__name__ for entry in log.read()] == [
        "Initialised",
        "UpdateReceived",
    ]
    assert list(machine.round.accepted) == [A] and not ended

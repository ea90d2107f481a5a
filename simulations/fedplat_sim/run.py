"""Runs a scenario in one process: from its file to the finished run's folder."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from fedplat.config import dealt
from fedplat.config import run_folder as folders
from fedplat.config.build import Parts, build
from fedplat.config.run_records import RunRecords
from fedplat.config.scenario import Scenario
from fedplat.engine.commands import Finish
from fedplat.engine.coordinator import Coordinator
from fedplat.engine.events import CoordinatorEvent, UpdateReceived
from fedplat.engine.journal import decode, encode
from fedplat.errors import ConfigError, InterruptedRunError
from fedplat.learning import numerics
from fedplat.params import Params
from fedplat.parts import unknown
from fedplat.runtime.changes import Changes
from fedplat.runtime.client_work import Done
from fedplat.runtime.executors import BY_NAME as EXECUTORS
from fedplat.runtime.executors import NUMERICS
from fedplat.runtime.ports import Executor
from fedplat.storage.files import FileBlobs
from fedplat.storage.memory import MemoryBlobs, MemoryEvents, MemoryStates
from fedplat.storage.sqlite import SqliteStore
from fedplat.telemetry.display import Subscriber
from fedplat.telemetry.metrics_file import MetricsFile
from fedplat.telemetry.recorder import Recorder, readable
from fedplat.types import Digest, merge
from fedplat_sim import report
from fedplat_sim.aftermath import attack_success, baselines, cross_evaluation, shards_record
from fedplat_sim.collusion import colluding
from fedplat_sim.federation import Federation, Stores
from fedplat_sim.interrupt import Interrupt, Waiting


@dataclass(frozen=True)
class Result:
    """How a run ended.  Bytes and seconds are those of the whole run; `run` is its folder."""

    rounds: int
    digest: str
    params: Params
    accuracy: float | None
    loss: float | None
    bytes_up: int
    bytes_down: int
    seconds: float
    run: Path | None


@dataclass(frozen=True, kw_only=True)
class Options:
    """*How* a scenario is run; nothing here changes its result.

    `executor` "auto" takes processes where more than one core and client are at hand, and only ever
    executors that give the sequential one's bits; `folder` None keeps everything in memory.
    """

    executor: str = "auto"
    processes: int | None = None
    folder: Path | None = None
    resume: bool = False
    keep_updates: bool = False


def run(
    scenario: Scenario,
    options: Options = Options(),
    subscribers: Sequence[Subscriber] = (),
    parts: Parts | None = None,
) -> Result:
    """Runs `scenario` to its end and tells `subscribers` every record.

    `parts` are the scenario's, where somebody has built them already.

    Raises: ConfigError and DataError before round 1; RoundError, if a round can not finish;
    InterruptedRunError after Ctrl-C, once what was in progress is safe on disk.
    """
    numerics.configure()  # before the environment is written down
    _refuse_own_data(scenario)
    parts = parts or build(scenario)  # before a folder is made for what can not run
    opened: list[Stores] = []
    with ExitStack() as stack:
        executor = _executor(parts, options, lambda: opened[0])
        stack.callback(executor.close)
        stores, run_folder = _open_stores(parts, options, stack)
        opened.append(stores)
        return run_on(stores, scenario, options, subscribers, run_folder, parts, executor)


def run_on(
    stores: Stores,
    scenario: Scenario,
    options: Options,
    subscribers: Sequence[Subscriber] = (),
    run_folder: folders.RunFolder | None = None,
    parts: Parts | None = None,
    executor: Executor | None = None,
) -> Result:
    """Runs `scenario` on stores that are open; goes on where their log ends.  Ends `executor`."""
    started = perf_counter()
    numerics.configure()
    parts = parts or build(scenario)
    with ExitStack() as stack:
        executor = executor or _executor(parts, options, lambda: stores)
        stack.callback(executor.close)
        return _Run(parts, stores, executor, options, run_folder, started, stack).go(subscribers)


def _refuse_own_data(scenario: Scenario) -> None:
    """Raises: ConfigError, if nobody but the clients has the data."""
    if scenario.brings_own_data:
        reason = "each client brings its own data, and a simulation has none of them; what works: "
        reason += "`fedplat server start` and a `fedplat client start` where the data are, or a "
        reason += 'source with a `group` column and partition = "natural_id"'
        raise ConfigError(where='data.name = "site"', reason=reason)


def _executor(parts: Parts, options: Options, stores: Callable[[], Stores]) -> Executor:
    """Made before the stores are opened: no process inherits them, no folder is in vain."""
    name, processes = chosen(parts.scenario, options)
    return EXECUTORS[name](parts.work, lambda digest: stores().blobs.get(digest), processes)


class _Run:
    """One run in progress: the federation, its records and files, and the operator's Ctrl-C."""

    def __init__(
        self,
        parts: Parts,
        stores: Stores,
        executor: Executor,
        options: Options,
        folder: folders.RunFolder | None,
        started: float,
        stack: ExitStack,
    ) -> None:
        self.parts, self.stores, self.folder = parts, stores, folder
        self.started, self.stack, self.options = started, stack, options
        self.interrupt = Interrupt()
        self.records = RunRecords(parts)
        self.recorder = Recorder(self.records.tell, parts.plan.rounds, parts.plan.evaluates)
        observers = [self.recorder.on, *self._events_file()]
        cargo = parts.work.cargo
        changes = None if cargo.downlink is None else Changes(cargo.broadcast_sizes)
        coordinator, server = Coordinator(parts.plan), parts.server(stores.blobs, changes)
        executor = colluding(executor, parts.work, stores.blobs, coordinator, server)
        self.federation = Federation(
            coordinator,
            server,
            parts.work,
            Waiting(executor, self.interrupt),
            stores,
            observers,
            options.keep_updates,
        )
        self.recorder.federation = self.federation

    def go(self, subscribers: Sequence[Subscriber]) -> Result:
        self.records.subscribers += [*self._metrics_file(), *subscribers]
        for subscriber in self.records.subscribers:
            self.stack.callback(subscriber.close)
        if self.stores.log.version:
            self._catch_up()
        self._tell_start()
        with self.interrupt.handling():
            self.federation.run(stop=lambda: self.interrupt.wanted)
        self.recorder.settle()
        finished = self.federation.finished
        if finished is None:
            raise self._interrupted()
        server = self.federation.server
        params = server.cargo.decode_broadcast(self.stores.blobs.get(finished.broadcast))[0]
        self.records.choose(finished)
        try:
            self._tell_aftermath(finished.broadcast, params)
            return self._finish(params, finished)
        except KeyboardInterrupt:
            raise self._interrupted() from None

    def _interrupted(self) -> InterruptedRunError:
        if self.folder is None:
            remedy = "it was kept in memory only and is gone; --run FOLDER keeps a run on disk"
        else:
            remedy = f"resume with: fedplat sim run --resume {self.folder.path}"
        return InterruptedRunError(
            round_id=self.federation.coordinator.last.round_id, remedy=remedy
        )

    def _figures(self, finished: Finish) -> Mapping[str, float | None]:
        """The result's accuracy and loss; measured now, if its round was not evaluated."""
        recorder, selected = self.recorder, finished.selected
        if recorder.central.get(selected):
            return recorder.central[selected]
        work, executor = self.parts.work, self.federation.executor
        tasks = work.central_tasks(selected, finished.broadcast, executor.parts)
        for task in tasks:
            executor.submit(task)
        outcomes = [executor.result(task) for task in tasks]
        measured = merge(one.metrics for one in outcomes if isinstance(one, Done))
        return readable(measured) or recorder.personal.get(selected, {})

    def _finish(self, params: Params, finished: Finish) -> Result:
        found, rounds, digest = self._figures(finished), finished.round_id, str(finished.model)
        result = Result(
            rounds=rounds,
            digest=digest,
            params=params,
            accuracy=found.get("accuracy"),
            loss=found.get("loss"),
            seconds=perf_counter() - self.started,
            run=self.folder.path if self.folder else None,
            **self.records.totals,
        )
        if self.folder is not None:
            folders.write_model(self.folder.model, params)
        self.records.finish(finished, found, result.seconds, result.run)
        if self.folder is not None:
            report.write(self.folder.path)
        return result

    # ── records and files ────────────────────────────────────────────────────────────────────────

    def _tell_start(self) -> None:
        begun = self.stores.log.version > 0
        changed = folders.changed(self.folder, numerics.environment()) if self.folder else ()
        self.records.start(self.federation.executor.name, changed if begun else self.parts.warnings)
        if not begun:
            self.records.tell(shards_record(self.parts))

    def _tell_aftermath(self, broadcast: Digest, params: Params) -> None:
        payload = self.stores.blobs.get(broadcast)
        crossed = cross_evaluation(self.parts, self.stores.states, broadcast, payload)
        for record in (*crossed, *attack_success(self.parts, params), *baselines(self.parts)):
            self.records.tell(record)

    def _metrics_file(self) -> list[Subscriber]:
        return [] if self.folder is None else [MetricsFile(self.folder.metrics)]

    def _catch_up(self) -> None:
        """Brings the records of a run that was begun earlier to where its log is."""
        events = [decode(entry) for entry in self.stores.log.read()]
        self._count_again(events, self.records.catch_up(events, self.recorder))

    def _count_again(self, events: Sequence[CoordinatorEvent], told: int) -> None:
        """Counts the blobs that the earlier process moved in the round that was interrupted."""
        self.federation.server.go_on(events)
        self.federation.transport.download(self.federation.downloads.catch_up(events, told))
        for event in events:
            if isinstance(event, UpdateReceived) and event.round_id > told:
                self.federation.transport.bytes_up += event.size_bytes

    def _events_file(self) -> list[Any]:
        if self.folder is None:
            return []
        lines = b"".join(entry + b"\n" for entry in self.stores.log.read())
        self.folder.events.write_bytes(lines)
        file = self.stack.enter_context(self.folder.events.open("ab"))

        def write(event: CoordinatorEvent) -> None:
            file.write(encode(event) + b"\n")

        return [write]


def _open_stores(
    parts: Parts, options: Options, stack: ExitStack
) -> tuple[Stores, folders.RunFolder | None]:
    if options.folder is None:
        return Stores(MemoryEvents(), MemoryBlobs(), MemoryStates()), None
    name, _ = chosen(parts.scenario, options)
    if options.resume:
        run_folder = folders.same_arithmetic(options.folder, NUMERICS[name])
    else:
        settings = {
            "executor": name,
            "numerics": NUMERICS[name],
            **dealt.noted(parts.loaded, parts.shards),
        }
        run_folder = folders.create(
            options.folder, parts.scenario, numerics.environment(), settings
        )
    store = stack.enter_context(SqliteStore(run_folder.store))
    return Stores(store, FileBlobs(run_folder.blobs), store), run_folder


def chosen(scenario: Scenario, options: Options) -> tuple[str, int]:
    """The executor's name and its number of processes.

    Raises: ConfigError, if there is no executor of that name.
    """
    processes = options.processes or os.cpu_count() or 1
    if options.executor == "auto":
        useful = min(processes, scenario.per_round)
        return ("process_pool", useful) if useful > 1 else ("sequential", 1)
    if options.executor not in EXECUTORS:
        raise unknown("executor", options.executor, ("auto", *EXECUTORS))
    return options.executor, processes

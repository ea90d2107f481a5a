"""Who is examined: the product's own parts, or what a test plants in their place."""

from dataclasses import dataclass

from fedplat.engine.client import Client
from fedplat.engine.coordinator import Coordinator
from fedplat.runtime.client_states import ClientStates
from fedplat.runtime.driver import Driver
from fedplat.runtime.server_work import ServerWork
from fedplat_sim.chaos.disks import CrashableBlobs, CrashableEvents, CrashableStates


@dataclass(frozen=True)
class Suspects:
    """The classes that a schedule is run with."""

    coordinator: type[Coordinator] = Coordinator
    client: type[Client] = Client
    driver: type[Driver] = Driver
    server: type[ServerWork] = ServerWork
    client_states: type[ClientStates] = ClientStates
    events: type[CrashableEvents] = CrashableEvents
    blobs: type[CrashableBlobs] = CrashableBlobs
    states: type[CrashableStates] = CrashableStates

"""Every planted bug, by its name, as the suspects of a campaign."""

from faults.planted import clients, coordinators, stores

from fedplat.engine.client import Client
from fedplat.runtime.driver import Driver
from fedplat.runtime.server_work import ServerWork
from fedplat_sim.chaos.disks import CrashableBlobs, CrashableEvents
from fedplat_sim.chaos.suspects import Suspects


def suspects(part):
    """The product's own parts, but for this one."""
    kinds = {
        "client": Client,
        "driver": Driver,
        "server": ServerWork,
        "events": CrashableEvents,
        "blobs": CrashableBlobs,
    }
    field = next((name for name, kind in kinds.items() if issubclass(part, kind)), "states")
    return Suspects(**{field: part})


BUGS = {
    **{name: Suspects(coordinator=part) for name, part in coordinators.BUGS.items()},
    **{
        name: suspects(part) if issubclass(part, Client) else Suspects(client_states=part)
        for name, part in clients.BUGS.items()
    },
    **{name: suspects(part) for name, part in stores.BUGS.items()},
}

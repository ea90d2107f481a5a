"""What a coordinator's scenario asks of this client, and whether its owner's file allows it."""

from fedplat.config import bundle
from fedplat.config.build import Own
from fedplat.config.deployment import ClientDeployment
from fedplat.config.scenario import Scenario
from fedplat.errors import ConfigError, FedplatError
from fedplat.storage.files import FileBlobs
from fedplat.storage.incoming import Incoming
from fedplat.types import ClientId, Digest
from fedplat_client.moving import Mover


def accepted(scenario: Scenario, deployment: ClientDeployment, name: ClientId) -> Own | None:
    """The client's own data, if the scenario wants such.

    Raises: ConfigError, if the scenario names files or code that the owner has not allowed, has
    clients lie, wants data that the file does not name, or does not want those that it names; with
    what to write.
    """
    _check_files(scenario, deployment)
    if scenario.attack is not None and not deployment.lab:
        reason = "the coordinator's scenario has clients attack the others "
        reason += f"({scenario.attack['name']}); no client takes part in that unless its file "
        reason += "says `lab = true`"
        raise ConfigError(where=str(deployment.folder), reason=reason)
    mine = deployment.data
    if scenario.brings_own_data and mine is None:
        reason = 'the scenario leaves the data to the clients (data.name = "site"), and this '
        reason += 'client\'s file names none: add [data] with name = "npz", path = "…"'
        raise ConfigError(where=str(deployment.folder), reason=reason)
    if mine is not None and not scenario.brings_own_data:
        reason = "this client's file names data of its own, but the scenario deals out "
        reason += f"{scenario.data.name!r}: remove [data], or join a federation that asks for it"
        raise ConfigError(where=str(deployment.folder), reason=reason)
    return None if mine is None else Own(name, mine.part)


def _check_files(scenario: Scenario, deployment: ClientDeployment) -> None:
    files = {} if deployment.local_files else scenario.files()
    files = {key: path for key, path in files.items() if not key.startswith("data.test.")}
    if files and scenario.app_digest is not None:
        _check_code(scenario.app_digest, deployment)
        del files["app"]
    if files:
        named = ", ".join(f"{key} = {path}" for key, path in files.items())
        reason = f"the coordinator's scenario names files of this machine: {named}; they are "
        reason += "not touched unless this client's file says `local_files = true`"
        raise ConfigError(where=str(deployment.folder), reason=reason)


def _check_code(digest: str, deployment: ClientDeployment) -> None:
    if digest in deployment.approved_bundles:
        return
    reason = f"the coordinator's scenario runs code of its own, the bundle {digest}; read it "
    reason += "(`fedplat bundle show`), and if it may run here write "
    reason += f'approved_bundles = ["{digest}"] into this client\'s file'
    raise ConfigError(where=str(deployment.folder), reason=reason)


async def with_code(
    scenario: Scenario,
    deployment: ClientDeployment,
    mover: Mover,
    blobs: FileBlobs,
    incoming: Incoming,
) -> Scenario:
    """The scenario with the approved bundle's place here, fetched first if it is not here yet.

    Raises: ConfigError, if the coordinator does not give it.
    """
    if scenario.app_digest is None or deployment.local_files:
        return scenario
    digest = Digest(scenario.app_digest)
    path = deployment.folder / "bundles" / f"{digest}{bundle.SUFFIX}"
    try:
        if not path.is_file():
            await mover.moved(lambda data: data.get(digest, bundle.MAX_BYTES, incoming))
            bundle.keep(blobs.get(digest), path)
    except FedplatError as error:
        raise ConfigError(where=f"app (bundle {digest})", reason=str(error)) from error
    return scenario.model_copy(update={"app": str(path)})

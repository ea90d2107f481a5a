"""Samples that must look as a scenario says which leaves the data to its clients."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from fedplat.data.loaded import Loaded
from fedplat.data.partitioned import PartitionedShards
from fedplat.data.parts import construct
from fedplat.data.source import BY_NAME, Source
from fedplat.data.source.site import Site
from fedplat.errors import ConfigError, DataError
from fedplat.types import ClientId, Dataset, client_id

NOTHING_HELD_OUT = 0.0


def described(options: Mapping[str, Any]) -> Site:
    """The options of a scenario's `data` as a `Site`.  Raises: ConfigError."""
    source = construct({"site": Site}, "site", options, where="data")
    if source.test is not None:
        _part(source.test, "data.test")
    return source


def own(site: Site, part: Mapping[str, Any], *, seed: int) -> Dataset:
    """Every sample of the source that a client names, in its order: training, then test samples.

    Raises: ConfigError, if the source or an option is wrong; DataError, if a file can not be read,
    or its samples are not what the scenario says, with what to do.
    """
    loaded = _source(site, part, "data", test_fraction=NOTHING_HELD_OUT).load(seed)
    whole = loaded.train
    if len(loaded.test):
        whole = Dataset(
            torch.cat([loaded.train.inputs, loaded.test.inputs]),
            torch.cat([loaded.train.targets, loaded.test.targets]),
            whole.task,
            whole.classes,
        )
    _check(whole, site, _place(part))
    return whole


def central(site: Site, *, seed: int) -> Loaded:
    """What the coordinator has: no sample to train on, and the test set that the scenario names.

    Raises: as `own`.
    """
    loaded = site.load(seed)
    if site.test is None:
        return loaded
    part = _part(site.test, "data.test")
    found = _source(site, part, "data.test").load(seed)
    _check(found.test, site, _place(part))
    return dataclasses.replace(loaded, test=found.test, source=f"test set: {found.source}")


def sole_shard(
    dataset: Dataset | None,
    site: Site,
    client: ClientId | None,
    *,
    num_clients: int,
    seed: int,
    validation: float,
    test: float,
) -> PartitionedShards:
    """The shards as one client sees them: its own is `dataset`, the others are empty.

    Without a client all are: that is what the coordinator sees.
    Guarantees: its splits are those that a partition gives who deals it the same samples.
    Raises: ConfigError, if the federation has no such client.
    """
    ids = [client_id(index) for index in range(num_clients)]
    if client is not None and client not in ids:
        reason = f"there is no client {client!r} among {ids[0]} to {ids[-1]}"
        raise ConfigError(where="name", reason=reason)
    data = site.load(seed).train if dataset is None else dataset
    nothing, everything = torch.arange(0), torch.arange(len(data))
    rows = [everything if one == client else nothing for one in ids]
    try:
        return PartitionedShards(
            data, rows, seed=seed, client_validation=validation, client_test=test
        )
    except ValueError as error:
        raise ConfigError(where="data", reason=str(error)) from error


def _part(part: Mapping[str, Any] | str, where: str) -> dict[str, Any]:
    table = {"name": part} if isinstance(part, str) else dict(part)
    if not isinstance(table.get("name"), str) or table["name"] == "site":
        reason = 'is written { name = "npz", path = "…" }, with any source but "site"'
        raise ConfigError(where=where, reason=reason)
    return table


def _source(site: Site, part: Mapping[str, Any] | str, where: str, **defaults: Any) -> Source:
    """The source that `part` names; what it leaves open is as the scenario says."""
    options = _part(part, where)
    name = options.pop("name")
    kind, colon, rest = name.partition(":")
    if colon and kind == "hf":
        name, options = kind, {"dataset": rest, **options}
    open_ = {**defaults, "task": site.task}
    if site.task == "classification":
        open_["classes"] = site.names
    known = {field.name for field in dataclasses.fields(BY_NAME[name])} if name in BY_NAME else ()  # type: ignore[arg-type]
    given = {key: value for key, value in open_.items() if key in known}
    return construct(BY_NAME, name, {**given, **options}, where=where)


def _check(dataset: Dataset, site: Site, where: str) -> None:
    """Raises: DataError, if the samples are not what the scenario says."""
    shape = tuple(dataset.inputs.shape[1:])
    if dataset.task != site.task:
        reason = f"is read as a {dataset.task}, the scenario is a {site.task}; set `task`"
    elif shape != site.inputs:
        reason = f"inputs are {shape}, the scenario says {site.inputs}: bring them to that shape"
    elif dataset.num_outputs != site.outputs:
        what = "classes" if site.task == "classification" else "targets a sample"
        reason = f"has {dataset.num_outputs} {what}, the scenario says outputs = {site.outputs}"
    elif dataset.classes != site.names:
        reason = f"its classes are {_few(dataset.classes)}, the scenario's are {_few(site.names)}; "
        reason += "name them alike and in the same order, or leave `classes` out"
    else:
        return
    raise DataError(where=where, reason=reason)


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _place(part: Mapping[str, Any] | str) -> str:
    table = _part(part, "data")
    return str(table.get("path", table["name"]))

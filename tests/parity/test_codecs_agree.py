"""Every codec in a federation: the same bits whoever works, after a stop, and when replayed."""

from pathlib import Path

import pytest
import torch
from sim.small import Told, small

from fedplat import codecs
from fedplat.config.build import build
from fedplat.engine import journal
from fedplat.engine.events import UpdateReceived
from fedplat.protocols import Stamp
from fedplat.storage.files import FileBlobs
from fedplat.storage.sqlite import SqliteStore
from fedplat_sim.run import Options, run

PARTS = {
    "by_tensor": {"routes": [{"max_numel": 10, "codec": "bf16"}], "default": "stc"},
    "chain": {"stages": ["error_feedback", "clip_std", {"name": "top_k", "ratio": 0.1}, "rice"]},
    "terngrad": {"scale": "shared"},
}
EVERY = sorted(codecs.BY_NAME)
EQUAL = ("digest", "accuracy", "loss", "bytes_up", "bytes_down")


def scenario(name: str, **settings):
    """Full participation, so that every codec may be used."""
    part = {"name": name, **PARTS.get(name, {}), **settings}
    return small(codec=part, **{"clients.count": 4, "clients.per_round": 4})


def finished(one, **options):
    told = Told()
    run(one, Options(**options), [told])
    [end] = told.events("finished")
    return {key: end[key] for key in EQUAL}


@pytest.mark.parametrize("name", EVERY)
def test_who_does_the_work_has_no_say_in_what_a_codec_gives(name):
    one = scenario(name)
    alone = finished(one, executor="sequential")
    assert finished(one, executor="process_pool", processes=2) == alone
    plain = finished(scenario("float32"), executor="sequential")
    assert (alone["digest"] == plain["digest"]) == (name in ("float32", "lossless"))
    assert alone["bytes_up"] <= plain["bytes_up"] + 4 * 3 * 128


def updates(folder: Path):
    """Round and bytes of every update that a run has kept."""
    blobs = FileBlobs(folder / "blobs")
    store = SqliteStore(folder / "store.sqlite")
    events = [journal.decode(entry) for entry in store.read()]
    store.close()
    received = [one for one in events if isinstance(one, UpdateReceived)]
    return [(one.round_id, bytes(blobs.get(one.update))) for one in received]


def scales(folder, one):
    """The scales of each round's updates, as the frames have them."""
    cargo = build(one).work.cargo
    decoded = [(r, cargo.codec.decode(cargo.frame(p), cargo.shared)) for r, p in updates(folder)]
    spans = cargo.shared.spans().values()
    found: dict[int, set] = {}
    for round_id, vector in decoded:
        peaks = tuple(float(vector[span].abs().max()) for span in spans)
        found.setdefault(round_id, set()).add(peaks)
    return found


def test_ternaries_share_their_scale_from_the_second_round_on(tmp_path):
    counts = {}
    for scale in ("own", "shared"):
        one = scenario("terngrad", scale=scale)
        run(one, Options(executor="sequential", folder=tmp_path / scale, keep_updates=True))
        counts[scale] = [len(found) for found in scales(tmp_path / scale, one).values()]
    assert counts == {"own": [4, 4, 4], "shared": [4, 1, 1]}


def test_a_shared_scale_is_the_largest_that_a_client_would_have_taken():
    one = scenario("terngrad")
    cargo = build(one).work.cargo
    assert list(cargo.told([])) == ["codec/0.shared"] == list(cargo.first.down)
    zeros, dim = cargo.codec.init(cargo.shared), cargo.shared.dim
    frames = [
        cargo.codec.encode(factor * torch.ones(dim), cargo.shared, zeros, Stamp())[0]
        for factor in (1.0, 3.0, 2.0)
    ]
    assert cargo.told(frames)["codec/0.shared"].tolist() == [3.0, 3.0]

"""The same updates through what others use: general compressors, OpenFL, NNCodec."""

import gzip
import json
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from benchmarks.coding.payloads import Payload
from benchmarks.figures import ROOT, interleaved
from benchmarks.peers import environments
from benchmarks.peers.environments import MissingPeerError, Peer

Row = dict[str, Any]
OPENFL = Peer("openfl", "openfl==1.9", required=False)
NNCODEC = Peer("nncodec", "nncodec==2.1.3", required=False, torch="torch==2.15.0")
TIMEOUT_S = 300.0


def general(payload: Payload, repeats: int) -> list[Row]:
    """Gzip and zstd of the float32 bytes, as they are and by planes: what they take, and how fast.

    Lossless, of course.
    """
    values = payload.vector.numpy()
    rows = []
    for name, (encode, decode) in _pairs(values).items():
        sent = encode()
        if decode(sent) != values.tobytes():
            raise ValueError(f"{name} does not give back what it was given")
        seconds = interleaved({"encode": encode, "decode": lambda: decode(sent)}, repeats)  # noqa: B023
        rows.append(_row(payload, name, len(sent), seconds, 0.0))
    return rows


Pair = tuple[Callable[[], bytes], Callable[[bytes], bytes]]


def _pairs(values: np.ndarray) -> dict[str, Pair]:
    squeeze, expand = zstandard.ZstdCompressor(3), zstandard.ZstdDecompressor()

    def planes() -> bytes:
        return squeeze.compress(values.view(np.uint8).reshape(-1, 4).T.tobytes())

    def joined(sent: bytes) -> bytes:
        shuffled = np.frombuffer(expand.decompress(sent), dtype=np.uint8)
        return shuffled.reshape(4, -1).T.tobytes()

    return {
        "gzip 6 of float32": (lambda: gzip.compress(values.tobytes(), 6, mtime=0), gzip.decompress),
        "zstd 3 of float32": (lambda: squeeze.compress(values.tobytes()), expand.decompress),
        "zstd 3 of byte planes": (planes, joined),
    }


def openfl(payload: Payload, pipeline: str, repeats: int) -> Row:
    """One of OpenFL's pipelines.  Raises: MissingPeerError, if there is none of it."""
    answer = _ask(OPENFL, "run_openfl.py", payload, pipeline, str(repeats))
    seconds = {way: answer[f"{way}_s"] for way in ("encode", "decode")}
    return _row(payload, f"OpenFL {pipeline}", answer["bytes"], seconds, answer["nmse"])


def nncodec(payload: Payload, step: float, repeats: int) -> Row:
    """NNCodec (ISO/IEC 15938-17) with a quantisation step of about `step` root mean squares.

    Raises: MissingPeerError, if it can not be installed.
    """
    rms = float(payload.vector.double().square().mean().sqrt())
    answer = _ask(NNCODEC, "run_nncodec.py", payload, repr(step * rms), str(repeats))
    seconds = {way: answer[f"{way}_s"] for way in ("encode", "decode")}
    return _row(
        payload,
        f"NNCodec, qp {answer['qp']} ({step:g} rms)",
        answer["bytes"],
        seconds,
        answer["nmse"],
    )


def _ask(peer: Peer, script: str, payload: Payload, *words: str) -> dict[str, Any]:
    python = environments.interpreter(peer)
    views = payload.layout.views(payload.vector)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "update.npz"
        np.savez(path, **{name: view.numpy() for name, view in views.items()})
        command = [str(python), str(ROOT / "benchmarks" / "peers" / script), str(path), *words]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
            env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "HOME": folder},
            cwd=folder,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise MissingPeerError(f"{peer.name}: {last}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def _row(
    payload: Payload, name: str, size: int, seconds: Mapping[str, list[float]], nmse: float
) -> Row:
    speed = {
        f"{way}_mb_s": payload.size_bytes / 1e6 / statistics.median(runs)
        for way, runs in seconds.items()
    }
    ratio = payload.size_bytes / size
    return {
        "payload": payload.name,
        "peer": name,
        "bytes": size,
        "ratio": ratio,
        "nmse": nmse,
    } | speed

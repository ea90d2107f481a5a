"""What a codec makes of one update: bytes, error, speed; what `fedplat codec try` prints."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from fedplat.codecs import varint
from fedplat.codecs.budget import Budget
from fedplat.codecs.by_tensor import ByTensor
from fedplat.codecs.chain import Chain
from fedplat.codecs.frame import HEADER_BYTES
from fedplat.codecs.framed import Framed
from fedplat.codecs.packet import Form, Packet
from fedplat.codecs.reference import iid_reference_bits
from fedplat.codecs.stage import Body, layouts
from fedplat.errors import ConfigError, DataError
from fedplat.params import DTYPES, Layout, Vector
from fedplat.protocols import Codec, Stamp
from fedplat.types import TensorSpec

MEGABYTE = 1e6


@dataclass(frozen=True, eq=False)
class Update:
    """An update to try codecs on; `beside_bytes` are of tensors that no codec is given."""

    layout: Layout
    vector: Vector
    beside_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class TensorTrial:
    """What came back of one tensor; `error_share` is its part of the whole squared error."""

    name: str
    shape: tuple[int, ...]
    values: int
    nonzero: int
    nmse: float | None
    error_share: float


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a codec made of an update.  Where the update is 0, errors relative to it are None.

    Units: MB/s are 10⁶ bytes of float32 a second, the median of all repetitions.
    """

    values: int
    raw_bytes: int
    frame_bytes: int
    ratio: float
    iid_bytes: float | None
    over_iid: float | None
    nmse: float | None
    cosine: float | None
    encode_mb_s: float
    decode_mb_s: float
    tensors: tuple[TensorTrial, ...]

    def as_object(self, tensors: bool) -> dict[str, Any]:
        """As plain values, for JSON."""
        plain = asdict(self)
        return plain if tensors else {k: v for k, v in plain.items() if k != "tensors"}


def read_update(model: Path, against: Path | None) -> Update:
    """The float32 tensors of a safetensors file, less those of another one.

    Raises: DataError, if a file can not be read, holds no float32 tensor, holds floats of another
    width or values that are not finite, or the two are not of one model.
    """
    tensors = _read(model)
    specs = [TensorSpec(name, one.dtype, tuple(one.shape)) for name, one in tensors.items()]
    layout = Layout.of(spec for spec in specs if spec.dtype == torch.float32)
    if layout.dim == 0:
        raise DataError(
            where=str(model), reason="holds no float32 values: there is no update in it"
        )
    beside = sum(one.nbytes for one in tensors.values() if one.dtype != torch.float32)
    vector = _vector(model, layout, tensors)
    if against is not None:
        base = _read(against)
        _same_model(model, layout, against, base)
        vector = vector - _vector(against, layout, base)
    return Update(layout, vector, beside)


def measure(codec: Codec, update: Update, repeat: int) -> Trial:
    """Encodes and decodes `repeat` times, once more before that, so that all is loaded.

    Raises: ConfigError, if the codec does not fit the model.
    """
    layout, vector = update.layout, update.vector
    try:
        state = codec.init(layout)
    except ValueError as error:
        raise ConfigError(where="CODEC", reason=str(error)) from error
    stamp = Stamp(seed=1)
    frame, _ = codec.encode(vector, layout, state, stamp)
    decoded = codec.decode(frame, layout)
    encode_s = _median_s(lambda: codec.encode(vector, layout, state, stamp), repeat)
    decode_s = _median_s(lambda: codec.decode(frame, layout), repeat)
    raw_bytes, iid_bytes = 4 * layout.dim, _iid_bytes(codec, frame, layout)
    return Trial(
        values=layout.dim,
        raw_bytes=raw_bytes,
        frame_bytes=len(frame),
        ratio=raw_bytes / len(frame),
        iid_bytes=iid_bytes,
        over_iid=len(frame) / iid_bytes - 1 if iid_bytes else None,
        nmse=_nmse(vector, decoded),
        cosine=_cosine(vector, decoded),
        encode_mb_s=raw_bytes / MEGABYTE / encode_s,
        decode_mb_s=raw_bytes / MEGABYTE / decode_s,
        tensors=tuple(_by_tensor(layout, vector, decoded)),
    )


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        hint = "name a safetensors file, a run's model.safetensors for example"
        raise DataError(where=str(path), reason=f"there is no such file; {hint}")
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        hint = "models are read as safetensors; write one with safetensors.torch.save_file"
        raise DataError(where=str(path), reason=f"can not be read ({error}); {hint}") from error
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32 and (
            tensor.is_floating_point() or tensor.dtype not in DTYPES.values()
        ):
            kind = str(tensor.dtype).removeprefix("torch.")
            reason = f"tensor {name} is {kind}; updates are float32: convert it by .float()"
            raise DataError(where=str(path), reason=reason)
    return tensors


def _vector(path: Path, layout: Layout, tensors: Mapping[str, Tensor]) -> Vector:
    for spec in layout.flat:
        if not torch.isfinite(tensors[spec.name]).all():
            reason = (
                f"tensor {spec.name} holds values that are not finite; lossy codecs refuse such"
            )
            raise DataError(where=str(path), reason=f"{reason} updates, so train again")
    return layout.params({spec.name: tensors[spec.name] for spec in layout.flat}).vector


def _same_model(model: Path, layout: Layout, against: Path, base: Mapping[str, Tensor]) -> None:
    mine = {spec.name: spec.shape for spec in layout.flat}
    theirs = {n: tuple(one.shape) for n, one in base.items() if one.dtype == torch.float32}
    different = sorted(n for n in mine.keys() | theirs.keys() if mine.get(n) != theirs.get(n))
    if different:
        first = f"{different[0]}: {mine.get(different[0])} and {theirs.get(different[0])}"
        reason = f"is of another model than {model} in {len(different)} tensors ({first})"
        raise DataError(where=f"--against {against}", reason=f"{reason}; name the model's own base")


# ── measuring ────────────────────────────────────────────────────────────────────────────────────


def coded(body: Body, payload: memoryview, layout: Layout) -> Iterator[tuple[Packet, Form]]:
    """What the entropy coders of a body were given, sides included.

    Raises: CorruptPayloadError, if `payload` is no such body.
    """
    if isinstance(body, Chain):
        size, rest = varint.read(payload, most=len(payload))
        packet = body.entropy.read(rest[size:], layouts(body.stages, layout)[-1], body.form)
        yield replace(packet, side=rest[:size]), body.form
    elif isinstance(body, Budget):
        yield from coded(body.inner, payload, layout)
    elif isinstance(body, ByTensor):
        cut = body.cut(payload, layout)
        for (inner, share), piece in zip(body.shares(layout), cut, strict=True):
            yield from coded(inner, piece, share.layout)


def _iid_bytes(codec: Codec, frame: bytes, layout: Layout) -> float | None:
    if not isinstance(codec, Framed):
        return None
    packets = list(coded(codec.body, memoryview(frame)[HEADER_BYTES:], layout))
    bits = sum(iid_reference_bits(packet, form) for packet, form in packets)
    return bits / 8 if packets else None


def _median_s(call: Callable[[], object], repeat: int) -> float:
    seconds = []
    for _ in range(repeat):
        start = perf_counter()
        call()
        seconds.append(perf_counter() - start)
    return median(seconds)


def _by_tensor(layout: Layout, sent: Vector, got: Vector) -> Iterator[TensorTrial]:
    total = _squares(sent - got)
    for spec in layout.flat:
        span = layout.spans()[spec.name]
        yield TensorTrial(
            name=spec.name,
            shape=spec.shape,
            values=spec.numel,
            nonzero=int(got[span].count_nonzero()),
            nmse=_nmse(sent[span], got[span]),
            error_share=_squares(sent[span] - got[span]) / total if total else 0.0,
        )


def _nmse(sent: Vector, got: Vector) -> float | None:
    """‖sent − got‖² / ‖sent‖²."""
    total = _squares(sent)
    return _squares(sent - got) / total if total else None


def _cosine(sent: Vector, got: Vector) -> float | None:
    lengths = (_squares(sent) * _squares(got)) ** 0.5
    return float(sent.double() @ got.double()) / lengths if lengths else None


def _squares(vector: Vector) -> float:
    return float(vector.double().square().sum())

"""Named tensors ⇄ one flat float32 vector, without copies where possible; the model digest.

A `Layout` fixes the order: trainable float32 tensors first, float32 buffers after them, each by
name in UTF-8 byte order.  So an optimizer's step is one operation on `vector[: num_trainable]`.
Tensors of other dtypes (a BatchNorm's counter, a user's float64 array) ride beside the vector.
"""

import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float32
from safetensors import SafetensorError
from torch import Tensor

from fedplat.errors import CorruptPayloadError
from fedplat.types import Digest, State, Tensors, TensorSpec

ALIGNMENT = 64
Vector = Float32[Tensor, " dim"]
_NUMPY_DTYPES: Mapping[torch.dtype, np.dtype[np.generic]] = {
    torch.float64: np.dtype("<f8"),
    torch.float32: np.dtype("<f4"),
    torch.float16: np.dtype("<f2"),
    torch.int64: np.dtype("<i8"),
    torch.int32: np.dtype("<i4"),
    torch.int16: np.dtype("<i2"),
    torch.int8: np.dtype("i1"),
    torch.uint8: np.dtype("u1"),
    torch.bool: np.dtype("?"),
}
DTYPE_NAMES = {dtype: str(dtype).removeprefix("torch.") for dtype in _NUMPY_DTYPES}
DTYPES = {name: dtype for dtype, name in DTYPE_NAMES.items()}


def aligned(dim: int) -> Vector:
    """Allocates an uninitialised vector that starts on 64 bytes, whatever the allocator does."""
    # NumPy asks for large pages: a vector of 10 M values costs 20 page faults instead of 10,000
    room = torch.from_numpy(np.empty(dim + ALIGNMENT // 4, dtype=np.float32))
    return room.narrow(0, (-room.data_ptr() % ALIGNMENT) // 4, dim)


@dataclass(frozen=True)
class Layout:
    """The names, shapes and dtypes of a model, in the order of its flat vector."""

    specs: tuple[TensorSpec, ...]

    @classmethod
    def of(cls, specs: Iterable[TensorSpec]) -> "Layout":
        """Sorts `specs` into the canonical order.

        Raises: ValueError, if two have one name or a dtype has no byte order of its own.
        """
        ordered = tuple(sorted(specs, key=_rank))
        names = [spec.name for spec in ordered]
        if len(set(names)) != len(names):
            raise ValueError(f"a tensor name stands twice in {names}")
        for spec in ordered:
            if spec.dtype not in _NUMPY_DTYPES:
                raise ValueError(f"tensor {spec.name}: {spec.dtype} can not travel")
        return cls(ordered)

    @cached_property
    def flat(self) -> tuple[TensorSpec, ...]:
        """The float32 tensors: what the vector holds."""
        return tuple(spec for spec in self.specs if spec.dtype == torch.float32)

    @cached_property
    def beside(self) -> tuple[TensorSpec, ...]:
        """The tensors of other dtypes: what rides beside the vector."""
        return tuple(spec for spec in self.specs if spec.dtype != torch.float32)

    @cached_property
    def dim(self) -> int:
        return sum(spec.numel for spec in self.flat)

    @cached_property
    def num_trainable(self) -> int:
        """The length of the vector's prefix that an optimizer steps on."""
        return sum(spec.numel for spec in self.flat if spec.trainable)

    @cached_property
    def size_bytes(self) -> int:
        return sum(spec.numel * _NUMPY_DTYPES[spec.dtype].itemsize for spec in self.specs)

    def views(self, vector: Vector) -> dict[str, Tensor]:
        """Cuts `vector` into its named tensors, without a copy."""
        pieces = torch.split(vector, [spec.numel for spec in self.flat])
        return {s.name: piece.view(s.shape) for s, piece in zip(self.flat, pieces, strict=True)}

    def spans(self) -> dict[str, slice]:
        """Where each float32 tensor lies in the vector."""
        spans, start = {}, 0
        for spec in self.flat:
            spans[spec.name] = slice(start, start + spec.numel)
            start += spec.numel
        return spans

    def where(self, keep: Callable[[TensorSpec], bool]) -> "Layout":
        """The layout of the tensors that `keep` accepts."""
        return Layout(tuple(spec for spec in self.specs if keep(spec)))

    def params(self, tensors: Tensors) -> "Params":
        """Copies named tensors into one aligned vector.

        Raises: ValueError, if a name is missing or too many, or a shape or dtype differs.
        """
        if tensors.keys() != {spec.name for spec in self.specs}:
            different = sorted(tensors.keys() ^ {spec.name for spec in self.specs})
            raise ValueError(f"tensors and layout differ in {different}")
        vector = aligned(self.dim)
        views = self.views(vector)
        for spec in self.specs:
            tensor = tensors[spec.name].detach()
            if tensor.shape != spec.shape or tensor.dtype != spec.dtype:
                raise ValueError(
                    f"tensor {spec.name} is {tensor.dtype} {tuple(tensor.shape)}, "
                    f"the layout says {spec.dtype} {spec.shape}"
                )
            if spec.name in views:
                views[spec.name].copy_(tensor)
        beside = {s.name: tensors[s.name].detach().cpu().clone() for s in self.beside}
        return Params(self, vector, beside)


def _rank(spec: TensorSpec) -> tuple[bool, bool, bytes]:
    return spec.dtype != torch.float32, not spec.trainable, spec.name.encode()


@dataclass(frozen=True, eq=False)
class Params:
    """A model's values: the flat vector and what rides beside it.  Treat both as read-only."""

    layout: Layout
    vector: Vector
    beside: Tensors

    def tensors(self) -> dict[str, Tensor]:
        """All named tensors; the float32 ones are views of the vector."""
        return {**self.layout.views(self.vector), **self.beside}

    def with_vector(self, vector: Vector) -> "Params":
        return Params(self.layout, vector, self.beside)

    def select(self, layout: Layout) -> "Params":
        """The part of these values that `layout`, a part of this layout, names.

        The whole layout gives these values themselves, without a copy.
        """
        if layout == self.layout:
            return self
        mine = self.tensors()
        return layout.params({spec.name: mine[spec.name] for spec in layout.specs})

    def merge(self, part: "Params") -> "Params":
        """These values with those of `part` in place of the tensors that it names."""
        if part.layout == self.layout:
            return part
        return self.layout.params({**self.tensors(), **part.tensors()})

    def digest(self) -> Digest:
        """The model digest: SHA-256 over name, dtype, shape and little-endian bytes, by name."""
        return tensors_digest(self.tensors())


def tensors_digest(tensors: Tensors) -> Digest:
    """SHA-256 over, by name in UTF-8 byte order, name, dtype, shape, little-endian bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors, key=str.encode):
        tensor = tensors[name]
        shape = ",".join(map(str, tensor.shape))
        digest.update(f"{len(name.encode())}:{name}|{DTYPE_NAMES[tensor.dtype]}|{shape}|".encode())
        digest.update(raw_bytes(tensor))
    return Digest(digest.hexdigest())


def digest_of(payload: bytes | memoryview) -> Digest:
    """The name of a blob: SHA-256 of its bytes."""
    return Digest(hashlib.sha256(payload).hexdigest())


def raw_bytes(tensor: Tensor) -> memoryview:
    """The little-endian bytes of a tensor, row by row; without a copy if it is contiguous."""
    array = tensor.detach().cpu().contiguous().numpy()
    little = array.astype(_NUMPY_DTYPES[tensor.dtype], copy=False)
    return little.reshape(-1).data.cast("B") if little.size else memoryview(b"")


def from_raw_bytes(payload: memoryview, spec: TensorSpec) -> Tensor:
    """Copies exactly `spec`'s bytes out of `payload` into a fresh tensor.

    Raises: CorruptPayloadError, if `payload` has another length.
    """
    dtype = _NUMPY_DTYPES[spec.dtype]
    size = spec.numel * dtype.itemsize
    if len(payload) != size:
        raise CorruptPayloadError(reason=f"tensor {spec.name}: {size} bytes, got {len(payload)}")
    if spec.dtype == torch.float32:
        vector = aligned(spec.numel)
        vector.numpy()[:] = np.frombuffer(payload, dtype)
        return vector.view(spec.shape)
    native = np.frombuffer(payload, dtype).astype(dtype.newbyteorder("="))
    return torch.from_numpy(native).view(spec.shape)


def borrowed(payload: bytes | memoryview, start: int, stop: int) -> Vector:
    """The float32 values from `start` to `stop` of little-endian bytes, in the bytes' own memory.

    Do not write into it.  Edge cases: values that do not lie on 4 bytes, or a machine whose byte
    order is another, give a copy.
    """
    values = np.frombuffer(payload, _NUMPY_DTYPES[torch.float32], stop - start, 4 * start)
    if not (values.flags.aligned and values.dtype.isnative):
        values = values.astype(np.float32)
    return torch.from_numpy(values)


with warnings.catch_warnings():  # torch warns once that it can not hold a tensor read-only
    warnings.simplefilter("ignore")
    borrowed(bytes(4), 0, 1)


def encode_tensors(tensors: Iterable[Tensor]) -> bytes:
    """Joins the tensors' little-endian bytes, without any header: the reader knows the specs."""
    return b"".join(raw_bytes(tensor) for tensor in tensors)


def decode_tensors(payload: bytes | memoryview, specs: Iterable[TensorSpec]) -> list[Tensor]:
    """Reads tensors that `encode_tensors` joined, each into aligned memory of its own.

    Raises: CorruptPayloadError, if `payload` is longer or shorter than `specs` say.
    """
    view, start, tensors = memoryview(payload), 0, []
    wanted = list(specs)
    total = sum(spec.numel * _NUMPY_DTYPES[spec.dtype].itemsize for spec in wanted)
    if len(view) != total:
        raise CorruptPayloadError(reason=f"the tensors take {total} bytes, got {len(view)}")
    for spec in wanted:
        stop = start + spec.numel * _NUMPY_DTYPES[spec.dtype].itemsize
        tensors.append(from_raw_bytes(view[start:stop], spec))
        start = stop
    return tensors


def encode_params(params: Params) -> bytes:
    """The vector's bytes and after them those of the tensors beside it."""
    return encode_tensors([params.vector, *(params.beside[s.name] for s in params.layout.beside)])


def decode_params(payload: bytes | memoryview, layout: Layout) -> Params:
    """Reads what `encode_params` wrote for a model of `layout`.

    Raises: CorruptPayloadError, if the length does not fit the layout.
    """
    flat = TensorSpec("vector", torch.float32, (layout.dim,))
    vector, *beside = decode_tensors(payload, [flat, *layout.beside])
    names = [spec.name for spec in layout.beside]
    return Params(layout, vector, dict(zip(names, beside, strict=True)))


def encode_state(state: State) -> bytes:
    """A state as safetensors bytes; the same state gives the same bytes."""
    ordered = {n: state[n].contiguous() for n in sorted(state.tensors, key=str.encode)}
    return safetensors.torch.save(ordered)


def decode_state(payload: bytes) -> State:
    """Reads what `encode_state` wrote.

    Raises: CorruptPayloadError, if the bytes are not safetensors.
    """
    try:
        return State(safetensors.torch.load(payload))
    except SafetensorError as error:
        raise CorruptPayloadError(reason=f"not a state: {error}") from error

"""Loops over vectors that stay in registers: what a compiler does not find by itself.

A fused multiply-add is rounded once on every machine, so the bits are the same where a processor
has none.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import int64, types
from numba.core import cgutils
from numba.extending import intrinsic

SINGLES, DOUBLES = 16, 8  # lanes of a vector
SIDE = 4  # rows by rows of a tile of products
MIXED = 8  # new rows of a tile of mixtures
LINE = 64  # bytes that a cache fetches at a time
WIDE = 4  # vectors of a row that are compared, or counted, at a time

_INDEX, _SINGLE, _DOUBLE = ir.IntType(64), ir.FloatType(), ir.DoubleType()
_FLAGS = ir.IntType(SINGLES)


@intrinsic
def add_products(_: Any, rows: Any, others: Any, offset: Any, length: Any, out: Any) -> Any:
    """Adds the inner products of `SIDE` rows with `SIDE` others, summed in float64, to `out`.

    `rows`, `others` and `out` are addresses: of addresses of float32, and of (SIDE, SIDE) float64;
    `length` columns from byte `offset` on, a multiple of `DOUBLES`.
    """
    return types.void(int64, int64, int64, int64, int64), _products(DOUBLES, _DOUBLE)


@intrinsic
def add_rounded_products(_: Any, rows: Any, others: Any, offset: Any, length: Any, out: Any) -> Any:
    """As `add_products`, but summed in float32, each lane by itself; lanes are added in float64.

    `length` is a multiple of `SINGLES`.
    """
    return types.void(int64, int64, int64, int64, int64), _products(SINGLES, _SINGLE)


@intrinsic
def mix(_: Any, shares: Any, count: Any, source: Any, out: Any, stride: Any) -> Any:
    """Fills `SINGLES` columns of `MIXED` new rows: sums of `count` rows, rounded once.

    `shares` is the address of (count, MIXED) float64, `source` and `out` those of float32 rows that
    are `stride` bytes apart.
    """
    return types.void(int64, int64, int64, int64, int64), _mixture


@intrinsic
def add_some(_: Any, chosen: Any, weights: Any, count: Any, rows: Any, stride: Any, at: Any) -> Any:
    """Adds `count` weighted rows to `WIDE`·`SINGLES` columns, in float64.

    `chosen` and `weights` are the addresses of the rows' places and weights, `rows` that of the
    first of the float32 rows, which are `stride` bytes apart, `at` that of the float64 sums.
    """
    return types.void(int64, int64, int64, int64, int64, int64), _some


@intrinsic
def exchange(_: Any, low: Any, high: Any) -> Any:
    """Puts the smaller of each two numbers into `low`: WIDE·SINGLES float32 at each address."""
    return types.void(int64, int64), _exchange


@intrinsic
def inside(_: Any, values: Any, low: Any, high: Any) -> Any:
    """How many of SINGLES values lie from `low` to `high`, all of them addresses of float32."""
    return int64(int64, int64, int64), _inside


@intrinsic
def fetch(_: Any, start: Any, size: Any) -> Any:
    """Has `size` bytes from address `start` on brought near: they are read soon, if at all."""
    return types.void(int64, int64), _fetch


# ── what is generated ────────────────────────────────────────────────────────────────────────────


def _products(lanes: int, kind: ir.Type) -> Callable[..., Any]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, others, offset, length, out = arguments
        left, right = (
            [builder.add(_load(builder, _INDEX, base, 8 * k), offset) for k in range(SIDE)]
            for base in (rows, others)
        )
        totals = _zeros(builder, SIDE * SIDE, ir.VectorType(kind, lanes))
        with cgutils.for_range(builder, builder.udiv(length, _INDEX(lanes))) as loop:
            at = builder.mul(loop.index, _INDEX(4 * lanes))
            x, y = (
                [_floats(builder, builder.add(base, at), lanes, kind) for base in side]
                for side in (left, right)
            )
            for place, total in enumerate(totals):
                _add_product(builder, total, x[place // SIDE], y[place % SIDE])
        for place, total in enumerate(totals):
            address = _pointer(builder, out, 8 * place, _DOUBLE)
            found = _summed(builder, builder.load(total), lanes)
            builder.store(builder.fadd(builder.load(address), found), address)
        return context.get_dummy_value()

    return generate


def _mixture(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    shares, count, source, out, stride = arguments
    halves = SINGLES // DOUBLES
    vector = ir.VectorType(_DOUBLE, DOUBLES)
    totals = _zeros(builder, MIXED * halves, vector)
    with cgutils.for_range(builder, count) as loop:
        share = builder.add(shares, builder.mul(loop.index, _INDEX(8 * MIXED)))
        row = builder.add(source, builder.mul(loop.index, stride))
        parts = [
            _floats(builder, builder.add(row, _INDEX(4 * DOUBLES * k)), DOUBLES, _DOUBLE)
            for k in range(halves)
        ]
        for new in range(MIXED):
            weight = _repeated(builder, _load(builder, _DOUBLE, share, 8 * new), DOUBLES)
            for k, part in enumerate(parts):
                _add_product(builder, totals[halves * new + k], weight, part)
    for place, total in enumerate(totals):
        new, k = divmod(place, halves)
        address = builder.add(out, builder.mul(stride, _INDEX(new)))
        rounded = builder.fptrunc(builder.load(total), ir.VectorType(_SINGLE, DOUBLES))
        pointer = _pointer(builder, address, 4 * DOUBLES * k, rounded.type)
        builder.store(rounded, pointer, align=4)
    return context.get_dummy_value()


def _some(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    chosen, weights, count, source, stride, at = arguments
    vector = ir.VectorType(_DOUBLE, DOUBLES)
    pointers = [
        _pointer(builder, at, 8 * DOUBLES * k, vector) for k in range(WIDE * SINGLES // DOUBLES)
    ]
    totals = _zeros(builder, len(pointers), vector)
    for pointer, total in zip(pointers, totals, strict=True):
        builder.store(builder.load(pointer, align=8), total)
    with cgutils.for_range(builder, count) as loop:
        k = builder.mul(loop.index, _INDEX(8))
        place = _load(builder, _INDEX, builder.add(chosen, k), 0)
        weight = _repeated(builder, _load(builder, _DOUBLE, builder.add(weights, k), 0), DOUBLES)
        row = builder.add(source, builder.mul(place, stride))
        for i, total in enumerate(totals):
            values = _floats(builder, builder.add(row, _INDEX(4 * DOUBLES * i)), DOUBLES, _DOUBLE)
            _add_product(builder, total, weight, values)
    for pointer, total in zip(pointers, totals, strict=True):
        builder.store(builder.load(total), pointer, align=8)
    return context.get_dummy_value()


def _exchange(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    vector = ir.VectorType(_SINGLE, SINGLES)
    at = [
        [_pointer(builder, base, 4 * SINGLES * k, vector) for k in range(WIDE)]
        for base in arguments
    ]
    low, high = ([builder.load(one, align=4) for one in side] for side in at)
    for k, (x, y) in enumerate(zip(low, high, strict=True)):
        ordered = builder.fcmp_ordered("<", x, y)
        builder.store(builder.select(ordered, x, y), at[0][k], align=4)
        builder.store(builder.select(ordered, y, x), at[1][k], align=4)
    return context.get_dummy_value()


def _inside(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    values, low, high = (_floats(builder, one, SINGLES, _SINGLE) for one in arguments)
    above = builder.fcmp_ordered("<=", low, values)
    below = builder.fcmp_ordered("<=", values, high)
    flags = builder.bitcast(builder.and_(above, below), _FLAGS)
    return builder.zext(builder.ctpop(flags), _INDEX)


def _fetch(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    start, size = arguments
    byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
    declared = cgutils.get_or_insert_function
    prefetch = declared(builder.module, kind, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
    with cgutils.for_range(builder, builder.udiv(size, _INDEX(LINE))) as loop:
        at = builder.add(start, builder.mul(loop.index, _INDEX(LINE)))
        told = [number(one) for one in (0, 2, 1)]  # to read, into the second cache, as data
        builder.call(prefetch, [builder.inttoptr(at, byte), *told])
    return context.get_dummy_value()


# ── of which it is made ──────────────────────────────────────────────────────────────────────────


def _pointer(builder: Any, base: Any, offset: int, kind: ir.Type) -> Any:
    return builder.inttoptr(builder.add(base, _INDEX(offset)), kind.as_pointer())


def _load(builder: Any, kind: ir.Type, base: Any, offset: int) -> Any:
    return builder.load(_pointer(builder, base, offset, kind))


def _floats(builder: Any, address: Any, lanes: int, kind: ir.Type) -> Any:
    """`lanes` float32 from anywhere, as vector of `kind`."""
    stored = ir.VectorType(_SINGLE, lanes)
    found = builder.load(_pointer(builder, address, 0, stored), align=4)
    return found if kind == _SINGLE else builder.fpext(found, ir.VectorType(kind, lanes))


def _zeros(builder: Any, count: int, vector: ir.VectorType) -> Sequence[Any]:
    """Places on the stack, which become registers."""
    place = cgutils.alloca_once
    totals = [place(builder, vector) for _ in range(count)]  # type: ignore[no-untyped-call]
    for one in totals:
        builder.store(ir.Constant(vector, [0.0] * vector.count), one)
    return totals


def _add_product(builder: Any, total: Any, x: Any, y: Any) -> None:
    vector = x.type
    width = 32 if vector.element == _SINGLE else 64
    kind = ir.FunctionType(vector, [vector] * 3)
    name = f"llvm.fma.v{vector.count}f{width}"
    declared = cgutils.get_or_insert_function
    fused = declared(builder.module, kind, name)  # type: ignore[no-untyped-call]
    builder.store(builder.call(fused, [x, y, builder.load(total)]), total)


def _repeated(builder: Any, value: Any, lanes: int) -> Any:
    vector = ir.VectorType(value.type, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    return _shuffled(builder, first, [0] * lanes)


def _summed(builder: Any, values: Any, lanes: int) -> Any:
    """All lanes' sum in float64: halves are added until one is left."""
    if values.type.element == _SINGLE:
        values = builder.fpext(values, ir.VectorType(_DOUBLE, lanes))
    while lanes > 1:
        lanes //= 2
        first = _shuffled(builder, values, range(lanes))
        second = _shuffled(builder, values, range(lanes, 2 * lanes))
        values = builder.fadd(first, second)
    return builder.extract_element(values, ir.IntType(32)(0))


def _shuffled(builder: Any, values: Any, places: Sequence[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
    return builder.shuffle_vector(values, ir.Constant(values.type, ir.Undefined), mask)

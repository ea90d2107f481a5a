import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import layouts, params

from fedplat.errors import CorruptPayloadError
from fedplat.params import (
    ALIGNMENT,
    Layout,
    Params,
    aligned,
    decode_params,
    decode_state,
    decode_tensors,
    encode_params,
    encode_state,
    encode_tensors,
    raw_bytes,
    tensors_digest,
)
from fedplat.types import State, TensorSpec

NET = Layout.of(
    [
        TensorSpec("bn.running_mean", torch.float32, (2,), trainable=False, role="norm"),
        TensorSpec("bn.num_batches_tracked", torch.int64, (), trainable=False, role="norm"),
        TensorSpec("out.weight", torch.float32, (2, 3), role="head"),
        TensorSpec("conv.weight", torch.float32, (4,)),
    ]
)


def net() -> Params:
    return NET.params(
        {
            "out.weight": torch.arange(6, dtype=torch.float32).view(2, 3),
            "conv.weight": torch.full((4,), 0.5),
            "bn.running_mean": torch.tensor([1.0, -1.0]),
            "bn.num_batches_tracked": torch.tensor(7),
        }
    )


def test_trainable_floats_come_first_then_float_buffers_then_the_rest_each_by_name():
    assert [spec.name for spec in NET.specs] == [
        "conv.weight",
        "out.weight",
        "bn.running_mean",
        "bn.num_batches_tracked",
    ]
    assert (NET.dim, NET.num_trainable, NET.size_bytes) == (12, 10, 56)


@given(layout=layouts(), data=st.data())
def test_the_order_of_specs_does_not_matter(layout, data):
    assert Layout.of(data.draw(st.permutations(layout.specs))) == layout


def test_names_sort_by_their_utf8_bytes():
    names = ["b", "B", "é", "e", "\U0001f600", "\uffee"]
    layout = Layout.of(TensorSpec(name, torch.float32, (1,)) for name in names)
    assert [spec.name for spec in layout.specs] == sorted(names, key=str.encode)


def test_a_name_that_stands_twice_is_refused():
    twice = [TensorSpec("w", torch.float32, (1,)), TensorSpec("w", torch.int64, (1,))]
    with pytest.raises(ValueError, match="stands twice"):
        Layout.of(twice)


def test_a_dtype_without_a_byte_order_is_refused():
    with pytest.raises(ValueError, match="bfloat16 can not travel"):
        Layout.of([TensorSpec("w", torch.bfloat16, (1,))])


def test_views_are_the_vector_itself_not_copies():
    model = net()
    model.layout.views(model.vector)["out.weight"][1, 2] = 42.0
    assert model.vector[9] == 42.0
    assert model.tensors()["out.weight"].data_ptr() == model.vector[4:].data_ptr()


def test_spans_say_where_each_view_lies():
    model = net()
    views = NET.views(model.vector)
    for name, span in NET.spans().items():
        assert torch.equal(model.vector[span], views[name].reshape(-1))


def test_making_params_copies_so_that_the_caller_keeps_its_tensors():
    mine = net().tensors()
    model = NET.params(mine)
    for tensor in mine.values():
        tensor.zero_()
    assert model.digest() == net().digest() != NET.params(mine).digest()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"extra": torch.zeros(1)}, "differ in .*extra"),
        ({"conv.weight": torch.zeros(3)}, "conv.weight"),
        ({"conv.weight": torch.zeros(4, dtype=torch.float64)}, "conv.weight"),
    ],
)
def test_tensors_that_do_not_fit_the_layout_are_refused(change, reason):
    with pytest.raises(ValueError, match=reason):
        NET.params({**net().tensors(), **change})


def test_a_missing_tensor_is_refused():
    tensors = net().tensors()
    del tensors["conv.weight"]
    with pytest.raises(ValueError, match=r"differ in \['conv.weight'\]"):
        NET.params(tensors)


def test_a_part_is_cut_out_and_put_back():
    head = NET.where(lambda spec: spec.role == "head")
    part = net().select(head)
    assert set(part.tensors()) == {"out.weight"}
    doubled = part.with_vector(part.vector * 2)
    merged = net().merge(doubled)
    assert torch.equal(merged.tensors()["out.weight"], net().tensors()["out.weight"] * 2)
    assert torch.equal(merged.tensors()["conv.weight"], net().tensors()["conv.weight"])


def test_the_whole_is_selected_and_merged_without_a_copy():
    model = net()
    assert model.select(NET) is model
    assert net().merge(model) is model


def test_an_empty_model_has_a_digest_and_travels():
    empty = Layout.of([]).params({})
    assert decode_params(encode_params(empty), empty.layout).digest() == empty.digest()
    assert empty.digest() == hashlib.sha256(b"").hexdigest()


def test_the_digest_is_sha256_over_names_dtypes_shapes_and_bytes():
    tensors = {"b": torch.tensor([[1, 2]]), "a": torch.tensor(0.5)}
    spelled = (
        b"1:a|float32||" + bytes.fromhex("0000003f") + b"1:b|int64|1,2|"
        b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"
    )
    assert tensors_digest(tensors) == hashlib.sha256(spelled).hexdigest()


def test_the_digest_of_a_known_model_is_frozen():
    assert net().digest() == ("67639ec03547c6eabcea478e57e97c35e8a92c305b953c152ed4867ceb562141")


@given(model=params(), data=st.data())
def test_the_digest_does_not_depend_on_the_order_of_the_layout(model, data):
    shuffled = dict(data.draw(st.permutations(list(model.tensors().items()))))
    frozen = {spec.name: spec.trainable for spec in model.layout.specs}
    other = Layout.of(
        TensorSpec(name, tensor.dtype, tuple(tensor.shape), not frozen[name])
        for name, tensor in shuffled.items()
    )
    assert tensors_digest(shuffled) == model.digest() == other.params(shuffled).digest()


def test_the_digest_sees_name_shape_dtype_and_every_bit():
    one = {"w": torch.tensor([1.0, 0.0])}
    others = [
        {"v": one["w"]},
        {"w": one["w"].view(2, 1)},
        {"w": one["w"].view(torch.int32)},
        {"w": torch.tensor([1.0, -0.0])},
        {"w": one["w"], "v": torch.empty(0)},
    ]
    assert tensors_digest(one) not in {tensors_digest(other) for other in others}


def test_names_can_not_be_shifted_into_one_another():
    left = {"a": torch.empty(0), "b": torch.empty(0)}
    right = {"a|float32|0|1:b": torch.empty(0)}
    assert tensors_digest(left) != tensors_digest(right)


@given(model=params())
def test_params_survive_the_trip_bit_by_bit(model):
    payload = encode_params(model)
    assert len(payload) == model.layout.size_bytes
    twin = decode_params(payload, model.layout)
    assert twin.digest() == model.digest()
    assert encode_params(twin) == payload


@given(model=params(), data=st.data())
def test_a_payload_of_another_length_is_refused(model, data):
    payload = encode_params(model)
    length = data.draw(st.integers(0, len(payload) + 9).filter(lambda n: n != len(payload)))
    wrong = (payload + b"\0" * 9)[:length]
    with pytest.raises(CorruptPayloadError, match=f"got {length}$"):
        decode_params(wrong, model.layout)


@given(layout=layouts(), payload=st.binary(max_size=200))
def test_a_strangers_bytes_decode_or_are_refused_and_nothing_else(layout, payload):
    try:
        decoded = decode_params(payload, layout)
    except CorruptPayloadError:
        assert len(payload) != layout.size_bytes
    else:
        assert decoded.layout == layout


@pytest.mark.parametrize("offset", range(9))
def test_tensors_are_decoded_from_any_offset_into_aligned_memory(offset):
    payload = encode_params(net())
    shifted = memoryview(b"\xff" * offset + payload)[offset:]
    twin = decode_params(shifted, NET)
    assert twin.vector.data_ptr() % ALIGNMENT == 0
    assert twin.digest() == net().digest()


def test_a_frombuffer_view_would_be_misaligned_so_the_test_above_has_teeth():
    payload = bytearray(b"\xff" * 4 + encode_params(net()))
    views = [torch.frombuffer(payload, dtype=torch.float32, offset=4 * i) for i in range(2)]
    assert any(view.data_ptr() % ALIGNMENT for view in views)


@pytest.mark.parametrize("dim", [0, 1, 15, 16, 17, 1000])
def test_every_vector_starts_on_64_bytes(dim):
    vectors = [aligned(dim) for _ in range(20)]
    assert all(len(vector) == dim and vector.is_contiguous() for vector in vectors)
    assert all(vector.data_ptr() % ALIGNMENT == 0 for vector in vectors if dim)


def test_decoded_tensors_do_not_share_the_payloads_memory():
    payload = bytearray(encode_params(net()))
    twin = decode_params(memoryview(payload), NET)
    payload[:] = b"\0" * len(payload)
    assert twin.digest() == net().digest()


def test_raw_bytes_of_a_contiguous_tensor_are_its_memory_and_of_others_a_copy():
    tensor = torch.arange(6, dtype=torch.float32).view(2, 3)
    before = bytes(raw_bytes(tensor.T))
    view = raw_bytes(tensor)
    tensor[0, 0] = 9.0
    assert bytes(view[:4]) == bytes(raw_bytes(torch.tensor(9.0)))
    assert before[:4] == bytes(4)


def test_a_parameter_that_wants_gradients_can_be_read():
    assert bytes(raw_bytes(torch.nn.Parameter(torch.ones(1)))) == b"\0\0\x80?"


def test_tensors_and_specs_are_joined_and_cut_in_their_order():
    tensors = [torch.tensor([True, False]), torch.tensor(3, dtype=torch.int16), torch.empty(0, 2)]
    specs = [TensorSpec("x", t.dtype, tuple(t.shape)) for t in tensors]
    payload = encode_tensors(tensors)
    assert payload == b"\1\0\3\0"
    assert all(map(torch.equal, decode_tensors(payload, specs), tensors))


def test_a_state_is_the_same_bytes_whatever_order_it_was_made_in():
    left = State().put(a=torch.ones(2), b=torch.tensor(1, dtype=torch.int64))
    right = State().put(b=left["b"]).put(a=left["a"])
    assert encode_state(left) == encode_state(right)
    back = decode_state(encode_state(left))
    assert sorted(back) == ["a", "b"]
    assert tensors_digest(back.tensors) == tensors_digest(left.tensors)


@given(payload=st.binary(max_size=60))
def test_bytes_that_are_no_state_are_refused(payload):
    with pytest.raises(CorruptPayloadError, match="not a state"):
        decode_state(payload)


def test_a_truncated_state_is_refused():
    payload = encode_state(State().put(w=torch.ones(8)))
    for length in range(len(payload)):
        with pytest.raises(CorruptPayloadError, match="not a state"):
            decode_state(payload[:length])

"""The contract only grows: what was once sent is read for ever, as what it was.

`kept/v1.binpb` is the set of descriptors that must stay readable.  What is new is added to it by
`python -m grpc_tools.protoc -Iprotos protos/fedplat/wire/v1/*.proto -o tests/wire/kept/v1.binpb`,
which the test below asks for; it lets nobody take anything out.
"""

from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from fedplat.wire import v1

KEPT = Path(__file__).parent / "kept" / "v1.binpb"
REMEDY = "a field is never renumbered, retyped, removed or reused: add another one"


def now():
    """The descriptors of this version."""
    found = FileDescriptorSet()
    for path in sorted(Path(v1.__file__).parent.glob("*_pb2.py")):
        module = import_module(f"{v1.__name__}.{path.stem}")
        module.DESCRIPTOR.CopyToProto(found.file.add())
    return found


def kept():
    """The descriptors that must stay readable."""
    return FileDescriptorSet.FromString(KEPT.read_bytes())


def facts(files):
    """What strangers rely on, one sentence each."""
    found = set()
    for file in files.file:
        found.add(f"{file.name} is of package {file.package}")
        for message in file.message_type:
            found |= facts_of_message(f"{file.package}.{message.name}", message)
        for enum in file.enum_type:
            found |= facts_of_enum(f"{file.package}.{enum.name}", enum)
        for service in file.service:
            for method in service.method:
                streams = (method.client_streaming, method.server_streaming)
                path = f"{file.package}.{service.name}/{method.name}"
                found.add(f"{path}: {method.input_type} {method.output_type} {streams}")
    return found


def facts_of_message(name, message):
    found = {f"{name} is a message"}
    for field in message.field:
        kind = f"{field.type} {field.type_name} label {field.label}"
        one_of = field.HasField("oneof_index") and message.oneof_decl[field.oneof_index].name
        found.add(f"{name} field {field.number} is {field.name}: {kind}, one of {one_of}")
    for inner in message.nested_type:
        found |= facts_of_message(f"{name}.{inner.name}", inner)
    for enum in message.enum_type:
        found |= facts_of_enum(f"{name}.{enum.name}", enum)
    return found


def facts_of_enum(name, enum):
    return {f"{name} number {value.number} is {value.name}" for value in enum.value}


def broken(before, after):
    """What was relied on, and is not so any more."""
    return sorted(facts(before) - facts(after))


def test_nothing_that_was_ever_sent_has_changed_its_meaning():
    assert broken(kept(), now()) == [], REMEDY


def test_what_is_kept_is_all_that_there_is():
    assert broken(now(), kept()) == [], "add the new fields: the command stands above"


# ── the check above sees every kind of break ─────────────────────────────────────────────────────


def message(files, name) -> DescriptorProto:
    return next(one for file in files.file for one in file.message_type if one.name == name)


def named(ones, name):
    return next(one for one in ones if one.name == name)


def file_of(files, name) -> FileDescriptorProto:
    return next(file for file in files.file if any(m.name == name for m in file.message_type))


def renumbered(files):
    named(message(files, "Submit").field, "weight").number = 77


def retyped(files):
    field = named(message(files, "Submit").field, "weight")
    field.type = field.TYPE_FLOAT


def made_a_list(files):
    field = named(message(files, "Drain").field, "reason")
    field.label = field.LABEL_REPEATED


def renamed(files):
    named(message(files, "Drain").field, "reason").name = "why"


def removed(files):
    del message(files, "Submit").field[0]


def reused(files):
    fields = message(files, "Hello").field
    number = fields[-1].number
    del fields[-1]
    fields.add(name="other", number=number, type=9, label=1)


def of_another_message(files):
    field = named(message(files, "Frame").field, "accept")
    field.type_name = named(message(files, "Frame").field, "cancel").type_name


def out_of_its_oneof(files):
    named(message(files, "Frame").field, "drain").ClearField("oneof_index")


def enum_renumbered(files):
    enum = file_of(files, "Offer").enum_type[0]
    enum.value[-1].number = 50


def enum_value_removed(files):
    enum = file_of(files, "Offer").enum_type[0]
    del enum.value[-1]


def message_removed(files):
    del file_of(files, "Drain").message_type[0]


def method_removed(files):
    del file_of(files, "Hello").service[0].method[-1]


def method_without_a_stream(files):
    file_of(files, "Hello").service[0].method[0].client_streaming = False


def package_renamed(files):
    files.file[0].package = "fedplat.wire.v2"


BREAKS = [
    renumbered, retyped, made_a_list, renamed, removed, reused, of_another_message,
    out_of_its_oneof, enum_renumbered, enum_value_removed, message_removed, method_removed,
    method_without_a_stream, package_renamed,
]  # fmt: skip


@pytest.mark.parametrize("breaks", BREAKS, ids=lambda breaks: breaks.__name__)
def test_every_kind_of_break_is_seen(breaks):
    changed = now()
    breaks(changed)
    assert broken(kept(), changed) != []


def test_what_is_only_added_is_no_break():
    changed = now()
    message(changed, "Hello").field.add(name="besides", number=99, type=9, label=1)
    file_of(changed, "Hello").message_type.add(name="Besides")
    file_of(changed, "Offer").enum_type[0].value.add(name="BESIDES", number=99)
    assert broken(kept(), changed) == []
    assert broken(changed, kept()) != []

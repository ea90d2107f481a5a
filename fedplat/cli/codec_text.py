"""Codecs in words: the lines that `fedplat codec` prints."""

import dataclasses
import importlib
import inspect
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fedplat import codecs, parts
from fedplat.codecs import presets, stage
from fedplat.codecs.chain import Chain
from fedplat.codecs.float32 import Float32
from fedplat.codecs.frame import HEADER_BYTES
from fedplat.codecs.framed import Framed
from fedplat.codecs.packet import Form
from fedplat.codecs.stage import Body, Stage, Traits
from fedplat.errors import ConfigError
from fedplat.protocols import Codec

if TYPE_CHECKING:
    from fedplat.cli.codec_trial import Trial, Update

RULES = {
    "lossless": "Every bit comes back.",
    "unbiased": "The mean over many clients comes closer to the truth the more there are.",
    "corrected": "What is lost in one round is added to the client's next update. Where few "
    "clients take part in a round, that is late: eden, qsgd and randk need no memory.",
    "drops": "What is small never arrives: add error feedback, or let all clients take part.",
    "biased": "Values are rounded, and the error does not average out over clients; it is small.",
}


def parse(text: str) -> Codec:
    """The codec of a command's argument.

    Raises: ConfigError, if it is no codec; offers the nearest name.
    """
    return codecs.build(_part(text))


def _part(text: str) -> dict[str, Any]:
    """What a scenario would say.  Raises: ConfigError, if the text is no value of TOML."""
    text = text.strip()
    written_out = text.startswith(("{", "["))
    value = _toml(text) if written_out else None
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {"name": "chain", "stages": value}
    if "|" in text:
        return {"name": "chain", "stages": [_part(one) for one in text.split("|")]}
    if written_out:
        reason = f'{text} is no table of TOML; write it as {{ name = "stc", ratio = 0.01 }}'
        raise ConfigError(where="CODEC", reason=reason)
    return {"name": text}


def _toml(text: str) -> Any:
    """The value, or None, if it is none: it may be a chain of tables."""
    try:
        return tomllib.loads(f"codec = {text}")["codec"]
    except tomllib.TOMLDecodeError:
        return None


def spec_of(codec: Codec) -> str:
    """How the codec is written, with all its stages."""
    return codec.spec if isinstance(codec, Framed) else type(codec).__name__.lower()


# ── list ─────────────────────────────────────────────────────────────────────────────────────────


def listed() -> Iterator[str]:
    """A line for each codec, stage and entropy coder."""
    for kind, table in _tables().items():
        yield f"{kind}:"
        width = max(map(len, table))
        for name, part in table.items():
            told = f"  [{traits_in_words(found)}]" if (found := _traits(part)) else ""
            yield f"  {name:<{width}}  {_summary(part)}{told}"
        yield ""
    yield "More about each: fedplat codec explain NAME"


def listed_json() -> Iterator[str]:
    """The same as JSON objects, with options and sources."""
    for kind, table in _tables().items():
        for name, part in table.items():
            traits = _traits(part)
            plain = {
                "kind": kind,
                "name": name,
                "summary": _summary(part),
                "traits": None if traits is None else dataclasses.asdict(traits),
                "source": _section(part, "Source"),
                "options": {
                    key: None if default is inspect.Parameter.empty else default
                    for key, default in _options(part).items()
                },
            }
            yield json.dumps(plain, default=str)


def _tables() -> dict[str, dict[str, Any]]:
    from fedplat.codecs import entropy

    return {
        "codecs": dict(codecs.BY_NAME),
        "stages": {name: _stage_class(name) for name in presets.STAGES},
        "entropy coders": dict(entropy.BY_NAME),
    }


def _stage_class(name: str) -> Any:
    module, _, kind = presets.STAGES[name].rpartition(".")
    return getattr(importlib.import_module(f"fedplat.codecs.{module}"), kind)


def _traits(part: Any) -> Traits | None:
    """Of a codec, or of a stage by its defaults; None, if it can not be made without options."""
    if part is Float32:
        return Traits()
    try:
        made = part()
    except (TypeError, ValueError):
        return None
    return getattr(made, "traits", None)


def traits_in_words(traits: Traits) -> str:
    """What one may rely on.

    >>> traits_in_words(Traits()), traits_in_words(Traits(lossy=True, unbiased=False, linear=False))
    ('lossless', 'biased')
    """
    words = "lossless" if not traits.lossy else "unbiased" if traits.unbiased else "biased"
    more = {
        "drops what is small": traits.drops and not traits.corrected,
        "corrected by error feedback": traits.corrected,
        "linear": traits.linear and traits.lossy,
        "random by seed": traits.seeded,
        "remembers": traits.stateful and not traits.corrected,
    }
    return ", ".join([words, *(word for word, holds in more.items() if holds)])


# ── explain ──────────────────────────────────────────────────────────────────────────────────────


def explained(text: str) -> Iterator[str]:
    """Everything about a codec, a stage or an entropy coder."""
    tables = _tables()
    for kind, table in tables.items():
        if text in table:
            yield from _explained_part(kind, text, table[text])
            return
    if not re.fullmatch(r"\w+", text):
        yield from _drawn(parse(text))
        return
    known = [name for table in tables.values() for name in table]
    raise parts.unknown("fedplat codec explain", text, known)


def _explained_part(kind: str, name: str, part: Any) -> Iterator[str]:
    yield f"{name} ({kind.removesuffix('s')})"
    yield ""
    yield from (inspect.getdoc(part) or "").splitlines()
    if options := _options(part):
        yield from ("", "Options:")
        for key, default in options.items():
            required = default is inspect.Parameter.empty
            yield f"  {key}" + (
                "  (required)" if required else f" = {json.dumps(default, default=str)}"
            )
    if kind != "codecs":
        return
    try:
        codec = codecs.build({"name": name})
    except ConfigError:
        return
    yield from ("", "As it stands:")
    yield from _drawn(codec)
    yield from ("", f"Try it: fedplat codec try {name} MODEL.safetensors")


def _drawn(codec: Codec) -> Iterator[str]:
    """A codec as a chain from the update to the frame, and what follows from it."""
    if not isinstance(codec, Framed):
        yield "  update (dense) -> 4 bytes a value"
        return
    yield from _drawn_body(codec.body, "  ")
    yield f"  {HEADER_BYTES} bytes of header before it make a frame"
    yield ""
    traits = codec.traits
    yield f"It is {traits_in_words(traits)}."
    holds = {
        "lossless": not traits.lossy,
        "unbiased": traits.unbiased,
        "corrected": traits.corrected,
        "drops": traits.drops,
        "biased": True,
    }
    yield RULES[next(key for key, it_does in holds.items() if it_does)]


def _drawn_body(body: Body, indent: str) -> Iterator[str]:
    from fedplat.codecs.budget import Budget
    from fedplat.codecs.by_tensor import ByTensor

    if isinstance(body, Budget):
        yield f"{indent}as coarse as {body.target_bytes} bytes a frame ask for:"
        yield from _drawn_body(body.inner, indent)
    elif isinstance(body, ByTensor):
        for route in body.routes:
            yield f"{indent}tensors of {route}:"
            yield from _drawn_body(route.body, indent + "  ")
        if body.default is not None:
            yield f"{indent}other tensors:"
            yield from _drawn_body(body.default, indent + "  ")
    elif isinstance(body, Chain):
        yield f"{indent}update ({_kind(Form())})"
        yield from _drawn_stages(body.stages, Form(), indent)
        yield f"{indent}-> {stage.spec(body.entropy)} (bytes)"


def _drawn_stages(stages: tuple[Stage, ...], before: Form, indent: str) -> Iterator[str]:
    for one in stages:
        inner = getattr(one, "inner", None)
        if isinstance(inner, tuple):
            options = {k: v for k, v in _fields(one).items() if k != "inner"}
            told = ", ".join(f"{key}={value!r}" for key, value in options.items())
            yield f"{indent}-> {one.name}({told}) around"
            yield from _drawn_stages(inner, before, indent + "     ")
        else:
            yield f"{indent}-> {stage.spec(one)} ({_kind(one.form(before))})"
        before = one.form(before)


def _kind(form: Form) -> str:
    if form.alphabet is None:
        return form.kind
    low, high = form.alphabet
    where = {"all": "at all positions", "some": "where it is not 0", "drawn": "at drawn positions"}
    return f"symbols {low} to {high} {where[form.where]}"


# ── try ──────────────────────────────────────────────────────────────────────────────────────────


def tried(codec: Codec, update: "Update", trial: "Trial", tensors: bool) -> Iterator[str]:
    """A trial, for people."""
    yield f"codec      {spec_of(codec)}"
    yield (
        f"update     {trial.values:,} float32 values in {len(update.layout.flat)} tensors: "
        f"{trial.raw_bytes:,} bytes"
    )
    if update.beside_bytes:
        yield f"           ({update.beside_bytes:,} bytes of whole numbers travel as they are)"
    yield f"frame      {trial.frame_bytes:,} bytes, {trial.ratio:,.1f} : 1"
    if trial.iid_bytes is not None and trial.over_iid is not None:
        where = "above" if trial.over_iid > 0 else "below"
        yield (
            f"reference  {trial.iid_bytes:,.0f} bytes if symbols were independent; "
            f"the frame is {abs(trial.over_iid):.1%} {where}"
        )
    yield f"error      NMSE {_figure(trial.nmse)}, cosine {_figure(trial.cosine)}"
    yield f"encode     {trial.encode_mb_s:,.0f} MB/s of float32"
    yield f"decode     {trial.decode_mb_s:,.0f} MB/s"
    if not tensors:
        return
    width = max(len(one.name) for one in trial.tensors)
    yield ""
    yield f"{'tensor':<{width}}  {'values':>12}  {'not 0':>12}  {'NMSE':>9}  share of the error"
    for one in trial.tensors:
        yield (
            f"{one.name:<{width}}  {one.values:>12,}  {one.nonzero:>12,}  "
            f"{_figure(one.nmse):>9}  {one.error_share:>6.1%}"
        )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


# ── what the parts say of themselves ─────────────────────────────────────────────────────────────


def _summary(part: Any) -> str:
    text = re.split(r"\n\s*\n", inspect.getdoc(part) or "")[0]
    return " ".join(text.split())


def _section(part: Any, title: str) -> str | None:
    found = re.search(
        rf"^{title}: (.*?)(?=\n\n|\n[A-Z][a-z]+: |\Z)", inspect.getdoc(part) or "", re.M | re.S
    )
    return " ".join(found[1].split()) if found else None


def _options(part: Any) -> Mapping[str, Any]:
    """Each option and its default."""
    return {key: one.default for key, one in inspect.signature(part).parameters.items()}


def _fields(part: Any) -> dict[str, Any]:
    return {one.name: getattr(part, one.name) for one in dataclasses.fields(part)}

"""`fedplat codec`: which codecs there are, what each does, and what it makes of a model."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="List, explain and try codecs.", no_args_is_help=True)

CODEC = 'A name, a chain "a | b", or a table { name = …, … }, as in a scenario.'


@app.callback()
def _group() -> None:
    """List, explain and try codecs."""


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List all codecs, and the stages and entropy coders that chains are made of.

    Example:  fedplat codec list
    """
    from fedplat.cli import codec_text  # late: --help must not wait for torch

    for line in codec_text.listed_json() if as_json else codec_text.listed():
        typer.echo(line)


@app.command()
def explain(
    codec: Annotated[str, typer.Argument(metavar="NAME", help=CODEC, show_default=False)],
) -> None:
    """Explain a codec, a stage or an entropy coder: what it does, its options, what holds of it.

    Example:  fedplat codec explain stc
    """
    from fedplat.cli import codec_text  # late: --help must not wait for torch

    for line in codec_text.explained(codec):
        typer.echo(line)


@app.command("try")
def try_(
    codec: Annotated[str, typer.Argument(help=CODEC, show_default=False)],
    model: Annotated[Path, typer.Argument(help="A model as safetensors.", show_default=False)],
    against: Annotated[
        Path | None, typer.Option(help="Encode the difference from this model: an update.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Repetitions that speeds are of.")] = 5,
    tensors: Annotated[bool, typer.Option("--tensors", help="Tell of each tensor too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
) -> None:
    """Encode MODEL by CODEC and decode it again: bytes, error, speed.

    The i.i.d. reference is what the symbols would take if they were independent of one another and
    their frequencies known; coders that see rows and columns can take less.

    Example:  fedplat codec try stc runs/quickstart-001/model.safetensors
    """
    from fedplat.cli import codec_text, codec_trial  # late: --help must not wait for torch

    made = codec_text.parse(codec)
    update = codec_trial.read_update(model, against)
    trial = codec_trial.measure(made, update, repeat)
    if as_json:
        about = {"codec": codec_text.spec_of(made), "model": str(model)}
        typer.echo(json.dumps({**about, **trial.as_object(tensors)}))
        return
    for line in codec_text.tried(made, update, trial, tensors):
        typer.echo(line)

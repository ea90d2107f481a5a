"""`fedplat bundle`: a user's training code as one reproducible archive."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fedplat.errors import StorageError

app = typer.Typer(help="Pack training code, the same bytes everywhere.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]


@app.command()
def make(
    path: Annotated[Path, typer.Argument(help="An app.py, or its folder.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The archive [default: NAME.zip]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Pack an app.py, or the folder in which it is, and tell the archive's digest.

    Names are sorted; times, modes and owners fixed: whoever packs the same files gets the same
    digest.  Hidden files and Python's caches are left out, links are refused.

    \b
    Example:
      fedplat bundle make examples/sklearn_model -o model.zip
    """
    from fedplat.config import bundle  # late: --help must not wait

    content = bundle.pack(bundle.collect(path))
    target = output or Path(f"{path.resolve().stem}.zip")
    try:
        target.write_bytes(content)
    except OSError as error:
        raise StorageError(where=str(target), reason=f"{error.strerror}; choose -o") from error
    found = {"bundle": str(target), "digest": bundle.digest(content), "bytes": len(content)}
    typer.echo(json.dumps(found) if as_json else f"{found['digest']}  {target}")


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="The archive.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Tell what is in a bundle, and that it is exactly what `fedplat bundle make` makes.

    \b
    Example:
      fedplat bundle show model.zip
    """
    from fedplat.config import bundle  # late: --help must not wait

    content = bundle.read(file)
    files = bundle.unpack(content, str(file))
    digest = bundle.digest(content)
    if as_json:
        sizes = {name: len(one) for name, one in files.items()}
        typer.echo(json.dumps({"bundle": str(file), "digest": digest, "files": sizes}))
        return
    typer.echo(f"{digest}  {file}")
    for name, one in files.items():
        typer.echo(f"{len(one):>10}  {name}")

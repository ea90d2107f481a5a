"""Loads the user's own training code, `app.py`: the only place where a scenario names code."""

import atexit
import hashlib
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from fedplat.config import bundle
from fedplat.errors import ConfigError
from fedplat.learning.byo import OFFERED, App

FUNCTIONS = ("initial", "fit", "evaluate")


def load_app(path: Path, digest: str | None = None) -> App:
    """Runs the file at `path` once and takes `initial`, `fit`, `evaluate` and `supports` from it.

    The file's folder is put first on the import path, so that it can import its neighbours.  A
    bundle of this `digest` is extracted first, for as long as this process lives.

    Raises: ConfigError, if the file can not be read or run, or lacks one of the functions.
    """
    path = path.resolve()
    if path.suffix == bundle.SUFFIX:
        path = _extracted(path, digest)
    if not path.is_file():
        raise ConfigError(where=str(path), reason="is no file; `app` names your app.py")
    module = _run(path)
    initial, fit, evaluate = (_function(module, name, path) for name in FUNCTIONS)
    supports = getattr(module, "supports", ())
    if isinstance(supports, str) or not set(supports) <= OFFERED:
        offered = ", ".join(sorted(OFFERED))
        reason = f"`supports` is {supports!r}; it can be a tuple of {offered}"
        raise ConfigError(where=str(path), reason=reason)
    return App(str(path), initial, fit, evaluate, frozenset(supports))


def _extracted(path: Path, digest: str | None) -> Path:
    content = bundle.read(path)
    if digest is not None and bundle.digest(content) != digest:
        reason = f"is the bundle {bundle.digest(content)}, the scenario names {digest}"
        raise ConfigError(where=str(path), reason=reason)
    files = bundle.unpack(content, str(path))
    folder = tempfile.mkdtemp(prefix="fedplat-app-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return bundle.extract(files, Path(folder))


def _run(path: Path) -> ModuleType:
    content = str(path).encode() + b"\0" + path.read_bytes()  # an edited file is another module
    name = f"fedplat_app_{hashlib.sha256(content).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(where=str(path), reason="is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look the module up by its name
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script may end itself
        del sys.modules[name]
        reason = f"can not be run: {type(error).__name__}: {error}"
        raise ConfigError(where=str(path), reason=reason) from error
    return module


def _function(module: ModuleType, name: str, path: Path) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if not callable(function):
        signature = f"{name}(context)" if name == "initial" else f"{name}(params, context)"
        raise ConfigError(where=str(path), reason=f"has no function {signature}")
    found: Callable[..., Any] = function
    return found

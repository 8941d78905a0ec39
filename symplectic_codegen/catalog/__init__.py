"""The catalogue: one TOML spec per optimizer, shipped with the package."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files

from symplectic_codegen.errors import SpecError
from symplectic_codegen.language.spec import Spec

_SUFFIX = ".toml"


def names() -> tuple[str, ...]:
    """The names of the catalogue, sorted.

    >>> "momentum" in names()
    True
    """
    entries = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in entries if name.endswith(_SUFFIX)))


def load(name: str) -> Spec:
    """The spec called `name`.

    Raises:
        SpecError: there is none; the message names the closest one.

    >>> load("momentum").title
    'SGD with momentum'
    """
    known = names()
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
        raise SpecError(f"the catalogue has no {name!r}; {hint}")
    source = f"{name}{_SUFFIX}"
    spec = Spec.from_toml((files(__name__) / source).read_text(encoding="utf-8"), source)
    if spec.name != name:
        raise SpecError(f"{source}: its name is {spec.name!r}; it must be that of the file")
    return spec


def load_all() -> tuple[Spec, ...]:
    """All specs, sorted by name."""
    return tuple(load(name) for name in names())

"""What a target is, and what it is told about the optimizer besides its rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from symplectic_codegen.errors import TargetError
from symplectic_codegen.rule.rule import UpdateRule

DTYPES = ("float32", "float64")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of "a.b" there is not even "a"
        return False


@dataclass(frozen=True)
class Availability:
    """Whether generated code can run here, and why not."""

    ok: bool
    reason: str = ""


@dataclass(frozen=True)
class Document:
    """What the generated file says about itself.

    Args:
        class_name: the name of the optimizer class.
        title: one line, without a full stop.
        hamiltonian: the text that the rule was derived from.
        update: lines of the derived update.
        notes: what is proved about the rule, and other remarks; one paragraph each.
        provenance: the entries of PROVENANCE; strings, numbers, and tuples or mappings of them.
        dtypes: the types of arrays that the optimizer accepts.
    """

    class_name: str
    title: str
    hamiltonian: str
    update: tuple[str, ...]
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)
    dtypes: tuple[str, ...] = DTYPES

    def __post_init__(self) -> None:
        if not self.class_name.isidentifier():
            raise TargetError(f"the class name {self.class_name!r} is not an identifier")
        if not self.dtypes or not set(self.dtypes) <= set(DTYPES):
            raise TargetError(f"dtypes must be among {', '.join(DTYPES)}, not {self.dtypes}")


def class_name(name: str) -> str:
    """CamelCase of a snake_case name.

    >>> class_name("heavy_ball")
    'HeavyBall'
    """
    return "".join(part.capitalize() for part in name.split("_"))


@dataclass(frozen=True)
class Target:
    """A language or library that code is generated for.

    Args:
        name: how the user asks for it.
        layout: the files it writes, relative to the output folder; {name} is the rule's name.
        requires: the packages that the generated code imports.
        summary: what the user gets, in a few words.
        write: makes the source text of each file of the layout, in its order.
        probe: why generated code cannot run here although everything is installed, or "".
        public: what an optimizer is called in its file: the name of a class, or of a function.

    >>> get = Target("t", ("t/{name}.py",), ("numpy", "no_such_package"), "", lambda r, d: ())
    >>> get.is_available()
    Availability(ok=False, reason='no_such_package is not installed')
    """

    name: str
    layout: tuple[str, ...]
    requires: tuple[str, ...]
    summary: str
    write: Callable[[UpdateRule, Document], tuple[str, ...]]
    probe: Callable[[], str] = lambda: ""
    public: Callable[[str], str] = class_name

    def paths(self, name: str) -> tuple[str, ...]:
        """The files of an optimizer called `name`."""
        return tuple(pattern.format(name=name) for pattern in self.layout)

    def is_available(self) -> Availability:
        """Whether what the generated code imports is installed here."""
        missing = [package for package in self.requires if not _is_installed(package)]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            return Availability(False, f"{', '.join(missing)} {verb} not installed")
        reason = self.probe()
        return Availability(not reason, reason)

    def emit(self, rule: UpdateRule, document: Document) -> dict[str, str]:
        """The source text of each file, by its relative path.

        Raises:
            TargetError: this target cannot express the rule.
        """
        return dict(zip(self.paths(rule.name), self.write(rule, document), strict=True))

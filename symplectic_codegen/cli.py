"""The command line. Heavy rooms are imported inside the commands that need them."""

from __future__ import annotations

import gc
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symplectic_codegen.errors import OutputError, SpecError, SymplecticCodegenError
from symplectic_codegen.provenance import MANIFEST, VERSION
from symplectic_codegen.resources import processors, time_limit

if TYPE_CHECKING:
    from symplectic_codegen.analysis.literature import Row
    from symplectic_codegen.language.spec import Spec
    from symplectic_codegen.lattices import Lattice

PROGRAM = "symplectic-codegen"
DERIVATION_SECONDS = 120  # a hostile Hamiltonian is given up after this time
_SYMMETRIES = click.Choice(["translation", "scaling", "rotation"])
_FORMATS = click.Choice(["text", "latex", "json"])


class _Refusal(click.ClickException):
    """Bad input: one short paragraph on stderr, exit status 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        click.echo(f"{PROGRAM}: {self.format_message()}", err=True)


class _Group(click.Group):
    """Turns the errors that a user can cause into a message and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SymplecticCodegenError as error:
            raise _Refusal(str(error)) from None
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise  # `| head` is no error; click handles it
            where = f" {error.filename}" if error.filename else ""
            raise _Refusal(f"cannot access{where}: {error.strerror or error}") from None


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name=PROGRAM)
def main() -> None:
    """From a Hamiltonian to a proved, fast, vendorable optimizer."""
    # SymPy makes millions of small objects that live as long as this short process: looking for
    # garbage among them again and again costs a tenth of the whole run.
    gc.set_threshold(500_000, 20, 100)


def _source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the Hamiltonian comes from, and what is changed about it."""
    for option in reversed(
        (
            click.argument("hamiltonian", required=False),
            click.option("--catalog", metavar="NAME", help="A spec of the catalogue."),
            click.option(
                "--spec", metavar="FILE", type=click.Path(path_type=Path), help="A TOML spec."
            ),
            click.option("--integrator", metavar="I", help="How the step is composed."),
            click.option("--cooling", metavar="MAP", help="exact, implicit, cayley or explicit."),
            click.option("--norms", metavar="N", help="Sums over everything (global) or a block."),
            click.option("--coupling", metavar="EXPR", help="Y(beta, X, U, w); default beta*X."),
            click.option("--friction", metavar="EXPR", help="Rayleigh friction, a vector."),
            click.option("--noise", metavar="EXPR", help="Strength of the noise on X."),
            click.option("--time-step", metavar="EXPR", help="Length of a step, from the loss."),
            click.option("--energy", metavar="EXPR", help="Where the piece P projects X to."),
            click.option("--set", "sets", metavar="NAME=VALUE", multiple=True, help="A default."),
            click.option(
                "--reparam",
                "reparams",
                metavar='"NAME = EXPR"',
                multiple=True,
                help="A user-facing name.",
            ),
            click.option("--with-energy", is_flag=True, help="Step the internal energy U too."),
        )
    ):
        command = option(command)
    return command


@main.command()
@_source_options
@click.option("--dim", type=click.IntRange(1, 100), help="Also write d = N out, and compare.")
@click.option(
    "--symmetry",
    type=_SYMMETRIES,
    help="Also the Noether charge, for a loss with this symmetry.",
)
@click.option("--block", is_flag=True, help="The symmetry moves a block of the weights only.")
@click.option("--format", "form", type=_FORMATS, default="text", show_default=True)
def derive(dim: int | None, symmetry: str | None, block: bool, form: str, **source: Any) -> None:
    """Derive geometry, motion and update rule of a Hamiltonian."""
    if block and symmetry is None:
        raise SpecError("--block says what a symmetry moves: give --symmetry too")
    from symplectic_codegen.driver import Derivation
    from symplectic_codegen.report import as_json, as_latex, as_text

    lattice = _lattice(source)
    with _derivation_limit():
        if lattice is not None:
            if dim is not None or form == "latex":
                raise SpecError("a lattice is derived as text or json, without --dim")
            made = lattice.as_json() if form == "json" else lattice.as_text()
            click.echo(
                made if isinstance(made, str) else json.dumps(made, indent=2, ensure_ascii=False)
            )
            return
        derivation = Derivation(_spec(**source))
        law = None if symmetry is None else derivation.noether(symmetry, block=block)
        if form == "json":
            text = json.dumps(as_json(derivation, dim, law), indent=2, ensure_ascii=False)
        else:
            text = (as_text if form == "text" else as_latex)(derivation, dim, law)
    click.echo(text)


@main.command()
@_source_options
@click.option(
    "--quantity",
    "quantities",
    metavar="Q",
    multiple=True,
    help="step, stability, rate, optimum, noise, flow, flow-energy, step-energy or modified; "
    "all of them if none is given.",
)
@click.option(
    "--order",
    metavar="N",
    type=int,
    default=2,
    show_default=True,
    help="Power of tau that the modified Hamiltonian reaches.",
)
@click.option("--loss", metavar="EXPR", help="A loss in w, in place of the opaque one.")
@click.option(
    "--picture",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Draw into a .png, .svg or .pdf file (needs Matplotlib).",
)
@click.option(
    "--plot",
    "kind",
    metavar="KIND",
    default="stability",
    show_default=True,
    help="What the picture shows: stability, eigenvalues or energy.",
)
@click.option("--format", "form", type=_FORMATS, default="text", show_default=True)
def analyze(
    quantities: tuple[str, ...],
    order: int,
    loss: str | None,
    picture: Path | None,
    kind: str,
    form: str,
    **source: Any,
) -> None:
    """Stability, rates, noise, Lyapunov functions and modified Hamiltonian of a rule.

    On a quadratic loss of curvature lambda, and for any loss where it says so. What does not exist
    for a rule is said in its place.
    """
    from symplectic_codegen.analysis.analyze import analyze as analyze_source

    with _derivation_limit():
        analysis = analyze_source(_spec(**source), quantities=quantities, order=order, loss=loss)
        if picture is not None:
            from symplectic_codegen.analysis.picture import draw

            draw(analysis, kind, picture)
            click.echo(f"{picture}: {kind}", err=True)
        if form == "json":
            text = json.dumps(analysis.as_json(), indent=2, ensure_ascii=False)
        else:
            text = analysis.as_text() if form == "text" else analysis.as_latex()
    click.echo(text)


@main.command()
@click.argument("proposal", nargs=-1, required=True)
@click.option("--given", metavar="NAME", multiple=True, help="A further vector, such as a metric.")
@click.option(
    "--save", metavar="FILE", type=click.Path(path_type=Path), help="Write the spec it amounts to."
)
@click.option("--format", "form", type=_FORMATS, default="text", show_default=True)
def verdict(
    proposal: tuple[str, ...], given: tuple[str, ...], save: Path | None, form: str
) -> None:
    """Is there a Hamiltonian for it? Of a velocity field, or of a whole update rule.

    \b
    A velocity:     "X/(1 + b*dot(X, X))"
    An update rule: "X = mu*X + (1 - mu)*G" "w = w - lr*X/(1 + b*dot(X, X))"

    Exit status 0: there is one, and the engine derives the proposal from it; 1: there is none, or
    none was found, and the obstructions are named; 2: bad input.
    """
    from symplectic_codegen.analysis.verdict import verdict as judge

    with _derivation_limit():
        judgement = judge("\n".join(proposal), given=given)
        if form == "json":
            text = json.dumps(judgement.as_json(), indent=2, ensure_ascii=False)
        else:
            text = judgement.as_text() if form == "text" else judgement.latex()
    click.echo(text)
    if save is not None:
        from symplectic_codegen.files import write_files

        found = judgement.representation
        if found is None or not judgement.is_representable or not found.toml:
            what = "a whole update rule that has a Hamiltonian"
            raise OutputError(f"{save}: not written, a spec is made of {what}")
        write_files(save.parent, {save.name: found.toml})
        click.echo(f"{save}", err=True)
    if not judgement.is_representable:
        raise SystemExit(1)


@main.command()
@_source_options
@click.option("--all", "everything", is_flag=True, help="The whole catalogue.")
@click.option("--name", metavar="NAME", help="snake_case name of the optimizer.")
@click.option("--target", "targets", metavar="T", multiple=True, help="numpy, numba, ...")
@click.option("--dtype", metavar="D", default="any", show_default=True, help="float32, float64.")
@click.option(
    "--recipe",
    "recipes",
    metavar="R",
    multiple=True,
    help="In the same sweeps: clip-norm, ema, zero-grad, decoupled-decay.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("generated"),
    show_default=True,
)
@click.option("--check", is_flag=True, help="Write nothing; fail if DIR is not current.")
@click.option("--report", is_flag=True, help="Print operations and memory traffic.")
def generate(
    everything: bool,
    name: str | None,
    targets: tuple[str, ...],
    dtype: str,
    recipes: tuple[str, ...],
    out: Path,
    check: bool,
    report: bool,
    **source: Any,
) -> None:
    """Generate an optimizer for one or more targets."""
    from symplectic_codegen.passes.recipes import get_recipe
    from symplectic_codegen.provenance import manifest_text
    from symplectic_codegen.targets import TARGETS, get_target

    if not targets and not everything:
        raise SpecError(f"which target? Give --target, one of {', '.join(TARGETS)}")
    chosen = tuple(dict.fromkeys(targets)) or tuple(TARGETS)
    for target in chosen:
        get_target(target)
    recipes = tuple(dict.fromkeys(recipes))
    for recipe in recipes:
        get_recipe(recipe)
    if everything and recipes:
        raise SpecError("--all generates the catalogue as it is: give no --recipe")
    lattice = None if everything else _lattice(source)
    if lattice is not None:
        if name or recipes or report or dtype != "any":
            raise SpecError(
                "a lattice takes its name from the file, and has no --recipe, --report or --dtype"
            )
        words = [PROGRAM, "generate", "--spec", source["spec"].name]
        words += ["--integrator", source["integrator"]] if source["integrator"] else []
        with _derivation_limit():
            _store(lattice.files(chosen, shlex.join(words)), out, check)
        return
    specs = _all_specs(name, source) if everything else [_spec(name=name, **source)]
    files: dict[str, str] = {}
    for spec in _progress(specs, "generating", lambda spec: spec.name):
        with _derivation_limit():
            files |= _files_of(spec, chosen, dtype, recipes, source, everything, report)
    if everything:
        files[MANIFEST] = manifest_text(files)
    _store(files, out, check, everything)


def _store(files: dict[str, str], out: Path, check: bool, everything: bool = False) -> None:
    """Write files, or say which of them are not current; `everything`: no others belong there."""
    from symplectic_codegen.files import differences, write_files

    if check:
        lines = differences(out, files, _generated_under(out) if everything else set())
        for line in lines:
            click.echo(line)
        if lines:
            raise SystemExit(1)
        click.echo(f"{out}: {len(files)} files are current")
        return
    written = write_files(out, files)
    if everything:
        click.echo(f"{out}: {len(files)} files, {len(written)} written")
        return
    for path in files:
        click.echo((out / path).as_posix())


def _lattice(source: dict[str, Any]) -> Lattice | None:
    """The lattice that a spec file describes; None if it describes an optimizer.

    Raises:
        SpecError: options that only an optimizer has are given for a lattice.
    """
    path = source["spec"]
    if path is None:
        return None
    from symplectic_codegen.language.lattice import LatticeSpec, is_lattice

    text = _read(path)
    if not is_lattice(text):
        return None
    from symplectic_codegen.discretization.integrators import get_integrator
    from symplectic_codegen.lattices import Lattice

    other = [k for k, v in source.items() if v and k not in ("spec", "integrator")]
    if other:
        raise SpecError(
            f"{path.name} describes a lattice: {other[0]} is no option of one; change the file"
        )
    spec = LatticeSpec.from_toml(text, path.name)
    if source["integrator"]:
        spec = spec.with_integrator(source["integrator"])
    get_integrator(spec.integrator)
    return Lattice(spec)


def _files_of(
    spec: Spec,
    targets: Sequence[str],
    dtype: str,
    recipes: Sequence[str],
    source: dict[str, Any],
    everything: bool,
    report: bool,
) -> dict[str, str]:
    from symplectic_codegen.driver import Derivation
    from symplectic_codegen.generation import generate as generate_files
    from symplectic_codegen.performance_report import as_text as performance_text

    derivation = Derivation(spec)
    files: dict[str, str] = {}
    for target in targets:
        command = _command(spec, target, dtype, recipes, source, everything)
        files |= generate_files(derivation, target, dtype=dtype, command=command, recipes=recipes)
    if report:
        click.echo(performance_text(derivation.spec.name, derivation.compiled, recipes))
    return files


def _command(
    spec: Spec,
    target: str,
    dtype: str,
    recipes: Sequence[str],
    source: dict[str, Any],
    everything: bool,
) -> str | None:
    """The command that regenerates a file; None if it follows from the spec alone."""
    from symplectic_codegen.generation import command_options

    if everything:
        words = [PROGRAM, "generate", "--catalog", spec.name, "--target", target]
        return shlex.join(words + command_options({}, (), "lie-trotter", False, dtype, {}))
    if source["catalog"]:
        origin = ["--catalog", source["catalog"]]
    elif source["spec"]:
        origin = ["--spec", source["spec"].name]  # never a path of this machine
    else:
        return None
    loaded = source["catalog"] or ""
    words = [PROGRAM, "generate", *origin, "--target", target]
    words += ["--name", spec.name] if spec.name != loaded else []
    words += command_options(
        _pairs(source["sets"]),
        source["reparams"],
        source["integrator"] or "lie-trotter",
        source["with_energy"],
        dtype,
        _given(source),
        recipes,
    )
    return shlex.join(words)


def _given(source: dict[str, Any]) -> dict[str, str]:
    """The options that go straight into a spec."""
    from symplectic_codegen.language.spec import CHOICES, EXPRESSIONS

    return {k: source[k] for k in (*EXPRESSIONS, *CHOICES) if source[k] is not None}


def _catalog_rows() -> list[dict[str, str]]:
    from symplectic_codegen import catalog

    return [
        {"name": s.name, "description": s.title, "hamiltonian": s.hamiltonian.text}
        for s in catalog.load_all()
    ]


def _target_rows() -> list[dict[str, str]]:
    from symplectic_codegen.targets import TARGETS

    return [
        {"name": t.name, "description": t.summary, "note": t.is_available().reason}
        for t in TARGETS.values()
    ]


def _integrator_rows() -> list[dict[str, str]]:
    from symplectic_codegen.discretization.integrators import INTEGRATORS

    return [{"name": n, "description": f"{c}: {d}"} for n, (c, d) in INTEGRATORS.items()]


def _recipe_rows() -> list[dict[str, str]]:
    from symplectic_codegen.passes.recipes import RECIPES

    return [{"name": r.name, "description": f"{r.summary}: {r.update}"} for r in RECIPES.values()]


def _literature_rows() -> list[dict[str, str]]:
    return [
        {
            "name": row.name,
            "description": row.title,
            "note": f"{row.standing.value}: {row.what}",
            "standing": row.standing.value,
            "origin": row.origin,
            "formula": row.formula,
            "reason": row.reason,
        }
        for row in _literature()
    ]


def _literature() -> list[Row]:
    from symplectic_codegen.analysis.literature import jobs

    rows = []
    for _, job in _progress(list(jobs()), "judging", lambda job: job[0]):
        with _derivation_limit():
            rows.append(job())
    return rows


_LISTS: dict[str, Callable[[], list[dict[str, str]]]] = {
    "catalog": _catalog_rows,
    "literature": _literature_rows,
    "targets": _target_rows,
    "integrators": _integrator_rows,
    "recipes": _recipe_rows,
}


@main.command("list")
@click.argument("what", type=click.Choice(list(_LISTS)), default="catalog")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text")
def list_(what: str, form: str) -> None:
    """List the catalogue, the literature, the targets, the integrators or the recipes.

    The literature is the catalogue together with rules that are no entry of it, each with what a
    Hamiltonian can do for it and why; this takes a minute. As Markdown it is docs/catalogue.md.
    """
    if form == "markdown":
        if what != "literature":
            raise SpecError(f"{what} is listed as text or json; markdown is for the literature")
        from symplectic_codegen.analysis.literature import as_markdown

        click.echo(as_markdown(_literature()))
        return
    rows = _LISTS[what]()
    if form == "json":
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        note = f"   ({row['note']})" if row.get("note") else ""
        click.echo(f"{row['name']:<{width}}  {row['description']}{note}")


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes; default: one a processor.")
def validate(paths: tuple[Path, ...], form: str, jobs: int | None) -> None:
    """Run generated optimizers against closed forms and high-precision oracles.

    This imports, hence executes, the files.
    """
    from symplectic_codegen.validation import validate_paths

    reports = []
    stream = validate_paths(paths, jobs=jobs or processors())
    for report in _progress(stream, "validating", lambda r: r.name):
        reports.append(report)
        if form == "text":
            mark = "✓" if report.ok else "✗"
            click.echo(f"{mark} {report.path}")
            for rung in report.rungs:
                click.echo(f"    {rung.status}: {rung.name}: {rung.detail}")
    if form == "json":
        rows = [
            {
                "path": r.path,
                "name": r.name,
                "target": r.target,
                "ok": r.ok,
                "rungs": [
                    {"name": g.name, "status": g.status, "detail": g.detail} for g in r.rungs
                ],
            }
            for r in reports
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    if not all(r.ok for r in reports):
        raise SystemExit(1)


@main.command()
@click.argument("names", metavar="[SOURCE]...", nargs=-1)
@click.option("--claim", metavar="LABEL", help="One claim, with everything that was checked.")
@click.option(
    "--report", "reports", metavar="FILE", multiple=True, type=click.Path(path_type=Path),
    help="Write a report: .html, .md or .json.",
)  # fmt: skip
@click.option(
    "--errata", metavar="FILE", type=click.Path(path_type=Path),
    help="Write what is to be corrected in the paper, as Markdown.",
)  # fmt: skip
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is not current.")
@click.option("--update-values", is_flag=True, help="Store the values found as trusted ones.")
@click.option("--mutation", is_flag=True, help="Run the mutation test too, and store its result.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes; default: one a processor.")
def verify(**options: Any) -> None:
    """Check the claims of papers: those that ship, or a file of your own.

    SOURCE is a name, the path of a Python file, which is run, or of the TOML spec of a lattice,
    whose derivation is checked.
    """
    specs = [n for n in options["names"] if n.endswith(".toml")]
    if specs:
        _verify_lattices(specs, options)
        return
    from symplectic_codegen.verification.command import run

    for line in run(progress=_progress_bar, **options):
        click.echo(line)


def _verify_lattices(names: Sequence[str], options: dict[str, Any]) -> None:
    if len(names) != len(options["names"]) or any(
        value for key, value in options.items() if key not in ("names", "jobs")
    ):
        raise SpecError("verify lattices by themselves: FILE.toml ..., without other options")
    refuted = False
    for name in names:
        lattice = _lattice({"spec": Path(name), "integrator": None})
        if lattice is None:
            raise SpecError(f"{name} has no table [arrangement]; verify optimizers with validate")
        with _derivation_limit():
            click.echo(f"{name}: {lattice.spec.title}")
            for claim in lattice.claims:
                click.echo(f"  {'✓' if claim.holds else '✗'} {claim}")
                refuted = refuted or not claim.holds
    if refuted:
        raise SystemExit(1)


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def check(paths: tuple[Path, ...], form: str) -> None:
    """Tell untouched generated files from edited and stale ones; nothing is executed."""
    from symplectic_codegen.provenance import inspect_all

    for path in paths:
        if not path.exists():
            raise OutputError(f"there is no {path}")
    findings = inspect_all(paths)
    if not findings:
        raise OutputError(f"no generated file under {', '.join(str(p) for p in paths)}")
    if form == "json":
        rows = [{"path": f.path, "state": f.state.value, "reason": f.reason} for f in findings]
        click.echo(json.dumps(rows, indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.state.value}: {finding.path}: {finding.reason}")
    if not all(f.ok for f in findings):
        raise SystemExit(1)


def _spec(
    hamiltonian: str | None,
    catalog: str | None,
    spec: Path | None,
    integrator: str | None,
    sets: tuple[str, ...],
    reparams: tuple[str, ...],
    with_energy: bool,
    name: str | None = None,
    **more: str | None,
) -> Spec:
    """The one spec that the options describe."""
    from symplectic_codegen import catalog as catalogue
    from symplectic_codegen.discretization.integrators import get_integrator
    from symplectic_codegen.language.spec import DEFAULT_INTEGRATOR, Spec

    given = [s for s in (hamiltonian, catalog, spec) if s is not None]
    if len(given) != 1:
        raise SpecError("give one of: a Hamiltonian, --catalog NAME, --spec FILE")
    if integrator is not None:
        get_integrator(integrator)
    if hamiltonian is not None:
        base = Spec.from_expression(
            hamiltonian,
            reparams=reparams,
            integrator=integrator or DEFAULT_INTEGRATOR,
            more=more,
        )
        change_reparams = None
        more = {}
    else:
        if catalog is not None:
            base = catalogue.load(catalog)
        else:
            assert spec is not None
            base = Spec.from_toml(_read(spec), spec.name)
        get_integrator(base.integrator)
        change_reparams = reparams or None
    return base.replace(
        sets=_pairs(sets),
        reparams=change_reparams,
        name=name,
        integrator=integrator,
        with_energy=with_energy or None,
        more=more,
    )


def _all_specs(name: str | None, source: dict[str, Any]) -> list[Spec]:
    from symplectic_codegen import catalog as catalogue

    if name is not None or any(source.values()):
        raise SpecError(
            "--all generates the catalogue as it is: give no Hamiltonian and no changes"
        )
    return list(catalogue.load_all())


def _pairs(sets: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in sets:
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise SpecError(f"--set {text!r}: write it as NAME=VALUE, like gamma=0.1")
        pairs[name.strip()] = value.strip()
    return pairs


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise SpecError(f"{path}: this is not UTF-8 text") from None


def _generated_under(out: Path) -> set[str]:
    """Relative paths of what counts as generated under `out`."""
    if not out.is_dir():
        return set()
    return {
        path.relative_to(out).as_posix()
        for path in out.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def _progress(items: Any, title: str, label: Callable[[Any], str]) -> Iterator[Any]:
    """`items`, with a progress line on a terminal and none in a pipe."""
    if not sys.stderr.isatty() or (isinstance(items, list) and len(items) < 2):
        yield from items
        return
    from rich.console import Console

    console = Console(stderr=True)
    total = f"/{len(items)}" if isinstance(items, list) else ""
    with console.status(title) as status:
        for number, item in enumerate(items, 1):
            status.update(f"{title} {number}{total}: {label(item)}")
            yield item


def _progress_bar(items: Any, count: int) -> Iterator[Any]:
    """`items`, with a bar on a terminal and nothing in a pipe."""
    if not sys.stderr.isatty() or count < 2:
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(items, "checking", total=count, console=console, transient=True)


def _derivation_limit() -> AbstractContextManager[None]:
    """SymPy can search for ever in what a stranger typed."""
    seconds = DERIVATION_SECONDS
    return time_limit(
        seconds,
        f"the derivation took more than {seconds} s and was stopped; simplify the Hamiltonian",
    )

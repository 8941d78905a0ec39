"""Particles as parallel Numba kernels: a stencil for a chain, compressed rows for a graph."""

from __future__ import annotations

from collections.abc import Sequence

from symplectic_codegen.rule.expression import Expr
from symplectic_codegen.rule.lattice import LatticeRule
from symplectic_codegen.targets.array_module import (
    bounds_lines,
    default_text,
    describe,
    example_value,
    host_lines,
    tuple_lines,
)
from symplectic_codegen.targets.lattice_code import (
    LatticeDocument,
    Piece,
    SweepCode,
    check_names,
    needed,
    pieces_of,
    scalars_of,
    sweeps_of,
)
from symplectic_codegen.targets.printing import (
    COMPILED,
    INDENT,
    RESERVED,
    bracketed,
    docstring_text,
    literal_lines,
    operations,
    quoted,
    wrapped,
)
from symplectic_codegen.targets.rendering import render

LAYOUT = "numba/{name}.py"
_GRAPH = {
    False: ("starts", "others", "weights"),
    True: ("starts", "others", "weights", "back_starts", "back_others", "back_weights"),
}


def write(rule: LatticeRule, document: LatticeDocument) -> str:
    """The text of the module.

    Raises:
        TargetError: a hyperparameter has a name of the generated code.
    """
    check_names(rule, RESERVED)
    pieces = pieces_of(rule)
    sweeps = sweeps_of(rule)
    codes = [code for part in sweeps.values() for code in part]
    exprs = [e for s in rule.sweeps for e in s.exprs] + [p.expr for p in pieces.values()]
    host = [a.expr for a in rule.coefficients]
    scalars = scalars_of(rule, exprs)
    surroundings = _surroundings(rule)
    whole = ["q", "p", "spare", *surroundings, *scalars]
    context: dict[str, object] = {
        "class_name": document.class_name,
        "doc": _doc(rule, document),
        "provenance": [
            line for key, value in document.provenance.items() for line in literal_lines(key, value)
        ],
        "helpers": sorted({op.spelling for op in operations(host)}),
        "element_helpers": sorted({op.spelling for op in operations(exprs)}),
        "reduces": False,
        "pieces": [_function(piece) for piece in needed(rule, pieces)],
        "graph": rule.graph,
        "ends": rule.ends,
        "symmetric": rule.is_symmetric,
        "momenta": rule.has_momenta,
        "at_end": _at_end(rule, pieces) if rule.graph == "chain" else [],
        "at_end_signature": bracketed(
            "def _force_at_end(", ["q", "i", *surroundings, *_force_scalars(rule, pieces)], "):"
        ),
        "sweeps": [_sweep(rule, code, pieces, surroundings) for code in codes],
        "run_signature": bracketed("def _run(", ["steps", "parallel", *whole], "):"),
        "runs": {
            part: [line for code in codes_ for line in _run(rule, code, surroundings, part)]
            for part, codes_ in sweeps.items()
        },
        "energy": _energy(rule, pieces, surroundings),
        "parameters": [p.name for p in rule.parameters],
        "names": [
            line
            for head, names in (
                ("_PARAMETERS", [p.name for p in rule.parameters]),
                ("_ORDER", list(scalars)),
                ("_ENERGY", _energy_scalars(rule, pieces)),
            )
            for line in tuple_lines(f"{head} = ", [quoted(name) for name in names])
        ],
        "signature": _signature(rule),
        "bounds": bounds_lines(rule.parameters),
        "prologue": [
            *(f"{INDENT * 2}{p.name} = np.float64(self.{p.name})" for p in rule.parameters),
            *host_lines(rule.coefficients, 2, {p.name for p in rule.parameters}),
        ],
        "scalars": bracketed("return (", list(scalars), ",)" if len(scalars) == 1 else ")", 2)
        if scalars
        else [f"{INDENT * 2}return ()"],
        "order": list(scalars),
    }
    return render("lattice/numba.py.jinja", context)


def _surroundings(rule: LatticeRule) -> tuple[str, ...]:
    if rule.graph == "chain":
        return ("left_wall", "right_wall")
    return _GRAPH[not rule.is_symmetric]


def _function(piece: Piece) -> dict[str, object]:
    return {
        "signature": bracketed(f"def {piece.name}(", list(piece.arguments), "):"),
        "meaning": piece.meaning,
        "value": f"{INDENT}return {_float(piece.expr)}",
    }


def _float(expr: Expr) -> str:
    return COMPILED(expr)


def _force_scalars(rule: LatticeRule, pieces: dict[str, Piece]) -> tuple[str, ...]:
    return scalars_of(rule, [pieces[key].expr for key in ("onsite", "outward", "inward")])


def _terms(rule: LatticeRule, pieces: dict[str, Piece], left: str, right: str) -> list[str]:
    """The force on a particle of a chain whose neighbours are at `left` and `right`."""
    inward = pieces["outward" if rule.is_symmetric else "inward"]
    own = [] if pieces["onsite"].is_zero else [pieces["onsite"].call("here")]
    return [*own, pieces["outward"].call("here", right), inward.call("here", left)]


def _at_end(rule: LatticeRule, pieces: dict[str, Piece]) -> list[str]:
    own, outward, inward = "0.0", "", ""
    terms = _terms(rule, pieces, "before", "after")
    if len(terms) == 3:
        own = terms[0]
    outward, inward = terms[-2:]
    lines = ["here, last = q[i], q.size - 1", f"force = {own}"]
    if rule.ends == "free":
        lines += ["if i > 0:", f"{INDENT}before = q[i - 1]", f"{INDENT}force += {inward}"]
        lines += ["if i < last:", f"{INDENT}after = q[i + 1]", f"{INDENT}force += {outward}"]
    else:
        walls = ("left_wall", "right_wall") if rule.ends == "fixed" else ("q[last]", "q[0]")
        lines += [
            f"before = q[i - 1] if i > 0 else {walls[0]}",
            f"after = q[i + 1] if i < last else {walls[1]}",
            f"force += {outward} + {inward}",
        ]
    return [INDENT + line for line in (*lines, "return force")]


def _graph_force(rule: LatticeRule, pieces: dict[str, Piece], depth: int) -> list[str]:
    pad = INDENT * depth
    own = "0.0" if pieces["onsite"].is_zero else pieces["onsite"].call("here")
    lines = [f"{pad}force = {own}"]
    loops = [("", pieces["outward"])]
    loops += [] if rule.is_symmetric else [("back_", pieces["inward"])]
    for prefix, piece in loops:
        call = piece.call("here", f"q[{prefix}others[k]]", f"{prefix}weights[k]")
        lines.append(f"{pad}for k in range({prefix}starts[i], {prefix}starts[i + 1]):")
        lines.append(f"{pad}{INDENT}force += {call}")
    return lines


def _sweep(
    rule: LatticeRule, code: SweepCode, pieces: dict[str, Piece], surroundings: Sequence[str]
) -> dict[str, object]:
    sweep, target = code.sweep, "new" if code.is_apart else "q"
    scalars = _sweep_scalars(rule, code, pieces)
    own = scalars_of(rule, sweep.exprs)
    moved = [INDENT + f"{a.name} = {_float(a.expr)}" for a in sweep.assigned]
    new_q = "q" if sweep.q is None else _float(sweep.q)
    new_p = "p" if sweep.p is None else _float(sweep.p)
    arguments = ["q", "p", *(["force"] if sweep.reads_force else []), *own]
    stores = [s for s, e in ((f"{target}[i]", sweep.q), ("p[i]", sweep.p)) if e is not None]
    values = [v for v, e in ((new_q, sweep.q), (new_p, sweep.p)) if e is not None]
    call = f"_move_{code.name}({', '.join(['here', 'p[i]', *arguments[2:]])})"
    at = f"{', '.join(stores)} = {call}"
    arrays = ["q", "p", *(["new"] if code.is_apart else [])]
    around = list(surroundings) if sweep.reads_force else []
    walk = ["begin", "end", *arrays, *around, *scalars]
    is_stencil = rule.graph == "chain" and sweep.reads_force
    end_call = f"_force_at_end({', '.join(['q', 'i', *around, *_force_scalars(rule, pieces)])})"
    force = []
    if rule.graph == "sparse" and sweep.reads_force:
        force = _graph_force(rule, pieces, 2)
    elif is_stencil:
        terms = _terms(rule, pieces, "lefts[i]", "rights[i]")
        force = [f"{INDENT * 2}force = {terms[0]}"]
        force += [f"{INDENT * 2}force += {term}" for term in terms[1:]]
    return {
        "name": code.name,
        "move_signature": bracketed(f"def _move_{code.name}(", arguments, "):"),
        "moved": moved,
        "result": f"{INDENT}return {', '.join(values)}",
        "walk_signature": bracketed(f"def _walk_{code.name}(", walk, "):"),
        "sweep_signature": bracketed(
            f"def _sweep_{code.name}(", ["parallel", *arrays, *around, *scalars], "):"
        ),
        "all_signature": bracketed(f"def _all_{code.name}(", [*arrays, *around, *scalars], "):"),
        "all_call": bracketed(f"_all_{code.name}(", [*arrays, *around, *scalars], ")", 2),
        "walk_call": bracketed(f"_walk_{code.name}(", ["0", "q.size", *walk[2:]], ")", 2),
        "block_call": bracketed(f"_walk_{code.name}(", walk, ")", 2),
        "is_stencil": is_stencil,
        "is_apart": code.is_apart,
        "end_force": f"{INDENT * 3}force = {end_call}",
        "force": force,
        "at": at,
        "at_view": at.replace("new[i]", "moved[i]")
        .replace("q[i]", "places[i]")
        .replace("p[i]", "momenta[i]"),
    }


def _sweep_scalars(rule: LatticeRule, code: SweepCode, pieces: dict[str, Piece]) -> tuple[str, ...]:
    exprs = list(code.sweep.exprs)
    if code.sweep.reads_force:
        exprs += [pieces[key].expr for key in ("onsite", "outward", "inward")]
    return scalars_of(rule, exprs)


def _run(rule: LatticeRule, code: SweepCode, surroundings: Sequence[str], part: str) -> list[str]:
    pieces = pieces_of(rule)
    depth = 2 if part == "body" else 1
    arrays = ["q", "p", *(["spare"] if code.is_apart else [])]
    around = list(surroundings) if code.sweep.reads_force else []
    scalars = _sweep_scalars(rule, code, pieces)
    lines = bracketed(f"_sweep_{code.name}(", ["parallel", *arrays, *around, *scalars], ")", depth)
    if code.is_apart:
        lines.append(f"{INDENT * depth}q, spare = spare, q")
    return lines


def _energy(
    rule: LatticeRule, pieces: dict[str, Piece], surroundings: Sequence[str]
) -> dict[str, object]:
    kinetic, potential, pair = (pieces[k] for k in ("kinetic", "potential", "pair"))
    own = [] if not rule.has_momenta else [kinetic.call("p[i]")]
    own += [] if potential.is_zero else [potential.call("q[i]")]
    scalars = _energy_scalars(rule, pieces)
    chain = rule.graph == "chain"
    around = list(surroundings) if chain else ["tails", "heads", "edge_weights"]
    ends: list[str] = []
    if chain and rule.ends == "fixed":
        ends = [pair.call("left_wall", "q[0]"), pair.call("q[last]", "right_wall")]
    elif chain and rule.ends == "periodic":
        ends = [pair.call("q[last]", "q[0]")]
    return {
        "signature": bracketed("def _energy(", ["q", "p", *around, *scalars], "):"),
        "own": [f"{INDENT * 3}total += {term}" for term in own],
        "edge": pair.call("q[i]", "q[i + 1]")
        if chain
        else pair.call("q[tails[i]]", "q[heads[i]]", "edge_weights[i]"),
        "ends": [f"{INDENT}whole += {term}" for term in ends],
        "scalars": scalars,
    }


def _energy_scalars(rule: LatticeRule, pieces: dict[str, Piece]) -> list[str]:
    keys = ("kinetic", "potential", "pair") if rule.has_momenta else ("potential", "pair")
    return list(scalars_of(rule, [pieces[k].expr for k in keys]))


def _signature(rule: LatticeRule) -> list[str]:
    required = [p for p in rule.parameters if p.default is None]
    optional = [p for p in rule.parameters if p.default is not None]
    items = ["self", "q"]
    items += ["graph"] if rule.graph == "sparse" else []
    items += ["p=None"] if rule.has_momenta else []
    items += ["*"]
    items += [f"{p.name}: float" for p in required]
    items += [
        f"{p.name}: float = {default_text(p.default)}" for p in optional if p.default is not None
    ]
    if rule.graph == "chain" and rule.ends == "fixed":
        items.append("walls: tuple[float, float] = (0.0, 0.0)")
    return bracketed("def __init__(", items, ") -> None:", 1)


def _doc(rule: LatticeRule, document: LatticeDocument) -> list[str]:
    lines = wrapped(f"{document.title}.")
    lines += ["", "Energy::", "", *wrapped(document.energy, 1, 1)]
    lines += ["", "Steps derived from it::", ""]
    for line in document.update:
        lines += wrapped(line, 1, 1)
    lines += ["", "Hyperparameters:"]
    for parameter in rule.parameters:
        lines += wrapped(f"{parameter.name}: {describe(parameter)}", 1, 1)
    given = [f"{p.name}={example_value(p)}" for p in rule.parameters if p.default is None]
    size = ["np.zeros(1000)", *(["graph"] if rule.graph == "sparse" else []), *given]
    lines += ["", "Example::", ""]
    lines += [f"{INDENT}system = {document.class_name}({', '.join(size)})"]
    lines += [f"{INDENT}system.step(100)", f"{INDENT}print(system.energy())"]
    for note in document.notes:
        lines += ["", *wrapped(note)]
    lines += ["", "Generated by symplectic-codegen; PROVENANCE says from what and how."]
    return docstring_text(lines)

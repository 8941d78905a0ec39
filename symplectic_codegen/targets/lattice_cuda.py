"""Particles as CUDA kernels: one thread a particle, for NVRTC, nvcc, and any C++17 compiler."""

from __future__ import annotations

from collections.abc import Sequence

from symplectic_codegen.rule.expression import walk
from symplectic_codegen.rule.lattice import LatticeRule
from symplectic_codegen.targets.cpp_printing import (
    RESERVED,
    comment,
    element_printer,
    uses_written_power,
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
from symplectic_codegen.targets.printing import INDENT, literal_lines, operations
from symplectic_codegen.targets.rendering import render

LAYOUT = "cuda/{name}.cu"


def write(rule: LatticeRule, document: LatticeDocument) -> str:
    """The text of the file.

    Raises:
        TargetError: a hyperparameter has a name of the generated code, or a function has no
            counterpart in C++.
    """
    check_names(rule, RESERVED)
    pieces = pieces_of(rule)
    codes = [code for part in sweeps_of(rule).values() for code in part]
    exprs = [e for s in rule.sweeps for e in s.exprs] + [p.expr for p in pieces.values()]
    helpers = {op.spelling for op in operations(exprs)}
    if any(uses_written_power(node) for e in exprs for node in walk(e)):
        helpers.add("power")
    context: dict[str, object] = {
        "namespace": f"{rule.name}_cuda",
        "doc": _doc(rule, document),
        "provenance": [
            line for key, value in document.provenance.items() for line in literal_lines(key, value)
        ],
        "helpers": sorted(helpers),
        "has_noise": False,
        "pieces": [_function(piece) for piece in needed(rule, pieces)],
        "graph": rule.graph,
        "symmetric": rule.is_symmetric,
        "scalars": list(scalars_of(rule, exprs)),
        "sweeps": [_sweep(rule, code, pieces) for code in codes],
        "own": [
            *([f"{_at(pieces['kinetic'], 'a.p[i]')}"] if rule.has_momenta else []),
            *([] if pieces["potential"].is_zero else [_at(pieces["potential"], "a.q[i]")]),
        ],
    }
    return render("lattice/cuda.cu.jinja", context)


def _function(piece: Piece) -> dict[str, object]:
    text = element_printer(lambda name: name)
    arguments = ", ".join(f"Real {name}" for name in piece.arguments)
    return {
        "head": f"SYMPLECTIC_INLINE Real {piece.name}({arguments}) {{",
        "meaning": piece.meaning,
        "value": f"{INDENT}return {text(piece.expr)};",
    }


def _at(piece: Piece, *places: str) -> str:
    """A call inside a kernel, where scalars are members of its argument."""
    wanted = [*places[: len(piece.arguments) - len(piece.scalars)]]
    return f"{piece.name}<Real>({', '.join([*wanted, *(f'a.{s}' for s in piece.scalars)])})"


def _force(rule: LatticeRule, pieces: dict[str, Piece]) -> list[str]:
    own = "Real(0)" if pieces["onsite"].is_zero else _at(pieces["onsite"], "here")
    lines = [f"Real force = {own};"]
    outward = pieces["outward"]
    inward = outward if rule.is_symmetric else pieces["inward"]
    if rule.graph == "sparse":
        for prefix, piece in (("", outward), ("back_", inward))[: 1 if rule.is_symmetric else 2]:
            call = _at(piece, "here", f"a.q[a.{prefix}others[k]]", f"a.{prefix}weights[k]")
            lines += [
                f"for (long long k = a.{prefix}starts[i]; k < a.{prefix}starts[i + 1]; ++k) {{",
                f"{INDENT}force += {call};",
                "}",
            ]
        return lines
    after, before = _at(outward, "here", "after"), _at(inward, "here", "before")
    if rule.ends == "free":
        return [
            *lines,
            "if (i > 0) {",
            f"{INDENT}const Real before = a.q[i - 1];",
            f"{INDENT}force += {before};",
            "}",
            "if (i < last) {",
            f"{INDENT}const Real after = a.q[i + 1];",
            f"{INDENT}force += {after};",
            "}",
        ]
    fixed = rule.ends == "fixed"
    walls = ("a.left_wall", "a.right_wall") if fixed else ("a.q[last]", "a.q[0]")
    return [
        *lines,
        f"const Real before = i > 0 ? a.q[i - 1] : {walls[0]};",
        f"const Real after = i < last ? a.q[i + 1] : {walls[1]};",
        f"force += {after} + {before};",
    ]


def _sweep(rule: LatticeRule, code: SweepCode, pieces: dict[str, Piece]) -> dict[str, object]:
    sweep = code.sweep
    places = {"q": "here", "p": "momentum", "force": "force"}
    own = {a.name for a in sweep.assigned}

    def reference(name: str) -> str:
        return places.get(name) or (name if name in own else f"a.{name}")

    text = element_printer(reference)
    lines = _force(rule, pieces) if sweep.reads_force else []
    lines += [f"const Real {a.name} = {text(a.expr)};" for a in sweep.assigned]
    target = "a.new_q" if code.is_apart else "a.q"
    lines += [] if sweep.q is None else [f"{target}[i] = {text(sweep.q)};"]
    lines += [] if sweep.p is None else [f"a.p[i] = {text(sweep.p)};"]
    needs_last = rule.graph == "chain" and sweep.reads_force
    uses_p = rule.has_momenta
    return {
        "name": code.name,
        "is_apart": code.is_apart,
        "lines": [
            *([f"{INDENT}const long long last = a.count - 1;"] if needs_last else []),
            f"{INDENT}const Real here = a.q[i];",
            *([f"{INDENT}const Real momentum = a.p[i];"] if uses_p else []),
            *(INDENT + line for line in lines),
        ],
    }


def _doc(rule: LatticeRule, document: LatticeDocument) -> list[str]:
    lines = comment(f"{document.title}.")
    lines += ["//", *comment(f"Energy: {document.energy}", 0, 1), "//", "// Steps derived from it:"]
    for line in document.update:
        lines += comment(f"    {line}", 0, 2)
    lines += ["//", *comment(_order(rule))]
    for note in document.notes:
        lines += ["//", *comment(note)]
    return [*lines, "//", "// Generated by symplectic-codegen; see the end of the file."]


def _order(rule: LatticeRule) -> str:
    parts = sweeps_of(rule)

    def listed(codes: Sequence[SweepCode]) -> str:
        return (
            ", ".join(
                code.name + (" (then swap q and new_q)" if code.is_apart else "") for code in codes
            )
            or "nothing"
        )

    return (
        f"Many steps: launch {listed(parts['opening'])}; for each step {listed(parts['body'])}; "
        f"then {listed(parts['closing'])}. One thread a particle; the scalars are those of the "
        "numba target."
    )

"""The readable reference: a loop over the parameters, NumPy expressions inside."""

from __future__ import annotations

from symplectic_codegen.rule.expression import Expr, Ref, references
from symplectic_codegen.rule.rule import NOISE, STEP, UpdateRule, assignments_in
from symplectic_codegen.targets.array_module import (
    Prepared,
    Sweep,
    arguments_of,
    common_context,
    element_lines,
    kernel_doc,
    prepare,
    step_code,
)
from symplectic_codegen.targets.base import Document, Target
from symplectic_codegen.targets.printing import (
    ARRAY,
    INDENT,
    bracketed,
    listed,
    operations,
)
from symplectic_codegen.targets.rendering import render


def _write(rule: UpdateRule, document: Document) -> tuple[str, ...]:
    prepared = prepare(rule)
    step = step_code(prepared, lambda sweep: _call_lines(sweep, prepared))
    context = common_context(prepared, document, step)
    exprs = [expr for sweep in prepared.sweeps for expr in sweep.exprs]
    context["helpers"] = sorted(
        {op.spelling for op in operations(exprs)} | set(_strings(context["host_helpers"]))
    )
    context["sweeps"] = [
        {
            "signature": bracketed(
                f"def {sweep.name}(",
                [
                    *(f"{name}: np.ndarray" for name in arguments_of(sweep)),
                    *(f"{name}: np.floating" for name in sweep.scalars),
                ],
                f") -> {_result_type(sweep)}:",
            ),
            "doc": kernel_doc(sweep, prepared, _HEADLINE, _ARRAYS),
            "body": _body(sweep),
        }
        for sweep in prepared.sweeps
    ]
    return (render("numpy/module.py.jinja", context),)


_HEADLINE = "One sweep over the elements of one parameter."
_ARRAYS = "Arrays have one shape (not 0-d) and one dtype; scalars are of this dtype."


def _strings(value: object) -> list[str]:
    return list(value) if isinstance(value, list) else []


def _result_type(sweep: Sweep) -> str:
    if not sweep.reductions:
        return "None"
    if len(sweep.reductions) == 1:
        return "np.float64"
    return "tuple[np.float64, ...]"


def _body(sweep: Sweep) -> list[str]:
    first = sweep.arrays[0]
    arrays = set(sweep.arrays)

    def text(expr: Expr) -> str:
        # A plain name would be the array itself, and change with the stores.
        if isinstance(expr, Ref) and expr.name in arrays:
            return f"{expr.name}.copy()"
        return ARRAY(expr)

    lines = element_lines(sweep.elements, text, 1, sweep.local_names)
    varying = arrays | {NOISE}
    for element in assignments_in(sweep.elements):
        if references(element.expr) & varying:
            varying.add(element.name)
    for reduction in sweep.reductions:
        summand = ARRAY(reduction.expr)
        if references(reduction.expr) & varying:
            value = f"np.sum({summand}, dtype=np.float64)"
        else:
            value = f"np.float64({first}.size) * {summand}"
        if len(sweep.reductions) == 1 and not sweep.stores:
            return [*lines, f"{INDENT}return {value}"]
        lines.append(f"{INDENT}{reduction.name} = {value}")
    lines += [f"{INDENT}{store.target}[...] = {store.source}" for store in sweep.stores]
    if sweep.reductions:
        lines += listed("return ", [r.name for r in sweep.reductions], "", 1)
    return lines


def _call_lines(sweep: Sweep, prepared: Prepared) -> list[str]:
    pad = INDENT * 3
    available = ["w", "G", *(name for _, name in prepared.buffers)]
    loop = [name if name in sweep.arrays else "_" for name in available]
    head = "for "
    if prepared.has_blocks or prepared.rule.needs_noise:
        of_parameter = sweep.block_scalars or sweep.sums_per_block or sweep.makes_noise
        loop = ["index" if of_parameter else "_", *loop]
    arguments = [*arguments_of(sweep)]
    for name in sweep.scalars:
        arguments.append(f"real({name}[index])" if name in sweep.block_scalars else f"real({name})")
    lines = listed(head, loop, " in tensors:", 3)
    if sweep.scalars:
        lines.append(f"{pad}{INDENT}real = {sweep.arrays[0]}.dtype.type")
    if sweep.makes_noise:
        first = sweep.arrays[0]
        lines.append(
            f"{pad}{INDENT}{NOISE} = _normal(self._seed, {STEP}, self._origins[index], {first})"
        )
    names = [r.name for r in sweep.reductions]
    if not names:
        return lines + bracketed(f"{sweep.name}(", arguments, ")", 4)
    places = [f"{name}[index]" for name in names] if sweep.sums_per_block else names
    if len(names) == 1:
        return lines + bracketed(f"{places[0]} += {sweep.name}(", arguments, ")", 4)
    lines += bracketed(f"parts = {sweep.name}(", arguments, ")", 4)
    return lines + [f"{pad}{INDENT}{name} += parts[{k}]" for k, name in enumerate(places)]


NUMPY = Target(
    "numpy",
    ("numpy/{name}.py",),
    ("numpy",),
    "the readable reference; needs NumPy only",
    _write,
)

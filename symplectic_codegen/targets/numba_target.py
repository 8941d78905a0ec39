"""Fused parallel kernels for the CPU: one pass over all parameters, in one parallel region."""

from __future__ import annotations

from symplectic_codegen.rule.rule import NOISE, STEP, UpdateRule
from symplectic_codegen.targets.array_module import (
    Prepared,
    Sweep,
    common_context,
    element_lines,
    kernel_doc,
    loop_header,
    prepare,
    step_code,
)
from symplectic_codegen.targets.base import Document, Target
from symplectic_codegen.targets.printing import (
    INDENT,
    bracketed,
    constants_in,
    element_printer,
    listed,
    name_constants,
    number_text,
    operations,
)
from symplectic_codegen.targets.rendering import render

_HEADLINE = "One sweep over the elements of one parameter."
_ARRAYS = "Arrays are 1-D, contiguous, of one size and dtype; scalars are of this dtype."


def _write(rule: UpdateRule, document: Document) -> tuple[str, ...]:
    prepared = prepare(rule)
    context = common_context(prepared, document, step_code(prepared, _call_lines))
    exprs = [expr for sweep in prepared.sweeps for expr in sweep.exprs]
    element_helpers = {op.spelling for op in operations(exprs)}
    context["helpers"] = context["host_helpers"]
    context["element_helpers"] = sorted(element_helpers)
    context["reduces"] = bool(prepared.rule.reductions)
    context["sweeps"] = [_sweep_context(sweep, prepared) for sweep in prepared.sweeps]
    return (render("numba/module.py.jinja", context),)


def _sweep_context(sweep: Sweep, prepared: Prepared) -> dict[str, object]:
    rows = {"w": 0, "G": 1} | {name: k for k, (_, name) in enumerate(prepared.buffers, 2)}
    views = [f"_view(table[{rows[name]}, tensor] + offset, size, like)" for name in sweep.arrays]
    scalars = [*sweep.scalars, *(_NOISE if sweep.makes_noise else ())]
    given = [f"{name}[tensor]" if name in sweep.block_scalars else name for name in sweep.scalars]
    here = list(given)
    walked = list(sweep.scalars)
    if sweep.makes_noise:
        here += ["seed", "step", "origins[tensor] + begin - starts[tensor]"]
        walked += ["seed", "step", "origins"]
    sums = [r.name for r in sweep.reductions]
    blocks = [f"{name}[begin:end]" for name in sweep.arrays]
    inner = [*sweep.scalars, *(["seed", "step", "origin + begin"] if sweep.makes_noise else [])]
    walk = f"_walk_{sweep.name}"
    whole = ["table", "starts", "like"]
    own = [*whole, "first", "last", *walked]
    per_block = sweep.sums_per_block
    end = ["sums"] if per_block else []
    own_end = ["sums[thread]"] if per_block else []
    return {
        "name": sweep.name,
        "first": sweep.arrays[0],
        "sums": sums,
        "per_block": per_block,
        "returns": listed("return ", sums, "", 1),
        "padding": 8 * -(-len(sums) // 8),
        "signature": bracketed(f"def {sweep.name}(", [*sweep.arrays, *scalars], "):"),
        "doc": kernel_doc(sweep, prepared, _HEADLINE, _ARRAYS),
        "block_signature": bracketed(f"def _block_{sweep.name}(", [*sweep.arrays, *scalars], "):"),
        "block_call": _collect(sums, f"_block_{sweep.name}(", [*blocks, *inner], 2),
        "body": _loop(sweep),
        "walk_signature": bracketed(f"def {walk}(", [*whole, "begin", "end", *walked, *end], "):"),
        "walk_call": _collect(
            [f"sums[tensor, {k}]" for k in range(len(sums))] if per_block else sums,
            f"{sweep.name}(",
            [*views, *here],
            2,
        ),
        "serial_signature": bracketed(f"def _serial_{sweep.name}(", [*whole, *walked], "):"),
        "serial_call": bracketed(
            f"{'' if per_block else 'return '}{walk}(",
            [*whole, "0", "starts[-1]", *walked, *end],
            ")",
            1,
        ),
        "parallel_signature": bracketed(
            f"def _parallel_{sweep.name}(", [*whole, "threads", *walked], "):"
        ),
        "parallel_call": _parallel_call([] if per_block else sums, walk, [*own, *own_end]),
    }


_NOISE = ("seed", "step", "origin")


def _collect(sums: list[str], head: str, arguments: list[str], depth: int) -> list[str]:
    """Call a function and add what it returns to the sums."""
    if not sums:
        return bracketed(head, arguments, ")", depth)
    if len(sums) == 1:
        return bracketed(f"{sums[0]} += {head}", arguments, ")", depth)
    lines = bracketed(f"parts = {head}", arguments, ")", depth)
    return lines + [f"{INDENT * depth}{name} += parts[{k}]" for k, name in enumerate(sums)]


def _parallel_call(sums: list[str], walk: str, arguments: list[str]) -> list[str]:
    if not sums:
        return bracketed(f"{walk}(", arguments, ")", 2)
    if len(sums) == 1:
        return bracketed(f"sums[thread, 0] = {walk}(", arguments, ")", 2)
    lines = bracketed(f"parts = {walk}(", arguments, ")", 2)
    return lines + [f"{INDENT * 2}sums[thread, {k}] = parts[{k}]" for k in range(len(sums))]


def _loop(sweep: Sweep) -> list[str]:
    """The element loop, with its constants before it."""
    taken = set(sweep.local_names)
    constants = name_constants(constants_in(sweep.exprs), taken)
    printer = element_printer(sweep.arrays, constants)
    first = sweep.arrays[0]
    lines = []
    if constants or sweep.reductions or sweep.makes_noise:
        lines.append(f"{INDENT}real = {first}.dtype.type")
    lines += [
        f"{INDENT}{name} = real({number_text(value).text})" for value, name in constants.items()
    ]
    lines += [f"{INDENT}{r.name} = real(0.0)" for r in sweep.reductions]
    body = []
    if sweep.makes_noise:
        body.append(f"{INDENT * 2}{NOISE} = real(_normal(seed, step, np.uint64(origin + i)))")
    body += element_lines(sweep.elements, printer, 2, taken)
    body += [f"{INDENT * 2}{r.name} = _add({r.name}, {printer(r.expr)})" for r in sweep.reductions]
    body += [
        f"{INDENT * 2}{store.target}[i] = {_stored(store.source, sweep)}" for store in sweep.stores
    ]
    lines += [loop_header(f"{first}.size", body), *body]
    if sweep.reductions:
        lines += listed("return ", [r.name for r in sweep.reductions], "", 1)
    return lines


def _stored(source: str, sweep: Sweep) -> str:
    return f"{source}[i]" if source in sweep.arrays else source


def _call_lines(sweep: Sweep) -> list[str]:
    """Run one sweep over the groups; at depth 3."""
    pad = INDENT * 3
    lines = [f"{pad}for group in groups:"]
    scalars = [
        f"{name}[group.members].astype(real)" if name in sweep.block_scalars else f"real({name})"
        for name in sweep.scalars
    ]
    lines += [f"{pad}{INDENT}real = group.like.dtype.type"] if scalars else []
    if sweep.makes_noise:
        scalars += ["np.uint64(self._seed)", f"np.uint64({STEP})", "self._origins[group.members]"]
    if len(scalars) == 1:
        lines.append(f"{pad}{INDENT}scalars = ({scalars[0]},)")
    elif scalars:
        lines += bracketed("scalars = (", scalars, ")", 4)
    arguments = [f"_serial_{sweep.name}", f"_parallel_{sweep.name}"]
    arguments += ["*scalars"] if scalars else []
    sums = [r.name for r in sweep.reductions]
    if not sweep.sums_per_block:
        return lines + _collect(sums, "group.run(", arguments, 4)
    lines += bracketed("parts = group.run(", arguments, ")", 4)
    return lines + [
        f"{pad}{INDENT}{name}[group.members] = parts[:, {k}]" for k, name in enumerate(sums)
    ]


NUMBA = Target(
    "numba",
    ("numba/{name}.py",),
    ("numpy", "numba"),
    "fused parallel CPU kernels; needs NumPy and Numba only",
    _write,
)

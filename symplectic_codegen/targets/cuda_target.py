"""Kernels for NVIDIA GPUs: element functions, grid kernels, a C interface, a Python launcher."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable

from symplectic_codegen.rule.expression import HOST_ONLY, Expr, Op, Ref, references, walk
from symplectic_codegen.rule.rule import (
    LOSS,
    NOISE,
    STEP,
    Assign,
    Parameter,
    UpdateRule,
)
from symplectic_codegen.targets.array_module import (
    MODULE_NAMES,
    Prepared,
    Sweep,
    default_text,
    describe,
    prepare,
)
from symplectic_codegen.targets.base import Document, Target
from symplectic_codegen.targets.cpp_printing import (
    RESERVED,
    STANDARD,
    CppPrinter,
    assignments,
    broken,
    comment,
    element_lines,
    element_printer,
    scalar_printer,
    signature,
    struct_lines,
    uses_written_power,
)
from symplectic_codegen.targets.cuda_interface import interface_context, prototypes
from symplectic_codegen.targets.cuda_kernels import launch_context
from symplectic_codegen.targets.cuda_launcher import LOCAL_NAMES, launcher_text
from symplectic_codegen.targets.cuda_layout import (
    argument_fields,
    array_fields,
    control_fields,
    size_of,
)
from symplectic_codegen.targets.device_plan import Launch, Plan, Total, make_plan
from symplectic_codegen.targets.printing import (
    INDENT,
    LINE_LENGTH,
    fresh,
    literal_lines,
    operations,
)
from symplectic_codegen.targets.rendering import render

# Names that the generated C++ uses for itself; rules get others.
_CPP_NAMES = frozenset(
    """
    in step own block next sums round at view master size origin index Real Inputs
    Hyperparameters State Sums Totals Block BlockState ArraySums Coefficients Partial Words
    Array Arguments Control factor words normal philox element origin power powm1 exprel
    phi2 log1prel sign minimum maximum cycle turn_sin turn_cos initial begin admissible finish
    finish_block coefficients own_coefficients
    """.split()  # noqa: SIM905
)
# Attributes and arguments of the launcher's class that the other array targets do not have.
_LAUNCHER_NAMES = frozenset({"capturable", "strict", "master_weights", "check", "upload"})


def _write(rule: UpdateRule, document: Document) -> tuple[str, ...]:
    prepared = prepare(rule, MODULE_NAMES | _CPP_NAMES | RESERVED | LOCAL_NAMES, _LAUNCHER_NAMES)
    plan = make_plan(prepared)
    context = _context(plan, document)
    return (
        render("cuda/element.cuh.jinja", context),
        render("cuda/kernels.cu.jinja", context),
        launcher_text(plan, document, namespace_of(rule.name), _types(document)),
    )


def namespace_of(name: str) -> str:
    """The C++ namespace of an optimizer, where no function of the C library can have its name.

    >>> namespace_of("momentum"), namespace_of("auto")
    ('symplectic::momentum', 'symplectic::auto_')
    """
    return f"symplectic::{name}_" if name in RESERVED else f"symplectic::{name}"


def _context(plan: Plan, document: Document) -> dict[str, object]:
    rule = plan.rule
    element, scalars = _element_exprs(plan), _scalar_exprs(plan)
    used = operations([*element, *scalars])
    written = any(uses_written_power(node) for e in (*element, *scalars) for node in walk(e))
    helpers = {op.spelling for op in used} - {"pow"} | ({"power"} if written else set())
    return {
        "name": rule.name,
        "namespace": namespace_of(rule.name),
        "guard": f"SYMPLECTIC_CODEGEN_{rule.name.upper()}_CUH",
        "head": _head(plan, document, _element_role(plan)),
        "kernel_head": _head(plan, document, _kernel_role(plan), brief=True),
        "provenance": _provenance(document),
        "helpers": sorted(helpers),
        "standard": _standard(used, rule.needs_noise),
        "has_noise": rule.needs_noise,
        "hyperparameters": _hyperparameter_struct(plan.prepared),
        "state": _struct("State", [(s.name, s.meaning) for s in rule.states]),
        "sums": _struct("Sums", [(r.name, r.meaning) for r in rule.reductions if not r.per_block]),
        "totals": _struct("Totals", [(t.name, "") for t in plan.totals]),
        "inputs": _inputs_struct(plan),
        "block_state": _struct("BlockState", [(s.name, s.meaning) for s in rule.block_states]),
        "array_sums": _struct("ArraySums", [(r.name, r.meaning) for r in rule.reductions]),
        "block": _block_struct(plan),
        "functions": _functions(plan),
        "interface": prototypes(plan, namespace_of(rule.name)),
        **interface_context(plan, namespace_of(rule.name), _types(document)),
        "array_fields": [field.line() for field in array_fields(plan)],
        "control_fields": [field.line() for field in control_fields(plan)],
        "argument_fields": [field.line() for field in argument_fields(plan)],
        "assertions": _assertions(plan),
        "buffers": [b.name for b in rule.buffers],
        "has_parameters": bool(rule.parameters),
        "has_states": bool(rule.states),
        "has_sums": bool(rule.reductions),
        "has_global_sums": bool(plan.global_sums),
        "has_totals": bool(plan.totals),
        "total_functions": [t.name for t in plan.totals],
        "has_blocks": bool(rule.block_states),
        "has_block": _has_block(plan),
        "has_guards": plan.has_guards,
        "needs_loss": rule.needs_loss,
        "begins": any(s.starts_with_loss for s in rule.states),
        "counts_steps": plan.counts_steps,
        "only_on_device": plan.only_on_device,
        "launches": [launch_context(launch, plan) for launch in plan.launches],
        "types": _types(document),
    }


def _types(document: Document) -> list[tuple[str, str, bool]]:
    """(name, C++ type, whether it may have a master copy) of each type of parameters."""
    types = [("float32", "float", False), ("float64", "double", False)]
    chosen = [t for t in types if t[0] in document.dtypes]
    if "float32" in document.dtypes:
        chosen += [("bfloat16", "bfloat16", True), ("float16", "float16", True)]
    return chosen


def _element_exprs(plan: Plan) -> list[Expr]:
    return [expr for launch in plan.launches for sweep in launch.sweeps for expr in sweep.exprs]


def _scalar_exprs(plan: Plan) -> list[Expr]:
    rule = plan.rule
    return [
        *(a.expr for a in plan.program),
        *(t.expr for t in plan.totals),
        *(g.expr for g in plan.guards),
        *(s.initial for s in rule.states),
    ]


def _standard(used: set[Op], noise: bool) -> list[str]:
    """The functions of <cmath> that the file calls."""
    names = {scalar_printer(str).functions.get(op, "pow") for op in used - HOST_ONLY} & STANDARD
    needs = {
        Op.POWM1: {"expm1", "log", "pow"},
        Op.EXPREL: {"expm1"},
        Op.PHI2: {"expm1", "fabs"},
        Op.LOG1PREL: {"log1p"},
    }
    for op, more in needs.items():
        names |= more if op in used else set()
    names |= {"pow"} if Op.POW in used else set()
    names |= {"sqrt", "log", "log1p"} if noise else set()
    return sorted(names)


def _head(plan: Plan, document: Document, role: list[str], brief: bool = False) -> list[str]:
    """The comment at the head of a file."""
    prepared = plan.prepared
    lines = comment(f"{document.title}.")
    lines += ["//", *role]
    if brief:
        return lines
    lines += ["//", *comment("Hamiltonian:"), *_indented(document.hamiltonian)]
    lines += ["//", *comment("Update derived from it:")]
    for line in document.update:
        lines += _indented(line)
    if prepared.original.parameters:
        lines += ["//", *comment("Hyperparameters:")]
        for parameter in prepared.original.parameters:
            lines += _indented(f"{parameter.name}: {describe(parameter)}")
    for note in document.notes:
        lines += ["//", *comment(note)]
    return lines


def _indented(text: str) -> list[str]:
    return [f"//   {line[3:]}" for line in comment(text, 0, 1)]


def _element_role(plan: Plan) -> list[str]:
    name = plan.rule.name
    return [
        *comment(
            "What one step does with one element, for the host and the device, in plain C++17. "
            f"Kernels are in {name}.cu. For the host alone:"
        ),
        "//",
        f"//   g++ -std=c++17 -O3 program.cpp  // which includes {name}.cuh",
    ]


def _kernel_role(plan: Plan) -> list[str]:
    name, count = plan.rule.name, len(plan.launches)
    launches = "one launch" if count == 1 else f"{count} launches"
    why = "" if count == 1 else ", because scalars of the later ones depend on sums of the earlier"
    return [
        *comment(
            f"The kernels, and a C interface that is declared in {name}.cuh. A step is {launches} "
            f"for a whole list of parameters of one type{why}. As a library:"
        ),
        "//",
        *_command(f"nvcc -std=c++17 -O3 -arch=native -shared -Xcompiler -fPIC {name}.cu", name),
        "//",
        *comment(
            "With --fmad=false no product is merged with a sum: results are then those of the same "
            f"expressions in C. {name}.py compiles this file by itself."
        ),
    ]


def _command(words: str, name: str) -> list[str]:
    flat = f"//   {words} -o lib{name}.so"
    return [flat] if len(flat) <= LINE_LENGTH else [f"//   {words}", f"//       -o lib{name}.so"]


def _provenance(document: Document) -> list[str]:
    lines = ["/* What this was generated from; `symplectic-codegen check` reads it.", ""]
    lines.append("PROVENANCE = {")
    for key, value in document.provenance.items():
        # Only a string can hold what would end or open a comment.
        lines += [
            line.replace("*/", r"*\x2f").replace("/*", r"/\x2a")
            for line in literal_lines(key, value)
        ]
    return [*lines, "}", "*/"]


def _struct(name: str, fields: list[tuple[str, str]]) -> list[str]:
    rows = [(field, "", meaning) for field, meaning in fields]
    return struct_lines(name, rows, "double", False) if fields else []


def _hyperparameter_struct(prepared: Prepared) -> list[str]:
    rows = []
    pairs = zip(prepared.original.parameters, prepared.rule.parameters, strict=True)
    for old, new in pairs:
        value = "" if old.default is None else default_text(old.default)
        rows.append((new.name, value, _brief(old)))
    if not rows:
        return ["struct Hyperparameters {};"]
    return struct_lines("Hyperparameters", rows, "double", False)


def _brief(parameter: Parameter) -> str:
    return f"{parameter.meaning}; in {parameter.interval}".removeprefix("; ")


def _inputs_struct(plan: Plan) -> list[str]:
    rule = plan.rule
    bases = ["Hyperparameters"] if rule.parameters else []
    bases += ["State"] if rule.states else []
    bases += ["Sums"] if any(not r.per_block for r in rule.reductions) else []
    bases += ["Totals"] if plan.totals else []
    fields = [("n", "", "the number of the step: 1, 2, 3, ...")]
    fields += [("L", "", "the value of the loss")] if rule.needs_loss else []
    lines = struct_lines("Inputs", fields, "double", False)
    if bases:
        lines[0] = f"struct Inputs : {', '.join(bases)} {{"
    return lines


def _has_block(plan: Plan) -> bool:
    return bool(plan.rule.block_values or plan.totals)


def _block_struct(plan: Plan) -> list[str]:
    if not _has_block(plan):
        return []
    bases = ["BlockState"] if plan.rule.block_states else []
    bases += ["ArraySums"] if plan.rule.reductions else []
    return [f"struct Block : {', '.join(bases)} {{}};"]


def _scalar_text(plan: Plan) -> CppPrinter:
    """Scalars: inputs are fields of `in`, what a parameter has of its own fields of `block`."""
    rule = plan.rule
    inputs = {p.name for p in rule.parameters} | {s.name for s in rule.states} | {STEP, LOSS}
    inputs |= {r.name for r in rule.reductions if not r.per_block} | {t.name for t in plan.totals}
    own = {s.name for s in rule.block_states} | {r.name for r in rule.reductions if r.per_block}

    def reference(name: str) -> str:
        if name in inputs:
            return f"in.{name}"
        return f"block.{name}" if name in own else name

    return scalar_printer(reference)


_INLINE = "SYMPLECTIC_INLINE"


def _functions(plan: Plan) -> list[list[str]]:
    """All functions of the header, each as its lines."""
    functions = _state_functions(plan)
    for launch in plan.launches:
        if launch.reductions:
            rows = [(r.name, "", r.meaning) for r in launch.reductions]
            name = f"Partial{plan.launch_suffix(launch)}"
            functions.append(
                [
                    *comment("Sums over some elements, in the type of the elements."),
                    *struct_lines(name, rows, "Real", True),
                ]
            )
        for sweep in launch.sweeps:
            functions += _coefficient_functions(plan, sweep)
            functions.append(_element_function(plan, launch, sweep))
    return functions


def _state_functions(plan: Plan) -> list[list[str]]:
    rule, text = plan.rule, _scalar_text(plan)
    functions: list[list[str]] = []
    if rule.states:
        starts = [text(s.initial) for s in rule.states if not s.starts_with_loss]
        used = any("in." in start for start in starts)
        source = f"const Hyperparameters&{' in' if used else ''}"
        lines = [
            *comment("The state before the first step."),
            f"{_INLINE} State initial({source}) {{",
            f"{INDENT}State next{{}};",
        ]
        taken = _taken(plan)
        for state in rule.states:
            if not state.starts_with_loss:
                lines += _set_field(f"next.{state.name}", state.initial, text, 1, taken)
        functions.append([*lines, f"{INDENT}return next;", "}"])
    late = [s for s in rule.states if s.starts_with_loss]
    if late:
        lines = [
            *comment("What starts with the loss of the first step."),
            f"{_INLINE} void begin(Inputs& in) {{",
            f"{INDENT}if (in.n == 1.0) {{",
        ]
        taken = _taken(plan)
        for state in late:
            lines += _set_field(f"in.{state.name}", state.initial, text, 2, taken)
        functions.append([*lines, f"{INDENT}}}", "}"])
    if plan.guards:
        lines = comment("Whether the step is inside the domain of the rule:")
        for guard in plan.guards:
            lines += comment(guard.message, 0, 1)
        lines.append(f"{_INLINE} bool admissible(const Inputs& in) {{")
        names = {name for guard in plan.guards for name in references(guard.expr)}
        taken = _taken(plan)
        lines += assignments(plan.needed(names), text, "double", 1, taken)
        tests = []
        for guard in plan.guards:
            name = fresh("positive", taken)
            taken.add(name)
            lines += assignments([Assign(name, guard.expr)], text, "double", 1, taken)
            tests.append(f"{name} > 0.0")
        functions.append([*lines, f"{INDENT}return {' && '.join(tests)};", "}"])
    functions += [_total_function(plan, total) for total in plan.totals]
    functions += _finish_functions(plan)
    return functions


def _set_field(field: str, expr: Expr, text: CppPrinter, depth: int, taken: set[str]) -> list[str]:
    """Give a field of a struct a value; parts of a long expression get names before."""
    flat = f"{INDENT * depth}{field} = {text(expr)};"
    if len(flat) <= LINE_LENGTH:
        return [flat]
    name = fresh("value", taken)
    taken.add(name)
    lines = assignments([Assign(name, expr)], text, "double", depth, taken)
    return [*lines, f"{INDENT * depth}{field} = {name};"]


def _taken(plan: Plan) -> set[str]:
    return set(plan.prepared.sweeps[0].local_names) | _CPP_NAMES


def _total_function(plan: Plan, total: Total) -> list[str]:
    text, taken = _scalar_text(plan), _taken(plan)
    value = fresh("summand", taken)
    taken.add(value)
    return [
        *comment(f"What one parameter adds to {total.name}."),
        *signature(
            f"{_INLINE} double {total.name}(",
            _needed_arguments(plan, [total.expr]),
            ") {",
        ),
        *assignments(plan.needed(references(total.expr)), text, "double", 1, taken),
        *assignments([Assign(value, total.expr)], text, "double", 1, taken),
        f"{INDENT}return {value};",
        "}",
    ]


def _needed_arguments(plan: Plan, exprs: Iterable[Expr]) -> list[str]:
    """`in` and `block`, named if the body refers to them."""
    text = _scalar_text(plan)
    names = {name for expr in exprs for name in references(expr)}
    bodies = [text(a.expr) for a in plan.needed(names)] + [text(e) for e in exprs]
    joined = " ".join(bodies)
    return [
        "const Inputs& in" if "in." in joined else "const Inputs&",
        "const Block& block" if "block." in joined else "const Block&",
    ]


def _finish_functions(plan: Plan) -> list[list[str]]:
    rule, text = plan.rule, _scalar_text(plan)
    states = {s.name for s in rule.states}
    stores = [s for s in rule.state_stores if s.target in states]
    own = [s for s in rule.state_stores if s.target not in states]
    functions: list[list[str]] = []
    if rule.states:
        lines = [
            *comment("The state after the step."),
            f"{_INLINE} State finish(const Inputs& in) {{",
            *assignments(plan.needed(s.source for s in stores), text, "double", 1, _taken(plan)),
            f"{INDENT}State next = in;",
        ]
        lines += [f"{INDENT}next.{s.target} = {text(Ref(s.source))};" for s in stores]
        functions.append([*lines, f"{INDENT}return next;", "}"])
    if rule.block_states:
        named = _needed_arguments(plan, [Ref(s.source) for s in own])
        lines = [
            *comment("The state of one parameter after the step."),
            f"{_INLINE} BlockState finish_block({named[0]}, const Block& block) {{",
            *assignments(plan.needed(s.source for s in own), text, "double", 1, _taken(plan)),
            f"{INDENT}BlockState next = block;",
        ]
        lines += [f"{INDENT}next.{s.target} = {text(Ref(s.source))};" for s in own]
        functions.append([*lines, f"{INDENT}return next;", "}"])
    return functions


def _meanings(plan: Plan) -> dict[str, str]:
    rule = plan.rule
    meanings = {a.name: a.meaning for a in plan.program}
    meanings |= {p.name: p.meaning for p in rule.parameters}
    meanings |= {s.name: s.meaning for s in rule.states}
    meanings |= {s.name: s.meaning for s in rule.block_states}
    meanings |= {r.name: r.meaning for r in rule.reductions}
    return meanings | {STEP: "the number of the step", LOSS: "the value of the loss"}


def _coefficient_functions(plan: Plan, sweep: Sweep) -> list[list[str]]:
    suffix, meanings = plan.suffix(sweep), _meanings(plan)
    which = f" in stage {suffix[1:]}" if suffix else ""
    functions = []
    uniform = [name for name in sweep.scalars if name not in sweep.block_scalars]
    own = [name for name in sweep.scalars if name in sweep.block_scalars]
    kinds = (
        (uniform, "Coefficients", "coefficients", "const Inputs& in", "all elements have"),
        (own, "Own", "own_coefficients", "", "the elements of one parameter have"),
    )
    for names, struct, function, arguments, what in kinds:
        if not names:
            continue
        head = comment(f"The numbers that {what} in common{which}, rounded once.")
        rows = [(name, "", meanings.get(name, "")) for name in names]
        functions.append([*head, *struct_lines(f"{struct}{suffix}", rows, "Real", True)])
        text = _scalar_text(plan)
        given = arguments or ", ".join(_needed_arguments(plan, [Ref(name) for name in names]))
        functions.append(
            [
                "template <typename Real>",
                f"{_INLINE} {struct}{suffix}<Real> {function}{suffix}({given}) {{",
                *assignments(plan.needed(names), text, "double", 1, _taken(plan)),
                *_returned([f"static_cast<Real>({text(Ref(name))})" for name in names]),
                "}",
            ]
        )
    return functions


def _returned(items: list[str]) -> list[str]:
    return signature("return {", items, "};", 1)


def _element_function(plan: Plan, launch: Launch, sweep: Sweep) -> list[str]:
    suffix = plan.suffix(sweep)
    stored = {store.target for store in sweep.stores}
    uniform = set(sweep.scalars) - sweep.block_scalars

    def reference(name: str) -> str:
        if name in uniform:
            return f"step.{name}"
        return f"own.{name}" if name in sweep.block_scalars else name

    text = element_printer(reference)
    arguments = [f"Real{'&' if name in stored else ''} {name}" for name in sweep.arrays]
    arguments += [f"Real {NOISE}"] if sweep.makes_noise else []
    arguments += [f"const Coefficients{suffix}<Real>& step"] if uniform else []
    arguments += [f"const Own{suffix}<Real>& own"] if sweep.block_scalars else []
    partial = f"Partial{plan.launch_suffix(launch)}"
    arguments += [f"{partial}<Real>& sums"] if sweep.reductions else []
    taken = _taken(plan) | set(sweep.local_names)
    what = "One step for one element" if not suffix else f"Stage {suffix[1:]} for one element"
    adds = ", whose terms are added to the sums" if sweep.reductions else ""
    body = element_lines(sweep.elements, text, 1, taken)
    for reduction in sweep.reductions:
        line = f"{INDENT}sums.{reduction.name} += {text(reduction.expr)};"
        body += broken(line, " += ", 1)
    used = "\n".join(body) + "".join(f" {store.source} " for store in sweep.stores)
    arguments = [_silent(argument, used, sweep) for argument in arguments]
    body += [f"{INDENT}{store.target} = {text(Ref(store.source))};" for store in sweep.stores]
    return [
        *comment(f"{what}{adds}."),
        "template <typename Real>",
        *signature(f"{_INLINE} void {sweep.name}(", arguments, ") {"),
        *body,
        "}",
    ]


def _silent(argument: str, used: str, sweep: Sweep) -> str:
    """An array that only counts elements has no name in the function."""
    name = argument.split()[-1]
    stored = {store.target for store in sweep.stores}
    only_counted = name in sweep.arrays and name not in stored
    return argument if not only_counted or name in used else argument.rsplit(" ", 1)[0]


def _assertions(plan: Plan) -> list[str]:
    name = f"{plan.rule.name}.py"
    rows = [
        ("Array", size_of(array_fields(plan), 4)),
        ("Control", size_of(control_fields(plan), 4)),
        ("Arguments<float>", size_of(argument_fields(plan), 4)),
        ("Arguments<double>", size_of(argument_fields(plan), 8)),
    ]
    return [
        f'static_assert(sizeof({what}) == {size}, "{name} packs it so");' for what, size in rows
    ]


def _no_driver() -> str:
    """Why there is no GPU to run on, as far as that can be told without starting anything."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return "there is no driver of NVIDIA"
    return ""


CUDA = Target(
    "cuda",
    ("cuda/{name}.cuh", "cuda/{name}.cu", "cuda/{name}.py"),
    ("numpy", "cuda.core", "cuda.bindings"),
    "kernels for NVIDIA GPUs: a C++ header, a C interface, a Python launcher (NVRTC)",
    _write,
    _no_driver,
)

"""A gradient transformation for optax: a pure function from gradients to updates, in JAX.

Scalars are computed in double precision as long as all that they depend on is known when the step
is traced (hyperparameters given as numbers), and in JAX's default type from there on. Sums over
elements are taken leaf by leaf with `jnp.sum`, so that they are right for sharded arrays too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from symplectic_codegen.errors import TargetError
from symplectic_codegen.rule.expression import Call, Expr, Op, Ref, rebuild, references, walk
from symplectic_codegen.rule.rule import (
    GRADIENT,
    LOSS,
    NOISE,
    PARAMETER,
    STEP,
    Assign,
    BlockState,
    Reduction,
    ScalarState,
    UpdateRule,
)
from symplectic_codegen.targets.array_module import (
    assignment_lines,
    bounds_lines,
    default_text,
    describe,
    element_lines,
    example_value,
    export_names,
    module_lines,
    provenance_lines,
    raise_lines,
    sentence,
)
from symplectic_codegen.targets.base import DTYPES, Document, Target
from symplectic_codegen.targets.printing import (
    INDENT,
    LINE_LENGTH,
    Printer,
    Text,
    bracketed,
    comment_lines,
    docstring_text,
    fresh,
    listed,
    literal_lines,
    operations,
    quoted,
    small_integer,
    wrapped,
)
from symplectic_codegen.targets.rendering import render
from symplectic_codegen.targets.transformation import Function, Transformation, as_transformation

_COUNT = "count"  # optax's name for the number of steps so far

# Every name that the template uses; rules get others.
MODULE_NAMES = frozenset(
    """
    np math jax jnp numbers optax Any Callable NamedTuple PROVENANCE annotations count places holds
    updates state params extra_args value hyperparameters init_fn update_fn new_state
    accumulator_dtype seed
    """.split()  # noqa: SIM905
)
_FIELDS = frozenset({_COUNT, "index"})  # a NamedTuple has an `index` of its own

_ARRAY_FUNCTIONS = {
    Op.SQRT: "jnp.sqrt",
    Op.EXP: "jnp.exp",
    Op.LOG: "jnp.log",
    Op.EXPM1: "jnp.expm1",
    Op.LOG1P: "jnp.log1p",
    Op.POWM1: "_powm1",
    Op.EXPREL: "_exprel",
    Op.PHI2: "_phi2",
    Op.LOG1PREL: "_log1prel",
    Op.HYPOT: "jnp.hypot",
    Op.ABS: "jnp.abs",
    Op.SIGN: "jnp.sign",
    Op.SIN: "jnp.sin",
    Op.COS: "jnp.cos",
    Op.TAN: "jnp.tan",
    Op.ATAN: "jnp.arctan",
    Op.SINH: "jnp.sinh",
    Op.COSH: "jnp.cosh",
    Op.TANH: "jnp.tanh",
    Op.ASINH: "jnp.arcsinh",
    Op.ERF: "_erf",
    Op.MIN: "jnp.minimum",
    Op.MAX: "jnp.maximum",
}
# Scalars may still be numbers of NumPy; the same functions choose the library.
_SCALAR_FUNCTIONS = {op: name.replace("jnp.", "_") for op, name in _ARRAY_FUNCTIONS.items()} | {
    Op.POW: "_pow",
    Op.CYCLE: "_cycle",
    Op.BLOCK_SUM: "jnp.sum",
}
# Helpers that choose it themselves.
_CHOOSING = frozenset({Op.POWM1, Op.EXPREL, Op.PHI2, Op.LOG1PREL})

_ARRAY = Printer(_ARRAY_FUNCTIONS)
_SCALAR = Printer(_SCALAR_FUNCTIONS)
_WHOLE = Printer(
    {},
    reference=lambda name: Text(_COUNT if name == STEP else name, simple=True),
    number=lambda value: Text(str(value.numerator), simple=True),
)


def _write(rule: UpdateRule, document: Document) -> tuple[str, ...]:
    for parameter in rule.parameters:
        if parameter.name in MODULE_NAMES:
            raise TargetError(
                f"the hyperparameter {parameter.name} needs another name: "
                "the generated function uses this one"
            )
    shape = transformation(rule, document.class_name)
    return (render("optax/module.py.jinja", _context(shape, document)),)


def transformation(rule: UpdateRule, class_name: str) -> Transformation:
    """The rule in the names of the generated file."""
    return as_transformation(rule, f"{class_name}State", MODULE_NAMES, _FIELDS)


# Scalars.


def _scalar_text(expr: Expr) -> str:
    """A scalar of a step; one that depends on nothing is a number of NumPy."""
    if not references(expr):
        return f"np.float64({_SCALAR(expr)})"
    return _SCALAR(_with_whole_indices(expr))


def _with_whole_indices(expr: Expr) -> Expr:
    """The indices of cycles from the int that counts steps: a float ends at 2**24 steps."""

    def change(node: Expr) -> Expr:
        if isinstance(node, Call) and node.op is Op.CYCLE and _is_whole(node.args[0]):
            return Call(Op.CYCLE, (Ref(_WHOLE(node.args[0])), *node.args[1:]))
        return node

    return rebuild(expr, change)


def _is_whole(expr: Expr) -> bool:
    if isinstance(expr, Call):
        return expr.op in (Op.ADD, Op.SUB, Op.MUL) and all(map(_is_whole, expr.args))
    return expr == Ref(STEP) or small_integer(expr) is not None


def _scalar_lines(
    assigns: Iterable[Assign], taken: set[str], shape: Transformation | None = None
) -> list[str]:
    """Scalars at depth 2; with `shape`, those that are only added to keep what rounding leaves."""
    lines: list[str] = []
    for assign in assigns:
        added = shape.accumulations.get(assign.name) if shape is not None else None
        if added is None or shape is None:
            lines += assignment_lines([assign], _scalar_text, 2, taken)
            continue
        rest = f"state.{added.rest}" + ("[places]" if added.state in shape.blocks else "")
        head = f"{assign.name}, {added.rest} = _add("
        lines += comment_lines(assign.meaning, 2) if assign.meaning else []
        line = f"{INDENT * 2}{head}{added.state}, {rest}, {_scalar_text(added.term)})"
        text, more = _named(f"{added.state}_term", added.term, len(line) > LINE_LENGTH, taken)
        lines += [*more, *bracketed(head, [added.state, rest, text], ")", 2)]
    return lines


def _named(name: str, expr: Expr, is_long: bool, taken: set[str]) -> tuple[str, list[str]]:
    """The text of a scalar; if it is long, a name for it, and the lines that give it the name."""
    if not is_long:
        return _scalar_text(expr), []
    short = fresh(name, taken)
    taken.add(short)
    return short, assignment_lines([Assign(short, expr)], _scalar_text, 2, taken)


# Sweeps.


def _sweep_code(function: Function, shape: Transformation) -> list[str]:
    """A sweep as a function."""
    kind = "jax.Array" if len(function.results) == 1 else "jax.Array, ..."
    items = [f"{name}: jax.Array" for name in (*function.arrays, *function.scalars)]
    lines = bracketed(f"def {function.name}(", items, f") -> tuple[{kind}]:")
    lines += _sweep_doc(function, shape)
    taken = {*function.sweep.local_names, *MODULE_NAMES}
    lines += element_lines(function.sweep.elements, _ARRAY, 1, taken)
    for reduction in function.sweep.reductions:
        lines.append(f"{INDENT}{reduction.name} = {_sum_text(function, reduction)}")
    like = function.arrays[0]
    values = [
        source if source in function.varying else f"jnp.full_like({like}, {source})"
        for source in function.sources.values()
    ]
    values += [r.name for r in function.sweep.reductions]
    if len(values) == 1:
        return [*lines, f"{INDENT}return ({values[0]},)"]
    return lines + listed("return ", values, "", 1)


def _sum_text(function: Function, reduction: Reduction) -> str:
    if references(reduction.expr) & function.varying:
        return f"jnp.sum({_ARRAY(reduction.expr)}, dtype=float)"
    return _ARRAY(Call(Op.MUL, (reduction.expr, Ref(f"{function.arrays[0]}.size"))))


def _sweep_doc(function: Function, shape: Transformation) -> list[str]:
    """The docstring of a sweep, with its quotes."""
    results = ["the change of w" if name == shape.change else name for name in function.sources]
    sums = [r.name for r in function.sweep.reductions]
    if sums:
        results.append(f"the {'sums' if len(sums) > 1 else 'sum'} {' and '.join(sums)}")
    first, *rest = wrapped(f"One sweep over a leaf: {', '.join(results)}.", 1)
    opened = [f'{INDENT}"""{first.lstrip()}', *rest]
    if not rest and len(first) + 6 <= LINE_LENGTH:
        return [f'{opened[0]}"""']
    return [*opened, f'{INDENT}"""']


def _call_lines(function: Function) -> list[str]:
    """The call that makes a sweep over all leaves, at depth 2."""
    trees = ["updates" if name == GRADIENT else name for name in function.arrays]
    targets = function.results
    left = f"({targets[0]},)" if len(targets) == 1 else ", ".join(targets)
    unpacking: list[str] = []
    if len(f"{INDENT * 2}{left} = _each_leaf(") > LINE_LENGTH:
        left, unpacking = "results", bracketed("(", targets, ") = results", 2)
    call = [function.name, str(len(targets)), _tuple(trees), _tuple(function.scalars)]
    lines = bracketed(f"{left} = _each_leaf(", call, ")", 2)
    if any(len(line) > LINE_LENGTH for line in lines):
        long = [bracketed("(", items, "),", 3) for items in (trees, function.scalars)]
        lines = [*lines[:3], *(line for rows in long for line in rows), lines[-1]]
    return lines + unpacking


def _tuple(items: Sequence[str]) -> str:
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


# The two functions of the transformation, at depth 2.


def _init_lines(shape: Transformation) -> list[str]:
    rule, taken = shape.rule, shape.taken | MODULE_NAMES
    lines = [f'{INDENT * 2}_check_types("params", params)']
    lines += _value_lines(shape, _used_at_first(shape), "0")
    items = [f"{_COUNT}=jnp.zeros([], jnp.int32)"]
    for name in shape.buffers:
        items.append(f"{shape.fields[name]}=_zeros_like(params, accumulator_dtype)")
    for state in rule.states:
        start, more = _start(state, taken)
        lines += more
        items.append(f"{shape.fields[state.name]}={start}")
        if state.name in shape.rests:
            items.append(f"{shape.rests[state.name]}=jnp.zeros([], float)")
    for name in shape.blocks:
        fields = [shape.fields[name], *([shape.rests[name]] if name in shape.rests else [])]
        items += [f"{field}=_zero_for_each(params)" for field in fields]
    return lines + bracketed(f"return {shape.state_class}(", items, ")", 2)


def _used_at_first(shape: Transformation) -> set[str]:
    """All names that the state before the first step depends on."""
    known = [s.initial for s in shape.rule.states if not s.starts_with_loss]
    return {name for expr in known for name in references(expr)}


def _start(state: ScalarState, taken: set[str]) -> tuple[str, list[str]]:
    """The value of a state before the first step, and lines that it needs."""
    if state.starts_with_loss or _SCALAR(state.initial) == "0.0":
        return "jnp.zeros([], float)", []
    is_long = len(_scalar_text(state.initial)) > LINE_LENGTH // 2
    text, lines = _named(f"{state.name}_initial", state.initial, is_long, taken)
    return f"jnp.asarray({text}, float)", lines


def _value_lines(shape: Transformation, used: set[str], count: str) -> list[str]:
    """Reading the hyperparameters that are used."""
    names = [p.name if p.name in used else "_" for p in shape.rule.parameters]
    if set(names) <= {"_"}:
        return []
    if len(names) == 1:
        return [f"{INDENT * 2}({names[0]},) = _values(hyperparameters, {count})"]
    return listed("", names, f" = _values(hyperparameters, {count})", 2)


def _update_lines(shape: Transformation) -> list[str]:
    taken = shape.taken | MODULE_NAMES
    return [
        *_check_lines(shape),
        *_input_lines(shape),
        *_guard_lines(shape, taken),
        *_stage_lines(shape, taken),
        *_result_lines(shape),
    ]


def _check_lines(shape: Transformation) -> list[str]:
    lines = []
    if shape.needs_params:
        message = f"{shape.original.name} needs the parameters: update(grads, state, params)"
        lines = [f"{INDENT * 2}if params is None:", *raise_lines("ValueError", message, 3)]
    return [*lines, f'{INDENT * 2}_check_types("updates", updates)']


def _used(shape: Transformation) -> set[str]:
    """All names that scalars, sweeps or states of a step read."""
    rule = shape.rule
    started = [s.initial for s in rule.states if s.starts_with_loss]
    exprs = [_with_whole_indices(expr) for expr in (*rule.scalar_expressions, *started)]
    used = {name for expr in exprs for name in references(expr)}
    used |= {name for function in shape.functions for name in function.scalars}
    used |= {store.source for store in rule.state_stores}
    return used | set(shape.rests)


def _input_lines(shape: Transformation) -> list[str]:
    rule, pad, used = shape.rule, INDENT * 2, _used(shape)
    lines = _value_lines(shape, used, f"state.{_COUNT}")
    lines.append(f"{pad}{_COUNT} = optax.safe_increment(state.{_COUNT})")
    if STEP in used:
        lines.append(f"{pad}{STEP} = jnp.asarray({_COUNT}, float)")
    if LOSS in used:
        lines.append(f"{pad}{LOSS} = _scalar(value)")
    for state in rule.states:
        kept = f"state.{shape.fields[state.name]}"
        if state.starts_with_loss:
            choice = [f"state.{_COUNT} == 0", _scalar_text(state.initial), kept]
            lines += bracketed(f"{state.name} = jnp.where(", choice, ")", 2)
        elif state.name in used:
            lines.append(f"{pad}{state.name} = {kept}")
    lines += [f"{pad}places = _places(updates, params)"] if shape.blocks else []
    lines += [f"{pad}{name} = state.{shape.fields[name]}[places]" for name in shape.blocks]
    if shape.reads_weights:
        lines.append(f"{pad}{PARAMETER} = _where_given(updates, params)")
    if rule.needs_noise:
        lines.append(f"{pad}{NOISE} = _noise(seed, {_COUNT}, updates, params)")
    have: set[str] = set()
    for function in shape.functions:
        for name in function.arrays:
            if name in shape.buffers and name not in have:
                lines.append(f"{pad}{name} = _where_given(updates, state.{shape.fields[name]})")
        have |= {*function.arrays, *function.sources}
    return lines


def _guard_lines(shape: Transformation, taken: set[str]) -> list[str]:
    lines: list[str] = []
    for number, guard in enumerate(shape.rule.guards):
        is_long = len(_scalar_text(guard.expr)) > LINE_LENGTH // 2
        text, more = _named(f"guard_{number + 1}", guard.expr, is_long, taken)
        lines += more
        head = "holds = _holds(" if number == 0 else "holds = holds & _holds("
        flat = f"{INDENT * 2}{head}{text} > 0.0, {quoted(guard.message)})"
        if len(flat) <= LINE_LENGTH:
            lines.append(flat)
            continue
        message = literal_lines("", guard.message, 3)
        lines += [f"{INDENT * 2}{head}", f"{INDENT * 3}{text} > 0.0,", *message, f"{INDENT * 2})"]
    return lines


def _stage_lines(shape: Transformation, taken: set[str]) -> list[str]:
    """Scalars and sweep of each stage, then the epilogue."""
    lines: list[str] = []
    for stage, function in zip(shape.rule.stages, shape.functions, strict=True):
        lines += _scalar_lines(stage.scalars, taken, shape)
        lines += _call_lines(function) if function.results else []
        for reduction in function.sweep.reductions:
            gathered = "_stack" if reduction.per_block else "_total"
            lines += comment_lines(reduction.meaning, 2) if reduction.meaning else []
            lines.append(f"{INDENT * 2}{reduction.name} = {gathered}({reduction.name})")
    return lines + _scalar_lines(shape.rule.epilogue, taken, shape)


def _result_lines(shape: Transformation) -> list[str]:
    """The new state, and what is returned."""
    written = {name for function in shape.functions for name in function.sources}
    items = [f"{_COUNT}={_COUNT}"]
    for name in shape.buffers:
        kept = f"state.{shape.fields[name]}"
        items.append(
            f"{shape.fields[name]}={f'_kept({name}, {kept})' if name in written else kept}"
        )
    for state in shape.rule.states:
        field, source = shape.fields[state.name], shape.sources.get(state.name)
        value = f"jnp.asarray({source})" if source else f"state.{field}"
        items.append(f"{field}={value}")
        if state.name in shape.rests:
            items.append(f"{shape.rests[state.name]}={shape.rests[state.name]}")
    for name in shape.blocks:
        pairs = [(shape.fields[name], shape.sources.get(name))]
        pairs += [(shape.rests[name], shape.rests[name])] if name in shape.rests else []
        for field, source in pairs:
            value = f"state.{field}.at[places].set({source})" if source else f"state.{field}"
            items.append(f"{field}={value}")
    lines = bracketed(f"new_state = {shape.state_class}(", items, ")", 2)
    change = f"_like({shape.change}, updates, params)"
    if not shape.rule.guards:
        return [*lines, f"{INDENT * 2}return {change}, new_state"]
    return [*lines, *bracketed("return _unless(", ["holds", change, "new_state", "state"], ")", 2)]


# What readers see.


def _signature(shape: Transformation) -> list[str]:
    """The head of the factory."""
    items = []
    for parameter in shape.original.parameters:
        default = "" if parameter.default is None else f" = {default_text(parameter.default)}"
        items.append(f"{parameter.name}: optax.ScalarOrSchedule{default}")
    if shape.rule.needs_noise:
        items.append("seed: int | jax.Array = 0")
    if shape.buffers:
        items.append("accumulator_dtype: jax.typing.DTypeLike | None = None")
    items = ["*", *items] if items else []
    tail = ") -> optax.GradientTransformationExtraArgs:"
    return bracketed(f"def {shape.original.name}(", items, tail)


def _factory_doc(shape: Transformation, document: Document) -> list[str]:
    """The docstring of the factory, at depth 1, without its quotes."""
    lines = [*wrapped(f"{document.title}.", 1), "", *wrapped(_INTRODUCTION, 1)]
    arguments = [f"{p.name}: {describe(p)}" for p in shape.original.parameters]
    if shape.rule.needs_noise:
        arguments.append(f"seed: {_SEED}")
    if shape.buffers:
        names = ", ".join(shape.fields[name] for name in shape.buffers)
        arguments.append(f"accumulator_dtype: the type of {names}; {_ACCUMULATORS}")
    if arguments:
        lines += ["", f"{INDENT}Args:"]
        lines += [line for text in arguments for line in wrapped(text, 2, 1)]
    needed = ["the parameters"] if shape.needs_params else []
    needed += ["the loss"] if shape.rule.needs_loss else []
    call = "update(grads, state, params" + (", value=loss)" if shape.rule.needs_loss else ")")
    text = f" It needs {' and '.join(needed)}: {call}." if needed else ""
    lines += ["", f"{INDENT}Returns:", *wrapped(f"The transformation.{text}", 2)]
    if shape.rule.reductions:
        lines += ["", *wrapped(_SUMS, 1)]
    if shape.original.guards:
        lines += ["", f"{INDENT}Raises:"]
        for guard in shape.original.guards:
            lines += wrapped(f"ValueError: {sentence(guard.message)}", 2, 1)
        lines += ["", *wrapped(_REFUSAL, 1)]
    return docstring_text(lines)


_INTRODUCTION = (
    "The docstring of the module has the formulas. Hyperparameters are numbers, scalars of JAX, or "
    "schedules: functions of the number of steps made so far."
)
_SEED = (
    "of the random numbers, in [0, 2**64), or a whole number of JAX. The same seed gives the same "
    "numbers, however the parameters are cut into leaves or distributed."
)
_ACCUMULATORS = "that of the parameter unless told, and float32 for narrower ones."
_SUMS = (
    "Sums over elements are sums over whole arrays, however these are sharded; only inside of "
    "`jax.shard_map` they are sums over what is there."
)
_REFUSAL = (
    "Compiled code cannot raise: there the updates are NaN, and the state stays as it was, its "
    "count included."
)


def _field_rows(shape: Transformation) -> list[tuple[str, str, str]]:
    """(name, type, meaning) of the fields of the state."""
    rows = [(_COUNT, "jax.Array", "how many steps were made")]
    for buffer in shape.rule.buffers[:-1]:
        meaning = buffer.meaning or "one value per element"
        rows.append((shape.fields[buffer.name], "optax.Updates", meaning))
    states: list[ScalarState | BlockState] = [*shape.rule.states, *shape.rule.block_states]
    for state in states:
        field, meaning = shape.fields[state.name], state.meaning or "a scalar"
        if state.name in shape.blocks:
            meaning = f"{meaning.rstrip('.')}; one for each leaf of the parameters"
        rows.append((field, "jax.Array", meaning))
        if state.name in shape.rests:
            what = f"what rounding has left out of {field} so far"
            rows.append((shape.rests[state.name], "jax.Array", what))
    return rows


def _example(shape: Transformation) -> list[str]:
    rule = shape.original
    values = [f"{p.name}={example_value(p)}" for p in rule.parameters if p.default is None]
    loss = ", value=params @ params" if shape.rule.needs_loss else ""
    return [
        "import jax.numpy as jnp",
        "import optax",
        "",
        "params = jnp.array([3.0, -1.0])",
        f"solver = {rule.name}({', '.join(values)})",
        "state = solver.init(params)",
        "for _ in range(100):  # minimizes params @ params",
        f"    updates, state = solver.update(2 * params, state, params{loss})",
        "    params = optax.apply_updates(params, updates)",
    ]


def _imports(shape: Transformation, helpers: set[Op]) -> list[str]:
    """What the file needs of the standard library."""
    reads_numbers = shape.original.parameters or shape.rule.needs_noise
    lines = ["import math"] if reads_numbers or Op.ERF in helpers else []
    lines += ["import numbers"] if reads_numbers or shape.rule.needs_loss else []
    return [*lines, "from collections.abc import Callable", "from typing import Any, NamedTuple"]


def _context(shape: Transformation, document: Document) -> dict[str, object]:
    """What `templates/optax/module.py.jinja` needs."""
    rule, name = shape.rule, shape.original.name
    host = [*rule.scalar_expressions, *(s.initial for s in rule.states)]
    on_host = operations(host)
    helpers = on_host | operations(e for f in shape.functions for e in f.sweep.exprs)
    chosen = {_ARRAY_FUNCTIONS[op] for op in on_host if op in _ARRAY_FUNCTIONS}
    functions = sorted(f.removeprefix("jnp.") for f in chosen if f.startswith("jnp."))
    has_powers = any(_is_power(node) for expr in host for node in walk(expr))
    rows = _field_rows(shape)
    value = ["*", "value: jax.typing.ArrayLike"] if rule.needs_loss else []
    update = [
        "updates: optax.Updates",
        f"state: {shape.state_class}",
        "params: optax.Params | None = None",
        *value,
        "**extra_args: Any",
    ]
    pairs = [f"{p.name}={p.name}" for p in shape.original.parameters]
    read = {p.name for p in rule.parameters} & (_used(shape) | _used_at_first(shape))
    check = ("hyperparameters = " if read else "") + "_checked_hyperparameters("
    return {
        "name": name,
        "docstring": module_lines(shape.prepared, document, _example(shape)),
        "imports": _imports(shape, helpers),
        "provenance": provenance_lines(document),
        "exports": export_names(["PROVENANCE", shape.state_class, name]),
        "bounds": bounds_lines(shape.original.parameters),
        "only": document.dtypes[0] if document.dtypes != DTYPES else "",
        "state_class": shape.state_class,
        "attributes": docstring_text(
            line for field, _, what in rows for line in wrapped(f"{field}: {sentence(what)}", 2, 1)
        ),
        "fields": [f"{field}: {kind}" for field, kind, _ in rows],
        "sweeps": [_sweep_code(f, shape) for f in shape.functions if f.results],
        "signature": _signature(shape),
        "factory_doc": _factory_doc(shape, document),
        "has_parameters": bool(pairs),
        "hyperparameters": bracketed(check, pairs, ")", 1),
        "reads_hyperparameters": bool(read),
        "init": _init_lines(shape),
        "update_signature": bracketed(
            "def update_fn(", update, f") -> tuple[optax.Updates, {shape.state_class}]:", 1
        ),
        "update": _update_lines(shape),
        "has_guards": bool(rule.guards),
        "has_noise": rule.needs_noise,
        "has_buffers": bool(shape.buffers),
        "has_blocks": bool(shape.blocks),
        "has_totals": any(not r.per_block for r in rule.reductions),
        "has_stacks": any(r.per_block for r in rule.reductions),
        "has_sums": bool(shape.accumulations),
        "has_scalars": bool(read) or rule.needs_loss,
        "has_powers": has_powers,
        "helpers": sorted(op.spelling for op in helpers),
        "scalar_functions": functions,
        "needs_library": bool(functions or has_powers or helpers & _CHOOSING),
    }


def _is_power(node: Expr) -> bool:
    """Whether a scalar is printed with `_pow`."""
    return isinstance(node, Call) and node.op is Op.POW and small_integer(node.args[1]) is None


OPTAX = Target(
    "optax",
    ("optax/{name}.py",),
    ("jax", "optax", "numpy"),
    "a gradient transformation for JAX; needs JAX and optax only",
    _write,
    public=lambda name: name,
)

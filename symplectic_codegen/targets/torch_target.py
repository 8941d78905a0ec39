"""An optimizer for PyTorch: operations on tensors, for every device, and fused code for speed.

This module knows the class and the way through tensors; `torch_fused` knows the compiled code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symplectic_codegen.rule.expression import ZERO, Expr, Ref, references
from symplectic_codegen.rule.rule import LOSS, STEP, Assign, Parameter, UpdateRule
from symplectic_codegen.targets.array_module import (
    MODULE_NAMES,
    Prepared,
    Sweep,
    arguments_of,
    assignment_lines,
    bounds_text,
    default_text,
    describe,
    element_lines,
    example_value,
    export_names,
    kernel_doc,
    module_lines,
    prepare,
    raise_lines,
    refusal_lines,
    tuple_lines,
)
from symplectic_codegen.targets.base import Document, Target
from symplectic_codegen.targets.printing import (
    INDENT,
    LINE_LENGTH,
    TENSOR,
    bracketed,
    call_lines,
    comment_lines,
    docstring_text,
    fresh,
    listed,
    literal_lines,
    operations,
    quoted,
    wrapped,
)
from symplectic_codegen.targets.rendering import render
from symplectic_codegen.targets.torch_fused import fused_context
from symplectic_codegen.targets.torch_rule import (
    COUNT,
    couples,
    kept_scalars,
    kept_sources,
    spreads,
    sums_blocks,
    used_names,
)

# What the templates use beside the names that all array modules reserve.
_NAMES = frozenset(
    """
    torch functools Tensor NamedTuple group batch plan values active clock sums closure
    row rows w_i G_i factor like noise seed step start run jump offset share total
    """.split()  # noqa: SIM905
)
# Options of every optimizer, and keys that PyTorch itself puts into groups of parameters.
_OPTIONS = ("maximize", "foreach", "capturable", "differentiable", "fused")
_TAKEN = frozenset((*_OPTIONS, "seed", "shard_group", "closure", "loss", "param_names"))

_REAL_TYPES = {
    "float32": {"float16": "float32", "bfloat16": "float32", "float32": "float32"},
    "float64": {"float64": "float64"},
}
_COMPLEX_TYPES = {
    "float32": {"complex32": "complex64", "complex64": "complex64"},
    "float64": {"complex128": "complex128"},
}
_LONGEST = 3  # of the tuples of hyperparameters


@dataclass(frozen=True)
class Option:
    """A keyword argument of the class: one hyperparameter, or several that are numbered.

    Args:
        name: of the argument.
        members: the hyperparameters.
    """

    name: str
    members: tuple[Parameter, ...]

    @property
    def is_tuple(self) -> bool:
        return self.name != self.members[0].name

    @property
    def required(self) -> bool:
        return any(p.default is None for p in self.members)

    @property
    def type_text(self) -> str:
        one = "float | Tensor"
        return f"tuple[{', '.join([one] * len(self.members))}]" if self.is_tuple else one

    @property
    def default_text(self) -> str:
        texts = [default_text(p.default) for p in self.members if p.default is not None]
        return f"({', '.join(texts)})" if self.is_tuple else texts[0]


def options_of(parameters: Sequence[Parameter]) -> tuple[Option, ...]:
    """Arguments for the hyperparameters, those without default first.

    As in PyTorch, numbered ones are given together, if they are few: beta1 and beta2 are `betas`.

    >>> [o.name for o in options_of([Parameter("beta1"), Parameter("beta2"), Parameter("lr")])]
    ['betas', 'lr']
    """
    names = {p.name for p in parameters}
    found: list[Option] = []
    rest = list(parameters)
    while rest:
        stem = rest[0].name.removesuffix("1")
        size = 0
        while size < len(rest) and rest[size].name == f"{stem}{size + 1}":
            size += 1
        together = 1 < size <= _LONGEST and not {stem, f"{stem}s"} & names
        size = size if together else 1
        found.append(Option(f"{stem}s" if together else rest[0].name, tuple(rest[:size])))
        del rest[:size]
    return tuple(sorted(found, key=lambda option: not option.required))


def _write(rule: UpdateRule, document: Document) -> tuple[str, ...]:
    prepared = prepare(rule, MODULE_NAMES | _NAMES, _TAKEN)
    return (render("torch/module.py.jinja", _context(prepared, document)),)


def _context(prepared: Prepared, document: Document) -> dict[str, object]:
    rule = prepared.rule
    options = options_of(prepared.original.parameters)
    scalars = kept_scalars(prepared)
    buffers = [b.name for b in prepared.original.buffers]
    everything = [*rule.scalar_expressions, *(s.initial for s in rule.states)]
    everything += [expr for sweep in prepared.sweeps for expr in sweep.exprs]
    exports = ["PROVENANCE", document.class_name, *(sweep.name for sweep in prepared.sweeps)]
    real = {k: v for name in document.dtypes for k, v in _REAL_TYPES[name].items()}
    real |= {k: v for name in document.dtypes for k, v in _COMPLEX_TYPES[name].items()}
    loss = ["*", "loss: float | Tensor | None = None"] if rule.needs_loss else []
    has_state = bool(scalars or buffers)
    return {
        "name": rule.name,
        "class_name": document.class_name,
        "summary": docstring_text(wrapped(f"{document.title}.", 1)),
        "docstring": module_lines(prepared, document, _example(prepared, document, options)),
        "provenance": [
            line for key, value in document.provenance.items() for line in literal_lines(key, value)
        ],
        "exports": export_names(exports),
        "real_types": [f"{INDENT}torch.{k}: torch.{v}," for k, v in real.items()],
        "hyperparameters": tuple_lines(
            "_HYPERPARAMETERS = ", [quoted(p.name) for p in prepared.original.parameters]
        ),
        "scalar_names": tuple_lines("_SCALARS = ", [quoted(name) for name in scalars]),
        "buffer_names": tuple_lines("_BUFFERS = ", [quoted(name) for name in buffers]),
        "has_scalars": bool(scalars),
        "has_buffers": bool(buffers),
        "has_state": has_state,
        "has_noise": rule.needs_noise,
        "has_guards": bool(rule.guards),
        "has_parameters": bool(rule.parameters),
        "needs_loss": rule.needs_loss,
        "couples": couples(rule),
        "spreads": spreads(rule),
        "reduces": bool(rule.reductions),
        "clears": rule.clears_gradients,
        "sums_blocks": sums_blocks(rule),
        "bounds": _bounds(prepared),
        "sweeps": [_sweep_context(sweep, prepared) for sweep in prepared.sweeps],
        "hyperparameter_docs": [line for option in options for line in _option_doc(option)],
        "signature": _signature(prepared, options),
        "defaults": _defaults(prepared, options),
        "step_signature": bracketed(
            "def step(",
            ["self", "closure: Callable[[], Any] | None = None", *loss],
            ") -> Any:",
            1,
        ),
        "init_group_signature": bracketed(
            "def _init_group(",
            [
                "self",
                "group: dict[str, Any]",
                "params: list[Tensor]",
                "grads: list[Tensor]",
                *(["*states: list[Tensor]"] if has_state else []),
            ],
            ") -> None:",
            1,
        ),
        "refusals": refusal_lines(rule),
        "read_group": _read_group(options, prepared.original.parameters),
        "check_hyperparameters": [line for option in options for line in _option_check(option)],
        "tensor_step": _tensor_step(prepared),
        "scalars_on_device": "True" if couples(rule) else 'group["capturable"]',
        "helpers": sorted(op.spelling for op in operations(everything)),
        "compiled_helpers": sorted(op.spelling for op in operations(rule.scalar_expressions)),
        "element_helpers": sorted(op.spelling for op in operations(everything)),
        "fused": fused_context(prepared),
    }


def _bounds(prepared: Prepared) -> list[str]:
    bounds = []
    for parameter in prepared.original.parameters:
        text, test = bounds_text(parameter.interval)
        if test:
            bounds.append(f"{INDENT}{quoted(parameter.name)}: ({quoted(text)}, {test}),")
    return bounds


def _signature(prepared: Prepared, options: Sequence[Option]) -> list[str]:
    items = ["self", "params: Any"]
    for option in options:
        default = "" if option.required else f" = {option.default_text}"
        items.append(f"{option.name}: {option.type_text}{default}")
    items.append("*")
    items += ["seed: int = 0"] if prepared.rule.needs_noise else []
    items += ["maximize: bool = False", "foreach: bool | None = None", "capturable: bool = False"]
    items += ["differentiable: bool = False", "fused: bool | None = None"]
    items += ["shard_group: Any = None"] if spreads(prepared.rule) else []
    return bracketed("def __init__(", items, ") -> None:", 1)


def _defaults(prepared: Prepared, options: Sequence[Option]) -> list[str]:
    names = [option.name for option in options]
    names += ["seed"] if prepared.rule.needs_noise else []
    items = [f"{quoted(name)}: {name}" for name in (*names, *_OPTIONS)]
    pad = INDENT * 2
    return [f"{pad}defaults = {{", *(f"{pad}{INDENT}{item}," for item in items), f"{pad}}}"]


def _option_doc(option: Option) -> list[str]:
    if not option.is_tuple:
        return docstring_text(wrapped(f"{option.name}: {describe(option.members[0])}", 2, 1))
    lines = [f"{INDENT * 2}{option.name}:"]
    for member in option.members:
        lines += wrapped(f"{member.name}: {describe(member)}", 3, 1)
    return docstring_text(lines)


def _option_check(option: Option) -> list[str]:
    """Lines that check the values of an option in a group; at depth 1."""
    names = [quoted(p.name) for p in option.members]
    if not option.is_tuple:
        arguments = [names[0], f"group[{names[0]}]", f"_BOUNDS.get({names[0]})"]
        if not _is_bounded(option.members[0]):
            arguments[-1] = "None"
        return bracketed("_checked(", arguments, ")", 1)
    lines = []
    for k, member in enumerate(option.members):
        bound = f"_BOUNDS[{names[k]}]" if _is_bounded(member) else "None"
        place = f"{option.name}[{k}]"
        lines += bracketed(
            "_checked(", [quoted(place), f"group[{quoted(option.name)}][{k}]", bound], ")", 1
        )
    return lines


def _is_bounded(parameter: Parameter) -> bool:
    return bool(bounds_text(parameter.interval)[1])


def _read_group(options: Sequence[Option], parameters: Sequence[Parameter]) -> list[str]:
    """The body of `_hyperparameters`."""
    places = {}
    for option in options:
        for k, member in enumerate(option.members):
            index = f"[{k}]" if option.is_tuple else ""
            places[member.name] = f"group[{quoted(option.name)}]{index}"
    items = [places[p.name] for p in parameters]
    if len(items) == 1:
        return [f"{INDENT}return ({items[0]},)"]
    return listed("return ", items, "", 1) if items else [f"{INDENT}return ()"]


def _example(prepared: Prepared, document: Document, options: Sequence[Option]) -> list[str]:
    """How the class is used."""
    values = []
    for option in options:
        if option.required:
            texts = [example_value(p) for p in option.members]
            text = f"({', '.join(texts)})" if option.is_tuple else texts[0]
            values.append(f"{option.name}={text}")
    loss = "loss=loss" if prepared.original.needs_loss else ""
    return [
        "import torch",
        "",
        "w = torch.nn.Parameter(torch.tensor([3.0, -1.0]))",
        f"opt = {document.class_name}({', '.join(['[w]', *values])})",
        "for _ in range(100):",
        "    opt.zero_grad()",
        "    loss = w @ w",
        "    loss.backward()",
        f"    opt.step({loss})",
    ]


def _sweep_context(sweep: Sweep, prepared: Prepared) -> dict[str, object]:
    """The sweep as a function of tensors."""
    arguments = [*(f"{name}: Tensor" for name in arguments_of(sweep))]
    arguments += [f"{name}: Tensor" for name in sweep.scalars]
    doc = kernel_doc(sweep, prepared, _HEADLINE, _TENSORS, in_place=False)
    results = [store.source for store in sweep.stores] + [_text(r.expr) for r in sweep.reductions]
    meanings = [f"the new {store.target}" for store in sweep.stores]
    meanings += [f"summands of {r.name}" for r in sweep.reductions]
    if meanings:
        doc += ["", f"{INDENT}Returns:", *wrapped(f"{', '.join(meanings)}.", 2, 1)]
    arrays = set(sweep.arrays)

    def text(expr: Expr) -> str:
        # A plain name would be the tensor itself, and change with the stores.
        if isinstance(expr, Ref) and expr.name in arrays:
            return f"{expr.name}.clone()"
        return _text(expr)

    body = element_lines(sweep.elements, text, 1, sweep.local_names)
    if len(results) == 1:
        body.append(f"{INDENT}return ({results[0]},)")
    else:
        body += listed("return ", results, "", 1) if results else [f"{INDENT}return ()"]
    return {
        "name": sweep.name,
        "signature": bracketed(f"def {sweep.name}(", arguments, ") -> tuple[Any, ...]:"),
        "doc": doc,
        "body": body,
    }


_HEADLINE = "One sweep over the elements of one parameter, as a pure function."
_TENSORS = "Tensors have one shape and dtype; scalars are tensors without axes, of this dtype."


def _text(expr: Expr) -> str:
    """An expression of tensors; one of constants only is a tensor too."""
    text = TENSOR(expr)
    return text if references(expr) else TENSOR.constant.format(text)


def _tensor_step(prepared: Prepared) -> list[str]:
    """The body of `_tensor_step`, at depth 2."""
    rule, pad = prepared.rule, INDENT * 2
    taken = set().union(*(sweep.local_names for sweep in prepared.sweeps))
    lines = []
    # Other processes wait for the sums of this one.
    if not spreads(rule):
        lines += [f"{pad}if not batch.params:", f"{pad}{INDENT}return"]
    names = [p.name for p in rule.parameters]
    used = used_names(prepared)
    shown = [name if name in used else "_" for name in names]
    if set(shown) - {"_"}:
        *first, last = _unpacking(shown)
        lines += [*first, f"{last}batch.hyperparameters()"]
    lines += _inputs(prepared, used)
    for number, guard in enumerate(rule.guards, 1):
        name = fresh(f"guard_{number}", taken)
        taken.add(name)
        lines += assignment_lines([Assign(name, guard.expr)], _text, 2, taken)
        lines.append(f"{pad}if not bool(({name} > 0.0).all()):")
        lines += raise_lines("ValueError", guard.message, 3)
    for stage, sweep in zip(rule.stages, prepared.sweeps, strict=True):
        lines += assignment_lines(stage.scalars, _text, 2, taken)
        lines += _sweep_call(sweep, prepared)
    lines += assignment_lines(rule.epilogue, _text, 2, taken)
    for key, source in kept_sources(prepared):
        lines.append(f"{pad}batch.keep({quoted(key)}, {source})")
    return lines


def _inputs(prepared: Prepared, used: set[str]) -> list[str]:
    """What a step starts from: its number, the loss, kept scalars."""
    rule, original, pad = prepared.rule, prepared.original, INDENT * 2
    lines = []
    if COUNT in kept_scalars(prepared):
        lines.append(f'{pad}{STEP} = batch.kept("step") + 1.0')
    if rule.needs_loss:
        lines.append(f"{pad}{LOSS} = batch.loss(loss)")
    for old, new in zip(original.states, rule.states, strict=True):
        if new.name not in used:
            continue
        if new.initial == ZERO:
            lines.append(f"{pad}{new.name} = batch.kept({quoted(old.name)})")
            continue
        start = _text(new.initial)
        line = f"{pad}{new.name} = batch.kept({quoted(old.name)}, {start})"
        if len(line) > LINE_LENGTH:
            start = f"{new.name}_start"
            lines += assignment_lines([Assign(start, new.initial)], _text, 2, set(used))
            line = f"{pad}{new.name} = batch.kept({quoted(old.name)}, {start})"
        lines.append(line)
    for old_block, new_block in zip(original.block_states, rule.block_states, strict=True):
        if new_block.name in used:
            lines.append(f"{pad}{new_block.name} = batch.kept({quoted(old_block.name)})")
    return lines


def _sweep_call(sweep: Sweep, prepared: Prepared) -> list[str]:
    """Call a sweep for all parameters; at depth 2."""
    keys = {name: key for key, name in prepared.buffers}
    arrays = [quoted(keys.get(name, name)) for name in arguments_of(sweep)]
    stores = [quoted(keys.get(store.target, store.target)) for store in sweep.stores]
    sums = [str(r.per_block) for r in sweep.reductions]
    arguments: list[str | Sequence[str]] = [sweep.name, arrays]
    if sweep.scalars or stores or sums:
        arguments += [sweep.scalars, stores, sums] if sums else [sweep.scalars, stores]
    lines = [line for r in sweep.reductions if r.meaning for line in comment_lines(r.meaning, 2)]
    results = [r.name for r in sweep.reductions]
    if not results:
        return call_lines("batch.sweep(", arguments, ")", 2)
    *first, last = _unpacking(results)
    return [*lines, *first, *call_lines(f"{last.strip()} batch.sweep(", arguments, ")", 2)]


def _unpacking(names: Sequence[str]) -> list[str]:
    """What is left of a value that is taken apart; at depth 2."""
    pad, flat = INDENT * 2, f"({names[0]},)" if len(names) == 1 else ", ".join(names)
    if len(f"{pad}{flat} = batch.hyperparameters()") <= LINE_LENGTH:
        return [f"{pad}{flat} = "]
    return [f"{pad}(", *(f"{pad}{INDENT}{name}," for name in names), f"{pad}) = "]


TORCH = Target(
    "torch",
    ("torch/{name}.py",),
    ("torch", "numpy"),
    "a torch.optim.Optimizer; foreach, fused (CPU: Numba), distributed",
    _write,
)

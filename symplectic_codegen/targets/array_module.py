"""What the modules for NumPy arrays have in common: names, host code, documentation.

The rule is brought into a form that prints line by line (`prepare`), and turned into finished
lines for `templates/common/module.py.jinja`, which both the NumPy and the Numba template extend.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from symplectic_codegen.errors import TargetError
from symplectic_codegen.passes.cleanup import drop_unused
from symplectic_codegen.rule.expression import (
    ZERO,
    Call,
    Expr,
    Op,
    Ref,
    references,
    substitute,
    walk,
)
from symplectic_codegen.rule.rule import (
    GRADIENT,
    LOSS,
    NOISE,
    PARAMETER,
    STEP,
    Assign,
    Element,
    Interval,
    Iterate,
    Parameter,
    Reduction,
    Store,
    UpdateRule,
    assignments_in,
)
from symplectic_codegen.targets.base import Document
from symplectic_codegen.targets.printing import (
    HOST,
    INDENT,
    LINE_LENGTH,
    bracketed,
    comment_lines,
    docstring_text,
    fresh,
    literal_lines,
    number_text,
    operations,
    python_names,
    quoted,
    split_long,
    wrapped,
)

# Every name that the templates use; rules get others.
MODULE_NAMES = frozenset(
    """
    np math os numbers operator itertools numba njit prange carray intrinsic types bisect_right
    Callable Iterable Mapping Sequence NamedTuple Any PROVENANCE annotations
    self grads gradients loss params tensors groups group real scalars parts i
    begin end first last thread threads table starts like tensor offset size sums share total
    update index active seed origins origin
    """.split()  # noqa: SIM905
)
_CLASS_NAMES = frozenset({"self", "params", "seed", "step", "state_dict", "load_state_dict"})


@dataclass(frozen=True)
class Sweep:
    """One pass over all elements, in the names of the generated code.

    Args:
        name: the name of its public function.
        arrays: the arrays it reads or writes: w, G, buffers.
        scalars: the scalars it needs, in the order of their definition.
        block_scalars: those of them that have one value per parameter.
        elements: what is assigned per element, in order.
        stores: element values that are written back after all assignments.
        reductions: sums over element values.
        local_names: everything that is a name inside of it.
    """

    name: str
    arrays: tuple[str, ...]
    scalars: tuple[str, ...]
    block_scalars: frozenset[str]
    elements: tuple[Element, ...]
    stores: tuple[Store, ...]
    reductions: tuple[Reduction, ...]
    local_names: frozenset[str]

    @property
    def exprs(self) -> tuple[Expr, ...]:
        """All expressions of the sweep."""
        assigned = assignments_in(self.elements)
        return (*(a.expr for a in assigned), *(r.expr for r in self.reductions))

    @property
    def uniform_scalars(self) -> tuple[str, ...]:
        """The scalars that have one value for all elements."""
        return tuple(name for name in self.scalars if name not in self.block_scalars)

    @property
    def makes_noise(self) -> bool:
        """Whether elements get random numbers."""
        return any(NOISE in references(expr) for expr in self.exprs)

    @property
    def sums_per_block(self) -> bool:
        """Whether its sums are kept apart for each parameter."""
        return any(r.per_block for r in self.reductions)


@dataclass(frozen=True)
class Prepared:
    """A rule in the names of the generated code.

    Args:
        rule: the rule, renamed.
        original: the rule as it was; its names are the keys of `state_dict`.
        sweeps: the sweep of each stage.
        names: what the names of the original are called.
    """

    rule: UpdateRule
    original: UpdateRule
    sweeps: tuple[Sweep, ...]
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def buffers(self) -> tuple[tuple[str, str], ...]:
        """(key in the state, name in the code) of each buffer."""
        pairs = zip(self.original.buffers, self.rule.buffers, strict=True)
        return tuple((old.name, new.name) for old, new in pairs)

    @property
    def has_blocks(self) -> bool:
        """Whether anything has one value per parameter."""
        return bool(self.rule.block_values)


def prepare(
    rule: UpdateRule,
    reserved: frozenset[str] = MODULE_NAMES,
    class_names: Iterable[str] = (),
    in_place: bool = True,
) -> Prepared:
    """Rename what would clash with names of the generated code, and settle the order of stores.

    Args:
        rule: what is to be generated.
        reserved: the names that the generated code uses; the rule gets others.
        class_names: further names that no hyperparameter can have.
        in_place: whether a store changes what later stores of the sweep read.

    Raises:
        TargetError: a hyperparameter cannot be an attribute of the class.
    """
    refused = _CLASS_NAMES | set(class_names)
    for parameter in rule.parameters:
        if parameter.name in refused or parameter.name.startswith("_"):
            raise TargetError(
                f"the hyperparameter {parameter.name} needs another name: "
                "the generated class uses this one"
            )
    rule_as_given, rule = rule, drop_unused(rule)
    functions = {_sweep_name(rule, index) for index in range(len(rule.stages))}
    names = python_names(dict.fromkeys(names_in(rule)), reserved | functions)
    renamed = _renamed(rule, names)
    stages = range(len(renamed.stages))
    sweeps = tuple(_sweep(renamed, index, reserved, in_place) for index in stages)
    return Prepared(renamed, rule_as_given, sweeps, names)


def _sweep_name(rule: UpdateRule, index: int) -> str:
    return "update" if len(rule.stages) == 1 else f"stage_{index + 1}"


def names_in(rule: UpdateRule) -> Iterator[str]:
    """All names of a rule, the public ones first; w, G, L and n stay what they are."""
    yield from (p.name for p in rule.parameters)
    yield from (b.name for b in rule.buffers)
    yield from (s.name for s in rule.states)
    yield from (s.name for s in rule.block_states)
    yield from (PARAMETER, GRADIENT, NOISE, LOSS, STEP)
    for stage in rule.stages:
        yield from (a.name for a in stage.scalars)
        yield from (a.name for a in stage.assigned)
        yield from (r.name for r in stage.reductions)
    yield from (a.name for a in rule.epilogue)


def _renamed(rule: UpdateRule, names: dict[str, str]) -> UpdateRule:
    values: dict[str, Expr] = {old: Ref(new) for old, new in names.items()}

    def assign(items: Iterable[Assign]) -> tuple[Assign, ...]:
        return tuple(Assign(names[a.name], substitute(a.expr, values), a.meaning) for a in items)

    def store(items: Iterable[Store]) -> tuple[Store, ...]:
        return tuple(Store(names[s.target], names[s.source]) for s in items)

    def element(item: Element) -> Element:
        if isinstance(item, Assign):
            return assign([item])[0]
        carry = store(item.carry)
        return Iterate(assign(item.variables), assign(item.body), carry, item.rounds)

    return UpdateRule(
        rule.name,
        tuple(dataclasses.replace(p, name=names[p.name]) for p in rule.parameters),
        tuple(dataclasses.replace(b, name=names[b.name]) for b in rule.buffers),
        tuple(
            dataclasses.replace(
                stage,
                scalars=assign(stage.scalars),
                elements=tuple(element(e) for e in stage.elements),
                stores=store(stage.stores),
                reductions=tuple(
                    dataclasses.replace(r, name=names[r.name], expr=substitute(r.expr, values))
                    for r in stage.reductions
                ),
            )
            for stage in rule.stages
        ),
        tuple(
            dataclasses.replace(s, name=names[s.name], initial=substitute(s.initial, values))
            for s in rule.states
        ),
        assign(rule.epilogue),
        store(rule.state_stores),
        tuple(dataclasses.replace(g, expr=substitute(g.expr, values)) for g in rule.guards),
        tuple(dataclasses.replace(s, name=names[s.name]) for s in rule.block_states),
    )


def _sweep(rule: UpdateRule, index: int, reserved: frozenset[str], in_place: bool) -> Sweep:
    stage = rule.stages[index]
    arrays = (PARAMETER, GRADIENT, *(b.name for b in rule.buffers))
    taken = set(names_in(rule)) | reserved
    elements, stores = list(stage.elements), []
    written = {store.target for store in stage.stores}
    for store in stage.stores:
        source = store.source
        # A store must not see what another store of the same sweep has written.
        if in_place and source in written and source != store.target:
            source = fresh(f"{source}_old", taken)
            taken.add(source)
            elements.append(Assign(source, Ref(store.source)))
        if source != store.target:
            stores.append(Store(store.target, source))
    reductions = []
    for reduction in stage.reductions:
        # A long summand gets a name of its own, and can then be split like any other element.
        if len(HOST(reduction.expr)) > LINE_LENGTH // 2:
            summand = fresh(f"{reduction.name}_term", taken)
            taken.add(summand)
            elements.append(Assign(summand, reduction.expr))
            reduction = dataclasses.replace(reduction, expr=Ref(summand))
        reductions.append(reduction)
    assigned = assignments_in(elements)
    exprs = [a.expr for a in assigned] + [r.expr for r in reductions]
    used = {name for expr in exprs for name in references(expr)}
    used |= {s.source for s in stores} | {s.target for s in stores}
    defined = [p.name for p in rule.parameters] + [s.name for s in rule.states] + [LOSS, STEP]
    defined += [s.name for s in rule.block_states]
    for earlier in rule.stages[: index + 1]:
        defined += [a.name for a in earlier.scalars]
        if earlier is not stage:
            defined += [r.name for r in earlier.reductions]
    own = {a.name for a in assigned}
    scalars = tuple(name for name in defined if name in used - own)
    # A sweep that uses no array still has to know how many elements there are.
    used_arrays = tuple(name for name in arrays if name in used) or (PARAMETER,)
    return Sweep(
        _sweep_name(rule, index),
        used_arrays,
        scalars,
        rule.block_values & set(scalars),
        tuple(elements),
        tuple(stores),
        tuple(reductions),
        frozenset(taken | used),
    )


def arguments_of(sweep: Sweep) -> tuple[str, ...]:
    """The arrays that the function of a sweep gets, the random numbers last."""
    return (*sweep.arrays, NOISE) if sweep.makes_noise else sweep.arrays


def loop_header(size: str, body: Sequence[str]) -> str:
    """The line that opens the loop over elements around `body`, at depth 1.

    >>> loop_header("w.size", ["        total += one"])
    '    for _ in range(w.size):'
    """
    index = "i" if any(re.search(r"\bi\b", line) for line in body) else "_"
    return f"{INDENT}for {index} in range({size}):"


def element_lines(
    elements: Iterable[Element],
    text: Callable[[Expr], str],
    depth: int,
    taken: Iterable[str],
) -> list[str]:
    """What a sweep assigns, as lines; an iteration is a loop."""
    used = set(taken)
    lines: list[str] = []
    for element in elements:
        if isinstance(element, Assign):
            lines += assignment_lines([element], text, depth, used)
            continue
        lines += assignment_lines(element.variables, text, depth, used)
        lines.append(f"{INDENT * depth}for _ in range({element.rounds}):")
        lines += assignment_lines(element.body, text, depth + 1, used)
        targets = ", ".join(store.target for store in element.carry)
        sources = ", ".join(store.source for store in element.carry)
        lines.append(f"{INDENT * (depth + 1)}{targets} = {sources}")
    return lines


def assignment_lines(
    assignments: Iterable[Assign],
    text: Callable[[Expr], str],
    depth: int,
    taken: Iterable[str],
) -> list[str]:
    """Assignments as lines, with their meaning as comments; long ones are split."""
    used = taken if isinstance(taken, set) else set(taken)
    lines: list[str] = []

    def line(assignment: Assign) -> str:
        return f"{INDENT * depth}{assignment.name} = {text(assignment.expr)}"

    for assignment in assignments:
        parts = split_long(assignment, lambda a: len(line(a)) <= LINE_LENGTH, used)
        lines += comment_lines(assignment.meaning, depth) if assignment.meaning else []
        for part in parts:
            lines += [line(part)] if len(line(part)) <= LINE_LENGTH else _in_parentheses(line(part))
    return lines


def _in_parentheses(line: str) -> list[str]:
    """An assignment of two very long names, which cannot be split any further."""
    head, equals, text = line.partition(" = ")
    pad = line[: len(line) - len(line.lstrip())]
    return [f"{head}{equals}(", f"{pad}{INDENT}{text}", f"{pad})"]


def _host_text(expr: Expr) -> str:
    # An np.float64 in every expression, so that no division or power of scalars raises.
    return HOST(expr) if references(expr) else f"np.float64({HOST(expr)})"


def host_lines(assignments: Iterable[Assign], depth: int, taken: Iterable[str]) -> list[str]:
    """Scalars of a step."""
    return assignment_lines(assignments, _host_text, depth, taken)


@dataclass(frozen=True)
class StepCode:
    """The finished lines of `step`.

    Args:
        inputs: reading hyperparameters, scalar states, the step count and the loss.
        guards: refusing the step.
        stages: scalars and sweep of each stage, then the epilogue.
        results: what is kept once nothing can fail any more.
        refusals: the guards in words, for the docstring.
    """

    inputs: list[str]
    guards: list[str]
    stages: list[str]
    results: list[str]
    refusals: list[str]


def step_code(
    prepared: Prepared,
    sweep_lines: Callable[[Sweep], list[str]],
    hyperparameter: Callable[[str], str] = "self.{}".format,
) -> StepCode:
    """Host code of one step.

    Args:
        prepared: the rule.
        sweep_lines: calls one sweep; at depth 3.
        hyperparameter: how the code gets at the value of one.
    """
    rule, taken = prepared.rule, set(names_in(prepared.rule)) | MODULE_NAMES
    exprs = list(rule.scalar_expressions)
    used = {name for expr in exprs for name in references(expr)}
    used |= {name for sweep in prepared.sweeps for name in sweep.scalars}
    used |= {store.source for store in rule.state_stores}
    used |= {STEP} if rule.needs_noise else set()
    pad = INDENT * 3
    inputs = [
        f"{pad}{new.name} = np.float64({hyperparameter(old.name)})"
        for old, new in zip(prepared.original.parameters, rule.parameters, strict=True)
        if new.name in used
    ]
    inputs += [f"{pad}{STEP} = np.float64(self._steps + 1)"] if STEP in used else []
    inputs += [f"{pad}{LOSS} = np.float64(loss)"] if rule.needs_loss else []
    states = list(zip(prepared.original.states, rule.states, strict=True))
    for old, new in states:
        kept = f"np.float64(self._scalars[{quoted(old.name)}])"
        if new.starts_with_loss:
            inputs.append(f"{pad}{new.name} = {kept} if self._steps else {HOST(new.initial)}")
        elif new.name in used:
            inputs.append(f"{pad}{new.name} = {kept}")
    blocks = list(zip(prepared.original.block_states, rule.block_states, strict=True))
    adds_blocks = any(
        isinstance(e, Call) and e.op is Op.BLOCK_SUM
        for expr in rule.scalar_expressions
        for e in walk(expr)
    )
    if blocks or adds_blocks:
        inputs.append(f"{pad}active = np.array([G is not None for G in gradients])")
    inputs += [f"{pad}{new.name} = self._blocks[{quoted(old.name)}]" for old, new in blocks]
    guards: list[str] = []
    for number, guard in enumerate(rule.guards, 1):
        text = HOST(guard.expr)
        if len(f"{pad}if not {text} > 0.0:") > LINE_LENGTH:
            name = fresh(f"guard_{number}", taken)
            guards += host_lines([Assign(name, guard.expr)], 3, taken)
            text = name
        guards.append(f"{pad}if not {text} > 0.0:")
        guards += raise_lines("ValueError", guard.message, 4)
    stages: list[str] = []
    for stage, sweep in zip(rule.stages, prepared.sweeps, strict=True):
        stages += host_lines(stage.scalars, 3, taken)
        for reduction in sweep.reductions:
            stages += comment_lines(reduction.meaning, 3) if reduction.meaning else []
            many = sweep.sums_per_block
            start = "np.zeros(len(self._params))" if many else "np.float64(0.0)"
            stages.append(f"{pad}{reduction.name} = {start}")
        stages += sweep_lines(sweep)
        stages += [
            f"{pad}{r.name} = np.sum({r.name})"
            for r in sweep.reductions
            if sweep.sums_per_block and not r.per_block
        ]
    stages += host_lines(rule.epilogue, 3, taken)
    sources = {new.name: new.name for _, new in states if new.starts_with_loss}
    sources |= {store.target: store.source for store in rule.state_stores}
    results = [
        f"{INDENT * 2}self._scalars[{quoted(old.name)}] = float({sources[new.name]})"
        for old, new in states
        if new.name in sources
    ]
    results += [
        f"{INDENT * 2}self._blocks[{quoted(old.name)}] = "
        f"np.where(active, {sources[new.name]}, {new.name})"
        for old, new in blocks
        if new.name in sources
    ]
    return StepCode(inputs, guards, stages, results, refusal_lines(rule))


def refusal_lines(rule: UpdateRule) -> list[str]:
    """The guards in words, for the docstring of `step`."""
    return docstring_text(
        line
        for guard in rule.guards
        for line in wrapped(f"ValueError: {sentence(guard.message)}", 3, 1)
    )


def raise_lines(error: str, message: str, depth: int) -> list[str]:
    """A raise statement whose message may be long."""
    pad = INDENT * depth
    flat = f"{pad}raise {error}({quoted(message)})"
    if len(flat) <= LINE_LENGTH:
        return [flat]
    entry = literal_lines("", message, depth)
    if len(entry) == 1:
        return [f"{pad}raise {error}(", f"{pad}{INDENT}{quoted(message)}", f"{pad})"]
    return [f"{pad}raise {error}(", *(line for line in entry[1:-1]), f"{pad})"]


def bounds_text(interval: Interval) -> tuple[str, str]:
    """(the interval in words of mathematics, a lambda that tests it); no test if unbounded.

    >>> bounds_text(Interval(Fraction(0), Fraction(1), upper_closed=False))
    ('[0, 1)', 'lambda x: 0.0 <= x < 1.0')
    """
    text = str(interval)
    lower = number_text(interval.lower).text if interval.lower is not None else ""
    upper = number_text(interval.upper).text if interval.upper is not None else ""
    left, right = "<=" if interval.lower_closed else "<", "<=" if interval.upper_closed else "<"
    if lower and upper:
        return text, f"lambda x: {lower} {left} x {right} {upper}"
    if lower:
        return text, f"lambda x: x {'>=' if interval.lower_closed else '>'} {lower}"
    if upper:
        return text, f"lambda x: x {right} {upper}"
    return text, ""


def bounds_lines(parameters: Iterable[Parameter]) -> list[str]:
    """The entries of the table with the bounds of the hyperparameters."""
    rows = [(p.name, *bounds_text(p.interval)) for p in parameters]
    return [f"    {quoted(name)}: ({quoted(text)}, {test})," for name, text, test in rows if test]


def provenance_lines(document: Document) -> list[str]:
    """The entries of PROVENANCE."""
    return [
        line for key, value in document.provenance.items() for line in literal_lines(key, value)
    ]


def example_value(parameter: Parameter) -> str:
    """A value for a required hyperparameter that is inside its bounds.

    >>> example_value(Parameter("lr"))
    '0.1'
    """
    interval = parameter.interval
    if interval.contains(0.1):
        return "0.1"
    lower, upper = interval.lower, interval.upper
    if lower is not None and upper is not None:
        return number_text((lower + upper) / 2).text
    return number_text(lower + 1 if lower is not None else (upper or Fraction(0)) - 1).text


def module_lines(prepared: Prepared, document: Document, example: Sequence[str]) -> list[str]:
    """The docstring of the module."""
    lines = wrapped(f"{document.title}.")
    lines += ["", "Hamiltonian::", "", *wrapped(document.hamiltonian, 1, 1)]
    lines += ["", "Update derived from it::", ""]
    for line in document.update:
        lines += wrapped(line, 1, 1)
    if prepared.original.parameters:
        lines += ["", "Hyperparameters:"]
        for parameter in prepared.original.parameters:
            lines += wrapped(f"{parameter.name}: {describe(parameter)}", 1, 1)
    per_parameter = prepared.original.block_states
    if prepared.original.buffers or prepared.original.states or per_parameter:
        lines += ["", "State:"]
        for buffer in prepared.original.buffers:
            meaning = buffer.meaning or "one value per element"
            lines += wrapped(f"{buffer.name}: {sentence(meaning)}", 1, 1)
        for state in prepared.original.states:
            meaning = state.meaning or "a scalar"
            lines += wrapped(f"{state.name}: {sentence(meaning)}", 1, 1)
        for block in per_parameter:
            meaning = block.meaning or "a scalar"
            lines += wrapped(f"{block.name}: {meaning.rstrip('.')}; one for each parameter.", 1, 1)
    lines += ["", "Example::", "", *((INDENT + line).rstrip() for line in example)]
    for note in document.notes:
        lines += ["", *wrapped(note)]
    lines += ["", "Generated by symplectic-codegen; PROVENANCE says from what and how."]
    return docstring_text(lines)


def sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def describe(parameter: Parameter) -> str:
    """Meaning, bounds and default of a hyperparameter."""
    meaning = sentence(parameter.meaning) + " " if parameter.meaning else ""
    bounds = bounds_text(parameter.interval)[0]
    if parameter.default is None:
        return f"{meaning}In {bounds}; required."
    return f"{meaning}In {bounds}; default {default_text(parameter.default)}."


def default_text(value: Fraction) -> str:
    """The default as the user would type it."""
    return repr(float(value))


def example_arguments(prepared: Prepared) -> list[str]:
    """The hyperparameters that have to be given, with values inside their bounds."""
    required = [p for p in prepared.original.parameters if p.default is None]
    return [f"{p.name}={example_value(p)}" for p in required]


def _example(prepared: Prepared, document: Document) -> list[str]:
    values = example_arguments(prepared)
    dtype = ", np.float32" if document.dtypes == ("float32",) else ""
    loss = ", loss=w @ w" if prepared.original.needs_loss else ""
    call = ", ".join(["[w]", *values])
    return [
        "import numpy as np",
        "",
        f"w = np.array([3.0, -1.0]{dtype})",
        f"opt = {document.class_name}({call})",
        "for _ in range(100):",
        f"    opt.step([2 * w]{loss})  # minimizes w @ w",
    ]


def signature_lines(
    prepared: Prepared, arrays: str = "Iterable[np.ndarray]", more: Sequence[str] = ()
) -> list[str]:
    """The head of `__init__`; `more` are further keyword arguments."""
    keywords = []
    for parameter in prepared.original.parameters:
        default = "" if parameter.default is None else f" = {default_text(parameter.default)}"
        keywords.append(f"{parameter.name}: float{default}")
    keywords += ["seed: int = 0"] if prepared.original.needs_noise else []
    keywords += more
    items = ["self", f"params: {arrays}", *(["*"] if keywords else []), *keywords]
    return bracketed("def __init__(", items, ") -> None:", 1)


def initial_lines(prepared: Prepared) -> list[str]:
    """What is kept besides arrays before the first step."""
    lines = scalar_state_lines(prepared, "self.{}".format)
    if not lines:
        lines = ["        self._scalars: dict[str, float] = {}"]
    if prepared.original.block_states:
        start = "{name: np.zeros(len(self._params)) for name in _BLOCKS}"
        lines.append(f"{INDENT * 2}self._blocks = {start}")
    return lines


def scalar_state_lines(prepared: Prepared, hyperparameter: Callable[[str], str]) -> list[str]:
    """Scalar states before the first step, from the hyperparameters; no line if there are none.

    Args:
        prepared: the rule.
        hyperparameter: how the code gets at the value of one.
    """
    rule = prepared.rule
    if not rule.states:
        return []
    early = (state.initial for state in rule.states if not state.starts_with_loss)
    used = {name for expr in early for name in references(expr)}
    lines = [
        f"{INDENT * 3}{new.name} = np.float64({hyperparameter(old.name)})"
        for old, new in zip(prepared.original.parameters, rule.parameters, strict=True)
        if new.name in used
    ]
    taken = set(names_in(rule)) | MODULE_NAMES
    starts = [Assign(s.name, ZERO if s.starts_with_loss else s.initial) for s in rule.states]
    lines += host_lines(starts, 3, taken)
    entries = [
        f"{quoted(old.name)}: float({new.name})"
        for old, new in zip(prepared.original.states, rule.states, strict=True)
    ]
    return [
        '        with np.errstate(all="ignore"):',
        *lines,
        *bracketed("self._scalars = {", entries, "}", 2),
    ]


def kernel_doc(
    sweep: Sweep, prepared: Prepared, headline: str, arrays: str, in_place: bool = True
) -> list[str]:
    """The docstring of a kernel, at depth 1; what it returns only if it works in place."""
    meanings = {b.name: b.meaning for b in prepared.rule.buffers}
    meanings |= {PARAMETER: "the parameter", GRADIENT: "its gradient"}
    meanings |= {p.name: p.meaning for p in prepared.rule.parameters}
    meanings |= {s.name: s.meaning for s in prepared.rule.states}
    meanings |= {STEP: "the number of the step, from 1", LOSS: "the value of the loss"}
    meanings |= {NOISE: "a standard normal number for each element"}
    meanings |= {s.name: s.meaning for s in prepared.rule.block_states}
    for stage in prepared.rule.stages:
        meanings |= {a.name: a.meaning for a in stage.scalars}
        meanings |= {r.name: r.meaning for r in stage.reductions}
    written = {store.target for store in sweep.stores if in_place}
    lines = [*wrapped(headline, 1), "", f"{INDENT}Args:"]
    for name in (*arguments_of(sweep), *sweep.scalars):
        text = meanings.get(name, "") or ("an array" if name in sweep.arrays else "a scalar")
        change = "; changed in place" if name in written else ""
        lines += wrapped(f"{name}: {text.rstrip('.')}{change}.", 2, 1)
    lines += ["", *wrapped(arrays, 1)]
    if sweep.reductions and in_place:
        lines += ["", f"{INDENT}Returns:"]
        for reduction in sweep.reductions:
            text = reduction.meaning.rstrip(".") or "a sum over all elements"
            lines += wrapped(f"{reduction.name}: {text}.", 2, 1)
    return docstring_text(lines)


def export_names(names: Iterable[str]) -> list[str]:
    """`__all__` in the order that linters want: constants, classes, functions."""

    def key(name: str) -> tuple[int, str]:
        kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
        return kind, name

    items = [quoted(name) for name in sorted(set(names), key=key)]
    return bracketed("__all__ = [", items, "]")


def common_context(prepared: Prepared, document: Document, step: StepCode) -> dict[str, object]:
    """What `templates/common/module.py.jinja` needs.

    Raises:
        TargetError: the rule changes gradients.
    """
    rule = prepared.original
    if rule.clears_gradients:
        raise TargetError(
            f"the target {document.provenance.get('target')} leaves gradients as they are: "
            "it has no recipe zero-grad"
        )
    host_exprs = [*prepared.rule.scalar_expressions, *(s.initial for s in prepared.rule.states)]
    loss = ["*", "loss: float"] if rule.needs_loss else []
    step_items = ["self", "grads: Sequence[np.ndarray | None]", *loss]
    functions = [sweep.name for sweep in prepared.sweeps]
    return {
        "class_name": document.class_name,
        "summary": docstring_text(wrapped(f"{document.title}.", 1)),
        "docstring": module_lines(prepared, document, _example(prepared, document)),
        "provenance": provenance_lines(document),
        "exports": export_names(["PROVENANCE", document.class_name, *functions]),
        "bounds": bounds_lines(rule.parameters),
        "has_parameters": bool(rule.parameters),
        "hyperparameters": tuple_lines(
            "_HYPERPARAMETERS = ", [quoted(p.name) for p in rule.parameters]
        ),
        "parameter_names": [p.name for p in rule.parameters],
        "buffer_names": tuple_lines("_BUFFERS = ", [quoted(b.name) for b in rule.buffers]),
        "has_buffers": bool(rule.buffers),
        "has_states": bool(rule.states),
        "has_noise": rule.needs_noise,
        "has_blocks": bool(rule.block_states),
        "indexed": prepared.has_blocks or rule.needs_noise,
        "state_keys": state_keys(rule),
        "block_names": tuple_lines("_BLOCKS = ", [quoted(s.name) for s in rule.block_states]),
        "dtypes": tuple_lines("_DTYPES = ", [f"np.dtype(np.{name})" for name in document.dtypes]),
        "dtype_words": " or ".join(document.dtypes),
        "signature": signature_lines(prepared),
        "initial": initial_lines(prepared),
        "needs_loss": rule.needs_loss,
        "step_signature": bracketed("def step(", step_items, ") -> None:", 1),
        "step": step,
        "host_helpers": sorted(op.spelling for op in operations(host_exprs)),
    }


def state_keys(rule: UpdateRule) -> str:
    """The keys of `state_dict`."""
    keys = ["hyperparameters", "step", "scalars", "buffers"]
    keys += ["blocks"] if rule.block_states else []
    keys += ["seed"] if rule.needs_noise else []
    return f"({', '.join(map(quoted, keys))})"


def tuple_lines(head: str, items: Sequence[str]) -> list[str]:
    """A tuple of the given texts, assigned at the top level."""
    if len(items) == 1:
        return [f"{head}({items[0]},)"]
    return bracketed(f"{head}(", items, ")")

"""The compiled code in a file for PyTorch: scalars in double precision, then sweeps over addresses.

Scalars have one value per parameter (see `torch_rule`): they are columns of a matrix `values` with
a row for each parameter. A step is a list of functions that each fill some columns, and of sweeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from symplectic_codegen.rule.expression import ZERO, Call, Expr, Op, Ref, rebuild, references
from symplectic_codegen.rule.rule import GRADIENT, LOSS, NOISE, PARAMETER, STEP, Assign
from symplectic_codegen.targets.array_module import (
    Prepared,
    Sweep,
    assignment_lines,
    element_lines,
    loop_header,
    raise_lines,
)
from symplectic_codegen.targets.printing import (
    COMPILED,
    INDENT,
    LINE_LENGTH,
    bracketed,
    comment_lines,
    constants_in,
    element_printer,
    fresh,
    listed,
    name_constants,
    number_text,
)
from symplectic_codegen.targets.torch_rule import COUNT, kept_scalars, kept_sources, used_names

FACTOR = "factor"  # by which gradients are multiplied: the sign, and the scale of a GradScaler
_NOISE = ("seed", "step", "start", "run", "jump", "offset")


def _assigned(name: str, text: str) -> list[str]:
    """An assignment, at depth 2."""
    pad, flat = INDENT * 2, f"{INDENT * 2}{name} = {text}"
    if len(flat) <= LINE_LENGTH:
        return [flat]
    return [f"{pad}{name} = (", f"{pad}{INDENT}{text}", f"{pad})"]


@dataclass
class _Scalars:
    """A function that computes scalars for every parameter."""

    name: str
    assigns: list[Assign] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)  # lines that read what was kept
    reads: set[str] = field(default_factory=set)
    defines: list[str] = field(default_factory=list)

    def add(self, assign: Assign) -> None:
        self.reads |= references(assign.expr) - set(self.defines)
        self.assigns.append(assign)
        self.defines.append(assign.name)


@dataclass(frozen=True)
class _BlockSum:
    """target = the sum over all parameters of source."""

    target: str
    source: str


@dataclass(frozen=True)
class _Guards:
    """Names that must be positive, with what is said if they are not."""

    checks: tuple[tuple[str, str], ...]


_Item = _Scalars | _BlockSum | _Guards | Sweep


class _Program:
    """The step as a list of items."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.items: list[_Item] = []
        self.taken = set().union(*(sweep.local_names for sweep in prepared.sweeps))
        rule = prepared.rule
        self._start()
        if rule.guards:
            checks = []
            for number, guard in enumerate(rule.guards, 1):
                name = self.fresh(f"guard_{number}")
                self.scalar(Assign(name, guard.expr))
                checks.append((name, guard.message))
            self.items.append(_Guards(tuple(checks)))
        for stage, sweep in zip(rule.stages, prepared.sweeps, strict=True):
            for assign in stage.scalars:
                self.scalar(assign)
            self.items.append(sweep)
        for assign in rule.epilogue:
            self.scalar(assign)
        self.kept = list(kept_sources(prepared))
        if self.kept and not isinstance(self.items[-1], _Scalars):
            self.items.append(_Scalars(""))
        self._name()

    def fresh(self, name: str) -> str:
        name = fresh(name, self.taken)
        self.taken.add(name)
        return name

    def _scalars(self) -> _Scalars:
        """The function at the end; what was kept is read by one that does nothing else."""
        last = self.items[-1] if self.items else None
        if not isinstance(last, _Scalars) or last.inputs:
            last = _Scalars("")
            self.items.append(last)
        return last

    def _start(self) -> None:
        """The number of the step, and states: as they were kept, or as they begin."""
        prepared = self.prepared
        rule, keys, used = prepared.rule, kept_scalars(prepared), used_names(prepared)
        places = {key: f"clock[row, {k}]" for k, key in enumerate(keys)}
        first, pad = _Scalars(""), INDENT * 2
        if COUNT in keys:
            first.inputs.append(f"{pad}{STEP} = {places[COUNT]} + 1.0")
            first.defines.append(STEP)
        for state, new in zip(prepared.original.states, rule.states, strict=True):
            if new.name not in used:
                continue
            kept = places[state.name]
            if new.initial != ZERO:
                start = self.fresh(f"{new.name}_start")
                assign = Assign(start, new.initial)
                first.inputs += assignment_lines([assign], COMPILED, 2, self.taken)
                first.reads |= references(new.initial) - set(first.defines)
                kept = f"{start} if {STEP} == 1.0 else {kept}"
            first.inputs += _assigned(new.name, kept)
            first.defines.append(new.name)
        for block, new_block in zip(prepared.original.block_states, rule.block_states, strict=True):
            if new_block.name in used:
                first.inputs.append(f"{pad}{new_block.name} = {places[block.name]}")
                first.defines.append(new_block.name)
        if first.inputs:
            self.items.append(first)

    def scalar(self, assign: Assign) -> None:
        """Add an assignment; sums over parameters in it become items of their own."""

        def take_out(node: Expr) -> Expr:
            if not (isinstance(node, Call) and node.op is Op.BLOCK_SUM):
                return node
            (argument,) = node.args
            if not isinstance(argument, Ref):
                name = self.fresh("summand")
                self._scalars().add(Assign(name, argument))
                argument = Ref(name)
            target = self.fresh("block_sum")
            self.items.append(_BlockSum(target, argument.name))
            return Ref(target)

        expr = rebuild(assign.expr, take_out)
        self._scalars().add(Assign(assign.name, expr, assign.meaning))

    def _name(self) -> None:
        """Names of the functions; the columns of what one item tells another."""
        prepared = self.prepared
        functions = [item for item in self.items if isinstance(item, _Scalars)]
        for number, function in enumerate(functions, 1):
            function.name = f"_scalars_{number}" if len(functions) > 1 else "_scalars"
        inputs = [FACTOR, *(p.name for p in prepared.rule.parameters)]
        inputs += [LOSS] if prepared.rule.needs_loss else []
        self.columns = {name: k for k, name in enumerate(inputs)}
        needed: dict[str, None] = {}
        for item in self.items:
            for name in _needs(item):
                needed[name] = None
        if functions:
            last = functions[-1]
            for _, source in self.kept:
                if source not in last.defines:
                    last.reads.add(source)
                    needed[source] = None
        for item in self.items:
            for name in _provides(item):
                if name in needed and name not in self.columns:
                    self.columns[name] = len(self.columns)


def _needs(item: _Item) -> list[str]:
    """What an item reads from columns."""
    if isinstance(item, _Scalars):
        return sorted(item.reads)
    if isinstance(item, _BlockSum):
        return [item.source]
    if isinstance(item, _Guards):
        return [name for name, _ in item.checks]
    noise = [STEP] if item.makes_noise else []
    return [*item.scalars, *noise]


def _provides(item: _Item) -> list[str]:
    """What an item writes into columns."""
    if isinstance(item, _Scalars):
        return item.defines
    if isinstance(item, _BlockSum):
        return [item.target]
    if isinstance(item, _Guards):
        return []
    return [r.name for r in item.reductions]


def fused_context(prepared: Prepared) -> dict[str, object]:
    """What the template of the compiled code needs."""
    program = _Program(prepared)
    functions = [item for item in program.items if isinstance(item, _Scalars)]
    buffers = {name: k for k, (_, name) in enumerate(prepared.buffers, 2)}
    return {
        "width": len(program.columns),
        "step": _step_lines(program),
        "scalars": [_scalars_context(item, program, item is functions[-1]) for item in functions],
        "sweeps": [_sweep_context(sweep, program.columns, buffers) for sweep in prepared.sweeps],
    }


def _step_lines(program: _Program) -> list[str]:
    """The body of `_fused_step` behind its first line, at depth 2."""
    pad, columns, rule = INDENT * 2, program.columns, program.prepared.rule
    keeps = bool(kept_scalars(program.prepared))
    scalar_arguments = f"plan.values, plan.active{', plan.clock' if keeps else ''}"
    lines = []
    if rule.needs_loss:
        lines.append(f"{pad}plan.values[:, {columns[LOSS]}] = plan.loss(loss)")
    begun = False
    for item in program.items:
        if isinstance(item, _Scalars):
            lines.append(f"{pad}{item.name}({scalar_arguments})")
        elif isinstance(item, _BlockSum):
            source, target = columns[item.source], columns[item.target]
            lines.append(f"{pad}plan.sum_over_blocks({source}, {target})")
        elif isinstance(item, _Guards):
            for name, message in item.checks:
                lines.append(
                    f"{pad}if not (plan.values[plan.active, {columns[name]}] > 0.0).all():"
                )
                lines += raise_lines("ValueError", message, 3)
        else:
            lines += [] if begun else [f"{pad}plan.begin()"]
            begun = True
            lines += _sweep_lines(item, columns)
    return [*lines, f"{pad}plan.finish()"]


def _sweep_lines(sweep: Sweep, columns: dict[str, int]) -> list[str]:
    pad, width = INDENT * 2, len(sweep.reductions)
    call = f"plan.sweep(_serial_{sweep.name}, _parallel_{sweep.name}"
    if not width:
        return [f"{pad}{call})"]
    places = [str(columns[r.name]) if r.name in columns else "" for r in sweep.reductions]
    kinds = [str(r.per_block) for r in sweep.reductions]
    lines = [line for r in sweep.reductions if r.meaning for line in comment_lines(r.meaning, 2)]
    return [
        *lines,
        f"{pad}sums = {call}, {width})",
        *bracketed(
            "plan.add_up(", ["sums", f"[{', '.join(places)}]", f"[{', '.join(kinds)}]"], ")", 2
        ),
    ]


def _scalars_context(item: _Scalars, program: _Program, is_last: bool) -> dict[str, object]:
    """A function that goes through the rows of `values`."""
    columns, prepared = program.columns, program.prepared
    keys = kept_scalars(prepared)
    arguments = ["values", "active", *(["clock"] if keys else [])]
    own = [name for name in item.defines if name in columns]
    known = min((columns[name] for name in own), default=len(columns))
    end = max((columns[name] for name in own), default=len(columns) - 1) + 1
    pad = INDENT * 2
    # Neighbours in a list mostly are at the same step of the same group.
    repeats = bool(own) and not item.inputs and not (is_last and program.kept)
    skip = "not active[row]"
    if repeats:
        skip += f" or _repeats(values, active, row, {known}, {end})"
    body = [f"{INDENT}for row in range(len(values)):", f"{pad}if {skip}:", f"{pad}{INDENT}continue"]
    body += [
        f"{pad}{name} = values[row, {columns[name]}]"
        for name in sorted(item.reads, key=columns.__getitem__)
    ]
    body += item.inputs
    body += assignment_lines(item.assigns, COMPILED, 2, set(program.taken))
    body += [f"{pad}values[row, {columns[name]}] = {name}" for name in own]
    if is_last:
        places = {key: k for k, key in enumerate(keys)}
        body += [f"{pad}clock[row, {places[key]}] = {source}" for key, source in program.kept]
    return {
        "signature": bracketed(f"def {item.name}(", arguments, "):"),
        "doc": "Scalars of all parameters; one row of `values` for each.",
        "body": body,
    }


def _sweep_context(
    sweep: Sweep, columns: dict[str, int], buffers: dict[str, int]
) -> dict[str, object]:
    rows = {PARAMETER: 0, GRADIENT: 1} | buffers
    likes = {PARAMETER: "w", GRADIENT: "G"}
    scales = GRADIENT in sweep.arrays
    noise = list(_NOISE) if sweep.makes_noise else []
    scalars = [*([FACTOR] if scales else []), *sweep.scalars]
    parameters = [*sweep.arrays, *scalars, *noise, "like"]
    views = [
        f"_view(addresses[tensor, {rows[name]}], first, size, {likes.get(name, 'like')})"
        for name in sweep.arrays
    ]
    given = [f"real(values[tensor, {columns[name]}])" for name in scalars]
    if noise:
        given += ["noise[tensor, 0]", f"np.uint64(values[tensor, {columns[STEP]}])"]
        given += [f"noise[tensor, {k}]" for k in (1, 2, 3)] + ["first"]
    sums = [r.name for r in sweep.reductions]
    name = f"_fused_{sweep.name}"
    whole = ["addresses", "starts", "values", *(["noise"] if noise else []), "w", "G", "like"]
    walk = f"_walk_{sweep.name}"
    blocks = [f"{array}[begin:end]" for array in sweep.arrays]
    inner = [*scalars, *noise[:-1], *(["offset + begin"] if noise else []), "like"]
    return {
        "name": sweep.name,
        "first": sweep.arrays[0],
        "has_scalars": bool(scalars),
        "sums": sums,
        "signature": bracketed(f"def {name}(", parameters, "):"),
        "block_signature": bracketed(f"def _block_{sweep.name}(", parameters, "):"),
        "block_call": _collect(sums, f"_block_{sweep.name}(", [*blocks, *inner]),
        "returns": listed("return ", sums, "", 1),
        "body": _loop(sweep, scales),
        "walk_signature": bracketed(f"def {walk}(", [*whole, "sums", "begin", "end"], "):"),
        "walk_call": _collect(
            [f"sums[tensor, {k}]" for k in range(len(sums))],
            f"{name}(",
            [*views, *given, "like"],
        ),
        "serial_signature": bracketed(f"def _serial_{sweep.name}(", [*whole, "sums"], "):"),
        "serial_call": bracketed(f"{walk}(", [*whole, "sums[0]", "0", "starts[-1]"], ")", 1),
        "parallel_signature": bracketed(f"def _parallel_{sweep.name}(", [*whole, "sums"], "):"),
        "parallel_call": bracketed(f"{walk}(", [*whole, "sums[thread]", "begin", "end"], ")", 2),
    }


def _collect(sums: Sequence[str], head: str, arguments: Sequence[str]) -> list[str]:
    """Call a function and add what it returns to the sums; at depth 2."""
    if not sums:
        return bracketed(head, arguments, ")", 2)
    if len(sums) == 1:
        return bracketed(f"{sums[0]} += {head}", arguments, ")", 2)
    lines = bracketed(f"parts = {head}", arguments, ")", 2)
    return lines + [f"{INDENT * 2}{name} += parts[{k}]" for k, name in enumerate(sums)]


def _loop(sweep: Sweep, scales: bool) -> list[str]:
    """The loop over elements, with its constants before it."""
    pad = INDENT * 2
    taken = set(sweep.local_names)
    constants = name_constants(constants_in(sweep.exprs), taken)
    elements = {name: f"{name}_i" for name in (PARAMETER, GRADIENT) if name in sweep.arrays}
    printer = element_printer(sweep.arrays, constants, elements)
    read = {name for expr in sweep.exprs for name in references(expr)}
    read |= {store.source for store in sweep.stores}
    lines = []
    if constants or sweep.reductions or sweep.makes_noise:
        lines.append(f"{INDENT}real = like.dtype.type")
    lines += [
        f"{INDENT}{name} = real({number_text(value).text})" for value, name in constants.items()
    ]
    lines += [f"{INDENT}{r.name} = real(0.0)" for r in sweep.reductions]
    body = []
    if PARAMETER in read:
        body.append(f"{pad}w_i = _wide(w[i])")
    if scales and GRADIENT in read:
        body.append(f"{pad}G_i = {FACTOR} * _wide(G[i])")
    if sweep.makes_noise:
        body.append(f"{pad}place = np.uint64(offset + i)")
        body.append(f"{pad}number = start + place // run * jump + place % run")
        body.append(f"{pad}{NOISE} = real(_element_normal(seed, step, number))")
    body += element_lines(sweep.elements, printer, 2, taken)
    body += [f"{pad}{r.name} = _add({r.name}, {printer(r.expr)})" for r in sweep.reductions]
    for store in sweep.stores:
        source = printer(Ref(store.source))
        halves = store.target in (PARAMETER, GRADIENT)
        value = f"_narrow({source}, {store.target})" if halves else source
        body.append(f"{pad}{store.target}[i] = {value}")
    lines += [loop_header(f"{sweep.arrays[0]}.size", body), *(body or [f"{pad}pass"])]
    if sweep.reductions:
        lines += listed("return ", [r.name for r in sweep.reductions], "", 1)
    return lines

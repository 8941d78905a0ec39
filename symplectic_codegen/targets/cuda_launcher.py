"""The Python file of the CUDA target: it compiles the kernels, and steps arrays or addresses."""

from __future__ import annotations

from collections.abc import Sequence

from symplectic_codegen.rule.rule import STEP, UpdateRule
from symplectic_codegen.targets.array_module import (
    Sweep,
    bounds_text,
    example_arguments,
    export_names,
    module_lines,
    raise_lines,
    scalar_state_lines,
    signature_lines,
    state_keys,
    step_code,
    tuple_lines,
)
from symplectic_codegen.targets.base import Document
from symplectic_codegen.targets.cuda_kernels import columns
from symplectic_codegen.targets.cuda_layout import (
    REAL,
    Field,
    argument_fields,
    array_fields,
    control_fields,
)
from symplectic_codegen.targets.device_plan import Plan
from symplectic_codegen.targets.printing import (
    INDENT,
    LINE_LENGTH,
    bracketed,
    docstring_text,
    literal_lines,
    operations,
    quoted,
    wrapped,
)
from symplectic_codegen.targets.rendering import render

# Names of the functions of the launcher that host code meets; rules get others.
LOCAL_NAMES = frozenset({"values", "stream", "arguments", "group", "Memory", "Kernels"})


def launcher_text(
    plan: Plan, document: Document, namespace: str, types: list[tuple[str, str, bool]]
) -> str:
    """The source of the launcher."""
    prepared, rule = plan.prepared, plan.prepared.original
    step = step_code(prepared, lambda sweep: _coefficient_lines(plan, sweep), 'values["{}"]'.format)
    host_exprs = [*prepared.rule.scalar_expressions, *(s.initial for s in prepared.rule.states)]
    if plan.only_on_device:
        host_exprs = [s.initial for s in prepared.rule.states]
    loss = ["loss: float | tuple[str, int]"] if rule.needs_loss else []
    values = ["values: Mapping[str, float]"] if rule.parameters else []
    capturable = [] if plan.only_on_device else ["capturable: bool = False"]
    seed = ["seed: int = 0"] if rule.needs_noise else []
    common = ["strict: bool = False", "device: Any = 0", "stream: int = 0"]
    given = ["values"] if rule.parameters else []
    given += ["loss"] if rule.needs_loss else []
    inner = ["self", *values, *loss, "stream: int"]
    context = {
        "name": rule.name,
        "namespace": namespace,
        "class_name": document.class_name,
        "docstring": module_lines(prepared, document, _example(plan, document)),
        "summary": docstring_text(wrapped(f"{document.title}.", 1)),
        "provenance": [
            line for key, value in document.provenance.items() for line in literal_lines(key, value)
        ],
        "exports": export_names(
            ["LAUNCHES", "PROVENANCE", "Kernels", "Memory", document.class_name]
        ),
        "hyperparameters": tuple_lines(
            "_HYPERPARAMETERS = ", _quoted(p.name for p in rule.parameters)
        ),
        "parameter_names": [p.name for p in rule.parameters],
        "buffer_names": tuple_lines("_BUFFERS = ", _quoted(b.name for b in rule.buffers)),
        "states": bool(rule.states),
        "state_names": tuple_lines("_STATES = ", _quoted(s.name for s in rule.states)),
        "has_blocks": bool(rule.block_states),
        "block_names": tuple_lines("_BLOCKS = ", _quoted(s.name for s in rule.block_states)),
        "block_count": len(rule.block_states),
        "bounds": _bounds(rule),
        "types": [
            f"    {quoted(title)}: ({quoted(_qualified(cpp, namespace))}, {_SIZES[title]}),"
            for title, cpp, _ in types
        ],
        "dtype_words": _or([title for title, _, _ in types]),
        "buffer_doc": wrapped(
            f"buffers: {_buffer_words(rule)}, in the type of w, but in float32 if that has 16 "
            "bits; zero before the first step.",
            2,
            1,
        ),
        "params_doc": wrapped(
            "params: arrays on one GPU, of PyTorch, CuPy, or any library with "
            "`__cuda_array_interface__` or DLPack; "
            f"{_or([title for title, _, _ in types])}, without gaps in memory. They are updated in "
            "place.",
            2,
            1,
        ),
        "kernel_names": _flat_tuple([f"step_kernel{suffix}" for suffix in _suffixes(plan)]),
        "source_of_scalars": (
            '"COMPUTED"' if plan.only_on_device else '"COMPUTED" if self._on_device else "GIVEN"'
        ),
        "launches": _launches(plan),
        "sum_names": tuple_lines(
            "_SUMS = ", _quoted(_original(plan, r.name) for r in plan.rule.reductions)
        ),
        "has_coefficients": bool(_coefficient_fields(plan)) and not rule.needs_noise,
        "sweep_signature": bracketed(
            "def sweep(",
            [
                "self",
                "number: int",
                "gradients: Sequence[int]",
                "scalars: np.ndarray",
                "*",
                *(["noise: np.ndarray"] if rule.needs_noise else []),
                "factor: float = 1.0",
                "grad_scale: int = 0",
                "found_inf: int = 0",
                "stream: int = 0",
            ],
            ") -> np.ndarray:",
            1,
        ),
        "structs": _structs(plan),
        "helpers": sorted(op.spelling for op in operations(host_exprs)),
        "has_parameters": bool(rule.parameters),
        "has_noise": rule.needs_noise,
        "has_sums": bool(rule.reductions),
        "reductions_count": len(rule.reductions),
        "most_sums": max((len(launch.reductions) for launch in plan.launches), default=0),
        "needs_loss": rule.needs_loss,
        "only_on_device": plan.only_on_device,
        "counts_steps": plan.counts_steps,
        "has_guards": plan.has_guards,
        "initial": scalar_state_lines(prepared, 'values["{}"]'.format),
        "step": step,
        "has_host_code": bool(step.inputs or step.guards or step.stages),
        "kernels_signature": bracketed(
            "def __init__(",
            ["self", "parameters: Iterable[Memory]", *values, "*", *seed, *capturable, *common],
            ") -> None:",
            1,
        ),
        "kernels_step_signature": bracketed(
            "def step(",
            [
                "self",
                "gradients: Sequence[int]",
                *values,
                "*",
                *loss,
                "factor: float = 1.0",
                "grad_scale: int = 0",
                "found_inf: int = 0",
                "stream: int = 0",
            ],
            ") -> None:",
            1,
        ),
        "on_device_signature": bracketed("def _step_on_device(", inner, ") -> None:", 1),
        "on_host_signature": bracketed("def _step_on_host(", inner, ") -> None:", 1),
        "on_device_arguments": ", ".join([*given, "stream"]),
        "on_host_arguments": ", ".join([*given, "stream"]),
        "hyperparameter_values": "tuple(values[name] for name in _HYPERPARAMETERS)",
        "refused_message": _refused(plan),
        "signature": signature_lines(
            prepared,
            "Iterable[Any]",
            [*capturable, "strict: bool = False", "master_weights: bool = False"],
        ),
        "kernels_arguments": _kernels_arguments(plan),
        "step_signature": bracketed(
            "def step(",
            [
                "self",
                "grads: Sequence[Any]",
                "*",
                *(["loss: Any"] if rule.needs_loss else []),
                "grad_scale: Any = None",
                "found_inf: Any = None",
                "stream: Any = None",
            ],
            ") -> None:",
            1,
        ),
        "step_call": _step_call(plan),
        "state_keys": state_keys(rule),
    }
    return render("cuda/module.py.jinja", context)


_SIZES = {"float32": 4, "float64": 8, "bfloat16": 2, "float16": 2}


def _qualified(cpp: str, namespace: str) -> str:
    return cpp if cpp in ("float", "double") else f"{namespace}::{cpp}"


def _quoted(names: object) -> list[str]:
    return [quoted(str(name)) for name in names]  # type: ignore[attr-defined]


def _or(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _and(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    *first, last = words
    return f"{', '.join(first)} and {last}"


def _buffer_words(rule: UpdateRule) -> str:
    names = [b.name for b in rule.buffers]
    return f"the addresses of its {_and(names)}" if names else "no address"


def _flat_tuple(items: Sequence[str]) -> str:
    body = ", ".join(map(quoted, items))
    return f"({body},)" if len(items) == 1 else f"({body})"


def _original(plan: Plan, name: str) -> str:
    """What a name of the generated code is called in the rule."""
    return next((old for old, new in plan.prepared.names.items() if new == name), name)


def _coefficient_fields(plan: Plan) -> list[str]:
    """The arguments that hold scalars for all parameters."""
    return [f.name for f in argument_fields(plan) if f.name.startswith("coefficients")]


def _launches(plan: Plan) -> list[str]:
    """LAUNCHES: what each launch needs and gives, in the names of the rule."""
    lines = ["LAUNCHES: tuple[dict[str, tuple[str, ...]], ...] = ("]
    for launch in plan.launches:
        entry = {
            "stages": tuple(sweep.name for sweep in launch.sweeps),
            "scalars": tuple(_original(plan, name) for name in columns(launch)),
            "sums": tuple(_original(plan, r.name) for r in launch.reductions),
        }
        lines += literal_lines("", entry)
    return [*lines, ")"]


def _suffixes(plan: Plan) -> list[str]:
    return [f"_{launch.number}" for launch in plan.launches] if len(plan.launches) > 1 else [""]


def _bounds(rule: UpdateRule) -> list[str]:
    lines = []
    for parameter in rule.parameters:
        text, test = bounds_text(parameter.interval)
        if test:
            lines.append(f"    {quoted(parameter.name)}: ({quoted(text)}, {test}),")
    return lines


def _structs(plan: Plan) -> list[str]:
    """The NumPy types of the structs that the kernels read."""
    pointers = (
        Field("table", "", "u8"),
        Field("begin", "", "i8"),
        Field("count", "", "i8"),
    )
    return [
        *_dtype("_ARRAY = np.dtype(", array_fields(plan), ")"),
        f"_PLACES = _ARRAY.names[2:{2 + len(plan.rule.buffers)}]  # of the buffers",
        *_dtype("_CONTROL = np.dtype(", control_fields(plan), ")"),
        "_ARGUMENTS = {",
        f"{INDENT}real: np.dtype(",
        f"{INDENT * 2}[",
        *(f"{INDENT * 3}{_entry(field, 'real')}," for field in argument_fields(plan)),
        f"{INDENT * 2}],",
        f"{INDENT * 2}align=True,",
        f"{INDENT})",
        f'{INDENT}for real in ("f4", "f8")',
        "}",
        *(
            tuple_lines("_COEFFICIENTS = ", _quoted(_coefficient_fields(plan)))
            if _coefficient_fields(plan) and not plan.rule.needs_noise
            else []
        ),
        "_GRADIENTS = np.dtype(",
        f'{INDENT}[{", ".join(_entry(f, "") for f in pointers)}, ("values", "u8", (_POINTERS,))]',
        ")",
    ]


def _dtype(head: str, fields: Sequence[Field], tail: str) -> list[str]:
    items = [_entry(field, "") for field in fields]
    flat = f"{head}[{', '.join(items)}]{tail}"
    if len(flat) <= LINE_LENGTH:
        return [flat]
    body = f"{INDENT}[{', '.join(items)}]"
    if len(body) <= LINE_LENGTH:
        return [head, body, tail]
    return [head, f"{INDENT}[", *(f"{INDENT * 2}{item}," for item in items), f"{INDENT}]", tail]


def _entry(field: Field, real: str) -> str:
    kind = real if field.kind == REAL else quoted(field.kind)
    shape = f", ({field.count},)" if field.count else ""
    return f"({quoted(field.name)}, {kind}{shape})"


def _coefficient_lines(plan: Plan, sweep: Sweep) -> list[str]:
    """Hand the coefficients of a sweep to all launches; at depth 3."""
    if plan.only_on_device:
        return []
    pad = INDENT * 3
    number = []
    if sweep.makes_noise:
        number = [
            f"{pad}for group in self._groups:",
            f'{pad}{INDENT}group.arguments["number"] = int({STEP})',
        ]
    if not sweep.scalars:
        return number
    suffix = "" if len(plan.rule.stages) == 1 else sweep.name.removeprefix("stage")
    if len(sweep.scalars) == 1:
        value = sweep.scalars[0]
        tuples = [f"{pad}coefficients = {value}"]
    else:
        tuples = bracketed("coefficients = (", list(sweep.scalars), ")", 3)
    return [
        *number,
        *tuples,
        f"{pad}for group in self._groups:",
        f"{pad}{INDENT}group.arguments[{quoted(f'coefficients{suffix}')}] = coefficients",
    ]


def _example(plan: Plan, document: Document) -> list[str]:
    prepared = plan.prepared
    dtype = "float64, " if document.dtypes == ("float64",) else ""
    dtype = f"dtype=torch.{dtype}" if dtype else ""
    loss = ", loss=w @ w" if prepared.original.needs_loss else ""
    call = ", ".join(["[w]", *example_arguments(prepared)])
    return [
        "import torch",
        "",
        f'w = torch.tensor([3.0, -1.0], {dtype}device="cuda")',
        f"opt = {document.class_name}({call})",
        "for _ in range(100):",
        f"    opt.step([2 * w]{loss})  # minimizes w @ w",
    ]


def _refused(plan: Plan) -> list[str]:
    text = "; ".join(guard.message for guard in plan.rule.guards)
    return raise_lines("ValueError", text, 3)


def _kernels_arguments(plan: Plan) -> list[str]:
    rule = plan.prepared.original
    items = ["parameters"]
    if rule.parameters:
        items.append("{name: getattr(self, name) for name in _HYPERPARAMETERS}")
    items += ["seed=_checked_seed(seed)"] if rule.needs_noise else []
    items += [] if plan.only_on_device else ["capturable=capturable"]
    items += ["strict=strict", "device=self._device", "stream=stream"]
    return [f"{INDENT * 4}{item}," for item in items]


def _step_call(plan: Plan) -> list[str]:
    rule = plan.prepared.original
    pad = INDENT * 2
    lines = [f"{pad}queue = self._device.stream(stream, self._params[0])"]
    if rule.needs_loss:
        lines += [
            f"{pad}if isinstance(loss, numbers.Real):",
            f"{pad}{INDENT}where: float | tuple[str, int] = float(loss)",
            f"{pad}else:",
            f"{pad}{INDENT}place = self._device.view(loss)",
            f"{pad}{INDENT}where = (place.dtype, place.address)",
        ]
    items = ["addresses"]
    if rule.parameters:
        items.append("{name: getattr(self, name) for name in _HYPERPARAMETERS}")
    items += ["loss=where"] if rule.needs_loss else []
    items += [
        "grad_scale=0 if grad_scale is None else self._device.view(grad_scale).address",
        "found_inf=0 if found_inf is None else self._device.view(found_inf).address",
        "stream=queue",
    ]
    return [*lines, f"{pad}self._kernels.step(", *(f"{pad}{INDENT}{i}," for i in items), f"{pad})"]

"""The C interface of the kernels: what the header declares and the template fills in."""

from __future__ import annotations

from symplectic_codegen.targets.cpp_printing import comment, signature
from symplectic_codegen.targets.device_plan import Plan
from symplectic_codegen.targets.printing import INDENT

_DOC = {
    "init": "Prepares steps on `count` arrays of one type (0: float, 1: double, 2: bfloat16, 3: "
    "IEEE half), and clears their state.",
    "on_device": "With `on_device` not 0 the device counts the steps and computes their scalars: "
    "then steps can be captured into a graph, and skipped by `found_inf`.",
    "step": "One step with one array; allocates nothing, waits for nothing. Gradients are divided "
    "by *grad_scale unless that is null; the step is skipped if *found_inf is not 0.",
    "step_list": "The same for all arrays; a gradient that is null leaves its array alone.",
    "save": "What a run needs to go on, besides the arrays; waits for the stream.",
    "restore": "Goes on from what `save` gave.",
    "message": "What a return code other than 0 means.",
}


def prototypes(plan: Plan, namespace: str) -> list[str]:
    """The declarations, with what they mean."""
    rule, name = plan.rule, plan.rule.name
    lines = [
        *comment("A parameter with its state, in memory of the device that is the caller's."),
        f"struct {name}_array {{",
        f"{INDENT}void* w;",
        f"{INDENT}float* master;  // the exact parameter if w has 16 bits, or null",
        *(
            f"{INDENT}void* {buffer.name};  // of the type of w, but float if that has 16 bits"
            for buffer in rule.buffers
        ),
        f"{INDENT}long long size;",
        "};",
        f"struct {name}_saved {{",
        f"{INDENT}unsigned long long steps;",
    ]
    if rule.states:
        lines.append(f"{INDENT}{namespace}::State state;")
    lines.append("};")
    lines.append(f"struct {name}_optimizer;")
    for function in ("init", "step", "step_list", "save", "restore"):
        choice = function == "init" and not plan.only_on_device
        lines += comment(f"{_DOC[function]} {_DOC['on_device']}" if choice else _DOC[function])
        lines += signature(f"int {name}_{function}(", arguments(plan, namespace, function), ");")
    lines.append(f"void {name}_free({name}_optimizer* optimizer);")
    lines += comment(_DOC["message"])
    lines.append(f"const char* {name}_message(int code);")
    return lines


def arguments(plan: Plan, namespace: str, function: str) -> list[str]:
    """The arguments of one function."""
    rule, name = plan.rule, plan.rule.name
    hyperparameters = (
        [f"const {namespace}::Hyperparameters* hyperparameters"] if rule.parameters else []
    )
    blocks = [f"{namespace}::BlockState* blocks"] if rule.block_states else []
    if function == "init":
        return [
            f"{name}_optimizer** made",
            f"const {name}_array* arrays",
            "long long count",
            "int type",
            *(hyperparameters if rule.states else []),
            *(["unsigned long long seed"] if rule.needs_noise else []),
            *([] if plan.only_on_device else ["int on_device"]),
            "void* stream",
        ]
    if function in ("step", "step_list"):
        one = "const void* gradient"
        return [
            f"{name}_optimizer* optimizer",
            one if function == "step" else "const void* const* gradients",
            *hyperparameters,
            *(["double loss"] if rule.needs_loss else []),
            "const float* grad_scale",
            "const float* found_inf",
            "void* stream",
        ]
    saved = f"{name}_saved* saved"
    constant = "" if function == "save" else "const "
    return [
        f"{name}_optimizer* optimizer",
        f"{constant}{saved}",
        *(f"{constant}{block}" for block in blocks),
        "void* stream",
    ]


def interface_context(
    plan: Plan, namespace: str, types: list[tuple[str, str, bool]]
) -> dict[str, object]:
    """What the definitions of these functions need."""
    rule, name = plan.rule, plan.rule.name
    heads = {
        f"{function}_head": signature(
            f"int {name}_{function}(", arguments(plan, namespace, function), ") {"
        )
        for function in ("init", "step", "step_list", "save", "restore")
    }
    inner = ["const Hyperparameters& hyperparameters"] if rule.parameters else []
    inner += ["double loss"] if rule.needs_loss else []
    inner += ["const float* grad_scale", "const float* found_inf", "void* stream"]
    given = ["*hyperparameters"] if rule.parameters else []
    passed = ["hyperparameters"] if rule.parameters else []
    more = ["loss"] if rule.needs_loss else []
    more += ["grad_scale", "found_inf", "stream"]
    sweeps = [sweep for launch in plan.launches for sweep in launch.sweeps if sweep.scalars]
    suffixes = [
        "" if len(rule.stages) == 1 else sweep.name.removeprefix("stage") for sweep in sweeps
    ]
    order = ("float32", "float64", "bfloat16", "float16")
    return {
        **heads,
        "step_as_head": signature("inline int step_as(", ["Optimizer& o", *inner], ") {"),
        "step_call": signature(
            f"return {name}_step_list(", ["optimizer", "&gradient", *passed, *more], ");", 1
        ),
        "missing_hyperparameters": " || hyperparameters == nullptr" if rule.parameters else "",
        "numbered_types": [
            (order.index(title), _calls(cpp, masters, ["o", *given, *more]))
            for title, cpp, masters in types
        ],
        "coefficient_suffixes": suffixes,
        "host_scalars": bool(suffixes or rule.states or plan.guards),
        "most_sums": max((len(launch.reductions) for launch in plan.launches), default=0),
    }


def _calls(cpp: str, masters: bool, arguments: list[str]) -> list[str]:
    """Make the step with arrays of one type; at depth 2."""
    plain = signature(f"return step_as<{cpp}, false>(", arguments, ");", 2)
    if not masters:
        return plain
    exact = signature(f"return step_as<{cpp}, true>(", arguments, ");", 3)
    return [f"{INDENT * 2}if (o.masters) {{", *exact, f"{INDENT * 2}}}", *plain]

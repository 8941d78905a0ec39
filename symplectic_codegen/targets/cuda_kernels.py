"""What the kernels of a rule do, as lines for `templates/cuda/kernels.cu.jinja`.

A kernel gets its scalars in one of three ways: GIVEN with the arguments, COMPUTED on the device
from what it alone knows, or LISTED in a row for each parameter.
"""

from __future__ import annotations

from symplectic_codegen.rule.expression import references
from symplectic_codegen.rule.rule import GRADIENT, NOISE, PARAMETER
from symplectic_codegen.targets.cpp_printing import signature
from symplectic_codegen.targets.device_plan import Launch, Plan
from symplectic_codegen.targets.printing import INDENT, LINE_LENGTH


def launch_context(launch: Launch, plan: Plan) -> dict[str, object]:
    """The kernel of one launch."""
    suffix = plan.launch_suffix(launch)
    several = len(plan.launches) > 1
    order = [PARAMETER, GRADIENT, *(b.name for b in plan.rule.buffers)]
    touched = [name for name in order if name in launch.arrays]
    checks = [f"view.fits(view.{name})" for name in touched if name != PARAMETER]
    if PARAMETER in launch.arrays:
        checks.append("(!has_master || view.fits(view.master))")
    arguments = _arguments_of_elements(launch, plan)
    return {
        "suffix": suffix,
        "of": f" in launch {launch.number}" if several else "",
        "title": f"Launch {launch.number} of a step" if several else "A step",
        "sums": [r.name for r in launch.reductions],
        "partial": f"Partial{suffix}",
        "aligned": _conjunction("const bool aligned = ", checks),
        "uses_gradient": GRADIENT in launch.arrays,
        "elements_signature": _elements_signature(launch, plan),
        "elements_body": _elements_body(launch, plan, touched),
        "elements_arguments": ", ".join(["view", "i", *arguments]),
        "element_arguments": ", ".join(["view", "j", *arguments]),
        "declarations": _declarations(launch, plan),
        "given": _given(launch, plan),
        "computed": _computed(launch, plan),
        "listed": _listed(launch, plan),
        "makes_noise": launch.makes_noise,
        "own": launch.block_scalars,
        "own_assignments": [
            f"{INDENT * 5}shared_own{s} = own_coefficients{s}<Real>(in, block);"
            for s in _own_suffixes(launch, plan)
        ],
        "own_copies": [f"{INDENT * 4}own{s} = shared_own{s};" for s in _own_suffixes(launch, plan)],
        "tail": _tail(launch, plan),
    }


def _uniform_suffixes(launch: Launch, plan: Plan) -> list[str]:
    """Of the stages that have scalars for all elements."""
    return [plan.suffix(sweep) for sweep in launch.sweeps if sweep.uniform_scalars]


def _own_suffixes(launch: Launch, plan: Plan) -> list[str]:
    """Of the stages that have scalars for each parameter."""
    return [plan.suffix(sweep) for sweep in launch.sweeps if sweep.block_scalars]


def _conjunction(head: str, tests: list[str]) -> list[str]:
    """Whether all of some tests hold; at depth 2."""
    pad = INDENT * 2
    flat = f"{pad}{head}{' && '.join(tests) or 'true'};"
    if len(flat) <= LINE_LENGTH:
        return [flat]
    rows = [f"{pad}{INDENT}&& {test}" for test in tests[1:]]
    return [f"{pad}{head}{tests[0]}", *rows[:-1], f"{rows[-1]};"]


def _arguments_of_elements(launch: Launch, plan: Plan) -> list[str]:
    """What `elements` gets besides view and place."""
    names = ["factor"] if GRADIENT in launch.arrays else []
    for sweep in launch.sweeps:
        suffix = plan.suffix(sweep)
        names += [f"step{suffix}"] if sweep.uniform_scalars else []
        names += [f"own{suffix}"] if sweep.block_scalars else []
    names += ["seed", "number"] if launch.makes_noise else []
    return names + (["sums"] if launch.reductions else [])


def _elements_signature(launch: Launch, plan: Plan) -> list[str]:
    real = "typename Computed<W>::Real"
    items = ["const View<W>& at", "long long i"]
    items += [f"{real} factor"] if GRADIENT in launch.arrays else []
    for sweep in launch.sweeps:
        suffix = plan.suffix(sweep)
        if sweep.uniform_scalars:
            items.append(f"const Coefficients{suffix}<{real}>& step{suffix}")
        if sweep.block_scalars:
            items.append(f"const Own{suffix}<{real}>& own{suffix}")
    items += ["Index seed", "Index number"] if launch.makes_noise else []
    if launch.reductions:
        items.append(f"Partial{plan.launch_suffix(launch)}<{real}>& sums")
    return signature(f"SYMPLECTIC_INLINE void elements{plan.launch_suffix(launch)}(", items, ") {")


def _elements_body(launch: Launch, plan: Plan, touched: list[str]) -> list[str]:
    """Load neighbours, compute each, store them."""
    loads, stores = [], []
    kinds = {PARAMETER: "W", GRADIENT: "W"}
    for name in touched:
        kind = kinds.get(name, "Real")
        if name == PARAMETER:
            loads += [
                f"{INDENT}Pack<W, N> all_w;",
                f"{INDENT}Pack<float, N> all_master;",
                f"{INDENT}if constexpr (has_master) {{",
                f"{INDENT * 2}all_master = load<N>(at.master + i);",
                f"{INDENT}}} else {{",
                f"{INDENT * 2}all_w = load<N>(at.w + i);",
                f"{INDENT}}}",
            ]
        elif name in launch.loaded or name == GRADIENT:
            loads.append(
                f"{INDENT}{'const ' if name == GRADIENT else ''}"
                f"Pack<{kind}, N> all_{name} = load<N>(at.{name} + i);"
            )
        else:
            loads.append(f"{INDENT}Pack<{kind}, N> all_{name};")
    inner: list[str] = []
    if PARAMETER in touched:
        inner += [
            f"{INDENT * 2}Real w;",
            f"{INDENT * 2}if constexpr (has_master) {{",
            f"{INDENT * 3}w = all_master.value[j];",
            f"{INDENT * 2}}} else {{",
            f"{INDENT * 3}w = widen(all_w.value[j]);",
            f"{INDENT * 2}}}",
        ]
    if GRADIENT in touched:
        scaled = "static_cast<Real>(widen(all_G.value[j])) * factor"
        inner.append(f"{INDENT * 2}const Real G = {scaled};")
    if launch.makes_noise:
        inner += [
            f"{INDENT * 2}const Index element = at.origin + static_cast<Index>(i + j);",
            f"{INDENT * 2}const Real {NOISE} = normal(philox(seed, number, element), Real());",
        ]
    places = {PARAMETER: "w", GRADIENT: "G"}
    for sweep in launch.sweeps:
        suffix = plan.suffix(sweep)
        items = [places.get(name, f"all_{name}.value[j]") for name in sweep.arrays]
        items += [NOISE] if sweep.makes_noise else []
        items += [f"step{suffix}"] if sweep.uniform_scalars else []
        items += [f"own{suffix}"] if sweep.block_scalars else []
        items += ["sums"] if sweep.reductions else []
        inner += signature(f"{sweep.name}(", items, ");", 2)
    if PARAMETER in launch.stored:
        inner += [
            f"{INDENT * 2}all_w.value[j] = narrow<W>(w);",
            f"{INDENT * 2}if constexpr (has_master) {{",
            f"{INDENT * 3}all_master.value[j] = w;",
            f"{INDENT * 2}}}",
        ]
    for name in touched:
        if name not in launch.stored:
            continue
        stores.append(f"{INDENT}store<N>(at.{name} + i, all_{name});")
        if name == PARAMETER:
            stores += [
                f"{INDENT}if constexpr (has_master) {{",
                f"{INDENT * 2}store<N>(at.master + i, all_master);",
                f"{INDENT}}}",
            ]
    return [
        *loads,
        "#pragma unroll",
        f"{INDENT}for (int j = 0; j < N; ++j) {{",
        *inner,
        f"{INDENT}}}",
        *stores,
    ]


def _declarations(launch: Launch, plan: Plan) -> list[str]:
    """What all three ways share, at depth 1."""
    lines = [
        "__shared__ Raw<Inputs> shared_inputs;",
        "[[maybe_unused]] Inputs& in = shared_inputs.value();",
    ]
    totals = _totals_before(launch, plan)
    if launch is plan.launches[-1]:
        totals = [*totals, *(t.name for t in plan.totals_for(plan.epilogue_names))]
    if totals or launch.reductions:
        room = max(len(launch.reductions), len(plan.global_sums), 1)
        lines.append(f"__shared__ double wide_scratch[{room} * WARPS];")
    lines += [f"Coefficients{s}<Real> step{s};" for s in _uniform_suffixes(launch, plan)]
    for s in _own_suffixes(launch, plan):
        lines += [f"__shared__ Own{s}<Real> shared_own{s};", f"Own{s}<Real> own{s};"]
    if launch.makes_noise:
        lines += ["Index seed = a.seed;", "Index number = a.number;"]
    return [f"{INDENT}{line}" for line in lines]


def _given(launch: Launch, plan: Plan) -> list[str]:
    """Scalars from the arguments, at depth 2."""
    if plan.only_on_device:
        return []
    return [f"{INDENT * 2}step{s} = a.coefficients{s};" for s in _uniform_suffixes(launch, plan)]


def _totals_before(launch: Launch, plan: Plan) -> list[str]:
    """The sums over parameters that the scalars of a launch need."""
    wanted = {name for sweep in launch.sweeps for name in sweep.scalars}
    wanted |= {name for guard in plan.guards for name in references(guard.expr)}
    return [total.name for total in plan.totals_for(wanted)]


def _computed(launch: Launch, plan: Plan) -> list[str]:
    """Scalars that one thread of each block computes, at depth 2."""
    suffixes = _uniform_suffixes(launch, plan)
    lines = ["if (threadIdx.x == 0) {", f"{INDENT}gather(a, in);", "}", "__syncthreads();"]
    lines += [f"add_{total}(a, in, wide_scratch);" for total in _totals_before(launch, plan)]
    if plan.guards:
        lines += [
            "if (!admissible(in)) {",
            f"{INDENT}if (blockIdx.x == 0 && threadIdx.x == 0) {{",
            f"{INDENT * 2}a.control->refused += 1;",
            f"{INDENT}}}",
            f"{INDENT}return;",
            "}",
        ]
    lines += [f"__shared__ Coefficients{s}<Real> shared{s};" for s in suffixes]
    if suffixes:
        lines.append("if (threadIdx.x == 0) {")
        lines += [f"{INDENT}shared{s} = coefficients{s}<Real>(in);" for s in suffixes]
        lines += ["}", "__syncthreads();"]
        lines += [f"step{s} = shared{s};" for s in suffixes]
    lines += ["number = static_cast<Index>(in.n);"] if launch.makes_noise else []
    return [f"{INDENT * 2}{line}" for line in lines]


def columns(launch: Launch) -> tuple[str, ...]:
    """The scalars of a row, where they are listed for each parameter."""
    return tuple(name for sweep in launch.sweeps for name in sweep.scalars)


def _listed(launch: Launch, plan: Plan) -> list[str]:
    """Scalars from the row of a parameter, at depth 3."""
    width = len(columns(launch))
    lines = []
    if width:
        row = f"static_cast<const Real*>(a.rows) + array.index * {width}"
        lines.append(f"{INDENT * 3}const Real* row = {row};")
    first = 0
    for sweep in launch.sweeps:
        suffix = plan.suffix(sweep)
        for kind, name, chosen in (
            ("Coefficients", "step", sweep.uniform_scalars),
            ("Own", "own", tuple(n for n in sweep.scalars if n in sweep.block_scalars)),
        ):
            if chosen:
                places = [f"row[{first + sweep.scalars.index(n)}]" for n in chosen]
                lines += signature(f"{name}{suffix} = {kind}{suffix}<Real>{{", places, "};", 3)
        first += len(sweep.scalars)
    if launch.makes_noise:
        noise = [
            "const Index* noise = a.noise + 3 * array.index;",
            "seed = noise[0];",
            "number = noise[1];",
            "view.origin = noise[2];",
        ]
        lines += [f"{INDENT * 3}{line}" for line in noise]
    return lines


def _tail(launch: Launch, plan: Plan) -> list[str]:
    """What the last block of a launch does: sums, and after the last launch the new state."""
    suffix = plan.launch_suffix(launch)
    own = [r.name for r in launch.reductions if not r.per_block]
    lines = ["if (!arrives_last(a)) {", f"{INDENT}return;", "}"]
    if launch.reductions:
        lines.append(f"sum_arrays{suffix}(a, wide_scratch);")
    alone = lines if launch.reductions else []
    lines = [*lines, "if (a.last_group == 0) {", f"{INDENT}return;", "}"]
    if own:
        lines += [
            f"double sum[{len(own)}] = {{}};",
            "for (long long p = threadIdx.x; p < a.parameters; p += THREADS) {",
            f"{INDENT}if (a.gradients[p] != nullptr) {{",
            *(f"{INDENT * 2}sum[{k}] += a.array_sums[p].{name};" for k, name in enumerate(own)),
            f"{INDENT}}}",
            "}",
            f"sum_block<{len(own)}>(sum, wide_scratch);",
            "if (threadIdx.x == 0) {",
            *(
                f"{INDENT}a.control->sums.{name} = wide_scratch[{k} * WARPS];"
                for k, name in enumerate(own)
            ),
            "}",
        ]
    lines += _epilogue(plan) if launch is plan.launches[-1] else []
    text = [f"{INDENT}if constexpr (scalars == COMPUTED) {{"]
    text += [f"{INDENT * 2}{line}" for line in lines]
    if alone:
        text.append(f"{INDENT}}} else if constexpr (scalars == LISTED) {{")
        text += [f"{INDENT * 2}{line}" for line in alone]
    return [*text, f"{INDENT}}}"]


def _epilogue(plan: Plan) -> list[str]:
    """The new states, the number of the next step, and what replayed steps will read."""
    rule = plan.rule
    lines = []
    if rule.states or rule.block_states:
        if plan.global_sums:
            lines += [
                "if (threadIdx.x == 0) {",
                f"{INDENT}static_cast<Sums&>(in) = a.control->sums;",
                "}",
                "__syncthreads();",
            ]
        totals = plan.totals_for(plan.epilogue_names)
        lines += [f"add_{total.name}(a, in, wide_scratch);" for total in totals]
    if rule.block_states:
        lines += [
            "for (long long p = threadIdx.x; p < a.parameters; p += THREADS) {",
            f"{INDENT}if (a.gradients[p] != nullptr) {{",
            f"{INDENT * 2}a.block_states[p] = finish_block(in, block_of(a, p));",
            f"{INDENT}}}",
            "}",
        ]
    lines.append("if (threadIdx.x == 0) {")
    lines += [f"{INDENT}a.control->state = finish(in);"] if rule.states else []
    lines.append(f"{INDENT}a.control->steps += 1;")
    if rule.parameters:
        lines += [
            f"{INDENT}if (a.hyperparameters_at == nullptr) {{",
            f"{INDENT * 2}a.control->hyperparameters = a.hyperparameters;",
            f"{INDENT}}}",
        ]
    return [*lines, "}"]

"""The structs that the kernels and their launchers share, field by field, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from symplectic_codegen.targets.device_plan import Plan

# numpy type of a field of the structs
_ADDRESS, _SIGNED, _UNSIGNED, _DOUBLE, _WORD = "u8", "i8", "u8", "f8", "u4"
REAL = "real"  # float32 or float64, as the elements
_SIZES = {"u8": 8, "i8": 8, "f8": 8, "u4": 4}


@dataclass(frozen=True)
class Field:
    """One field.

    Args:
        name: in C++ and in Python.
        cpp: the C++ type.
        kind: the NumPy type of its numbers, or REAL.
        count: 0 for a number, else how many numbers the struct has that it is.
        note: a comment.
    """

    name: str
    cpp: str
    kind: str
    count: int = 0
    note: str = ""

    def line(self) -> str:
        """The declaration in C++."""
        note = f"  // {self.note}" if self.note else ""
        return f"{self.cpp} {self.name};{note}"


def array_fields(plan: Plan) -> tuple[Field, ...]:
    """One parameter with its state."""
    buffers = [Field(b.name, "void*", _ADDRESS) for b in plan.rule.buffers]
    return (
        Field("w", "void*", _ADDRESS),
        Field("master", "float*", _ADDRESS, note="the exact parameter if w has 16 bits, or null"),
        *buffers,
        Field("size", "long long", _SIGNED),
        Field("origin", "Index", _UNSIGNED, note="how many elements the parameters before it have"),
        Field("index", "long long", _SIGNED, note="its place among all parameters"),
    )


def control_fields(plan: Plan) -> tuple[Field, ...]:
    """What the device keeps between steps."""
    rule = plan.rule
    fields = []
    if rule.states:
        fields.append(Field("state", "State", _DOUBLE, len(rule.states)))
    sums = [r for r in rule.reductions if not r.per_block]
    if sums:
        fields.append(Field("sums", "Sums", _DOUBLE, len(sums)))
    if rule.parameters:
        fields.append(
            Field(
                "hyperparameters",
                "Hyperparameters",
                _DOUBLE,
                len(rule.parameters),
                "of steps that are replayed",
            )
        )
    fields.append(Field("steps", "Index", _UNSIGNED, note="that were made"))
    fields.append(Field("arrived", "unsigned", _WORD, note="blocks of the launch at work"))
    fields.append(Field("refused", "unsigned", _WORD, note="steps outside the domain of the rule"))
    return tuple(fields)


def argument_fields(plan: Plan) -> tuple[Field, ...]:
    """What a launch is told."""
    rule = plan.rule
    fields = [
        Field("arrays", "const Array*", _ADDRESS, note="of one type, the largest first"),
        Field("first_chunk", "const long long*", _ADDRESS, note="of each array, and the total"),
        Field("gradients", "const void* const*", _ADDRESS, note="of all parameters; null: none"),
        Field("count", "long long", _SIGNED, note="of the arrays"),
        Field("chunks", "long long", _SIGNED, note="of all arrays"),
        Field("chunk", "long long", _SIGNED, note="elements of one"),
        Field("parameters", "long long", _SIGNED, note="of all types"),
        Field("last_group", "long long", _SIGNED, note="whether all other types are done"),
        Field("found_inf", "const float*", _ADDRESS, note="not 0: the step is skipped"),
        Field("grad_scale", "const float*", _ADDRESS, note="what gradients are divided by"),
        Field("control", "Control*", _ADDRESS),
    ]
    if rule.reductions:
        fields.append(Field("partials", "Real*", _ADDRESS, note="the sums of each chunk"))
        fields.append(Field("array_sums", "ArraySums*", _ADDRESS, note="of each parameter"))
    if rule.block_states:
        fields.append(Field("block_states", "BlockState*", _ADDRESS, note="of each parameter"))
    fields.append(Field("rows", "const void*", _ADDRESS, note="the scalars of each parameter"))
    if rule.needs_noise:
        note = "for each parameter the seed, the number, and the origin"
        fields.append(Field("noise", "const Index*", _ADDRESS, note=note))
    if rule.needs_loss:
        fields.append(Field("loss", "double", _DOUBLE))
        fields.append(Field("loss_at", "const void*", _ADDRESS, note="if not null, it is there"))
        fields.append(
            Field("loss_kind", "long long", _SIGNED, note="1 to 4: float, double, bfloat16, half")
        )
    if rule.needs_noise:
        fields.append(Field("seed", "Index", _UNSIGNED))
        fields.append(Field("number", "Index", _UNSIGNED, note="of the step"))
    if rule.parameters:
        fields.append(
            Field(
                "hyperparameters_at",
                "const Hyperparameters*",
                _ADDRESS,
                note="if not null, they are there",
            )
        )
        fields.append(Field("hyperparameters", "Hyperparameters", _DOUBLE, len(rule.parameters)))
    fields.append(Field("factor", "Real", REAL, note="of all gradients"))
    if not plan.only_on_device:
        for sweep in plan.launches[0].sweeps:
            if sweep.scalars:
                suffix = plan.suffix(sweep)
                fields.append(
                    Field(
                        f"coefficients{suffix}",
                        f"Coefficients{suffix}<Real>",
                        REAL,
                        len(sweep.scalars),
                    )
                )
    return tuple(fields)


def size_of(fields: tuple[Field, ...], real_size: int) -> int:
    """The size of a struct in bytes; fields are in the order of falling alignment.

    >>> size_of((Field("a", "double", "f8"), Field("b", "float", REAL, 3)), 4)
    24
    """
    total = sum(max(f.count, 1) * _SIZES.get(f.kind, real_size) for f in fields)
    return -(-total // 8) * 8

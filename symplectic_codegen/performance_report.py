"""What a step costs: operations before and after each pass, and memory traffic per element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symplectic_codegen.driver import CompiledRule
from symplectic_codegen.passes.recipes import get_recipe, with_recipes
from symplectic_codegen.rule.expression import references
from symplectic_codegen.rule.rule import Stage, UpdateRule


@dataclass(frozen=True)
class Traffic:
    """Array elements read and written per parameter element in one sweep."""

    reads: int
    writes: int

    @property
    def accesses(self) -> int:
        """Both; what is written was read before, so no cache line is fetched for it."""
        return self.reads + self.writes

    def bytes(self, itemsize: int) -> int:
        """Bytes per element."""
        return self.accesses * itemsize


def traffic(rule: UpdateRule) -> tuple[Traffic, ...]:
    """The memory traffic of each sweep.

    >>> from symplectic_codegen.driver import derive
    >>> traffic(derive("dot(X, X)/2 + L").rule)
    (Traffic(reads=3, writes=2),)
    """
    return tuple(_stage_traffic(rule, stage) for stage in rule.stages)


def _stage_traffic(rule: UpdateRule, stage: Stage) -> Traffic:
    arrays = {"w", "G"} | {buffer.name for buffer in rule.buffers}
    read: set[str] = set()
    for expr in stage.element_expressions:
        read |= references(expr) & arrays
    return Traffic(len(read), len(stage.stores))


def as_text(name: str, compiled: CompiledRule, recipes: Sequence[str] = ()) -> str:
    """The report of `generate --report`."""
    lines = [f"{name}: operations", f"  {'after':<24}{'per step':>10}{'per element':>13}"]
    lines += [
        f"  {line.name:<24}{line.per_step:>10}{line.per_element:>13}" for line in compiled.report
    ]
    if compiled.rewrites:
        lines.append("  stable rewrites: " + ", ".join(compiled.rewrites))
    lines.append(f"{name}: memory traffic per element")
    sweeps = traffic(with_recipes(compiled.rule, recipes))
    for number, item in enumerate(sweeps, 1):
        lines.append(
            f"  sweep {number}: {item.reads} read, {item.writes} written: {_bytes(item.accesses)}"
        )
    if recipes:
        total = sum(item.accesses for item in sweeps)
        alone = sum(item.accesses for item in traffic(compiled.rule))
        separate = sum(get_recipe(recipe).separate for recipe in recipes)
        lines.append(f"  in all: {_bytes(total)}")
        lines.append(f"  without recipes: {_bytes(alone)}")
        lines.append(
            f"  with {', '.join(recipes)} as passes of their own: {_bytes(alone + separate)}"
        )
    return "\n".join(lines)


def _bytes(accesses: int) -> str:
    return f"{4 * accesses} bytes in float32, {8 * accesses} in float64"

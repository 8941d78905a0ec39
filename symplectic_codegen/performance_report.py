"""What a step costs: operations before and after each pass, and memory traffic per element."""

from __future__ import annotations

from dataclasses import dataclass

from symplectic_codegen.driver import CompiledRule
from symplectic_codegen.rule.expression import references
from symplectic_codegen.rule.rule import Stage, UpdateRule


@dataclass(frozen=True)
class Traffic:
    """Array elements read and written per parameter element in one sweep."""

    reads: int
    writes: int

    def bytes(self, itemsize: int) -> int:
        """Bytes per element; what is written was read before, so no line is fetched twice."""
        return (self.reads + self.writes) * itemsize


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


def as_text(name: str, compiled: CompiledRule) -> str:
    """The report of `generate --report`."""
    lines = [f"{name}: operations", f"  {'after':<24}{'per step':>10}{'per element':>13}"]
    lines += [
        f"  {line.name:<24}{line.per_step:>10}{line.per_element:>13}" for line in compiled.report
    ]
    if compiled.rewrites:
        lines.append("  stable rewrites: " + ", ".join(compiled.rewrites))
    lines.append(f"{name}: memory traffic per element")
    for number, item in enumerate(traffic(compiled.rule), 1):
        lines.append(
            f"  sweep {number}: {item.reads} read, {item.writes} written: "
            f"{item.bytes(4)} bytes in float32, {item.bytes(8)} in float64"
        )
    return "\n".join(lines)

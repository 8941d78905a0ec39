"""The order of compositions, measured against the proved one; the page shows what is found."""

from __future__ import annotations

import pytest

from tests.scripts import ROOT, script

ORDERS = script("benchmarks/orders.py")
PAGE = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")
QUICK = {("strang", "exact"), ("triple-jump", "exact"), ("conformal-leapfrog", "cayley")}
ROWS = [
    pytest.param(*item, marks=() if item in QUICK else pytest.mark.slow)
    for item in ORDERS.COMPOSITIONS
]


@pytest.mark.parametrize(("integrator", "cooling"), ROWS)
def test_the_measured_order_is_the_proved_one(integrator: str, cooling: str) -> None:
    title = ORDERS.title(integrator, cooling)
    (line,) = [row for row in PAGE.splitlines() if row.startswith(f"| {title} | ")]
    cells = line.strip("| ").split(" | ")[1:]
    for text, cell in zip(ORDERS.PROBLEMS.values(), cells, strict=True):
        found = ORDERS.order(text, integrator, cooling)
        if cell == "refused":
            assert found is None
            continue
        # The next order of the error is tau = TIME/8 smaller, and halves as well.
        assert abs(found.measured - found.proved) < 0.15
        proved, measured = cell.split(": ")
        assert int(proved) == found.proved
        assert float(measured) == pytest.approx(found.measured, abs=0.02)


def test_the_table_on_the_page_has_every_row() -> None:
    table = PAGE.partition(ORDERS.BEGIN)[2].partition(ORDERS.END)[0]
    assert len(table.splitlines()) == 2 + len(ORDERS.COMPOSITIONS)

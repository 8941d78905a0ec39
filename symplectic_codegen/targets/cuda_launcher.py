"""tmp"""
from __future__ import annotations
def launcher_text(plan, document): return "x = 1\n"

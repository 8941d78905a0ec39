"""What is known of a rule beyond its equations: stability, rates, modified energy, verdicts."""

from __future__ import annotations

"""Passes from rule to rule. Each keeps the value of the rule in exact arithmetic."""

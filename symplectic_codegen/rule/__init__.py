"""The update rule: the typed, frozen form between mathematics and code."""

"""Symmetries of the loss, their Noether charges, and what a step does to these."""

"""Settings of all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long something takes is no property of the code: a busy machine must not fail a test.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

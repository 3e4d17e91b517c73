"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# the machine may be busy: how long an example takes is no fault of the code
settings.register_profile(
    "asyncjman",
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("asyncjman")

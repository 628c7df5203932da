"""For every test: hypothesis without deadlines, since CI machines are noisy; bounds are counted."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "gateway", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("gateway")

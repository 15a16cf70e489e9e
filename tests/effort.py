"""How much a property test tries: little with the profile `small` (`make check`), all with `full` (`make test`).

The profile `long` is for a search of an hour or a night, by hand and with a seed of its own.

A number that a test gives to `settings` itself overrides the profile. It comes through here, so that it does not.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

FULL_EXAMPLES = 100  # hypothesis' defaults
FULL_STEPS = 50


def register_profiles() -> None:
    """Make both known to `--hypothesis-profile`, and the full one the choice of whoever does not choose."""
    # A machine that is busy with other work must not fail a property.
    busy = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("full", busy, max_examples=FULL_EXAMPLES, stateful_step_count=FULL_STEPS)
    settings.register_profile("small", busy, max_examples=20, stateful_step_count=25)
    settings.register_profile("long", busy, max_examples=20 * FULL_EXAMPLES, stateful_step_count=FULL_STEPS)
    settings.load_profile("full")


def examples(full: int) -> int:
    """So many with the profile `full`, and the same share of them with another one."""
    return max(1, full * settings().max_examples // FULL_EXAMPLES)


def steps(full: int) -> int:
    """So many in each run of a state machine with the profile `full`, and the same share of them with another one."""
    return max(1, full * settings().stateful_step_count // FULL_STEPS)

"""A SELinux security context, as far as it tells whose a process is: user:role:type:level, selinux(8).

podman gives each container two categories of its own, and a pod two for all: system_u:system_r:container_t:s0:c1,c2
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONTEXT = re.compile(r"[^:]+:[^:]+:([^:]+):(.+)", re.DOTALL)
_CATEGORIES = re.compile(r"s\d{1,5}:c\d{1,5}(?:,c\d{1,5})*")


@dataclass(frozen=True, slots=True)
class Context:
    """Domain and level of a label."""

    domain: str = ""  # container_t
    level: str = ""  # s0:c161,c724; "" without categories of its own


def parse_context(label: str) -> Context:
    """What a label tells; one of another shape, or another security module's, tells nothing."""
    found = _CONTEXT.fullmatch(label)
    if found is None:
        return Context()
    return Context(found[1], found[2] if _CATEGORIES.fullmatch(found[2]) else "")

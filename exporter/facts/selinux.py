"""A SELinux security context, as far as it tells whose a process is: user:role:type:level, selinux(8).

podman gives each container two categories of its own, and a pod two for all: system_u:system_r:container_t:s0:c1,c2

    s0:c1,c2              two categories
    s0:c1.c3,c7           c1, c2, c3 and c7: so the kernel writes three in a row (mls_sid_to_context of its sources)
    s0-s0:c0.c1023        made at s0, cleared for every category: what a process may touch, its clearance says
    s0:c?,c?              podman has not chosen them yet
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

_CONTEXT = re.compile(r"[^:]+:[^:]+:([^:]+):(.+)", re.DOTALL)
_CATEGORY = r"c\d{1,4}(?:\.c\d{1,4})?"
_LEVEL = re.compile(rf"(s\d{{1,5}})(?::({_CATEGORY}(?:,{_CATEGORY})*|c\?,c\?))?")
_CATEGORIES_MAX = 4096  # policies have 1024
_KEPT = 4096
_ROW = 3

UNCHOSEN = -1
"""Stands for categories that podman will choose at the start."""

# Types that container processes get when nothing confines them (podman-run(1): label=disable is spc_t). No policy holds
# their categories against anything.
UNCONFINED = frozenset(
    {"container_runtime_t", "init_t", "initrc_t", "kernel_t", "spc_t", "unconfined_service_t", "unconfined_t"}
)

TYPES_OF_CONTAINERS = frozenset(
    {"container_t", "container_init_t", "container_kvm_t", "container_logreader_t", "container_userns_t"}
)
"""Those process types of container_selinux(8) that keep a container from writing to the host."""


@dataclass(frozen=True, slots=True)
class Context:
    """Domain and level of a label."""

    domain: str = ""  # container_t
    level: str = ""  # s0:c161,c724, as the kernel writes it; "" without categories, or where they confine nothing
    written_level: str = ""  # as the label has it: s0, s0:c161,c724 or s0-s0:c0.c1023
    categories: frozenset[int] | None = None  # of the clearance, if they confine; None for no label of SELinux


@lru_cache(maxsize=_KEPT)
def parse_context(label: str) -> Context:
    """What a label tells; one of another shape, or another security module's, tells nothing."""
    found = _CONTEXT.fullmatch(label)
    clearance = _LEVEL.fullmatch(found[2].rpartition("-")[2]) if found else None
    if found is None or clearance is None:
        return Context(found[1], written_level=found[2]) if found else Context()
    categories = _categories(clearance[2]) if found[1] not in UNCONFINED else frozenset[int]()
    level = f"{clearance[1]}:{','.join(_written(categories))}" if categories and UNCHOSEN not in categories else ""
    return Context(found[1], level, found[2], categories)


def _categories(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset()
    if "?" in text:
        return frozenset({UNCHOSEN})
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition(".")
        found.update(range(int(first[1:]), min(int((last or first)[1:]), _CATEGORIES_MAX) + 1))
    return frozenset(found)


def _written(categories: Iterable[int]) -> Iterator[str]:
    """As the kernel does: two in a row with a comma, more with a dot."""
    ordered = sorted(categories)
    ends = [0, *(index for index, (one, after) in enumerate(pairwise(ordered), 1) if after != one + 1), len(ordered)]
    for begin, end in pairwise(ends):
        run = ordered[begin:end]
        yield f"c{run[0]}.c{run[-1]}" if len(run) >= _ROW else ",".join(f"c{one}" for one in run)

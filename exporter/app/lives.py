"""Composition of lives: what is remembered of containers that start, from one report to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from exporter.assess.inventory import known_containers
from exporter.assess.lives import lives_after
from exporter.facts.life import Life
from exporter.facts.process import ProcessTable
from exporter.facts.snapshot import Snapshot


def has_starting_processes(table: ProcessTable) -> bool:
    """Whether a container's processes are still the runtime's: no event says when the payload's replace them."""
    return any(one.is_runtimes for one in table.containers)


def following_lives(take: Callable[[], Snapshot]) -> Callable[[], Snapshot]:
    """Hands on each snapshot with what is remembered of the lives in the snapshots before it."""
    lives: Mapping[str, Life] = {}

    def taken() -> Snapshot:
        nonlocal lives
        snapshot = take()
        lives = lives_after(lives, snapshot, known_containers(snapshot))
        return replace(snapshot, lives=lives)

    return taken

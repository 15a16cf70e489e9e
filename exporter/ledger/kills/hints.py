"""Hints: systemd saw a unit's oom_kill rise. The weakest evidence of whose kill it was, used when there is no other.

    web.service: A process of this unit has been killed by the OOM killer.

The message (SD_MESSAGE_UNIT_OUT_OF_MEMORY of sd-messages.h) says neither how many were killed nor in which life of the
unit. It serves a container in a slice of several whose cgroup is gone, and of whose kill the kernel printed no line.
"""

from __future__ import annotations

from exporter.facts.evidence import UnitOutOfMemory
from exporter.ledger.patience import EVIDENCE_US, HINT_US
from exporter.ledger.places import home_of
from exporter.ledger.state import Hint, Identities, LifeBook, Now, SliceBook, State

_HINTS_LIMIT = 256


def hear_hint(state: State, told: UnitOutOfMemory, identities: Identities) -> None:
    """Keep in mind that this unit lost a process, for want of better evidence."""
    name = identities.names_by_unit.get(told.unit)
    if name:
        state.host.hints = [*state.host.hints[1 - _HINTS_LIMIT :], Hint(name, told.boot_id, told.heard_us)]
        state.touch("host", "")


def take_hints(state: State, book: SliceBook, now: Now) -> list[str]:
    """Who lost a process in this slice, as hints alone tell: a name for each kill, at most as many as its floor."""
    needed = [hint for hint in state.host.hints if _is_ripe(hint, now) and _is_needed(state, hint, book.path)]
    taken = needed[: book.floor]
    if taken:
        state.host.hints = [hint for hint in state.host.hints if not any(hint is one for one in taken)]
        state.touch("host", "")
    return [hint.name for hint in taken]


def drop_hints(state: State, now: Now) -> None:
    """Forget those that are too old to be of what waits now."""
    hints = [hint for hint in state.host.hints if hint.boot == now.boot and now.us - hint.heard_us < HINT_US]
    if len(hints) != len(state.host.hints):
        state.host.hints = hints
        state.touch("host", "")


def _is_ripe(hint: Hint, now: Now) -> bool:
    """Whether better evidence of the same kill would have come by now."""
    return hint.boot == now.boot and now.us - hint.heard_us >= EVIDENCE_US


def _is_needed(state: State, hint: Hint, path: str) -> bool:
    """Whether the hint is of a kill in this very slice that nothing else has told of, as far as anybody can know.

    Not of one in a slice further down: that tells of all its kills itself, and what waits here is somebody else's.
    """
    lives = [life for life in state.lives.values() if life.name == hint.name and life.boot == hint.boot]
    return any(home_of(life.path) == path for life in lives) and not any(_has_told(life, hint) for life in lives)


def _has_told(life: LifeBook, hint: Hint) -> bool:
    """Whether the kill may be one that the kernel's log or the life's own count has told of.

    systemd sees a kill a moment after it was, or many seconds after it on a host that is short of memory.
    """
    was_counted = bool(life.counted_at_us) and hint.heard_us < life.counted_at_us + EVIDENCE_US
    return was_counted or any(abs(us - hint.heard_us) < EVIDENCE_US for us in life.lines_us)

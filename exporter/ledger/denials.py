"""SELinux denials, each counted once: the kernel's audit gives every one a time and a serial number.

told by several (kernel's log, journal, audit.log)    one stamp: counted at the first, known at the others
one system call is denied two things (read, open)     one stamp: one denial
whose it is                                           the container whose label has these MCS categories; else,
                                                      as in a pod, whose cgroup the process was in
its container is not known yet                        pending, until somebody has told its name or label
its container is gone, with --rm for ever             labels are remembered: each start has one of its own
nobody's                                              of a container's domain: unattributed after 3 min, never
                                                      guessed; of any other: no container's
"""

from __future__ import annotations

from collections.abc import Iterator

from exporter.facts.cgroup import owner_uid_of
from exporter.facts.container import user_in
from exporter.facts.evidence import Denial
from exporter.facts.selinux import UNCONFINED, parse_context
from exporter.ledger.kills import called_by
from exporter.ledger.patience import DENIAL_OWNER_US
from exporter.ledger.places import container_in
from exporter.ledger.state import SEEN_LIMIT, Identities, Now, PendingDenial, State

_PENDING_LIMIT = 1000
_LABELS_LIMIT = 5000
_DOMAINS = ("container_", "svirt_lxc_")


def hear_denial(state: State, told: Denial, identities: Identities, now: Now) -> None:
    """Take one denial; one that was told before, and one that is no container's, change nothing."""
    if told.stamp in state.denials_seen or _is_forgotten(state, told, now):
        return
    context = parse_context(told.context)
    container_id = container_in(told.cgroup) or ""
    is_known = bool(context.level) and (context.level in identities.names_by_level or context.level in state.levels)
    is_containers = context.domain.startswith(_DOMAINS) and context.domain not in UNCONFINED
    if not container_id and not is_known and not is_containers:
        return
    state.denials_seen[told.stamp] = now.us
    state.touch("denial", told.stamp)
    waiting = state.host.denials
    owner_uid = owner_uid_of(told.cgroup) if told.cgroup else None
    waiting.append(PendingDenial(context.level, container_id, now.boot, now.us, owner_uid))
    while len(waiting) > _PENDING_LIMIT:
        _decide(state, waiting.pop(0), identities, now, is_last=True)
    state.touch("host", "")


def _is_forgotten(state: State, told: Denial, now: Now) -> bool:
    """Whether it is older than all that is remembered, of which the oldest were dropped: another source told of it."""
    seen = state.denials_seen
    if len(seen) < SEEN_LIMIT:
        return False
    oldest = _moment(next(iter(seen)))
    # Heard while the clock was wrong, it says nothing of the order. To a second: audit's time may be a bit ahead.
    is_ahead = int(oldest[0]) > now.seconds
    return _moment(told.stamp) < oldest and not is_ahead


def _moment(stamp: str) -> tuple[float, int]:
    seconds, _, serial = stamp.partition(":")
    return float(seconds), int(serial)


def settle_denials(state: State, identities: Identities, now: Now) -> None:
    """Count the denials of those who are known by now, and give up on the others after a while."""
    _remember(state, identities)
    if not state.host.denials:
        return
    state.host.denials = [
        one
        for one in state.host.denials
        if not _decide(
            state,
            one,
            identities,
            now,
            is_last=one.boot != now.boot or not 0 <= now.us - one.heard_us < DENIAL_OWNER_US,
        )
    ]
    state.touch("host", "")


def _decide(state: State, one: PendingDenial, identities: Identities, now: Now, *, is_last: bool) -> bool:
    """Count it if it is known whose it is, or if there is no hope left; whether it was counted."""
    names = (name for name in _names(state, one, identities, now) if name)
    name = next((name for name in names if _can_be_of(name, one, identities)), "")
    if name:
        state.account(name).avc_denials += 1
    elif is_last:
        state.host.unattributed_denials += 1
    return bool(name) or is_last


def _names(state: State, one: PendingDenial, identities: Identities, now: Now) -> Iterator[str | None]:
    """Whose it may be, the likeliest first."""
    yield identities.names_by_level.get(one.level)
    if one.owner_uid is not None:
        yield identities.name_of(one.container_id, one.owner_uid)
        if (life := state.lives.get(f"{now.boot}:{one.container_id}")) is not None:
            yield called_by(life, one.owner_uid, identities)
    if one.level not in identities.names_by_level:
        yield state.levels.get(one.level)


def _can_be_of(name: str, one: PendingDenial, identities: Identities) -> bool:
    """Whether its process was in this user's cgroups, if that is known: a user's process can have any level."""
    return one.owner_uid is None or identities.is_of(user_in(name), one.owner_uid)


def _remember(state: State, identities: Identities) -> None:
    """Keep whose each label is: it is gone with its container, and denials may be read later."""
    for level, name in identities.names_by_level.items():
        if name and state.levels.get(level) != name:
            state.levels.pop(level, None)
            state.levels[level] = name
            state.touch("level", level)
    for level in list(state.levels)[: max(0, len(state.levels) - _LABELS_LIMIT)]:
        if level not in identities.names_by_level:
            del state.levels[level]
            state.touch("level", level)

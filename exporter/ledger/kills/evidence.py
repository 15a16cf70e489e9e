"""Evidence of kills, collected for each life of a container: its cgroups' own counts, and lines of the kernel's log.

Each is a lower bound of the kills in that life: either may have missed some, neither has invented any.

    cgroup /services.slice/services-web.slice/web.service, read: oom_kill 2      counts: 2
    oom-kill:constraint=CONSTRAINT_MEMCG,...,task_memcg=/services.slice/...      lines: 1
    -> 2 kills at least, of which `credited` are in the totals
"""

from __future__ import annotations

from exporter.facts.cgroup import owner_uid_of, unit_of
from exporter.facts.container import user_in
from exporter.facts.evidence import ContainerEvent, KernelKill, KillCount
from exporter.ledger.kills.books import above_of_old_boot
from exporter.ledger.kills.limits import UNKNOWN_LIMIT, add_late_limits
from exporter.ledger.patience import LINE_US
from exporter.ledger.places import container_in, home_of, limit_that_fired
from exporter.ledger.state import NO_CONTAINER, Identities, LifeBook, Now, State

_LIMITS_KEPT = 1000


def hear_kernel(state: State, kill: KernelKill, identities: Identities, now: Now) -> None:
    """Take one line of the kernel's log; a line that was reported before changes nothing."""
    key = f"{kill.boot_id}:{kill.stamp_us}:{kill.pid}"
    if key in state.kills_seen:
        return
    state.remember_kill(key)
    life_key, life = _life(state, kill.victim_cgroup, kill.boot_id, identities)
    life.name = name_of(life, identities)
    life.lines_us = [*(us for us in life.lines_us if kill.heard_us - us < LINE_US), kill.heard_us]
    above = above_of_old_boot(state, life) if kill.boot_id != now.boot else []
    if above and kill.heard_us > above[0].read_at_us:
        life.lines = max(life.lines, life.credited)  # newer than the last reading, so no count includes it
    life.lines += 1
    told = kill.limit_cgroup
    limit = UNKNOWN_LIMIT if told is None else limit_that_fired(told, kill.victim_cgroup)
    if life.lines <= life.credited:  # the cgroup's own count has reported it before
        add_late_limits(state, life, [limit])
    else:
        life.heard_us = max(life.heard_us, kill.heard_us)
        life.limits = [*life.limits[1 - _LIMITS_KEPT :], (limit, kill.heard_us)]
    if life.name and (account := state.accounts.get(life.name)) is not None:
        account.last_oom_kill_seconds = max(account.last_oom_kill_seconds or 0.0, kill.at_seconds)
        state.touch("account", life.name)
    state.touch("life", life_key)


def see_life(state: State, count: KillCount, identities: Identities, now: Now, *, read_at_us: int) -> None:
    """Take what a container's own cgroup has counted."""
    key, life = _life(state, count.path, now.boot, identities, count.container_id)
    life.name = name_of(life, identities)
    instance = f"{count.path}:{count.inode}"
    if count.oom_kill > life.counts.get(instance, 0):
        is_new = not life.counts
        life.counts[instance] = count.oom_kill
        if is_new and state.host.has_holes:  # what it counted before may be in totals already
            life.credited = max(life.credited, life.seen)
        life.heard_us, life.counted_at_us = now.us, read_at_us
        state.touch("life", key)


def hear_name(state: State, event: ContainerEvent, identities: Identities, now: Now) -> None:
    """Take what podman calls a container: with --rm the name is gone from its list before anybody has asked for it."""
    key = f"{now.boot}:{event.container_id}"
    life = state.lives.setdefault(key, LifeBook("", now.boot, event.container_id))
    life.called[event.user] = event.name
    if life.path and identities.is_of(event.user, owner_uid_of(life.path)):
        life.name = event.name
    life.heard_us = life.heard_us or now.us
    state.touch("life", key)


def _life(state: State, path: str, boot: str, identities: Identities, container_id: str = "") -> tuple[str, LifeBook]:
    container_id = container_id or container_in(path) or ""
    key = f"{boot}:{container_id or path}"
    life = state.lives.setdefault(key, LifeBook(path, boot, container_id))
    if not life.path:  # podman's events report a life, and not where it is
        life.path = path
        life.name = life.name if life.name and identities.is_of(user_in(life.name), owner_uid_of(path)) else None
    is_same = life.path == path or owner_uid_of(life.path) == owner_uid_of(path)
    return (key, life) if is_same else _namesake(state, key, life, path)


def _namesake(state: State, key: str, life: LifeBook, path: str) -> tuple[str, LifeBook]:
    """The life at `path` with the same id as `life`: a user can name a cgroup after any container. Root's has `key`."""
    owner_uid = owner_uid_of(path)
    if owner_uid:
        other_key = f"{life.boot}:{owner_uid}/{life.container_id}"
        return other_key, state.lives.setdefault(other_key, LifeBook(path, life.boot, life.container_id))
    other_key = f"{life.boot}:{owner_uid_of(life.path)}/{life.container_id}"
    state.lives[other_key] = life
    state.touch("life", other_key)
    state.lives[key] = LifeBook(path, life.boot, life.container_id, called=dict(life.called))
    return key, state.lives[key]


def name_of(life: LifeBook, identities: Identities) -> str | None:
    """Whose life it is; "" for what is no container's; None while it is not known."""
    if life.name:
        return life.name
    if not life.path:  # any podman may have reported it: where it is says whose it is
        return None
    owner_uid = owner_uid_of(life.path)
    if name := called_by(life, owner_uid, identities) or identities.name_of(life.container_id, owner_uid):
        return name
    if "/user@" in life.path:  # a user's unit may have the name of one of the system's
        return None if life.container_id else NO_CONTAINER
    by_unit = identities.names_by_unit.get(unit_of(life.path))
    return by_unit if by_unit is not None or life.container_id else NO_CONTAINER


def called_by(life: LifeBook, owner_uid: int, identities: Identities) -> str | None:
    """What the container with this life's id that is `owner_uid`'s is called, as it was found or by its own podman."""
    names = [life.name, *life.called.values()]
    return next((name for name in names if name and identities.is_of(user_in(name), owner_uid)), None)


def learn_names(state: State, identities: Identities) -> None:
    """Give each life its name, as soon as the name is known."""
    for key, life in state.lives.items():
        if life.name is None and (name := name_of(life, identities)) is not None:
            life.name = name
            state.touch("life", key)


def happened_us(life: LifeBook) -> int:
    """When the first kill that is not credited was reported, as far as that is known."""
    return life.limits[0][1] if life.limits else life.heard_us


def slices_to_ask(state: State) -> frozenset[str]:
    """Slices right above cgroups in which somebody was killed, as evidence says that was not matched yet."""
    return frozenset(
        path for life in state.lives.values() if life.seen > life.credited and (path := home_of(life.path))
    )

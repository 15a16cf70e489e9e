"""Evidence of kills, collected for each life of a container: its cgroups' own counts, and lines of the kernel's log.

Each is a lower bound of the kills in that life: either may have missed some, neither has invented any.

    cgroup /services.slice/services-web.slice/web.service, read: oom_kill 2      counts: 2
    oom-kill:constraint=CONSTRAINT_MEMCG,...,task_memcg=/services.slice/...      lines: 1
    -> 2 kills at least, of which `credited` are in the totals
"""

from __future__ import annotations

from exporter.facts.cgroup import unit_of
from exporter.facts.evidence import KernelKill, KillCount
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
    state.kills_seen[key] = kill.heard_us
    state.touch("kill", key)
    life_key, life = _life(state, kill.victim_cgroup, kill.boot_id)
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
    key, life = _life(state, count.path, now.boot, count.container_id)
    life.name = name_of(life, identities)
    instance = f"{count.path}:{count.inode}"
    if count.oom_kill > life.counts.get(instance, 0):
        life.counts[instance] = count.oom_kill
        life.heard_us, life.counted_at_us = now.us, read_at_us
        state.touch("life", key)


def _life(state: State, path: str, boot: str, container_id: str = "") -> tuple[str, LifeBook]:
    container_id = container_id or container_in(path) or ""
    key = f"{boot}:{container_id or path}"
    life = state.lives.setdefault(key, LifeBook(path, boot, container_id))
    life.path = life.path or path  # podman's events report a life, and not where it is
    return key, life


def name_of(life: LifeBook, identities: Identities) -> str | None:
    """Whose life it is; "" for what is no container's; None while it is not known."""
    if life.name:
        return life.name
    if life.container_id in identities.names_by_id:
        return identities.names_by_id[life.container_id]
    if "/user@" in life.path:  # a user's unit may have the name of one of the system's
        return None if life.container_id else NO_CONTAINER
    by_unit = identities.names_by_unit.get(unit_of(life.path))
    return by_unit if by_unit is not None or life.container_id else NO_CONTAINER


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

"""Why containers end: podman says that and with which code, others say why.

An exit waits a few seconds for those who know more, then it is counted under the first reason that holds:

    reason     who tells
    watchdog   systemd: the unit's result
    timeout    systemd: the unit's result (a start or a stop took too long)
    health     podman: unhealthy just before, and killed or stopped for it
    success    code 0
    stopped    podman's `stop`, or a stop job of the unit: somebody asked for it
    oom        code 137, and a process of this life was killed for want of memory
    signal     code above 128
    error      any other code
    unknown    podman told no code

A kill that is known to be of another life of the container is no reason for the end of this life. A kill that is known
to be the container's, and of no life in particular, is the reason of one exit at most: so no container has more exits
for want of memory than kills.

A container that is killed for want of memory while it is being stopped was stopped: podman's own SIGKILL at the end of
a stop has code 137 as well, and a worker may have been the victim. The kill is counted as a kill all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.facts.container import user_in
from exporter.facts.evidence import ContainerEvent, UnitFailed, UnitStopping
from exporter.ledger.patience import EXIT_CAUSE_US, EXIT_REASON_US, PODMAN_KILL_US, START_REPORT_US, STOP_US
from exporter.ledger.state import Account, Now, PendingExit, State

_STOPS_LIMIT = 1000
# Of each user: one whose podman reports thousands of ends must not decide on the reasons of others' ends.
_UNHEALTHY_LIMIT = 1000
_PENDING_LIMIT = 1000
_KILLS_LIMIT = 100
_KILLED = 137
_FIRST_SIGNAL = 128


def was_asked_for(told: Sequence[tuple[int, str]], at_nanoseconds: int) -> bool:
    """Whether an end was asked for by what podman told of this life before (when, what).

    podman tells of `podman kill -s HUP`, which ends nothing, just as of `podman kill`, without the signal (5.4): a kill
    counts if the end followed at once.
    """
    return any(
        action in {"stop", "restart"} or (action == "kill" and at_nanoseconds - at < PODMAN_KILL_US * 1000)
        for at, action in told
    )


def hear_health(state: State, told: ContainerEvent) -> None:
    """Take podman's `health_status`, or its `remove`, after which there is no health any more."""
    key = told.container_key
    is_unhealthy = told.action == "health_status" and told.health == "unhealthy"
    if is_unhealthy == (key in state.unhealthy):
        return
    if is_unhealthy:
        state.unhealthy[key] = told.time_nanoseconds
        state.touch("unhealthy", key)
    else:
        _forget_health(state, key)
    if len(state.unhealthy) > _UNHEALTHY_LIMIT:
        of_user = [one for one in state.unhealthy if user_in(one) == told.user]
        for one in of_user[: max(0, len(of_user) - _UNHEALTHY_LIMIT)]:
            _forget_health(state, one)


def hear_end(state: State, told: ContainerEvent, now: Now, *, stopped: bool, ran_seconds: float | None = None) -> None:
    """Take podman's `died` of a container."""
    seconds = told.time_nanoseconds / 1e9
    delay_us = int(max(0.0, now.seconds - seconds) * 1e6)
    pending = PendingExit(
        container_id=told.container_id,
        name=told.name,
        unit=told.unit,
        code=told.exit_code,
        at_seconds=seconds,
        heard_us=now.us,
        died_us=now.us - delay_us,
        boot=now.boot,
        stopped=stopped,
        ran_seconds=ran_seconds,
        unhealthy=told.container_key in state.unhealthy,
    )
    _forget_health(state, told.container_key)
    if len(state.host.exits) >= _PENDING_LIMIT:
        of_user = [one for one in state.host.exits if user_in(one.name) == told.user]
        for one in of_user[: max(0, len(of_user) - _PENDING_LIMIT + 1)]:
            state.host.exits.remove(one)
            _close(state, one)
    stop = state.stops.get(told.unit)
    if stop is not None and stop[0] == now.boot and 0 <= pending.died_us - stop[1] < STOP_US:
        pending.stopped = True
        _forget_stop(state, told.unit)
    state.host.exits.append(pending)
    state.touch("host", "")


def hear_unit(state: State, told: UnitFailed | UnitStopping) -> None:
    """Take what systemd says of a unit whose exit waits, or is to come."""
    waiting = [one for one in state.host.exits if one.unit == told.unit and one.boot == told.boot_id]
    if isinstance(told, UnitFailed):
        untold = [one for one in waiting if not one.result and abs(one.died_us - told.heard_us) < EXIT_CAUSE_US]
        if untold:
            min(untold, key=lambda one: abs(one.died_us - told.heard_us)).result = told.result
    elif after := [one for one in waiting if 0 <= one.died_us - told.heard_us < STOP_US and not one.stopped]:
        min(after, key=lambda one: one.died_us).stopped = True  # those after it have ends of their own
    else:
        state.stops.pop(told.unit, None)
        state.stops[told.unit] = (told.boot_id, told.heard_us)  # a stop begins before the container ends
        state.touch("stop", told.unit)
        while len(state.stops) > _STOPS_LIMIT:
            _forget_stop(state, next(iter(state.stops)))
    if waiting:
        state.touch("host", "")


def hear_stop(state: State, told: ContainerEvent) -> None:
    """Take podman's `stop`, which may come just after `died`: of that end, and none of those before it."""
    seconds = told.time_nanoseconds / 1e9
    ended = [one for one in state.host.exits if one.container_key == told.container_key and one.at_seconds <= seconds]
    if ended:
        max(ended, key=lambda one: one.at_seconds).stopped = True
        state.touch("host", "")


def settle_exits(state: State, now: Now, *, may_close: bool = True) -> None:
    """Count the exits that have waited long enough; `may_close`: whoever knows more has been heard."""
    waiting = []
    for pending in state.host.exits:
        if pending.boot == now.boot and (not may_close or 0 <= now.us - pending.heard_us < EXIT_REASON_US):
            waiting.append(pending)
        else:
            _close(state, pending)
            state.touch("host", "")
    state.host.exits = waiting


def reason_of(pending: PendingExit, *, was_out_of_memory: bool) -> str:
    """The first reason that holds, in the order of the table above."""
    code = pending.code
    holds = {
        "watchdog": pending.result == "watchdog",
        "timeout": pending.result == "timeout",
        "health": pending.unhealthy and code != 0,
        "unknown": code is None,
        "success": code == 0,
        "stopped": pending.stopped,
        "oom": code == _KILLED and was_out_of_memory,
        "signal": code is not None and code > _FIRST_SIGNAL,
    }
    return next((reason for reason, held in holds.items() if held), "error")


def _forget_health(state: State, container_key: str) -> None:
    if state.unhealthy.pop(container_key, None) is not None:
        state.touch("unhealthy", container_key)


def _forget_stop(state: State, unit: str) -> None:
    if state.stops.pop(unit, None) is not None:
        state.touch("stop", unit)


def _close(state: State, pending: PendingExit) -> None:
    life = state.lives.get(f"{pending.boot}:{pending.container_id}")
    if life is not None and (not life.name or user_in(life.name) != user_in(pending.name)):
        life = None  # of another's container: a user's podman can report the end of any
    account: Account = state.account(pending.name)
    # Neither a worker that was killed long before is a reason, nor a kill before this start of the container.
    since_seconds = EXIT_CAUSE_US / 1e6
    if pending.ran_seconds is not None:
        since_seconds = min(since_seconds, pending.ran_seconds + START_REPORT_US / 1e6)
    in_life = life is not None and life.seen > 0 and pending.died_us - life.heard_us < since_seconds * 1e6
    reason = reason_of(pending, was_out_of_memory=in_life)
    if reason == "signal" and _takes_kill_of_no_life(account, pending, since_seconds):
        reason = reason_of(pending, was_out_of_memory=True)
    account.exits[reason] = account.exits.get(reason, 0) + 1
    if account.last_exit_seconds is None or pending.at_seconds >= account.last_exit_seconds:
        account.last_exit_seconds, account.last_exit_code = pending.at_seconds, pending.code


def add_kills_of_no_life(account: Account, count: int, at_seconds: float) -> None:
    """Remember kills that were given to a container and to no life of it: an exit may have one for its reason."""
    account.kills_of_no_life = [*account.kills_of_no_life, *[at_seconds] * min(count, _KILLS_LIMIT)][-_KILLS_LIMIT:]


def _takes_kill_of_no_life(account: Account, pending: PendingExit, since_seconds: float) -> bool:
    """Whether a kill that is of no known life may be the reason. No two exits have the same kill for their reason."""
    oldest = pending.at_seconds - EXIT_CAUSE_US / 1e6
    account.kills_of_no_life = [at for at in account.kills_of_no_life if at > oldest]
    near = [at for at in account.kills_of_no_life if -since_seconds < at - pending.at_seconds < EXIT_CAUSE_US / 1e6]
    if not near:
        return False
    account.kills_of_no_life.remove(min(near, key=lambda at: abs(at - pending.at_seconds)))
    return True

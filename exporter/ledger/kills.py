"""OOM kills, each counted once: slices say how many, evidence says of whom.

A settlement takes the counts of all slices, read parents first, and of living containers, and does this:

1. What a slice's oom_kill rose by, less what its child slices rose by, is *pending* in the slice.
2. Evidence (a container's own oom_kill, lines of the kernel's log) is a lower bound of the kills in one life.
   What of it is not credited yet takes from what is pending in the slice above, and credits the container.
3. What is left pending in a slice of one container is that container's. In a slice of several it stays
   pending for a while (a line may be late), and is then unattributed.
4. Evidence that comes after that cancels against what was attributed without evidence: it adds nothing.
5. Where no slice was read (an old boot after its last reading, no memory controller), evidence is the count.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from exporter.facts.cgroup import unit_of
from exporter.facts.evidence import KernelKill, KillCount, KillCounts, OomdKill
from exporter.ledger.hints import drop_hints, take_hints
from exporter.ledger.patience import COUNT_US, EVIDENCE_US, LATE_EVIDENCE_US, LINE_US
from exporter.ledger.places import container_in, home_of, limit_that_fired
from exporter.ledger.slices import is_below, nearest, see_slices, touch_slice, upwards
from exporter.ledger.state import Household, LifeBook, Now, SliceBook, State

NO_CONTAINER = ""
UNKNOWN_LIMIT = "unknown"
_LIMITS_KEPT = 1000


def hear_kernel(state: State, kill: KernelKill, household: Household, now: Now) -> None:
    """Take one line of the kernel's log; one that was told before changes nothing."""
    key = f"{kill.boot_id}:{kill.stamp_us}:{kill.pid}"
    if key in state.kills_seen:
        return
    state.kills_seen[key] = kill.heard_us
    state.touch("kill", key)
    life_key, life = _life(state, kill.victim_cgroup, kill.boot_id)
    life.name = _name(life, household)
    life.lines_us = [*(us for us in life.lines_us if kill.heard_us - us < LINE_US), kill.heard_us]
    if kill.boot_id != now.boot and (above := _above_old(state, life)) and kill.heard_us > above[0].read_at_us:
        life.lines = max(life.lines, life.credited)  # of a time after the last reading: nothing can have told of it
    life.lines += 1
    told = kill.limit_cgroup
    limit = UNKNOWN_LIMIT if told is None else limit_that_fired(told, kill.victim_cgroup)
    if life.lines <= life.credited:  # the cgroup's own count has told of it before
        _label(state, life, [limit])
    else:
        life.heard_us = max(life.heard_us, kill.heard_us)
        life.limits = [*life.limits[1 - _LIMITS_KEPT :], (limit, kill.heard_us)]
    if life.name and (account := state.accounts.get(life.name)) is not None:
        account.last_oom_kill_seconds = max(account.last_oom_kill_seconds or 0.0, kill.at_seconds)
        state.touch("account", life.name)
    state.touch("life", life_key)


def hear_oomd(state: State, kill: OomdKill, household: Household) -> None:
    """Take a kill by systemd-oomd: the journal alone tells of it, and its cursor keeps it from being told twice."""
    name = household.names_by_unit.get(kill.unit)
    if name:
        _credit(
            state,
            name,
            kill.processes,
            ["systemd_oomd"] * kill.processes,
            heard_us=kill.heard_us,
            at_seconds=kill.at_seconds,
        )


def settle(state: State, read: KillCounts, household: Household, now: Now, *, may_age: bool = True) -> None:
    """Bring the totals up to what was read and heard. Slices were read parents first.

    What lies above and below slices that are there and could not be read waits. `may_age`: whoever could tell whose
    kill it was has been heard, so that what waits for it may be called unattributed in the end.
    """
    counts = sorted(read.counts, key=lambda count: -count.path.count("/"))
    unreadable = frozenset(path for path in read.unreadable if path.endswith(".slice"))
    fired = _fired(state, counts)
    read_at_us = now.us if read.began_us is None else read.began_us
    for count in counts:
        if count.is_evidence:
            _see_life(state, count, household, now, read_at_us=read_at_us)
    waits = unreadable | {count.path for count in counts if any(is_below(path, count.path) for path in unreadable)}
    slices = [count for count in counts if count.is_slice and count.path not in waits]
    books = see_slices(state, slices, waits, household, now, read_at_us=read_at_us)
    authorities = waits | books.keys()
    ended = {book.path for book in state.slices.values() if book.closed and book.boot == now.boot} | read.absent
    for key, life in state.lives.items():
        if life.name is None and (name := _name(life, household)) is not None:
            life.name = name
            state.touch("life", key)
        if life.seen > life.credited:
            if life.boot != now.boot:
                _match_old(state, key, life, now)
            elif nearest(authorities, life.path) not in waits:
                _match(state, key, life, books, ended, fired=fired, now=now)
    _attribute_pending(state, books, household, now, fired, may_age=may_age and household.is_whole)
    _give_up_labels(state, now)
    drop_hints(state, now)


def slices_to_ask(state: State) -> frozenset[str]:
    """Slices right above cgroups in which somebody was killed, as evidence says that was not matched yet."""
    return frozenset(
        path for life in state.lives.values() if life.seen > life.credited and (path := home_of(life.path))
    )


def _attribute_pending(
    state: State,
    books: dict[str, SliceBook],
    household: Household,
    now: Now,
    fired: frozenset[str],
    *,
    may_age: bool,
) -> None:
    """Give what no evidence asked for to the slice's one owner; let it age where there is none."""
    living = {life.name: life.path for life in state.lives.values() if life.name and life.boot == now.boot}
    for book in (*books.values(), *(book for book in state.slices.values() if book.closed and book.pending > 0)):
        if book.pending > 0 and book.owner:
            labels = _likely(fired, living.get(book.owner, f"{book.path}/"), book.pending)
            # What a slice counted before it was known may be of long ago.
            at_seconds = now.seconds if book.read_before else None
            _credit(state, book.owner, book.pending, labels, heard_us=now.us, at_seconds=at_seconds)
            book.anonymous += book.pending
            book.pending, book.told_until_us = 0, now.us
            touch_slice(state, book)
        elif book.owner is None and household.strangers.isdisjoint(household.tenants.get(book.path, ())):
            _age(state, book, now, may_age=may_age)
        book.read_before = True


def _fired(state: State, counts: Sequence[KillCount]) -> frozenset[str]:
    """Cgroups whose own limit has fired since they were read last."""
    before = state.local_oom
    state.local_oom = {(count.path, count.inode): count.local_oom for count in counts}
    return frozenset(path for (path, inode), told in state.local_oom.items() if told > before.get((path, inode), told))


def _likely(fired: frozenset[str], victim: str, count: int) -> list[str]:
    """Whose limit it was, if just one on the way up from the victim has fired."""
    above = [path for path in fired if path == victim or is_below(victim, path)]
    return [limit_that_fired(above[0], victim)] * count if len(above) == 1 else []


def _see_life(state: State, count: KillCount, household: Household, now: Now, *, read_at_us: int) -> None:
    key, life = _life(state, count.path, now.boot, count.container_id)
    life.name = _name(life, household)
    instance = f"{count.path}:{count.inode}"
    if count.oom_kill > life.counts.get(instance, 0):
        life.counts[instance] = count.oom_kill
        life.heard_us, life.counted_at_us = now.us, read_at_us
        state.touch("life", key)


def _life(state: State, path: str, boot: str, container_id: str = "") -> tuple[str, LifeBook]:
    container_id = container_id or container_in(path) or ""
    key = f"{boot}:{container_id or path}"
    life = state.lives.setdefault(key, LifeBook(path, boot, container_id))
    life.path = life.path or path  # podman's events tell of a life, and not where it is
    return key, life


def _name(life: LifeBook, household: Household) -> str | None:
    """Whose life it is; "" for what is no container's; None while it is not known."""
    if life.name:
        return life.name
    if life.container_id in household.names_by_id:
        return household.names_by_id[life.container_id]
    if "/user@" in life.path:  # a user's unit may have the name of one of the system's
        return None if life.container_id else NO_CONTAINER
    by_unit = household.names_by_unit.get(unit_of(life.path))
    return by_unit if by_unit is not None or life.container_id else NO_CONTAINER


def _match(
    state: State,
    key: str,
    life: LifeBook,
    books: dict[str, SliceBook],
    ended: AbstractSet[str],
    *,
    fired: frozenset[str],
    now: Now,
) -> None:
    """Match the evidence of one life, kill by kill, with what the slices above have pending or have told of.

    The slice right above it tells of all its kills. One further up is asked only if that slice has ended, or had a
    life before this one: what is pending there is of somebody else, else.
    """
    authorities = tuple(upwards(books, life.path))
    home = home_of(life.path)
    if authorities and home not in ended:
        if authorities[0].path != home:
            return  # nobody has looked whether it is there: it is asked for at the next reading
        authorities = authorities[:1]
    if not authorities and life.name is not None:
        _take(state, key, life, life.seen - life.credited, at_seconds=now.seconds, fired=fired)
    for _ in range(life.seen - life.credited):
        age_us = now.us - _happened_us(life)
        for book in authorities:
            name = life.name if life.name is not None else book.owner
            # The kernel prints its line before it counts: what is pending further up meanwhile may be of another.
            is_due = book is authorities[0] or age_us > COUNT_US
            if book.anonymous and (now.us - age_us <= book.told_until_us or age_us > LATE_EVIDENCE_US):
                book.anonymous -= 1
                _explain(state, key, life, 1)
            elif book.pending > 0 and name is not None and is_due:
                book.pending -= 1
                life.name = name
                _take(state, key, life, 1, at_seconds=now.seconds, fired=fired)
            else:
                continue
            touch_slice(state, book)
            break
        else:
            if age_us <= LATE_EVIDENCE_US:
                return  # the kernel prints its line before it counts: the next reading will show it
            _explain(state, key, life, 1)  # of a time before its slice was known


def _match_old(state: State, key: str, life: LifeBook, now: Now) -> None:
    """Evidence of a boot that is over: new if it is of a time after the slice was last read, told before if not."""
    above = _above_old(state, life)
    name = life.name if life.name is not None else next((book.owner for book in above if book.owner), None)
    for _ in range(life.seen - life.credited):
        is_counted = life.credited < life.counted  # by its own cgroup, and not told by a line alone
        happened_us = life.counted_at_us if is_counted else _happened_us(life)
        was_read = bool(above) and happened_us <= above[0].read_at_us
        pending = _pending_above(above, is_counted=is_counted) if was_read else None
        if pending is not None and name is not None:
            pending.pending -= 1
            touch_slice(state, pending)
        elif was_read:
            _explain(state, key, life, 1)
            continue
        elif name is None and life.waits_since_us is None:
            life.waits_since_us = now.us
            state.touch("life", key)
            return
        elif name is None and 0 <= now.us - (life.waits_since_us or 0) < LATE_EVIDENCE_US:
            return
        if name is None:
            state.host.unattributed_oom_kills += 1
            state.touch("host", "")
            _explain(state, key, life, 1)
        else:
            life.name = name
            _take(state, key, life, 1, at_seconds=None, fired=frozenset())


def _pending_above(above: Sequence[SliceBook], *, is_counted: bool) -> SliceBook | None:
    """The book in which a kill that was read is pending still.

    That is further up if the slice right above has ended since. A line alone is not enough to look there: what it tells
    of may have been credited long ago.
    """
    home = [book for book in above if book.path == above[0].path]
    further_up = [book for book in above if is_counted and not any(one.anonymous for one in home)]
    return next((book for book in (*home, *further_up) if book.pending > 0), None)


def _above_old(state: State, life: LifeBook) -> list[SliceBook]:
    """The slices above a life of a boot that is over: the nearest first, and of its lives the last."""
    above = [book for book in state.slices.values() if book.boot == life.boot and is_below(life.path, book.path)]
    return sorted(above, key=lambda book: (-len(book.path), -book.read_at_us))


def _happened_us(life: LifeBook) -> int:
    """When the first kill that is not credited was told of, as far as that is known."""
    return life.limits[0][1] if life.limits else life.heard_us


def _take(
    state: State, key: str, life: LifeBook, count: int, *, at_seconds: float | None, fired: frozenset[str]
) -> None:
    labels = [limit for limit, _ in life.limits[:count] if limit != UNKNOWN_LIMIT]
    del life.limits[:count]
    labels += _likely(fired, life.path, count - len(labels))
    life.credited += count
    state.touch("life", key)
    if life.name:
        _credit(state, life.name, count, labels, heard_us=life.heard_us, at_seconds=at_seconds)


def _explain(state: State, key: str, life: LifeBook, count: int) -> None:
    """Use late evidence for what it still can tell: whose limit fired."""
    labels = [limit for limit, _ in life.limits[:count]]
    del life.limits[:count]
    life.credited += count
    state.touch("life", key)
    _label(state, life, labels)


def _label(state: State, life: LifeBook, labels: Sequence[str]) -> None:
    """Say of kills that were counted without a line whose limit fired."""
    account = state.accounts.get(life.name or "")
    for label in labels:
        if account is not None and account.unlabelled and label != UNKNOWN_LIMIT:
            account.unlabelled -= 1
            account.oom_kills_by_limit[label] = account.oom_kills_by_limit.get(label, 0) + 1
            state.touch("account", account.name)


def _credit(
    state: State, name: str, count: int, labels: Sequence[str], *, heard_us: int, at_seconds: float | None
) -> None:
    account = state.account(name)
    account.oom_kills += count
    if at_seconds is not None:
        account.last_oom_kill_seconds = max(account.last_oom_kill_seconds or 0.0, at_seconds)
    for label in labels:
        account.oom_kills_by_limit[label] = account.oom_kills_by_limit.get(label, 0) + 1
    if count > len(labels):
        if not account.unlabelled:
            account.unlabelled_since_us = heard_us
        account.unlabelled += count - len(labels)


def _age(state: State, book: SliceBook, now: Now, *, may_age: bool) -> None:
    """Call unattributed what has been pending in a slice of several for long enough."""
    floor = max(0, min(book.floor, book.pending)) if book.floor else max(0, book.pending)
    # The clock begins anew with each boot, and a book that was closed in an earlier one waits on.
    if not book.floor or not floor or not may_age or book.floor_since_us > now.us:
        book.floor_since_us = now.us
    if floor != book.floor:
        book.floor = floor
        touch_slice(state, book)
    if not floor or now.us - book.floor_since_us < EVIDENCE_US:
        return
    hinted = take_hints(state, book, now)
    for name in hinted:
        _credit(state, name, 1, [], heard_us=now.us, at_seconds=now.seconds)
    state.host.unattributed_oom_kills += floor - len(hinted)
    state.touch("host", "")
    book.pending -= floor
    book.anonymous += floor
    book.nobodys += floor - len(hinted)
    book.told_until_us = book.floor_since_us
    book.floor, book.floor_since_us = 0, now.us
    touch_slice(state, book)


def _give_up_labels(state: State, now: Now) -> None:
    """Wait no longer for lines that would say whose limit fired."""
    for account in state.accounts.values():
        # Of another boot, a time may lie in the future: it is over as well.
        if account.unlabelled and not 0 <= now.us - account.unlabelled_since_us < EVIDENCE_US:
            told = account.oom_kills_by_limit.get(UNKNOWN_LIMIT, 0)
            account.oom_kills_by_limit[UNKNOWN_LIMIT] = told + account.unlabelled
            account.unlabelled = 0
            state.touch("account", account.name)

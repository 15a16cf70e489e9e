"""Which containers are on the page where not all fit: root's first, then the users' in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from exporter.assess.inventory import KnownContainer
from exporter.facts.container import user_in
from exporter.facts.counts import Counts
from exporter.facts.naming import user_of
from exporter.facts.owners import CONTAINERS_OF_A_USER, in_turn
from exporter.facts.reading import latest
from exporter.facts.snapshot import Snapshot


def shown_of(containers: tuple[KnownContainer, ...], most: int) -> tuple[tuple[KnownContainer, ...], Mapping[str, int]]:
    """The containers that are shown, in their order, and how many are not, of whom; root is ""."""
    ordered, left_out = in_turn(containers, lambda known: known.user, CONTAINERS_OF_A_USER)
    chosen = frozenset(known.name for known in ordered[:most])
    beyond = Counter(known.user for known in ordered[most:])
    return tuple(known for known in containers if known.name in chosen), beyond + Counter(left_out)


def left_out_of(snapshot: Snapshot, beyond: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """How many containers are left out, of whom: by the page (`beyond`), or by the walk over the cgroups before it."""
    host = latest(snapshot.host)
    accounts = {uid: account for account, uid in host.account_uids} if host else {}
    of_walk = {user_of(uid, accounts): count for uid, count in snapshot.cgroups_left_out.items()}
    # podman may have listed what the walk has left out: the same containers, and not more.
    return tuple(sorted((Counter(beyond) | Counter(of_walk)).items()))


def gone_of(counts: Mapping[str, Counts], names: Iterable[str], room: int) -> tuple[Counts, ...]:
    """The counts of those that are not among `names`, as many as there is room for."""
    here = frozenset(names)
    gone = (name for name in counts if name not in here)
    ordered, _ = in_turn(gone, user_in, CONTAINERS_OF_A_USER)
    return tuple(counts[name] for name in ordered[: max(0, room)])

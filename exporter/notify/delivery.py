"""The way of each alert to each Alertmanager: what is to be sent to whom, and when. Pure.

    holds       firing, resent every `resend_seconds` with an end four times as far away: an Alertmanager that hears
                nothing more ends it by itself
    over        nothing for two resends: the rule's own end may come first, and both should not answer one another
    resolved    sent, and resent for 15 minutes
    rejected    tried again every 10 minutes, and at each start: who has said no may have been mended. An alert that was
                taken before cannot be what is wrong, and is tried again as if nothing had been answered

A peer that was away while an alert held and ended is told of it nevertheless: firing first, for as long as a kill is
told of, then resolved. Alertmanager tells nobody of an alert that comes to it resolved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from exporter.notify.alert import Alert, Origin, trial_labels
from exporter.notify.posting import Posting
from exporter.notify.watch import LOOK_BACK_SECONDS

RESOLVED_SECONDS = 900.0
MAX_ENTRIES = 5_000
# Nobody wants to be woken by yesterday's alerts; a peer that is dead for longer must not fill the queue.
KEEP_SECONDS = 86_400.0
REJECTED_SECONDS = 600.0
_LIFETIME_IN_RESENDS = 4
_PAUSE_IN_RESENDS = 2
_NEVER = -1e12


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one peer is with one alert. Times are unix times."""

    sent_seconds: float = _NEVER  # of the latest try that was accepted
    fired_seconds: float | None = None  # when it first accepted the alert as firing
    resolved: bool = False  # it has accepted the end
    rejected_seconds: float | None = None  # of its latest word that it does not take this alert
    spared: bool = False  # it is to hear nothing of this alert
    heard_seconds: float = 0.0  # the latest event of those that it accepted the alert with
    missed_seconds: float | None = None  # when an alert before this one began, of which it was never told


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert from its begin to its end, with how far each peer is."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_seconds: float
    latest_seconds: float = 0.0  # of its latest event, another kill
    over_seconds: float | None = None  # None: it holds
    peers: Mapping[str, Progress] = field(default_factory=dict)


def updated(
    entries: Mapping[str, Entry],
    holding: Iterable[Alert],
    peers: tuple[str, ...],
    resend_seconds: float,
    now_seconds: float,
) -> dict[str, Entry]:
    """The entries after a look at what holds. Those that did not change are the same objects."""
    made = dict(entries)
    holding_keys = set()
    for alert in holding:
        key = alert.key
        holding_keys.add(key)
        entry = made.get(key)
        if entry is None or (entry.over_seconds is not None and _is_told_resolved(entry, resend_seconds, now_seconds)):
            starts_seconds = min(alert.since_seconds, now_seconds)
            missed = {peer: _missed_seconds(entry, peer) for peer in peers}
            progress = {peer: Progress(missed_seconds=missed[peer]) for peer in peers}
            made[key] = Entry(alert.labels, alert.annotations, starts_seconds, alert.latest_seconds, None, progress)
        else:
            latest = replace(
                entry, annotations=alert.annotations, latest_seconds=alert.latest_seconds, over_seconds=None
            )
            made[key] = latest if latest != entry else entry
    for key, entry in entries.items():
        if entry.over_seconds is None and key not in holding_keys:
            made[key] = replace(entry, over_seconds=now_seconds)
        elif (
            entry.over_seconds is not None and key not in holding_keys and _is_done(entry, resend_seconds, now_seconds)
        ):
            del made[key]
    return made


def posting(key: str, entry: Entry, peer: str, resend_seconds: float, now_seconds: float) -> Posting | None:
    """What this peer is to be told of the alert now; None: nothing."""
    progress = entry.peers.get(peer)
    if progress is None or progress.spared or _is_rejected_now(progress, resend_seconds, now_seconds):
        return None
    fired_seconds = _fired_seconds(entry, progress, resend_seconds)
    is_due = abs(now_seconds - progress.sent_seconds) >= resend_seconds  # abs: the wall clock may be set back
    if entry.over_seconds is None:
        wanted, fires = is_due or fired_seconds is None, True
    elif fired_seconds is None:
        wanted, fires = True, True
    elif now_seconds < (resolve := _resolve_seconds(entry, progress, resend_seconds)):
        wanted, fires = is_due and fired_seconds > entry.over_seconds, True
    else:
        wanted = not progress.resolved or (is_due and now_seconds < resolve + RESOLVED_SECONDS)
        fires = False
    if not wanted:
        return None
    ends_seconds = now_seconds + _LIFETIME_IN_RESENDS * resend_seconds
    if not fires:
        ends_seconds = min(_resolve_seconds(entry, progress, resend_seconds), now_seconds)
    return Posting(
        key,
        entry.labels,
        entry.annotations,
        _starts_seconds(entry, progress),
        ends_seconds,
        fires,
        entry.latest_seconds,
    )


def accepted(entry: Entry, peer: str, sent: Posting, resend_seconds: float, now_seconds: float) -> Entry:
    """The entry after the peer has taken what was sent."""
    before = entry.peers.get(peer)
    if before is None or sent.starts_seconds != _starts_seconds(entry, before):
        return entry  # another alert of the same labels has begun meanwhile
    progress = replace(before, sent_seconds=now_seconds, rejected_seconds=None)
    if sent.fires:
        fired = _fired_seconds(entry, before, resend_seconds)
        first = now_seconds if fired is None else fired
        progress = replace(progress, fired_seconds=first, heard_seconds=sent.latest_seconds, resolved=False)
    elif entry.over_seconds is not None:
        progress = replace(progress, resolved=True)
    return replace(entry, peers={**entry.peers, peer: progress})


def rejected(entry: Entry, peer: str, sent: Posting, now_seconds: float) -> Entry:
    """The entry after the peer has said that it does not take this alert."""
    before = entry.peers.get(peer)
    if before is None or sent.starts_seconds != _starts_seconds(entry, before):
        return entry
    return replace(entry, peers={**entry.peers, peer: replace(before, rejected_seconds=now_seconds)})


def is_waiting(entry: Entry, peer: str, resend_seconds: float, now_seconds: float) -> bool:
    """Whether the peer has still to take what is true of the alert now, not only to be reminded of it."""
    progress = entry.peers.get(peer)
    if progress is None or progress.spared or progress.rejected_seconds is not None:
        return False
    if _fired_seconds(entry, progress, resend_seconds) is None:
        return True
    if entry.over_seconds is None or progress.resolved:
        return False
    return now_seconds >= _resolve_seconds(entry, progress, resend_seconds)


def trial(origin: Origin, now_seconds: float) -> tuple[Posting, Posting]:
    """An alert that nobody need do anything about, and its end."""
    annotations = {
        "summary": f"Bulkhead on {origin.instance}: a test",
        "description": "Somebody ran `bulkhead alert-test`. Nothing is wrong.",
    }
    firing = Posting("", trial_labels(origin), annotations, now_seconds, now_seconds + 60, fires=True)
    return firing, replace(firing, ends_seconds=now_seconds + 0.001, fires=False)


def with_peers(entry: Entry, peers: tuple[str, ...]) -> Entry:
    """The entry for the peers of the configuration: a new one is told of what holds, and of nothing that is over.

    What one has rejected is tried again at once: the start may be that of a mended configuration.
    """
    newcomer = Progress(spared=entry.over_seconds is not None)
    known = {peer: entry.peers.get(peer, newcomer) for peer in peers}
    return replace(entry, peers={peer: replace(one, rejected_seconds=None) for peer, one in known.items()})


def bounded_entries(entries: Mapping[str, Entry]) -> tuple[dict[str, Entry], int]:
    """At most `MAX_ENTRIES`, and how many were dropped: first what is over, the oldest first."""
    beyond = max(0, len(entries) - MAX_ENTRIES)
    if not beyond:
        return dict(entries), 0
    by_worth = sorted(entries, key=lambda key: (entries[key].over_seconds is None, entries[key].starts_seconds))
    return {key: entries[key] for key in by_worth[beyond:]}, beyond


def _fired_seconds(entry: Entry, progress: Progress, resend_seconds: float) -> float | None:
    """Since when the peer knows of the alert. None: it does not, or took it for over when the latest event was."""
    knew_until = progress.sent_seconds + _LIFETIME_IN_RESENDS * resend_seconds
    if entry.latest_seconds != progress.heard_seconds and entry.latest_seconds > knew_until:
        return None
    return progress.fired_seconds


def _is_rejected_now(progress: Progress, resend_seconds: float, now_seconds: float) -> bool:
    """Whether it is too early to ask again."""
    at = progress.rejected_seconds
    wait_seconds = REJECTED_SECONDS if progress.fired_seconds is None else resend_seconds / 2
    return at is not None and abs(now_seconds - at) < wait_seconds


def _resolve_seconds(entry: Entry, progress: Progress, resend_seconds: float) -> float:
    """When the end may be told."""
    over, fired = entry.over_seconds, _fired_seconds(entry, progress, resend_seconds)
    if over is None or fired is None:
        return float("inf")
    return over + _PAUSE_IN_RESENDS * resend_seconds if fired <= over else fired + LOOK_BACK_SECONDS


def _starts_seconds(entry: Entry, progress: Progress) -> float:
    """When the alert began, as this peer is told: one that it missed and this one are told as one."""
    return entry.starts_seconds if progress.missed_seconds is None else progress.missed_seconds


def _missed_seconds(entry: Entry | None, peer: str) -> float | None:
    progress = entry.peers.get(peer) if entry is not None else None
    if entry is None or progress is None or progress.fired_seconds is not None or progress.spared:
        return None
    return _starts_seconds(entry, progress)


def _is_told_resolved(entry: Entry, resend_seconds: float, now_seconds: float) -> bool:
    """Whether an alert that begins again is another one: within the moment after its end it goes on."""
    pause_seconds = _PAUSE_IN_RESENDS * resend_seconds
    return entry.over_seconds is not None and abs(now_seconds - entry.over_seconds) >= pause_seconds


def _is_done(entry: Entry, resend_seconds: float, now_seconds: float) -> bool:
    if entry.over_seconds is None:
        return False
    if abs(now_seconds - entry.over_seconds) >= KEEP_SECONDS:
        return True
    return all(
        progress.spared
        or (progress.resolved and now_seconds >= _resolve_seconds(entry, progress, resend_seconds) + RESOLVED_SECONDS)
        for progress in entry.peers.values()
    )

"""Composition of the agent's own alerts: kills and restarts as the ledger counts them, walls as reports judge them."""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from exporter.app.collectors import COLLECTORS, clock_seconds
from exporter.app.reload import Standards
from exporter.config import Config, listen_address
from exporter.notify.alert import Origin
from exporter.notify.couriers import Couriers
from exporter.notify.notifier import Notifier, OutgoingNow
from exporter.notify.outbox import Outbox
from exporter.notify.store import Store
from exporter.report.collectors import CollectorReport
from exporter.report.host import Report
from exporter.runtime.agent import Agent

WATCHED = ("process", "systemd")
"""Collectors whose answers show a wall that falls: a report is looked at soon after each."""
_LONGEST_PAUSE_SECONDS = 60.0
# Readings come in bursts when containers start or end: one report tells of them all.
_BURST_SECONDS = 1.0
log = logging.getLogger("bulkhead")


def origin_of(config: Config) -> Origin:
    """Whose alerts they are."""
    instance = config.alerts.instance or f"{platform.node()}:{listen_address(config.listen[0])[1]}"
    return Origin(instance, config.alerts.job, config.alerts.external_labels)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How alerts leave: what takes them in, and what sends them until it is told to stop."""

    notifier: Notifier
    run: Callable[[threading.Event], None] | None  # None: another process sends them


def delivery_of(config: Config, standards: Standards) -> Delivery | None:
    """Delivery by this process; None where no Alertmanager is configured."""
    if not config.alertmanagers:
        return None
    outbox = outbox_of(config, standards)
    couriers = Couriers(OutgoingNow(outbox), config.alertmanagers, config.alerts.resend_seconds)
    return Delivery(Notifier(outbox, couriers.wake), couriers.run)


def outbox_of(config: Config, standards: Standards) -> Outbox:
    """The outbox of this host, with what it remembers of alerts that were sent."""
    resend_seconds = config.alerts.resend_seconds
    peers = config.alertmanagers
    for peer in peers:
        if peer.insecure_skip_verify:
            log.warning("the certificate of an Alertmanager is not checked", extra={"alertmanager": peer.url})
        if peer.sends_secret_in_clear:
            log.warning(
                "a password or token goes to an Alertmanager without TLS, and can be read on the way: use https://",
                extra={"alertmanager": peer.url},
            )
    return Outbox(
        Store(config.state_dir),
        origin_of(config),
        standards.thresholds,
        tuple(peer.url for peer in peers),
        resend_seconds,
    )


class HostAlerts:
    """What makes the notifier look at reports."""

    def __init__(self, config: Config, notifier: Notifier, make_report: Callable[[], Report]) -> None:
        self.notifier = notifier
        self._make_report = make_report
        # Two readings in a row: a container that is being started is half made in one.
        watched = (clock_seconds(config, one) for one in COLLECTORS if one.name in WATCHED)
        self._sure_seconds = max(watched) + 2 * _BURST_SECONDS
        self._new = threading.Event()

    def make_report(self) -> Report:
        """The report, with how delivery is doing."""
        report, told = self._make_report(), self.notifier.notifications()
        kept = CollectorReport("notifications", True, not told.problem, 0.0, None, told.problem)
        return replace(report, notifications=told, collectors=(*report.collectors, kept))

    def poke(self) -> None:
        """A source has answered: look soon."""
        self._new.set()

    def follow(self, agent: Agent, stop: threading.Event) -> None:
        """Look at a report whenever there is something new in it, until `stop` is set."""
        while not stop.is_set():
            self._new.wait(_LONGEST_PAUSE_SECONDS)
            if stop.wait(_BURST_SECONDS):
                return
            self._new.clear()
            if not agent.ready():
                continue
            try:
                self.notifier.see_report(agent.report(), self._sure_seconds)
            except Exception:  # a bug here must not end the watch over walls
                log.exception("a report could not be looked at for alerts; please report this")

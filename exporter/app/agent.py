"""Composition of the agent: a poller for each collector, the ledger, the report that is made of both, and alerts.

source answers --> poller keeps it --> context: what others ask about --> pollers that ask again
--> snapshot, when a report is asked for --> assess --> report
kernel, journal, podman tell --> keeper --> ledger's totals --> the same snapshot, and the notifier
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from exporter.app.alerts import WATCHED, Delivery, HostAlerts, delivery_of
from exporter.app.build import build_of
from exporter.app.collectors import COLLECTORS, Collector, Sources, build_sources, clock_seconds, problems_of
from exporter.app.context import Context
from exporter.app.figures import FigureReader
from exporter.app.ledger import AnsweringPollers, HostLedger, open_ledger
from exporter.app.lives import following_lives
from exporter.app.reload import Standards
from exporter.app.report_log import logging_left_out, logging_overdue_starts, logging_waivers
from exporter.assess.assessment import assess
from exporter.config import Config
from exporter.facts.evidence import ContainerEvent
from exporter.facts.reading import Reading
from exporter.facts.snapshot import EventCount, Snapshot
from exporter.ledger.keeper import nothing_more
from exporter.report.host import Report
from exporter.runtime.agent import Agent
from exporter.runtime.poller import Clock, Poller
from exporter.sources.agent import AgentSource

Pollers = dict[str, Poller[Any]]
Listener = Callable[[], None]
Listeners = dict[str, tuple[Listener, ...]]


def build_agent(
    config: Config,
    standards: Standards,
    root: Path = Path("/"),
    *,
    is_web_exposed: Callable[[], bool | None] = lambda: None,
    make_delivery: Callable[[Config, Standards], Delivery | None] = delivery_of,
    itself: AgentSource | None = None,
) -> Agent:
    """The agent of this host, ready to start. `is_web_exposed` is asked for each report.

    `itself` reads the processes of the agent; None: this process is all of it.
    """
    opened = open_ledger(config, root)

    def hear_podman(event: ContainerEvent) -> None:
        books.hear_podman(event)  # events come once the agent is started, and it is made by then

    sources = build_sources(
        config,
        root,
        remembered_units=lambda: opened.ledger.units().values(),
        hear=hear_podman,
    )
    delivery = make_delivery(config, standards)

    listeners: Listeners = {}
    pollers = _pollers(sources, config, listeners)
    books = HostLedger(
        opened,
        root,
        sources.ground,
        AnsweringPollers.of(pollers),
        on_totals=delivery.notifier.see_totals if delivery else nothing_more,
    )
    figures = FigureReader(sources.ground.cgroup, sources.slices, pollers["cgroup"])
    taken = following_lives(partial(_snapshot, sources, books, pollers, figures, itself or AgentSource(root / "proc")))
    build = build_of(config, is_web_exposed)

    def judged() -> Report:
        thresholds, waivers = standards.both()
        return assess(taken(), thresholds, build(), waivers)

    make_report = logging_left_out(logging_waivers(logging_overdue_starts(judged)))
    followers = [*_event_followers(sources, pollers), *books.followers]
    proofs = {"keeper": books.silence}
    if delivery is None:
        listeners |= _listeners(sources.context, pollers, {})
        return Agent(tuple(pollers.values()), tuple(followers), make_report, proofs)
    alerts = HostAlerts(config, delivery.notifier, make_report)
    listeners |= _listeners(sources.context, pollers, dict.fromkeys(WATCHED, alerts.poke))
    agent = Agent(
        tuple(pollers.values()),
        (*followers, *filter(None, (delivery.run,)), lambda stop: alerts.follow(agent, stop)),
        alerts.make_report,
        proofs,
    )
    return agent


def _pollers(sources: Sources, config: Config, listeners: Listeners) -> Pollers:
    """A poller for each collector. Each answer is kept for the others, and `listeners` are called, as they are then."""

    def answered(name: str, reading: Reading[Any]) -> None:
        sources.context.keep(name, reading)
        for listen in listeners.get(name, ()):
            listen()

    return {
        collector.name: _poller(collector, sources, config, partial(answered, collector.name))
        for collector in COLLECTORS
    }


def _poller(
    collector: Collector, sources: Sources, config: Config, on_answer: Callable[[Reading[Any]], None]
) -> Poller[Any]:
    source = sources.by_name[collector.name]
    return Poller(
        collector.clock_name,
        source.read if collector.walk is None else partial(collector.walk, source),
        Clock(clock_seconds(config, collector), collector.deadline_seconds),
        problems_of(source),
        is_unfinished=collector.is_unfinished,
        on_answer=on_answer,
    )


def _listeners(context: Context, pollers: Pollers, others: dict[str, Listener]) -> Listeners:
    """By collector: what is done when it has answered. Each asks again whose questions its answer has changed.

    An event wakes several pollers at once, and each asks about what was known then: without this, a container that has
    just started would be unknown to some until their clocks come round.
    """
    found: dict[str, list[Listener]] = {name: [listen] for name, listen in others.items()}
    for collector in COLLECTORS:
        for news in collector.news:
            see = poking_when_new(pollers[collector.name], partial(news.about, context))
            for name in news.of:
                found.setdefault(name, []).append(see)
    return {name: tuple(listen) for name, listen in found.items()}


def _event_followers(sources: Sources, pollers: Pollers) -> tuple[Callable[[threading.Event], None], ...]:
    """For each source with a stream of events: follows it, and wakes the pollers that its entry names."""

    def follower(collector: Collector) -> Callable[[threading.Event], None]:
        source: Any = sources.by_name[collector.name]

        def wake() -> None:
            for name in collector.wakes:
                pollers[name].poke()

        return lambda stop: source.follow(wake, stop)

    return tuple(follower(collector) for collector in COLLECTORS if collector.wakes)


def _snapshot(
    sources: Sources,
    books: HostLedger,
    pollers: Pollers,
    reader: FigureReader,
    agent: AgentSource,
) -> Snapshot:
    empty_slices, figures = reader.read()
    readings: dict[str, Any] = {name: poller.reading() for name, poller in pollers.items()} | {"cgroup": figures}
    streams: dict[str, Any] = {one.name: sources.by_name[one.name] for one in COLLECTORS if one.wakes}
    return Snapshot(
        taken_at_seconds=time.time(),
        events=(
            *(EventCount(name, source.events, source.events_lost) for name, source in streams.items()),
            *books.event_counts(),
        ),
        empty_slices=empty_slices,
        cgroups_left_out=sources.ground.cgroup.left_out,
        agent=agent.read(),
        totals=books.ledger.totals(),
        journal=books.journal_reading(),
        kernel_log=books.kernel_log_reading(),
        audit_log=books.audit_log_reading(),
        ledger=books.ledger_reading(),
        **readings,
    )


def poking_when_new(poller: Poller[Any], known: Callable[[], frozenset[object]]) -> Callable[[], None]:
    """Has `poller` ask at once when something else is `known` than the last time."""
    before: frozenset[object] = frozenset()

    def see() -> None:
        nonlocal before
        now = known()
        if now != before:
            before = now
            poller.poke()

    return see

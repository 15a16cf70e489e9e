"""Counters of the agent's page, and by how much they rose between two pages."""

from __future__ import annotations

from tests.lab.agent import Page, by_collector, by_container, metrics
from tests.lab.machine import Machine

KILLS = "bulkhead_container_oom_kills_total"
RESTARTS = "bulkhead_container_restarts_total"
STARTS = "bulkhead_container_starts_total"
EXITS = "bulkhead_container_exits_total"
LOOP = "bulkhead_container_restart_loop"
UNATTRIBUTED = "bulkhead_unattributed_oom_kills_total"
HEAR_SECONDS = 900


def risen(name: str, before: Page, after: Page) -> dict[str, float]:
    """By how much each container's counter rose."""
    earlier = by_container(before, name)
    return {container: value - earlier.get(container, 0) for container, value in by_container(after, name).items()}


def risen_exits(before: Page, after: Page) -> dict[tuple[str, str], float]:
    """By how much the exits of each container rose, by reason."""
    earlier = {(labels["container"], labels["reason"]): value for labels, value in before[EXITS]}
    told = {(labels["container"], labels["reason"]): value for labels, value in after[EXITS]}
    return {key: value - earlier.get(key, 0) for key, value in told.items()}


def figure(page: Page, name: str) -> float:
    return sum(value for _, value in page[name])


def figure_risen(name: str, before: Page, after: Page) -> float:
    """By how much a figure of the whole host rose."""
    return figure(after, name) - figure(before, name)


def heard_all(lab: Machine) -> bool:
    """Whether the agent has read what the journal took while it was down."""
    page = metrics(lab)
    heard = by_collector(page, "bulkhead_scrape_collector_success").get("journal") == 1
    return heard and by_collector(page, "bulkhead_collector_age_seconds").get("journal", HEAR_SECONDS) < 10

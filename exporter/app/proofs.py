"""Composition of the watchdog: what proves that the agent works, and how long each proof may take.

    keeper      the ledger was settled in the last 90 s, or waits for its disk (a settlement is due each 5 s; after the
                start the sources are waited for, 60 s at most)
    page        a page of metrics was made within 30 s, 15 s after the one before (a scrape has 10 s)
    accepting   the accepting loop of the HTTP server turned in the last 30 s (it turns ten times a second)

systemd waits for WatchdogSec= (60 s in the shipped unit) after the last proof held, so whatever is only slow may take a
minute more than these times: the first walk over a thousand containers on a starved host does not end the agent.
"""

from __future__ import annotations

from exporter.http.pages import Pages
from exporter.runtime.agent import Agent
from exporter.runtime.watchdog import Proof, Trial

_PAGE_SECONDS = 30.0
_PAUSE_SECONDS = 15.0


def proofs_of(agent: Agent, pages: Pages) -> dict[str, Proof]:
    """What has to hold of the agent for systemd to get a ping. The server adds its own proof."""

    def make_page() -> None:
        # In the format that Prometheus asks for: what was made for its last scrape serves here, and is not kept twice.
        pages.answer("/metrics", "application/openmetrics-text", None)

    page = Trial("page", make_page, _PAGE_SECONDS, _PAUSE_SECONDS)
    return {**agent.proofs, "page": page.problem}
